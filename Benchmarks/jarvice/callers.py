#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks for /running as fast as it is answered, on connections that stay open.

    callers.py PORT KEY CONNECTIONS SECONDS        prints {"per_s": …}
"""

import json
import socket
import sys
import threading
import time
from base64 import b64encode

port, key, count, seconds = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
request = f"GET /running HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {b64encode(key.encode()).decode()}\r\n\r\n".encode()
counts = [0] * count


def ask(index, end):
    with socket.create_connection(("127.0.0.1", port)) as connection:
        buffer = b""
        while time.monotonic() < end:
            connection.sendall(request)
            while b"\r\n\r\n" not in buffer:
                buffer += connection.recv(65536)
            head, _, buffer = buffer.partition(b"\r\n\r\n")
            if b" 200 " not in head.split(b"\r\n")[0]:
                raise SystemExit(head.decode())
            length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
            while len(buffer) < length:
                buffer += connection.recv(65536)
            buffer = buffer[length:]
            counts[index] += 1


begin = time.monotonic()
threads = [threading.Thread(target=ask, args=(index, begin + seconds)) for index in range(count)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(json.dumps({"per_s": sum(counts) / (time.monotonic() - begin)}))
