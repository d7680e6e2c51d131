#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""An application inside an interactive job, for the proxy's figures: as many bytes as are asked for, two bytes, or a WebSocket whose
frames come back.

    application.py PORT        until it is ended
"""

import asyncio
import base64
import hashlib
import resource
import sys

MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
CHUNK = bytes(1 << 18)


async def serve(reader, writer):
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            path = head.split(b" ", 2)[1]
            fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line)
            if b"upgrade" in fields:
                # Keys are told apart by the case of their letters.
                key = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key:")).split(b":", 1)[1].strip()
                answer = base64.b64encode(hashlib.sha1(key + MAGIC).digest())
                writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + answer + b"\r\n\r\n")
                while data := await reader.read(65536):
                    writer.write(data)  # as it came: whoever measures knows its own frame
                    await writer.drain()
                return
            size = int(path.rsplit(b"/", 1)[1])
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n" % size)
            while size > 0:
                writer.write(CHUNK[:min(size, len(CHUNK))])
                await writer.drain()
                size -= len(CHUNK)
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def main():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    server = await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[1]), backlog=1024)
    print("the application listens", flush=True)
    await server.serve_forever()


asyncio.run(main())
