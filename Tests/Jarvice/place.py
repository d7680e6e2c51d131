# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab cluster with an agent that a JARVICE upstream calls."""

import json
import os
import pwd
import socket
import subprocess
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "Events"))
from cluster import Agent, eventually  # noqa: E402
from upstream import AUDIENCE, ISSUER, Issuer, Upstream, application, submission  # noqa: E402

OK = "echo JARVICE_CMD_SUCCESS"


def insist(what, condition, detail=""):
    if not condition:
        raise AssertionError(f"{what}: {detail}")


def certificate(folder, name):
    """A wildcard's, of itself."""
    chain, key = folder / "jobs.crt", folder / "jobs.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", chain, "-days", "2",
         "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:*.{name}"], check=True, capture_output=True)
    slurm = pwd.getpwnam("slurm")
    os.chown(key, slurm.pw_uid, slurm.pw_gid)
    key.chmod(0o400)
    return chain, key


class Site:
    def __init__(self, lab, **settings):
        """settings: more of the agent's"""
        self.lab = lab
        keys = lab.stage / "keys.json"
        self.issuer = Issuer(lab.stage, keys)
        self.users = users = lab.stage / "users_id_mapping_configuration.yaml"
        entries = "".join(
            f"  - user: u{n}\n    jarvice_user: j{n}\n    mail: {name}@example.org\n    mapped_user: {name}\n    ssh_private_key_b64: \"\"\n"
            for n, name in enumerate(("labu1", "labu2", "slurm", "root", "daemon")))
        users.write_text(f"users_id_mapping:\n{entries}")
        secret = lab.folder("agent/secret", 0o700) / "server.key"
        secret.write_text("slurm-upstream:Pass1234\n")
        secret.chmod(0o400)
        slurm = pwd.getpwnam("slurm")
        os.chown(secret, slurm.pw_uid, slurm.pw_gid)
        # Of the lab's own: what the kernel gives may be somebody else's while the agent is away.
        first = int(lab.read_env()["LAB_PORT"]) + 90
        self.port, self.jobs_port, self.service_port = first, first + 1, first + 2
        self.jobs_chain, self.jobs_key = certificate(lab.stage, "jobs.example.org")
        # Of pages of jobs.
        self.secrets = set()
        self.agent = Agent(lab, **{
            "jarvice.listen": f"127.0.0.1:{self.port}", "jarvice.server-key-file": secret, "jarvice.token.keys": keys,
            "jarvice.token.issuer": ISSUER, "jarvice.token.audience": AUDIENCE, "jarvice.users.map-file": users,
            "jarvice.registry.system": "us-docker.pkg.dev", "jarvice.registry.system-base": "jarvice-system/images",
            "jarvice.jobs.domain": "jobs.example.org", "jarvice.jobs.listen": f"127.0.0.1:{self.jobs_port}",
            "jarvice.jobs.tls.certificate": self.jobs_chain, "jarvice.jobs.tls.key": self.jobs_key, "jarvice.jobs.service-port": self.service_port,
            "jarvice.listing-user": "labu1",
            "jarvice.files-socket": lab.run / "files.sock", "sweep-interval": "5s", **settings})
        self.reader = Reader(lab)
        self.up = Upstream(self.port)

    def start(self):
        self.agent.start()
        eventually("the gateway answers", self.answers, 60)

    def gate(self, name):
        """A file, and the command that waits for it in a job."""
        path = self.lab.stage / f"gate-{name}"
        return path, f"until [ -e {path} ]; do sleep 0.2; done"

    def answers(self):
        try:
            return self.up.call("GET", "/live")[0] == 200
        except OSError:
            return False

    def submit(self, name, command=OK, user="labu1", **more):
        script = more.pop("script", None) or application(command, **more.pop("keys", {}))
        job, shown = self.up.ask("POST", "/submit", submission(name, script, more.pop("token", None) or self.issuer.token(user), **more))
        return int(job), shown

    def refused(self, name, reason, command=OK, **more):
        script = more.pop("script", None) or application(command, **more.pop("keys", {}))
        token = more.pop("token", None)
        token = self.issuer.token("labu1") if token is None else token
        args = submission(name, script, token, **more)
        # A slurmctld that is slow for a moment is no refusal.
        status, _, body = self.up.patiently("POST", "/submit", args, because=reason)
        insist(f"{name} is refused", status == 500 and reason in body, f"{status} {body[-400:]}")

    def end(self, job, name):
        """Waits for the end that upstream is told."""
        def told():
            status, _, body = self.up.call("POST", "/exitstatus", {"name": name, "number": 1, "jobid": str(job)})
            return json.loads(body) if status == 200 else None
        return eventually(f"the end of {name}", told, 120)

    def output(self, name, user="labu1"):
        return (Path(pwd.getpwnam(user).pw_dir) / ".jarvice" / f"{name}.out").read_text()

    def listed(self, path):
        return {int(job): name for name, job in self.up.ask("GET", path)}


class Reader:
    """Starts the reader of job files for each connection, as systemd does by its socket unit, and with that unit's capabilities."""

    def __init__(self, lab, *roots):
        """roots: folders besides homes"""
        self.lab, self.words = lab, [word for root in roots for word in ("--root", str(root))]
        self.path = lab.run / "files.sock"
        self.start()

    def start(self):
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.path))
        self.path.chmod(0o600)
        slurm = pwd.getpwnam("slurm")
        os.chown(self.path, slurm.pw_uid, slurm.pw_gid)
        self.listener.listen(64)
        threading.Thread(target=self.serve, args=(self.listener,), daemon=True).start()

    def serve(self, listener):
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                helper = subprocess.Popen(
                    ["setpriv", "--bounding-set=-all,+setuid,+setgid", "--no-new-privs", self.lab.stage / "slurm-grid-agent", "jarvice", "files", "--peer", "slurm", *self.words],
                    stdin=connection, env={})
            threading.Thread(target=helper.wait, daemon=True).start()

    def stop(self):
        # Whoever waits in accept() does not see a close.
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.path.unlink()

    def ask(self, text):
        """As root, whom it does not serve."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(self.path))
            connection.sendall(text.encode())
            return b"".join(iter(lambda: connection.recv(65536), b"")).decode()
