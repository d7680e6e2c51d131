# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP/1.1 before the double: connections, bodies, TLS, and the faults that strike there."""

import contextlib
import socket
import ssl
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from answers import Answer, error
from faults import PAGE

LIMIT = 64 << 20  # bytes of a body


@dataclass
class Request:
    method: str
    target: str
    headers: object
    body: bytes
    peer: str
    life: object  # of the backend: none of an earlier one has an effect in a later one
    caller: object = None


class Cut(Exception):
    """The connection is to be closed."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Small answers in one segment, sent at once: without this a caller waits 40 ms for each.
    wbufsize = -1
    disable_nagle_algorithm = True

    def setup(self):
        self.plain = self.request
        if self.server.tls:
            self.request = self.server.tls.wrap_socket(self.request, server_side=True)
            self.server.replace(self.plain, self.request)
        super().setup()

    def finish(self):
        super().finish()
        if self.request is not self.plain:
            self.server.shutdown_request(self.request)

    def version_string(self):
        return "lab"

    def send_response(self, code, message=None):
        # Go names neither itself nor, in the way that Python does, its phrase.
        self.send_response_only(code, message)
        self.send_header("Date", self.date_time_string())

    def log_message(self, *_):
        pass

    def _body(self):
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(min(length, LIMIT))
            if len(body) != length:
                raise Cut
            return body
        parts = []
        while True:
            line = self.rfile.readline(100)
            size = int(line.split(b";")[0] or b"0", 16)
            if size < 0 or sum(map(len, parts)) + size > LIMIT:
                raise Cut
            parts.append(self.rfile.read(size))
            self.rfile.readline(100)
            if not size:
                return b"".join(parts)

    def _send(self, answer, cut=None):
        self.send_response(answer.status)
        for name, value in answer.headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body if cut is None else answer.body[:cut])
        self.wfile.flush()
        if cut is not None:
            raise Cut

    def handle_one_request(self):
        try:
            super().handle_one_request()
        except (Cut, OSError, ValueError):
            self.close_connection = True

    def _any(self):
        backend = self.server.backend
        request = Request(self.command, self.path, self.headers, self._body(), self.client_address[0], self.server.life)
        fault, cleared = backend.faults.take(request.method, request.target)
        began = time.monotonic()
        answer = None
        try:
            answer = self._answer(backend, request, fault, cleared)
        finally:
            # Before the caller has it: who reads an answer finds its request noted.
            backend.note(request, answer, fault, time.monotonic() - began)
        cut = None
        if fault and fault.kind == "cut":
            cut = len(answer.body) // 2 if fault.bytes < 0 else fault.bytes
        self._send(answer, cut)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _any

    @staticmethod
    def _answer(backend, request, fault, cleared):
        kind = fault.kind if fault else ""
        if kind in ("hang", "late"):
            cleared.wait(fault.seconds)
        if kind in ("hang", "drop"):
            raise Cut
        if kind == "error":
            return error(fault.status, "insert into database failed: database is locked")
        if kind == "html":
            return Answer(fault.status, [("Content-Type", "text/html")], PAGE)
        if kind == "redirect":
            return Answer(fault.status, [("Location", fault.location)])
        answer = backend.answer(request)
        if answer is None:
            raise Cut
        if kind == "slow":
            cleared.wait(fault.seconds)
        if kind == "silent":
            raise Cut
        if kind == "garbage":
            return Answer(answer.status, answer.headers, b'{"jobs":[{"id":\xff\xfe,,')
        return answer


class Server(ThreadingHTTPServer):
    """Listens until it is closed, which ends the connections that are open, too."""

    daemon_threads = True
    request_queue_size = 128
    allow_reuse_address = True

    def __init__(self, address, backend, tls):
        self.backend, self.life = backend, backend.ended
        self.connections, self.connections_lock = set(), threading.Lock()
        self.tls = None
        if tls:
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(*tls)
        super().__init__(address, Handler)
        self.thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.thread.start()

    def server_bind(self):
        # Not HTTPServer's, which asks DNS for a name of the address.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = self.server_address[:2]

    def process_request(self, request, client_address):
        with self.connections_lock:
            self.connections.add(request)
        super().process_request(request, client_address)

    def replace(self, plain, encrypted):
        with self.connections_lock:
            self.connections.discard(plain)
            self.connections.add(encrypted)

    def shutdown_request(self, request):
        with self.connections_lock:
            self.connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request, client_address):
        """A caller that goes away, or has no faith in the certificate, is no error of the double."""

    def close(self):
        self.shutdown()
        self.server_close()
        self.thread.join()
        with self.connections_lock:
            for connection in self.connections:
                with contextlib.suppress(OSError):
                    # Not SSLSocket's, which would first take the encryption from the one who reads.
                    socket.socket.shutdown(connection, socket.SHUT_RDWR)
