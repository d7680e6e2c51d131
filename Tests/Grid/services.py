#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's sbatch service and grid logger: each refusal of the grid's own services, TLS, faults, and how fast they are."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ROOT / "lab/grid/services"
PYTHON = subprocess.run([ROOT / "lab/grid/install.sh"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
sys.dont_write_bytecode = True
if sys.executable != PYTHON:
    # gRPC is in the lab's own Python.
    os.execv(PYTHON, [PYTHON, *sys.argv])
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
sys.path += [str(ROOT / "Tests/Chain"), str(SERVICES)]

import grpc
import logger_pb2
import logger_pb2_grpc
import sbatch_pb2
import sbatch_pb2_grpc
from eth_abi import encode
from eth_keys import keys

from chain import ACCOUNT, KEY, LabChain, say
from common import personal_hash, recover
from sbatch import GET, JOB

PROVIDER = keys.PrivateKey(bytes.fromhex(KEY))
CUSTOMER = keys.PrivateKey(b"\x11" * 32)
LOST, NAMELESS = "0x" + "0" * 63 + "2", "0x" + "0" * 63 + "3"
JOB_ID = "0x" + "0" * 63 + "1"
PATIENCE = 60  # s for an answer, on a machine with much to do
REPOSITORY = "0x" + "52" * 20
# Output of a job, byte by byte: empty lines, other endings, bytes that are no UTF-8.
LINES = [b"hello", b"", b"tab\tand \"quotes\"", "é漢".encode(), b"\xff\xfe no text", b"x" * 100_000]


def address(key):
    return key.public_key.to_canonical_address()


def sign(key, message, offset=0):
    signature = key.sign_msg_hash(personal_hash(message)).to_bytes()
    return signature[:64] + bytes([signature[64] + offset])


class Node:
    """A node that knows JobRepository.get, of one job."""

    def __init__(self):
        node = self
        self.behind = False  # does not know the job yet
        definition = (1, 1000, 4, 2, "script-1", 0, [("os", "linux")], [(("zone", "fr"), b"==")])
        job = (bytes.fromhex(JOB_ID[2:]), 2, address(CUSTOMER), address(PROVIDER), definition, (10**20, 0, 0, False),
               (1, 2, 0, 1, 7, 0), b"job".ljust(32, b"\0"), False, "", 0)
        empty = (bytes(32), 0, bytes(20), bytes(20), (0, 0, 0, 0, "", 0, [], []), (0, 0, 0, False), (0,) * 6,
                 bytes(32), False, "", 0)
        answers = {JOB_ID: encode([JOB], [job]).hex(), NAMELESS: encode([JOB], [empty]).hex()}

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                (call, block), document = body["params"], {"jsonrpc": "2.0", "id": body["id"]}
                assert (body["method"], call["to"], block) == ("eth_call", REPOSITORY, "latest"), body
                assert call["data"].startswith("0x" + GET.hex()), body
                answer = None if node.behind else answers.get("0x" + call["data"][10:])
                document.update({"result": "0x" + answer} if answer else {"error": {"code": 3, "message": "execution reverted"}})
                self.send_response(200)
                self.end_headers()
                self.wfile.write(json.dumps(document).encode())

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/"


class Service:
    """with Service(folder, "logger.py", "--folder", …) as service: service.channel()"""

    def __init__(self, folder, program, *words, certificate=None, port=0):
        self.folder, self.authority = folder, folder / "ca/ca.pem"
        certificate = certificate or program.removesuffix(".py")
        self.faults, self.port_file = folder / f"{certificate}.faults", folder / f"{certificate}.port"
        self.port_file.unlink(missing_ok=True)
        self.secure = certificate != "plaintext"
        tls = ["--tls-cert", folder / f"ca/{certificate}.pem", "--tls-key", folder / f"ca/{certificate}.key"]
        words = [PYTHON, SERVICES / program, "--port", str(port), "--port-file", self.port_file, "--faults", self.faults, *words]
        self.log_path = folder / f"{certificate}.out"
        self.log = self.log_path.open("ab")
        environment = dict(os.environ, PYTHONDONTWRITEBYTECODE="1")
        words += tls if self.secure else ["--plaintext"]
        self.process = subprocess.Popen(words, stdout=self.log, stderr=self.log, env=environment)
        end = time.monotonic() + 90
        while not self.port_file.exists():
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"{program} does not start: " + self.log_path.read_text())
            time.sleep(0.02)
        self.port = int(self.port_file.read_text())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        start = time.monotonic()
        self.process.terminate()
        assert self.process.wait(60) == 0, self.log_path.read_text()
        assert time.monotonic() - start < 10, "ends at once"
        assert "Traceback" not in self.log_path.read_text(), self.log_path.read_text()
        self.log.close()

    def channel(self, authority=None, name=None, secure=True):
        target = f"127.0.0.1:{self.port}"
        if not secure:
            return grpc.insecure_channel(target)
        options = [("grpc.ssl_target_name_override", name)] if name else []
        return grpc.secure_channel(target, grpc.ssl_channel_credentials((authority or self.authority).read_bytes()), options)

    def fault(self, **faults):
        new = self.faults.with_suffix(".new")
        new.write_text(json.dumps(faults))
        new.rename(self.faults)


class Client:
    """A provider's side of the sbatch service."""

    def __init__(self, channel):
        self.auth, self.scripts = sbatch_pb2_grpc.AuthAPIStub(channel), sbatch_pb2_grpc.SBatchAPIStub(channel)

    def challenge(self):
        return self.auth.Challenge(sbatch_pb2.ChallengeRequest(), timeout=PATIENCE).challenge

    def request(self, challenge, key=PROVIDER, **fields):
        return sbatch_pb2.GetSBatchRequest(**{
            "batch_location_hash": "script-1", "signed_challenge": sign(key, challenge), "challenge": challenge,
            "provider_address": address(key), "customer_address": address(CUSTOMER), "job_id": JOB_ID, **fields})

    def get(self, challenge, timeout=PATIENCE, **fields):
        return self.scripts.GetSBatch(self.request(challenge, **fields), timeout=timeout)


def refused(code, text, call, *arguments, **fields):
    try:
        answer = call(*arguments, **fields)
        list(answer if isinstance(answer, grpc.Call) else [])
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode[code] and text in error.details(), (code, text, error)
        return
    raise AssertionError(f"not refused: {code} {text}")


def vector():
    challenge = b'{"message":"login","nonce":"AAECAwQFBgcICQoLDA0ODw=="}'
    assert personal_hash(challenge).hex() == "15323c4aa2335023f99775497b31a19c7f26fe8661005db2fecdf4a2dabc2b83"
    signature = bytes.fromhex("24c5d37118f95cc056043857be7276875ba3110557b4dba4cfa686775fbaac5f"
                              "16f5460feba5dd71f591c9a4122cc86fda39e3855a12c740bd33b2bf62dba21c")
    for v in (0, 27):
        assert "0x" + recover(challenge, signature + bytes([v])).hex() == ACCOUNT
    assert sign(PROVIDER, challenge) == signature + b"\0"


def tls(service, folder):
    subprocess.run([SERVICES / "ca.sh", folder / "other"], check=True)
    refused("UNAVAILABLE", "CERTIFICATE_VERIFY_FAILED", Client(service.channel(folder / "other/ca.pem")).challenge)
    refused("UNAVAILABLE", "", Client(service.channel(name="logger.lab.test")).challenge)
    refused("UNAVAILABLE", "", Client(service.channel(secure=False)).challenge)
    for name in (None, "localhost", "sbatch.lab.test"):
        assert Client(service.channel(name=name)).challenge()
    say("TLS: only the authority's, and only by its names")


def scripts(service, node, text):
    client = Client(service.channel())
    challenge = client.challenge()
    document = json.loads(challenge)
    assert document["message"] == "login" and len(document) == 2 and challenge != client.challenge()
    # The same signature again and again, in both forms of v.
    for offset in (0, 27, 0):
        answer = client.get(challenge, signed_challenge=sign(PROVIDER, challenge, offset))
        assert (answer.sbatch, answer.grid_logger_url) == (text, "127.0.0.1:1"), answer

    login = "authentication error: "
    unknown = b'{"message":"login","nonce":"AAECAwQFBgcICQoLDA0ODw=="}'
    refused("UNAUTHENTICATED", login, client.get, challenge, provider_address=address(CUSTOMER))
    refused("UNAUTHENTICATED", login, client.get, challenge, signed_challenge=sign(PROVIDER, unknown))
    for v in (2, 26, 29, 255):
        refused("UNAUTHENTICATED", login, client.get, challenge, signed_challenge=sign(PROVIDER, challenge)[:64] + bytes([v]))
    refused("UNAUTHENTICATED", login, client.get, challenge, signed_challenge=bytes(65))
    for none in (unknown, b"", b"\xff", b"[]", b"{}", b'{"nonce":[]}'):
        refused("UNAUTHENTICATED", login, client.get, none)
    refused("UNAUTHENTICATED", "customer is not the same", client.get, challenge, customer_address=address(PROVIDER))
    refused("UNAUTHENTICATED", "customer is not the same", client.get, challenge, customer_address=ACCOUNT.encode())
    refused("UNAUTHENTICATED", "provider is not the same", client.get, challenge, key=CUSTOMER)
    refused("INTERNAL", "execution reverted", client.get, challenge, job_id=LOST)
    refused("INTERNAL", "no such job", client.get, challenge, job_id=NAMELESS)
    for name in ("script-2", "", "..", "../ca/ca.pem", "script-1\n"):
        refused("NOT_FOUND", "", client.get, challenge, batch_location_hash=name)
    refused("UNAVAILABLE", "index out of range", client.get, challenge, signed_challenge=sign(PROVIDER, challenge)[:64])
    for job in ("", "1", "0x1", JOB_ID[2:], JOB_ID[:-1] + "g"):
        refused("UNAVAILABLE", "index out of range", client.get, challenge, job_id=job)
    # The order: who, then the job on the chain, customer before provider, then the script.
    everything = {"customer_address": address(PROVIDER), "batch_location_hash": "none"}
    refused("UNAUTHENTICATED", login, client.get, unknown, **everything, job_id=LOST)
    refused("INTERNAL", "", client.get, challenge, **everything, job_id=LOST)
    refused("UNAUTHENTICATED", "customer", client.get, challenge, key=CUSTOMER, **everything)
    # A node that has not the block yet.
    node.behind = True
    refused("INTERNAL", "execution reverted", client.get, challenge)
    node.behind = False
    assert client.get(challenge).sbatch == text
    say("batch scripts: every refusal, in order")


def faults(service, text):
    client = Client(service.channel())
    challenge = client.challenge()
    service.fault(fail="RESOURCE_EXHAUSTED")
    refused("RESOURCE_EXHAUSTED", "a fault of the lab", client.challenge)
    service.fault(fail="UNAVAILABLE", methods=["GetSBatch"])
    assert client.challenge()
    refused("UNAVAILABLE", "a fault of the lab", client.get, challenge)
    service.fault(delay=0.5)
    start = time.monotonic()
    assert client.get(challenge).sbatch == text and time.monotonic() - start >= 0.5
    service.fault(drop=True)
    refused("DEADLINE_EXCEEDED", "", client.get, challenge, timeout=0.3)
    service.fault(oversize=1_000_000)
    assert len(client.get(challenge).sbatch) > 1_000_000
    service.fault(oversize=5_000_000)
    refused("RESOURCE_EXHAUSTED", "", client.get, challenge)
    service.fault(fail="ABORTED", rate=0)
    assert client.get(challenge).sbatch == text
    service.faults.write_text('{"fail": ')
    assert client.get(challenge).sbatch == text, "half a file changes nothing"
    service.faults.unlink()
    # What else this machine does slows it down, too: the best of some rounds counts.
    elapsed = min(round_of(20, client) for _ in range(5))
    assert elapsed < 4, "300 jobs a minute"
    say(f"faults; {60 * 20 / elapsed:.0f} jobs a minute")


def round_of(count, client):
    """-> seconds that so many jobs take"""
    start = time.monotonic()
    for _ in range(count):
        client.get(client.challenge())
    return time.monotonic() - start


def logs(service, folder):
    stub = logger_pb2_grpc.LoggerAPIStub(service.channel())
    user, log = "0x" + address(CUSTOMER).hex(), JOB_ID
    watch = f"watchList:{user}/7"
    watching = stub.WatchList(logger_pb2.WatchListRequest(
        address=user, timestamp=7, signed_hash=sign(CUSTOMER, watch.encode(), 27)), timeout=PATIENCE)
    assert list(next(watching).log_names) == []
    mixed = "0x" + user[2:].upper()
    records = [logger_pb2.WriteRequest(log_name=log, user=mixed, data=line + b"\r\n", timestamp=10**18 + index)
               for index, line in enumerate(LINES)]
    stub.Write(iter(records), timeout=PATIENCE)
    assert list(next(watching).log_names) == [log]
    watching.cancel()
    lines = [json.loads(line) for line in (folder / user / f"{log}.log").read_text().splitlines()]
    assert [line["data"].encode("utf-8", "surrogateescape") for line in lines] == LINES
    assert [line["timestamp"] for line in lines] == [10**18 + index for index in range(len(LINES))]

    read = f"read:{user}/{log}/9".encode()

    def reading(signature, name=log, who=user):
        return stub.Read(logger_pb2.ReadRequest(address=who, log_name=name, timestamp=9, signed_hash=signature), timeout=PATIENCE)

    answers = reading(sign(CUSTOMER, read), who=mixed)
    got = [next(answers) for _ in LINES]
    assert [(answer.data, answer.timestamp) for answer in got] == [(line, 10**18 + index) for index, line in enumerate(LINES)]
    # As the writer of a batch script sends them, and read as they come.
    environment = dict(os.environ, SLURM_JOB_NAME=log, USER=user)
    writer = [PYTHON, SERVICES / "writer.py", "--logger", f"127.0.0.1:{service.port}", "--ca"]
    process = subprocess.Popen([*writer, service.authority], stdin=subprocess.PIPE, env=environment)
    for line in (b"first", b"second"):
        process.stdin.write(line + b"\n")
        process.stdin.flush()
        answer = next(answers)
        assert answer.data == line and abs(answer.timestamp - time.time_ns()) < PATIENCE * 10**9
    answers.cancel()
    process.terminate()
    process.stdin.write(b"last words")
    process.stdin.close()
    assert process.wait(PATIENCE) == 0
    assert json.loads((folder / user / f"{log}.log").read_text().splitlines()[-1])["data"] == "last words"
    # Without a logger it takes all the input that a job has, and fails.
    words = [*writer, folder.parent / "other/ca.pem"]
    result = subprocess.run(words, input=b"line\n" * 100_000, env=environment, capture_output=True)
    assert result.returncode == 1 and b"CERTIFICATE_VERIFY_FAILED" in result.stderr, result

    refused("UNAUTHENTICATED", "authentication error: ", reading, sign(PROVIDER, read))
    refused("UNAUTHENTICATED", "authentication error: ", reading, sign(CUSTOMER, read.replace(b"/9", b"/8")))
    refused("NOT_FOUND", "", reading, sign(CUSTOMER, f"read:{user}/none/9".encode()), name="none")
    refused("INVALID_ARGUMENT", "", stub.Write, iter([logger_pb2.WriteRequest(log_name="../x", user=user)]), timeout=PATIENCE)
    refused("INVALID_ARGUMENT", "", stub.Write, iter([logger_pb2.WriteRequest(log_name="x", user="..")]), timeout=PATIENCE)

    # As many jobs at the same time as a minute brings, each with a stream of its own.
    turns = [threading.Event() for _ in range(300)]

    def write(index):
        yield logger_pb2.WriteRequest(log_name=f"job-{index}", user="many", data=b"1", timestamp=1)
        yield logger_pb2.WriteRequest(log_name="all", user="many", data=str(index).encode(), timestamp=2)
        turns[index].wait(2 * PATIENCE)

    start = time.monotonic()
    calls = [stub.Write.future(write(index), timeout=3 * PATIENCE) for index in range(len(turns))]
    while not (folder / "many/all.log").exists() or len((folder / "many/all.log").read_text().splitlines()) < len(turns):
        # None ends before all have begun.
        assert time.monotonic() - start < PATIENCE, "so many streams at once"
        time.sleep(0.05)
    for turn in turns:
        turn.set()
    for call in calls:
        call.result()
    assert len(list((folder / "many").glob("job-*.log"))) == len(turns)
    say(f"logs; {len(turns)} streams at once in {time.monotonic() - start:.1f} s")


def main():
    folder = Path(tempfile.mkdtemp(prefix="sga-services."))
    subprocess.run([SERVICES / "ca.sh", folder / "ca"], check=True)
    node, text = Node(), "#!/bin/bash\necho 'one: é'\n"
    (folder / "scripts").mkdir()
    (folder / "scripts/script-1").write_text(text, encoding="utf-8")
    vector()
    words = ["--scripts", folder / "scripts", "--logger", "127.0.0.1:1"]
    with Service(folder, "sbatch.py", "--chain", node.url, "--jobs", REPOSITORY, *words) as service:
        tls(service, folder)
        scripts(service, node, text)
        faults(service, text)
        challenge = Client(service.channel()).challenge()
    # Its challenges end with it; its port is free again at once.
    with Service(folder, "sbatch.py", "--chain", node.url, "--jobs", REPOSITORY, *words, port=service.port) as service:
        refused("UNAUTHENTICATED", "authentication error: ", Client(service.channel()).get, challenge)
    with Service(folder, "logger.py", "--folder", folder / "logs") as service:
        logs(service, folder / "logs")
    # A real chain: a contract that is not the grid's, no contract, no chain.
    with LabChain() as chain:
        other = chain.call("lab_deploy")
        for url, jobs in ((chain.url(), other), (chain.url("/behind"), REPOSITORY), ("http://127.0.0.1:1/", REPOSITORY)):
            with Service(folder, "sbatch.py", "--chain", url, "--jobs", jobs, *words, certificate="plaintext") as service:
                client = Client(service.channel(secure=False))
                refused("INTERNAL", "failed to read the job", client.get, client.challenge())
    say("a chain without the job")
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
