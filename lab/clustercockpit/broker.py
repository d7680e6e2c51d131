# SPDX-License-Identifier: GPL-3.0-or-later
"""A NATS broker, as far as its publishers and subscribers need one: no TLS, clusters or storage. What nobody subscribes to is
gone."""

import contextlib
import json
import socket
import socketserver
import threading
from collections import deque

MAX_PAYLOAD = 1 << 20  # bytes; a broker's default


def matches(pattern, subject):
    """`*` is one word, `>` at the end one or more."""
    wanted, given = pattern.split("."), subject.split(".")
    if wanted[-1] == ">":
        wanted, given = wanted[:-1], given[: len(wanted) - 1] if len(given) >= len(wanted) else ["", *given]
    return len(wanted) == len(given) and all(one in ("*", other) for one, other in zip(wanted, given))


class _Refused(Exception):
    pass


class _Client(socketserver.StreamRequestHandler):
    disable_nagle_algorithm = True

    def setup(self):
        super().setup()
        self.sending, self.subscriptions, self.verbose = threading.Lock(), {}, True
        self.admitted = not self.server.user
        self.server.join(self)

    def finish(self):
        self.server.leave(self)
        super().finish()

    def send(self, *parts):
        with self.sending:
            self.wfile.write(b"".join(parts) + b"\r\n")

    def handle(self):
        server = self.server
        info = {
            "server_id": "LAB", "version": "2.10.0", "proto": 1, "host": server.listen[0], "port": server.listen[1],
            "headers": True, "max_payload": server.max_payload, **({"auth_required": True} if server.user else {}),
        }
        try:
            self.send(b"INFO ", json.dumps(info).encode())
            for line in self.rfile:
                self._operation(*line.decode("utf-8", "replace").strip().partition(" ")[::2])
        except _Refused as reason:
            with contextlib.suppress(OSError):
                self.send(f"-ERR '{reason}'".encode())
        except (OSError, ValueError, IndexError):
            pass

    def _operation(self, name, rest):
        name = name.upper()
        if name == "CONNECT":
            options = json.loads(rest)
            self.verbose = options.get("verbose", True)
            if self.server.user and (options.get("user"), options.get("pass")) != self.server.user:
                raise _Refused("Authorization Violation")
            self.admitted = True
        elif name == "PING":
            return self.send(b"PONG")
        elif name in ("PONG", ""):
            return None
        elif not self.admitted:
            raise _Refused("Authorization Violation")
        elif name in ("PUB", "HPUB"):
            self._publish(name, rest.split())
        elif name == "SUB":
            words = rest.split()
            self.subscriptions[words[-1]] = words[0]
        elif name == "UNSUB":
            self.subscriptions.pop(rest.split()[0], None)
        else:
            raise _Refused("Unknown Protocol Operation")
        return self.send(b"+OK") if self.verbose else None

    def _publish(self, name, words):
        size, head = int(words[-1]), int(words[-2]) if name == "HPUB" else 0
        if size > self.server.max_payload:
            raise _Refused("Maximum Payload Violation")
        data = self.rfile.read(size + 2)
        if len(data) != size + 2:
            raise OSError
        self.server.publish(words[0], data[head:-2])


class Broker(socketserver.ThreadingTCPServer):
    """`user`: (name, password) that a client needs. Of the process itself, a function may be attached to a subject."""

    daemon_threads = allow_reuse_address = True

    def __init__(self, listen=("127.0.0.1", 0), user=None, max_payload=MAX_PAYLOAD):
        self.user, self.max_payload = user, max_payload
        self.lock, self.clients, self.attached = threading.Lock(), set(), {}
        self.published = deque(maxlen=20_000)  # (subject, message), for who wants to know what came
        super().__init__(listen, _Client)
        self.listen = self.server_address
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    @property
    def url(self):
        return f"nats://{self.listen[0]}:{self.listen[1]}"

    def join(self, client):
        with self.lock:
            self.clients.add(client)

    def leave(self, client):
        with self.lock:
            self.clients.discard(client)

    def attach(self, subject, function):
        """None detaches it."""
        with self.lock:
            self.attached[subject] = function

    def publish(self, subject, data):
        with self.lock:
            clients = list(self.clients)
            function = self.attached.get(subject)
            self.published.append((subject, data))
        if function:
            function(data)
        for client in clients:
            for number, pattern in list(client.subscriptions.items()):
                if matches(pattern, subject):
                    with contextlib.suppress(OSError):
                        client.send(f"MSG {subject} {number} {len(data)}\r\n".encode(), data)

    def close(self):
        self.shutdown()
        self.server_close()
        with self.lock:
            for client in self.clients:
                with contextlib.suppress(OSError):
                    client.connection.shutdown(socket.SHUT_RDWR)
