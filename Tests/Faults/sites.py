# SPDX-License-Identifier: GPL-3.0-or-later
"""Places where an agent runs, each with folders, key, node and sbatch service of its own, on the cluster and the chain of one
world: what is broken at one of them is nobody else's fault."""

import itertools
import json
import os
import pwd
import re
import socket
import subprocess
import threading
import time
from pathlib import Path

from eth_keys import keys

from waiting import eventually
from world import TOP, Process

TOKEN = "a-token-of-the-faults-table-0123456789"
QUIET = ("ok", "off")
PORTS = itertools.count()


class Line:
    """A TCP line to a service on this host, which may be cut or hang."""

    def __init__(self, port):
        self.target, self.listener, self.hangs, self.ends, self.host = port, None, False, [], "127.0.0.1"
        self.port = 0
        self.mend()

    def mend(self):
        self.hangs = False
        if self.listener:
            return
        self.listener = socket.create_server((self.host, self.port), backlog=64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self.listener,), daemon=True).start()

    def cut(self):
        listener, self.listener = self.listener, None
        if listener:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        self._drop()

    def hang(self):
        """Takes connections, and never answers."""
        self.hangs = True
        self._drop()

    def _drop(self):
        ends, self.ends = self.ends, []
        for end in ends:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def _accept(self, listener):
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            self.ends.append(near)
            if self.hangs:
                continue
            try:
                far = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                near.close()
                continue
            self.ends.append(far)
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self._copy, args=(one, other), daemon=True).start()

    @staticmethod
    def _copy(source, target):
        try:
            while data := source.recv(65536):
                target.sendall(data)
        except OSError:
            pass
        finally:
            for end in (source, target):
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass


class Site:
    """An agent's host. `settings`: of the configuration, by key; None takes one out."""

    def __init__(self, world, name, funded=True, **settings):
        self.world, self.name = world, name
        self.base = world.lab.base / name
        self.base.mkdir(mode=0o755)
        self.base.chmod(0o755)
        self.slurm = pwd.getpwnam("slurm")
        self.state, self.run = self.folder("state", 0o700), self.folder("run", 0o755)
        secret = os.urandom(32)
        self.account = keys.PrivateKey(secret).public_key.to_checksum_address()
        self.key = self.secret("key", secret.hex() + "\n")
        self.token = self.secret("token", TOKEN + "\n")
        self.config, self.log = self.base / "config.yaml", self.base / "agent.log"
        self.program = world.lab.stage / "slurm-grid-agent"
        self.path = f"/{name}"
        world.chain.call("lab_path", self.path)
        self.node, self.sbatch = Line(world.chain.port), Line(world.sbatch.port)
        self.process = None
        self.settings = {
            "state-folder": self.state, "bridge.socket": self.run / "events.sock", "control.socket": self.run / "control.sock",
            "admin.socket": self.run / "admin.sock", "poll-interval": "2s", "vanish-after": "2s",
            "slurm.conf": world.lab.environment["SLURM_CONF"],
            "metascheduler.endpoint.rpc": f"http://127.0.0.1:{self.node.port}{self.path}",
            "metascheduler.smart-contract": world.grid.meta.address, "metascheduler.label": f"os=linux,zone={name}",
            "chain.key-file": self.key, "sbatch.endpoint": f"localhost:{self.sbatch.port}",
            "sbatch.tls.ca": world.lab.stage / "grid-ca.pem", "slurm.partition": "main",
        }
        if funded:
            world.admin.fund(self.account, 10)
        self.configure(**settings)

    def free_port(self):
        """One of the lab's own, behind those of its nodes and the grid's services: the kernel may have given any other by the time it is
        listened at."""
        return int(self.world.lab.read_env()["LAB_PORT"]) + 50 + next(PORTS)

    def folder(self, name, mode):
        path = self.base / name
        path.mkdir()
        path.chmod(mode)
        os.chown(path, self.slurm.pw_uid, self.slurm.pw_gid)
        return path

    def secret(self, name, text, mode=0o600):
        path = self.base / name
        path.write_text(text)
        path.chmod(mode)
        os.chown(path, self.slurm.pw_uid, self.slurm.pw_gid)
        return path

    def configure(self, **settings):
        """Keys with underscores for dots and hyphens are not told apart: pass those in a dictionary as `more`."""
        self.settings.update(settings.pop("more", {}))
        lines = [f"{key}: {json.dumps(str(value))}\n" for key, value in self.settings.items() if value is not None]
        self.config.write_text("".join(lines))
        self.config.chmod(0o644)

    # MARK: the agent

    def spawn(self, *words, root=False, **options):
        who = {} if root else {"user": self.slurm.pw_uid, "group": self.slurm.pw_gid, "extra_groups": []}
        environment = {key: value for key, value in self.world.lab.environment.items() if key != "SLURM_CONF"}
        return subprocess.Popen([str(self.program), *map(str, words)], env=environment, cwd="/tmp", stdin=subprocess.DEVNULL, **who, **options)

    def start(self):
        with self.log.open("ab") as log:
            self.process = self.spawn("run", "--config", self.config, stdout=log, stderr=log)
        eventually(f"{self.name} answers", self.answers, 30)

    def answers(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"{self.name} ended with {self.process.returncode}: {self.log.read_text()[-2000:]}")
        return self.ask()

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(60)

    def run_once(self, *words, root=False):
        """-> exit status and output of a start; None: it runs, and is ended"""
        process = self.spawn(*(words or ("run", "--config", self.config)), root=root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            # Many sites are at it at once, and a start that is refused takes a second of a whole core.
            text, _ = process.communicate(timeout=60)
            return process.returncode, text
        except subprocess.TimeoutExpired:
            process.terminate()
            text, _ = process.communicate(timeout=60)
            return None, text

    def check(self, root=False):
        """-> findings, exit status, what it says on standard error"""
        process = self.spawn("check", "--config", self.config, "--json", root=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        text, errors = process.communicate(timeout=120)
        return json.loads(text) if text else [], process.returncode, errors.strip()

    def ask(self):
        """The running agent's status; None: nobody answers."""
        process = self.spawn("status", "--json", "--control", self.run / "control.sock", root=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        text, _ = process.communicate(timeout=60)
        if not text:
            return None
        return {**json.loads(text), "exit": process.returncode}

    def log_text(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    # MARK: the grid

    def join(self):
        """Starts it, and approves it as soon as it has registered."""
        self.start()
        providers = self.world.grid.providers
        eventually(f"{self.name} registers", lambda: providers.call("isWaitingForApproval", self.account), 60)
        self.world.bot.provider("approve", self.account)
        return self


class Mount:
    """A small disk of its own."""

    def __init__(self, path, options):
        self.path = Path(path)
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", self.path], check=True)

    def end(self):
        subprocess.run(["umount", "-l", self.path], check=False)


def typed(text):
    """What a message says to type: the first command in it."""
    pattern = r"(?:^|[ (`])((?:chmod|chown|install|mount|scontrol|sacctmgr|systemctl|rm|mv|useradd) (?:[^,;()`]|,(?! ))+)"
    found = re.search(pattern, text)
    return found.group(1).strip() if found else None
