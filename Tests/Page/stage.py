# SPDX-License-Identifier: GPL-3.0-or-later
"""Serves the pages that the agent's own code has made, with the headers that it gives them; and a way to a Unix socket, as ssh -L
makes one."""

import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Stage:
    """One of the states at a time: `/`, `/live` and `/icon.svg`. It can be ended and begun again on the same port."""

    def __init__(self, folder, state, port=0):
        stage = self
        self.folder, self.state = folder, state

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                name = {"/": ".html", "/live": ".live.html", "/icon.svg": ".svg"}.get(self.path)
                body = (stage.folder / (stage.state + name)).read_bytes() if name else b"not here\n"
                self.send_response(200 if name else 404)
                headers = json.loads((stage.folder / f"{stage.state}{name}.headers.json").read_text()) if name else {}
                for header, value in headers.items():
                    self.send_header(header, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *words):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            allow_reuse_address = True

        self.server = Server(("127.0.0.1", port), Handler)
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def forward(path):
    """Listens on loopback and hands each connection on to a Unix socket; returns the port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def copy(source, sink):
        try:
            while data := source.recv(65536):
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def serve():
        while True:
            client, _ = listener.accept()
            target = socket.socket(socket.AF_UNIX)
            try:
                target.connect(path)
            except OSError:
                client.close()
                continue
            for pair in ((client, target), (target, client)):
                threading.Thread(target=copy, args=pair, daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    return listener.getsockname()[1]
