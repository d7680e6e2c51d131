#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in for a desktop that runs inside a job: a page, uploads, and a WebSocket (RFC 6455) that sends back what it gets.

    desktop.py PORT NAME        until it is ended; NAME is on the page
"""

import base64
import hashlib
import socket
import socketserver
import sys

MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
PROTOCOL = "binary"


def frame(kind, data):
    size = len(data)
    length = bytes([size]) if size < 126 else b"\x7e" + size.to_bytes(2, "big") if size < 65536 else b"\x7f" + size.to_bytes(8, "big")
    return bytes([0x80 | kind]) + length + data


def masked(kind, data, mask=b"\x01\x02\x03\x04"):
    """As clients send them."""
    plain = frame(kind, b"\0" * len(data))
    head = bytearray(plain[:len(plain) - len(data)])
    head[1] |= 0x80
    return bytes(head) + mask + bytes(byte ^ mask[index % 4] for index, byte in enumerate(data))


def read_frame(file):
    """Kind and data; None at the end."""
    head = file.read(2)
    if len(head) < 2:
        return None
    size = head[1] & 0x7f
    if size > 125:
        size = int.from_bytes(file.read(2 if size == 126 else 8), "big")
    mask = file.read(4) if head[1] & 0x80 else b"\0\0\0\0"
    data = file.read(size)
    return head[0] & 0xf, bytes(byte ^ mask[index % 4] for index, byte in enumerate(data))


# What a browser is shown: what it sends comes back.
PAGE = """<!doctype html><meta charset="utf-8"><title>{name}</title>
<body style="margin:0;background:#20404a;color:#fff;font:18px sans-serif">
<h1 style="margin:0;padding:16px;background:#102a32">{name}</h1>
<p style="padding:0 16px">A stand-in for a desktop, inside a Slurm job on {host}.</p>
<p style="padding:0 16px">It answers: <b id="echo"></b></p>
<script>
const socket = new WebSocket(new URL("ws", location.href).href.replace(/^http/, "ws"));
socket.onopen = () => socket.send("typed in the browser");
socket.onmessage = (event) => document.querySelector("#echo").textContent = event.data;
</script>
"""


class Desktop(socketserver.StreamRequestHandler):
    def handle(self):
        line = self.rfile.readline().split()
        fields = {}
        while (field := self.rfile.readline().strip()):
            name, _, value = field.decode().partition(":")
            fields[name.lower()] = value.strip()
        if not line:
            return
        if fields.get("upgrade", "").lower() == "websocket":
            return self.socket_of(fields)
        if line[1] == b"/desktop":
            return self.answer("200 OK", PAGE.format(name=self.server.name, host=socket.gethostname()).encode())
        body = self.rfile.read(int(fields.get("content-length", "0")))
        prefix = fields.get("x-forwarded-prefix", "")
        text = f"<h1>{self.server.name}</h1> {line[1].decode()} {prefix} {fields.get('x-forwarded-for')} {len(body)} {hashlib.sha256(body).hexdigest()}\n"
        self.answer("200 OK", text.encode())

    def answer(self, status, body):
        self.wfile.write(f"HTTP/1.1 {status}\r\nContent-Type: text/html\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)

    def socket_of(self, fields):
        key = base64.b64encode(hashlib.sha1(fields["sec-websocket-key"].encode() + MAGIC).digest()).decode()
        offered = [word.strip() for word in fields.get("sec-websocket-protocol", "").split(",")]
        chosen = f"Sec-WebSocket-Protocol: {PROTOCOL}\r\n" if PROTOCOL in offered else ""
        self.wfile.write(f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {key}\r\n{chosen}\r\n".encode())
        while (found := read_frame(self.rfile)) and found[0] != 8:
            self.wfile.write(frame(*found))


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


if __name__ == "__main__":
    with Server(("127.0.0.1", int(sys.argv[1])), Desktop) as server:
        server.name = sys.argv[2]
        print("the desktop listens", flush=True)
        server.serve_forever()
