#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""TLS ends of OpenSSL before the sbatch service and a node: which keys, names and authorities the agent takes, by `check` and by
the chain client's driver (HTTPS and WSS)."""

import json
import os
import re
import socket
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PYTHON = subprocess.run([ROOT / "lab/grid/install.sh"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
sys.dont_write_bytecode = True
if sys.executable != PYTHON:
    # gRPC is in the lab's own Python.
    os.execv(PYTHON, [PYTHON, *sys.argv])
sys.path += [str(ROOT / "Tests/Chain"), str(ROOT / "Tests/Grid")]

from chain import KEY, LabChain, say
from services import REPOSITORY, Service

AGENT = ROOT / ".build/debug/slurm-grid-agent"
DRIVER = ROOT / ".build/debug/ChainDriver"
CONTRACT = "0x3707aB457CF457275b7ec32e203c54df80C299d5"
CURVES = ("prime256v1", "secp384r1", "secp521r1")
REFUSED = "its TLS certificate does not name the host"
BY_ADDRESS = "IP:127.0.0.1,IP:::1,DNS:localhost"


class Authority:
    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()
        self.key, self.file = folder / "ca.key", folder / "ca.pem"
        self.make_key(self.key, "prime256v1")
        self.run("req", "-x509", "-new", "-key", self.key, "-subj", f"/CN={folder.name}", "-days", 30, "-out", self.file, "-config",
                 self.conf(), "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign")

    def run(self, *words):
        subprocess.run(["openssl", *map(str, words)], check=True, stderr=subprocess.DEVNULL)

    def conf(self):
        file = self.folder / "conf"
        file.write_text("[req]\ndistinguished_name=n\n[n]\n")
        return file

    def make_key(self, file, kind):
        if kind == "rsa":
            self.run("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", file)
        elif kind == "ed25519":
            self.run("genpkey", "-algorithm", kind, "-out", file)
        else:
            self.run("genpkey", "-algorithm", "EC", "-pkeyopt", f"ec_paramgen_curve:{kind}", "-out", file)

    def leaf(self, name, kind, names):
        """-> certificate and key. names: of subjectAltName; "": there is none."""
        key, request, file, extensions = (self.folder / f"{name}.{end}" for end in ("key", "csr", "pem", "ext"))
        self.make_key(key, kind)
        self.run("req", "-new", "-key", key, "-subj", "/CN=localhost", "-config", self.conf(), "-out", request)
        extensions.write_text("basicConstraints=CA:FALSE\n" + (f"subjectAltName={names}\n" if names else ""))
        self.run("x509", "-req", "-days", 30, "-in", request, "-CA", self.file, "-CAkey", self.key, "-set_serial", "0x" + os.urandom(8).hex(),
                 "-extfile", extensions, "-out", file)
        return file, key


class End:
    """with End(certificate, key, port) as end: TLS at end.port, plain bytes to the port behind it."""

    def __init__(self, pair, behind, version=None, protocols=("h2", "http/1.1"), host="127.0.0.1"):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(*pair)
        self.context.set_alpn_protocols(list(protocols))
        if version:
            self.context.minimum_version = self.context.maximum_version = version
        self.behind = behind
        self.listener = socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        self.port = self.listener.getsockname()[1]

    def __enter__(self):
        threading.Thread(target=self.accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.listener.close()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        try:
            secure = self.context.wrap_socket(client, server_side=True)
            server = socket.create_connection(("127.0.0.1", self.behind))
        except OSError:
            return client.close()
        back = threading.Thread(target=self.pump, args=(server, secure), daemon=True)
        back.start()
        self.pump(secure, server)

    @staticmethod
    def pump(source, sink):
        try:
            while part := source.recv(65536):
                sink.sendall(part)
        except (OSError, ValueError):
            pass
        for one in (source, sink):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def check(folder, node, sbatch, authority):
    """-> what `check` says, by subject: (level, text)"""
    key, config = folder / "key", folder / "config.yaml"
    key.write_text(KEY)
    key.chmod(0o600)
    config.write_text(json.dumps({
        "state-folder": str(folder), "metascheduler.endpoint.rpc": node, "metascheduler.smart-contract": CONTRACT, "chain.key-file": str(key),
        "chain.certificate-authority": str(authority), "sbatch.endpoint": sbatch, "sbatch.tls.ca": str(authority),
    }))
    done = subprocess.run([AGENT, "check", "--json", "--config", config], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120)
    found = {}
    for one in json.loads(done.stdout):
        found.setdefault(one["subject"], []).append((one["level"], one["text"]))
    return found


def both(found, level, words=""):
    """The node and the sbatch service."""
    for subject in ("chain", "sbatch service"):
        told = found[subject]
        assert any(one == level and words in text for one, text in told), (subject, level, words, told)


def drive(chain, name, port, authority, refused=False):
    """-> whether the driver's two transactions are mined, and its log. refused: they must not be; the driver goes on for some tries more
    when its log has told of HTTPS and WSS"""
    state = chain.folder / name
    state.mkdir(mode=0o700)
    key = state / "key"
    key.touch(mode=0o600)
    key.write_text(KEY)
    words = [DRIVER, state, key, chain.call("lab_deploy"), 2, 0, f"wss://127.0.0.1:{port}/", f"https://127.0.0.1:{port}/"]
    output, log = chain.folder / f"{name}.out", chain.folder / f"{name}.log"
    environment = dict(os.environ, DRIVER_LOG="debug", DRIVER_CA=str(authority))
    process = subprocess.Popen([str(word) for word in words], env=environment, stdout=output.open("w"), stderr=log.open("w"))
    end = time.monotonic() + 180
    while time.monotonic() < end and "done" not in output.read_text():
        if refused and all(re.search(rf"node={scheme}://\S+ why=.*{REFUSED}", log.read_text()) for scheme in ("https", "wss")):
            end, refused = min(end, time.monotonic() + 5), False
        time.sleep(0.1)
    process.kill()
    process.wait()
    return "done" in output.read_text(), log.read_text()


def keys_and_names(authority, chain, service, folder):
    def case(title, kind, names, level="ok", words="", host="127.0.0.1", version=None, file=authority.file):
        pair = authority.leaf(title.replace(" ", "-"), kind, names)
        at = "::1" if host == "[::1]" else "127.0.0.1"
        with End(pair, chain.port, version, host=at) as node, End(pair, service.port, version, ("h2",), at) as sbatch:
            found = check(folder, f"https://{host}:{node.port}/", f"{host}:{sbatch.port}", file)
        both(found, level, words)
        say(title)
        return found

    for kind in (*CURVES, "ed25519", "rsa"):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            case(f"{kind}, {version.name}", kind, BY_ADDRESS, version=version)
    case("by its name", "prime256v1", BY_ADDRESS, host="localhost")
    if socket.has_ipv6:
        case("by its IPv6 address", "prime256v1", BY_ADDRESS, host="[::1]")
    case("a CN alone", "prime256v1", "", "failure", "subjectAltName", host="localhost")
    case("a CN alone, by its address", "prime256v1", "", "failure", "does not name the host")
    case("another name", "prime256v1", "DNS:elsewhere.test", "failure", "does not name the host", host="localhost")
    case("a key of another kind", "secp256k1", BY_ADDRESS, "failure", "")
    other = Authority(folder / "other")
    case("another authority", "prime256v1", BY_ADDRESS, "failure", "cannot be verified", file=other.file)

    # One bad block among good ones.
    bundle = folder / "bundle.pem"
    damaged = other.file.read_text().replace("MII", "MIX", 1)
    bundle.write_text(other.file.read_text() + damaged + authority.file.read_text())
    found = case("a file with a bad block", "prime256v1", BY_ADDRESS, file=bundle)
    told = [text for level, text in found["configuration"] if level == "warning"]
    line = len(other.file.read_text().splitlines()) + 1
    for name in ("sbatch.tls.ca", "chain.certificate-authority"):
        assert any(text.startswith(name) and f"line {line}:" in text and "other 2 are used" in text for text in told), told


def sockets(authority, chain):
    for kind in ("secp521r1", "ed25519"):
        with End(authority.leaf(f"wss-{kind}", kind, BY_ADDRESS), chain.port) as end:
            done, log = drive(chain, kind, end.port, authority.file)
        assert done and "no wake-ups" not in log, log[-2000:]
    with End(authority.leaf("wss-cn", "prime256v1", ""), chain.port) as end:
        done, log = drive(chain, "cn", end.port, authority.file, refused=True)
    assert not done, log[-2000:]
    for scheme in ("https", "wss"):
        assert re.search(rf"node={scheme}://\S+ why=.*{REFUSED}", log), log[:2000]
    say("HTTPS and WSS with a client that runs")


def main():
    with LabChain() as chain:
        folder = chain.folder / "tls-ends"
        folder.mkdir(mode=0o700)
        authority = Authority(folder / "authority")
        (folder / "scripts").mkdir()
        words = ["--scripts", folder / "scripts", "--logger", "127.0.0.1:1", "--chain", chain.url(), "--jobs", REPOSITORY]
        with Service(folder, "sbatch.py", *words, certificate="plaintext") as service:
            keys_and_names(authority, chain, service, folder)
        sockets(authority, chain)
    say("TLS is what it should be with every service")


if __name__ == "__main__":
    main()
