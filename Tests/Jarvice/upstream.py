# SPDX-License-Identifier: GPL-3.0-or-later
"""A double of a JARVICE upstream, and of the issuer of its tokens."""

import base64
import hmac
import http.client
import json
import os
import subprocess
import sys
import time
import urllib.parse
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TOP / "lab/clustercockpit"), str(TOP / "Tests")]
import ed25519  # noqa: E402
from waiting import eventually  # noqa: E402

SLOW = ("does not answer", "did not answer in time", "not up to date")
ISSUER, AUDIENCE = "https://login.example.org/realms/jarvice", "jarvice"


def url64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Issuer:
    """Signs tokens: EdDSA by its own key, RS256 by OpenSSL's."""

    def __init__(self, folder, keys):
        self.keys = keys
        self.folder = folder
        self.rsa = folder / "rsa.pem"
        subprocess.run(["openssl", "genrsa", "-out", self.rsa, "2048"], check=True, capture_output=True)
        modulus = subprocess.run(["openssl", "rsa", "-in", self.rsa, "-noout", "-modulus"], check=True, capture_output=True, text=True).stdout
        self.modulus = bytes.fromhex(modulus.strip().split("=")[1])
        self.public = subprocess.run(["openssl", "rsa", "-in", self.rsa, "-pubout"], check=True, capture_output=True).stdout
        self.rotate()

    def rotate(self):
        self.seed = os.urandom(32)
        self.kid = f"ed-{url64(os.urandom(4))}"
        keys = [
            {"kty": "OKP", "crv": "Ed25519", "use": "sig", "kid": self.kid, "x": url64(ed25519.public_key(self.seed))},
            {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "rsa-1", "n": url64(self.modulus), "e": "AQAB"},
        ]
        new = self.keys.with_suffix(".new")
        new.write_text(json.dumps({"keys": keys}))
        new.chmod(0o644)
        new.rename(self.keys)

    def claims(self, user, **changes):
        now = int(time.time())
        claims = {"iss": ISSUER, "aud": AUDIENCE, "iat": now, "exp": now + 300, "email": f"{user}@example.org", "email_verified": True}
        claims.update(changes)
        return {name: value for name, value in claims.items() if value is not None}

    def token(self, user, alg="EdDSA", kid=None, seed=None, **changes):
        kid = kid or ("rsa-1" if alg in ("RS256", "HS256") else self.kid)
        signed = url64(json.dumps({"alg": alg, "kid": kid, "typ": "JWT"}).encode()) + "." + url64(json.dumps(self.claims(user, **changes)).encode())
        if alg == "EdDSA":
            signature = ed25519.sign(seed or self.seed, signed.encode())
        elif alg == "RS256":
            signature = subprocess.run(["openssl", "dgst", "-sha256", "-sign", self.rsa], input=signed.encode(), check=True, capture_output=True).stdout
        elif alg == "HS256":  # with the public key, which everybody has
            signature = hmac.digest(self.public, signed.encode(), "sha256")
        else:
            signature = b""
        return signed + "." + url64(signature)


class Upstream:
    def __init__(self, port, key="slurm-upstream:Pass1234"):
        self.port, self.key = port, key

    def call(self, method, path, args=None, key=None, body=None, content="application/x-www-form-urlencoded", timeout=60):
        """Status, content type and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        headers = {"Authorization": "Basic " + base64.b64encode((key or self.key).encode()).decode()}
        if args is not None:
            body = urllib.parse.urlencode({"args": json.dumps(args)})
        if body is not None:
            headers["Content-Type"] = content
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.getheader("Content-Type"), answer.read().decode()
        finally:
            connection.close()

    def patiently(self, method, path, args=None, because=None, **more):
        """Asks again while Slurm does not answer, unless that is what is looked for: as upstream does it. On a machine with much to do
        slurmctld takes more than the second that the gateway gives it."""
        def answered():
            found = self.call(method, path, args, **more)
            is_slow = found[0] == 500 and any(words in found[2] for words in SLOW)
            return found if not is_slow or (because and because in found[2]) else None
        return eventually(f"{path} is answered", answered, 120)

    def ask(self, method, path, args=None, **more):
        """The JSON of a call that must be right."""
        status, kind, body = self.patiently(method, path, args, **more)
        if status != 200 or kind != "application/json" or not body.endswith("\n"):
            raise RuntimeError(f"{path}: {status} {kind} {body[-300:]}")
        return json.loads(body)

    def job(self, call, job, name, number=1):
        return self.ask("POST", f"/{call}", {"name": name, "number": number, "jobid": str(job)})


def application(command, **keys):
    """An application script as upstream makes one."""
    values = {
        "JOBOBJ_INTERACTIVE": "False", "JOBOBJ_APPDEFVERSION": "2", "JARVICE_CPU_CORES": "1", "JOBOBJ_REPO": "us.example/jarvice/app:1",
        "JOBOBJ_WALLTIME": "00:10:00", "JARVICE_CMD": "'run it'", **keys,
    }
    lines = "".join(f"{name}={value}\n" for name, value in values.items() if value is not None)
    return f"#!/bin/bash\n: <<'VALUES'\n{lines}VALUES\n{{DOWNSTREAM_PARAMETERS}}\n{command}\n"


def submission(name, script, token, number=1, nodes=1, **more):
    encoded = base64.encodebytes(script.encode()).decode()
    return {"name": name, "number": number, "nodes": nodes, "hpc_script": {"singularity": encoded}, "bearer": token, **more}
