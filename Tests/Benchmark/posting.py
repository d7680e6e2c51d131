#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Benchmarks of a cluster whose nodes share no folder with the agent: jobs post their results, by HTTPS. Posted twice, with a wrong
secret, a gigabyte long, by another server's certificate, while the agent is away; and outputs that only the job's user can read, by the
helper that reads job files. Programs are stand-ins, Slurm and fio are real. posting.py [NAME…]: all, or some. Needs root."""

import json
import os
import random
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from fixture import COMPUTE, INTERNET, NETWORK, PARTS, TOP, USER, Fixture, Lab, block, check, eventually, result, say

sys.path.insert(0, str(Path(__file__).resolve().parent))
import soak  # noqa: E402

sys.path.append(str(TOP / "Tests/Jarvice"))
from place import Reader  # noqa: E402

KNOBS = {"LAB_NODES": 2, "LAB_CPUS": 1, "LAB_GPUS": 0, "LAB_MIN_JOB_AGE": 86400, "LAB_CONF_EXTRA": "KillWait=1"}


class Posting(Fixture):
    def __init__(self, lab):
        super().__init__(lab)
        # Of the lab's own: what the kernel gives may be somebody else's while the agent is away.
        self.port = int(lab.read_env()["LAB_PORT"]) + 95
        self.programs = self.stand_ins()
        self.own = lab.state / "benchmark.pem"
        # What a test left that was killed is not ours.
        self.before = set(Path("/tmp").glob("sga-benchmark.*"))

    def start(self, **settings):
        self.configure(**{
            "slurm.partition": "main", "benchmark.env": self.programs, "benchmark.result-folder": None, "grpc.listen-address": f"127.0.0.1:{self.port}",
            "public-address": f"localhost:{self.port}", "tls": "true", **settings})
        self.agent.start()

    def post(self, body, secret, path, *more):
        """-> status and text of the answer"""
        config = self.lab.base / "post.config"
        config.write_text(f'url = "https://localhost:{self.port}{path}"\nheader = "Authorization: Bearer {secret}"\n')
        done = subprocess.run(
            ["curl", "--disable", "--silent", "--cacert", self.own, "--config", config, "--max-time", "60", "--write-out", "\n%{http_code}",
             *(more or ("--data-binary", "@-"))], input=body.encode(), capture_output=True, check=False)
        lines = done.stdout.decode().splitlines()
        return int(lines[-1] or 0), "\n".join(lines[:-1]).strip()

    def posts(self):
        return self.agent.status()["benchmark"]["posts"]["counts"]

    def left(self):
        return super().left() + [path.name for path in set(Path("/tmp").glob("sga-benchmark.*")) - self.before]

    def path(self, job):
        """Where that job posts."""
        return self.script(job).split(f'url = "https://localhost:{self.port}')[1].split('"')[0]


def all_parts(fixture):
    """every part, without a folder that is shared: labels as with one; jobs of the grid go first"""
    before = fixture.jobs()
    run = fixture.begin()
    job = fixture.running("machine")
    shown = fixture.lab.command("scontrol", "show", "job", job)
    check("Nice=1000000" in shown and "StdOut=/dev/null" in shown and "OverSubscribe=OK" in shown, shown)
    done, parts = fixture.finished()
    check(done["id"] == run and all(parts[name]["state"] == "done" for name in PARTS), done)
    check(parts["compute"]["labels"] == COMPUTE and parts["network"]["labels"] == NETWORK and parts["internet"]["labels"] == INTERNET, parts)
    check(len(parts["storage"]["labels"]) == 8 and parts["machine"]["labels"]["os"] == "linux", parts)
    check(len(fixture.jobs() - before) == len(PARTS), fixture.jobs(), before)
    check(fixture.own.stat().st_mode & 0o777 == 0o600, "the key of the certificate")
    rows = {one["subject"]: one for one in json.loads(fixture.agent.ask("check", "--json", "--config", fixture.agent.config, check=False))}
    check(rows["grpc.listen-address"]["level"] == "ok" and "the agent listens there" in rows["grpc.listen-address"]["text"], rows)


def posted_twice(fixture):
    """posted twice, before and after a kill: once, the first one; wrong secrets and a gigabyte are refused and counted"""
    go_on = fixture.hold("hpcc")
    fixture.begin("compute", "internet")
    fixture.held("hpcc")
    job = fixture.running("compute")
    secret, path, before = fixture.token(job), fixture.path(job), fixture.posts()
    first = block(secret, "hpcc", result("0.5"))
    check(fixture.post(first, secret, path) == (200, "1 taken, 0 known"), "the first one")
    check(fixture.post(first, secret, path) == (200, "0 taken, 1 known"), "the second one")
    for wrong in ("0" * 32, secret[:-1], secret + "0", ""):
        check(fixture.post(block(wrong, "hpcc", result("9")), wrong, path)[0] == 401, "a wrong secret")
    # One of which the length is said, and one that does not say it.
    large = fixture.lab.base / "large"
    with large.open("wb") as file:
        file.truncate(1 << 30)
    check(fixture.post("", secret, path, "--request", "POST", "--upload-file", large)[0] == 413, "a gigabyte")
    check(fixture.post("", secret, path, "--request", "POST", "--header", "Transfer-Encoding: chunked", "--upload-file", large)[0] in (0, 413), "more")
    check(fixture.post(block(secret, "hpcc", result(), cut=20), secret, path)[0] == 400, "a cut one")
    memory = int(next(line for line in Path(f"/proc/{fixture.agent.process.pid}/status").read_text().splitlines() if line.startswith("VmHWM")).split()[1])
    check(memory < 400_000, f"{memory} kB")
    counts = fixture.posts()
    # An answer to a wrong secret takes a second.
    delta = {key: counts.get(key, 0) - before.get(key, 0) for key in counts}
    check(delta.get("taken") == 1 and delta.get("repeated") == 1 and delta.get("refused") == 4 and delta.get("too_large") == 2 and delta.get("malformed") == 1, delta)
    fixture.agent.kill()
    fixture.agent.start()
    eventually("it listens for posts", lambda: fixture.post(first, secret, path)[0] != 0)
    check(fixture.post(first, secret, path) == (200, "0 taken, 1 known"), "after the kill")
    go_on()
    _, parts = fixture.finished()
    check(parts["compute"]["labels"] == {"compute.gflops": "500.00"} and parts["internet"]["labels"] == INTERNET, parts)
    check(fixture.post(first, secret, path)[0] == 401, "after the run")


def agent_away(fixture):
    """the agent is away when a program ends: the job posts once it is back. Another server at its place is told nothing, and nobody
    finds the secret among the processes"""
    go_on = fixture.hold("speedtest")
    fixture.begin("internet")
    fixture.held("speedtest")
    job = fixture.running("internet")
    secret = fixture.token(job)
    fixture.agent.kill()
    heard = []
    chain, key = fixture.lab.base / "other.crt", fixture.lab.base / "other.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", chain, "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    other = socket.create_server(("127.0.0.1", fixture.port), reuse_port=False)

    def impostor():
        while True:
            try:
                connection, _ = other.accept()
            except OSError:
                return
            connection.settimeout(5)
            try:
                with context.wrap_socket(connection, server_side=True) as wrapped:
                    heard.append(wrapped.recv(4096))
            except OSError as problem:
                heard.append(str(problem))

    threading.Thread(target=impostor, daemon=True).start()
    go_on()
    eventually("the job tries", lambda: len(heard) > 1, 60)
    check(not any(isinstance(one, bytes) and one for one in heard), heard)
    check(fixture.state(job) == "RUNNING", fixture.state(job))
    other.shutdown(socket.SHUT_RDWR)
    other.close()
    # One that takes connections and says nothing holds curl for long enough to look.
    with socket.create_server(("127.0.0.1", fixture.port)):
        def curls():
            found = []
            for entry in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    words = entry.read_bytes().split(b"\0")
                except OSError:
                    continue
                if words[0].endswith(b"curl"):
                    found.append(words)
            return found
        words = eventually("curl is at work", curls, 30)
        check(all(secret.encode() not in word for one in words for word in one), words)
    fixture.agent.start()
    _, parts = fixture.finished()
    check(parts["internet"]["labels"] == INTERNET, parts)


def own_files(fixture):
    """a configured certificate that no node trusts is taken all the same, for it is in the script"""
    fixture.agent.stop()
    chain, key = fixture.lab.stage / "tls.crt", fixture.lab.stage / "tls.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", chain, "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"], check=True, capture_output=True)
    os.chown(key, fixture.lab.uid, -1)
    fixture.start(**{"tls": None, "tls.enable": "true", "tls.cert-file": chain, "tls.key-file": key})
    fixture.begin("internet")
    _, parts = fixture.finished()
    check(parts["internet"]["labels"] == INTERNET, parts)


def by_the_helper(fixture):
    """outputs in a folder that only the job's user can enter are read by the helper of job files"""
    fixture.agent.stop()
    closed = fixture.folder("closed")
    closed.chmod(0o700)
    reader = Reader(fixture.lab, fixture.lab.base)
    try:
        for socket_path, state in ((reader.path, "done"), (None, "failed")):
            fixture.start(**{"benchmark.result-folder": closed, "jarvice.files-socket": socket_path})
            fixture.begin("internet")
            if state == "failed":
                # The output of a job that came to its end is awaited for a minute.
                fixture.order("speedtest", "kill -9 $PPID")
            _, parts = fixture.finished()
            check(parts["internet"]["state"] == state, parts)
            check(state == "done" or "Permission denied" in parts["internet"]["message"], parts)
            fixture.agent.stop()
    finally:
        reader.stop()


def killed(fixture):
    """a run of all parts while the agent is killed twenty times: one job for each part, the whole result"""
    wrong = soak.one_run(fixture, 20, random.Random(time.time()))
    check(not wrong, wrong)


def nothing_shared():
    """nodes with a /tmp of their own each, as Slurm's job_container/tmpfs makes it, and real programs: on all nodes together, and on each by
    itself"""
    base = Path(tempfile.mkdtemp(prefix="sga-private.", dir="/var/tmp"))
    base.chmod(0o755)
    (disk := base / "disk").mkdir(mode=0o777)
    disk.chmod(0o777)
    try:
        with Lab(place="/var/tmp", **KNOBS) as lab:
            etc = Path(lab.read_env()["SLURM_CONF"]).parent
            # Of its own for each node, for these are on one host.
            (etc / "job_container.conf").write_text("AutoBasePath=true\n" + "".join(f"NodeName={node} BasePath={base}/{node}\n" for node in ("n1", "n2")))
            with (etc / "slurm.conf").open("a") as file:
                file.write("JobContainerType=job_container/tmpfs\nPrologFlags=Contain\n")
            for action, daemon in (("stop", "slurmd"), ("stop", "slurmctld"), ("start", "slurmctld"), ("start", "slurmd")):
                lab.fault(action, daemon)
            words = ("srun", "-N2", "-l", "bash", "-c", "touch /tmp/$SLURM_NODEID; sleep 1; ls /tmp")
            eventually("each node has its own", lambda: sorted(lab.command(*words, user=USER, check=False).splitlines()) == ["0: 0", "1: 1"], 60)
            fixture = Posting(lab)
            for alone in ("false", "true"):
                fixture.start(**{
                    "benchmark.env": "OMPI_MCA_mpi_yield_when_idle=1", "benchmark.storage": f"scratch={disk},disk-tmp={disk}",
                    "benchmark.hpl.block-size": 32, "benchmark.hpl.memory-percent": 0.005, "benchmark.hpl.single-node": alone})
                wanted = ["compute", "network", "storage", "machine"] if alone == "false" else ["compute"]
                for part in wanted:
                    # With several slurmds on one host that plugin fails at times; the job never starts then.
                    for _ in range(20):
                        fixture.begin(part)
                        _, parts = fixture.finished(300)
                        if parts[part]["job_state"] != "CANCELLED":
                            break
                        time.sleep(1)
                    check(parts[part]["state"] == "done" and not parts[part].get("message"), parts)
                    if part == "compute":
                        names = [one["name"] for one in fixture.ask("results")]
                check(names == (["hpcc"] if alone == "false" else ["hpcc.0", "hpcc.1"]), names)
                fixture.agent.stop()
            check(not list(disk.iterdir()), list(disk.iterdir()))
    finally:
        shutil.rmtree(base, ignore_errors=True)


TESTS = [all_parts, posted_twice, agent_away, killed, own_files, by_the_helper]


def main(wanted):
    begun = time.monotonic()
    if not wanted or "nothing_shared" in wanted:
        nothing_shared()
        say(f"nothing_shared: right, {time.monotonic() - begun:.0f} s")
        if wanted == ["nothing_shared"]:
            return
    with Lab(**KNOBS) as lab:
        fixture = Posting(lab)
        fixture.start()
        fixture.each(TESTS, wanted)
        fixture.agent.stop()
    say(f"all right, {time.monotonic() - begun:.0f} s")


if __name__ == "__main__":
    main(sys.argv[1:])
