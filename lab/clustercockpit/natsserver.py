# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian's nats-server on a port of its own, and a subscriber that stands for a double of cc-backend: it has what `Events`
(events.py) wants of a broker, so a `Backend` takes it in a Broker's place."""

import contextlib
import json
import shutil
import socket
import ssl
import subprocess
import threading
import time
from pathlib import Path

PROGRAM = shutil.which("nats-server") or "/usr/sbin/nats-server"


def certificate(folder, host="127.0.0.1"):
    """-> the files of an authority, and of a certificate of `host` and its key"""
    folder = Path(folder)
    authority, key, own = folder / "ca.pem", folder / "key.pem", folder / "own.pem"

    def openssl(*words):
        subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)

    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", 2, "-subj", "/CN=lab", "-keyout", folder / "ca.key", "-out", authority)
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=server", "-keyout", key, "-out", folder / "own.csr")
    (folder / "names").write_text(f"subjectAltName=IP:{host}\n")
    openssl("x509", "-req", "-days", 2, "-in", folder / "own.csr", "-CA", authority, "-CAkey", folder / "ca.key", "-CAcreateserial", "-extfile", folder / "names", "-out", own)
    return authority, own, key


class NatsServer:
    """`user`: (name, password) that every client needs. `tls`: (authority, certificate, key)."""

    def __init__(self, folder, user=None, tls=None, max_payload=1 << 20):
        self.folder, self.user, self.tls = Path(folder), user, tls
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        login = f"authorization {{ user: '{user[0]}', password: '{user[1]}' }}" if user else ""
        secure = f'tls {{ cert_file: "{tls[1]}", key_file: "{tls[2]}" }}' if tls else ""
        self.config = self.folder / "nats.conf"
        self.config.write_text(f'listen: "127.0.0.1:{self.port}"\nmax_payload: {max_payload}\n{login}\n{secure}\n')
        self.process, self.attached, self.ended = None, {}, False
        self.lock, self.listening = threading.Lock(), threading.Event()
        self.start()
        threading.Thread(target=self._subscribe, daemon=True).start()
        if not self.listening.wait(20):
            raise RuntimeError(f"nats-server does not answer: {self.log.read_text()[-1000:]}")

    @property
    def url(self):
        return f"{'tls' if self.tls else 'nats'}://127.0.0.1:{self.port}"

    @property
    def log(self):
        return self.folder / "nats.log"

    def start(self):
        with self.log.open("ab") as log:
            self.process = subprocess.Popen([PROGRAM, "-c", self.config], stdout=log, stderr=log)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def close(self):
        self.ended = True
        self.kill()

    def attach(self, subject, function):
        """None detaches it: what comes then is lost, as with a backend that is down."""
        with self.lock:
            self.attached[subject] = function

    def _subscribe(self):
        """All messages, over as many connections as it takes."""
        while not self.ended:
            with contextlib.suppress(OSError, ValueError, IndexError):
                self._listen()
            self.listening.clear()
            time.sleep(0.05)

    def _listen(self):
        with socket.create_connection(("127.0.0.1", self.port), 5) as connection:
            info = self._line(connection)
            if self.tls:
                context = ssl.create_default_context(cafile=self.tls[0])
                connection = context.wrap_socket(connection, server_hostname="127.0.0.1")
            connection.settimeout(None)
            login = {"user": self.user[0], "pass": self.user[1]} if self.user else {}
            file = connection.makefile("rb")
            connection.sendall(f"CONNECT {json.dumps({'verbose': False, **login})}\r\nSUB > 1\r\nPING\r\n".encode())
            assert info.startswith(b"INFO ")
            for line in file:
                words = line.split()
                if words[:1] == [b"PING"]:
                    connection.sendall(b"PONG\r\n")
                elif words[:1] == [b"PONG"]:
                    self.listening.set()
                elif words[:1] == [b"MSG"]:
                    data = file.read(int(words[-1]) + 2)[:-2]
                    with self.lock:
                        function = self.attached.get(words[1].decode())
                    if function:
                        function(data)

    @staticmethod
    def _line(connection):
        """Byte for byte: what follows may be TLS."""
        line = b""
        while not line.endswith(b"\n"):
            part = connection.recv(1)
            if not part:
                raise OSError("closed")
            line += part
        return line
