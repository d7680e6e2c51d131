# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's chain for Python tests."""

import json
import os
import shutil
import ssl
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
KEY = "4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318"
ACCOUNT = "0x2c7536e3605d9c16a7a3d7b1898e529396a65c23"


def say(*words):
    print(time.strftime("%H:%M:%S"), *words, flush=True)


class LabChain:
    """with LabChain() as chain: chain.call("lab_mine", 3)"""

    def __init__(self, seed=0, fund=(ACCOUNT,), tls=False):
        self.folder = Path(tempfile.mkdtemp(prefix="sga-chain."))
        self.keep = bool(os.environ.get("KEEP"))
        self.python = subprocess.run([ROOT / "lab/chain/install.sh"], check=True, capture_output=True, text=True).stdout.strip()
        words = [self.python, ROOT / "lab/chain/server.py", "--port-file", self.folder / "port", "--seed", str(seed)]
        for address in fund:
            words += ["--fund", address]
        self.certificate, self.context = None, None
        if tls:
            self.certificate = self.make_certificate()
            self.context = ssl.create_default_context(cafile=self.certificate)
            words += ["--certificate", self.certificate]
        self.log = (self.folder / "chain.log").open("wb")
        environment = dict(os.environ, PYTHONDONTWRITEBYTECODE="1")
        self.process = subprocess.Popen(words, stdout=self.log, stderr=self.log, env=environment)
        end = time.monotonic() + 180
        while not (self.folder / "port").exists():
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError("the chain does not start: " + (self.folder / "chain.log").read_text())
            time.sleep(0.05)
        self.port = int((self.folder / "port").read_text())

    def __enter__(self):
        return self

    def __exit__(self, kind=None, *_):
        self.process.terminate()
        self.process.wait()
        self.log.close()
        if kind is None and not self.keep:
            shutil.rmtree(self.folder, ignore_errors=True)

    def make_certificate(self):
        path = self.folder / "certificate.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=lab",
             "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", self.folder / "key.pem", "-out", path], check=True, capture_output=True)
        path.write_text(path.read_text() + (self.folder / "key.pem").read_text())
        return path

    def url(self, path="/", scheme=None):
        scheme = scheme or ("https" if self.certificate else "http")
        return f"{scheme}://127.0.0.1:{self.port}{path}"

    def call(self, method, *parameters, path="/"):
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": list(parameters)}).encode()
        # A connection that the lab itself cut is asked again.
        for attempt in range(20):
            try:
                with urllib.request.urlopen(urllib.request.Request(self.url(path), body), timeout=30, context=self.context) as answer:
                    document = json.load(answer)
                break
            except (OSError, ValueError):
                if attempt == 19:
                    raise
                time.sleep(0.05)
        if "error" in document:
            raise RuntimeError(f"{method}: {document['error']['message']}")
        return document["result"]
