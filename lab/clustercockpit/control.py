#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks a running double of cc-backend, or breaks it.

    control.py FOLDER COMMAND [NAME=VALUE]…

    rows                 the jobs, one JSON object a line (with those in the cache)
    nodes                the states of nodes that it was told
    requests [part=P]    the requests that came
    fault kind=K […]     the next requests fail: kinds and options are in faults.py; kind=clear ends all of them
    away, back           stops listening, and listens again
    restart [release=R]  as if killed; with R as if upgraded
    archiver seconds=S   how long the archiver needs for a job
    commit               empties the cache of jobs
    new_token            a new key pair: FOLDER/token is good, those from before are not

FOLDER/control holds the port that it listens on for this, on 127.0.0.1: a JSON array (command, options) a line."""

import json
import socket
import socketserver
import sys
import threading
from pathlib import Path

COMMANDS = {
    "rows": lambda backend: backend.rows(),
    "nodes": lambda backend: backend.node_rows(),
    "requests": lambda backend, part="": backend.requests(part),
    "fault": lambda backend, kind, **options: bool(backend.fault(kind, **options)),
    "away": lambda backend: backend.away(),
    "back": lambda backend: backend.back(),
    "restart": lambda backend, release=None: backend.restart(release),
    "archiver": lambda backend, seconds: backend.archiver(seconds),
    "commit": lambda backend: backend.commit(),
    "new_token": lambda backend: backend.new_token(),
}


class _Handler(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            try:
                name, options = json.loads(line)
                answer = {"result": COMMANDS[name](self.server.backend, **options)}
            except (ValueError, TypeError, KeyError, OSError) as reason:
                answer = {"error": f"{type(reason).__name__}: {reason}"}
            self.wfile.write(json.dumps(answer).encode() + b"\n")


class Control(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def __init__(self, backend):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.backend, self.file = backend, backend.folder / "control"
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        self.file.write_text(f"{self.server_address[1]}\n")

    def close(self):
        self.shutdown()
        self.server_close()
        self.file.unlink(missing_ok=True)


def ask(folder, command, **options):
    """-> the command's result; RuntimeError with its reason."""
    with socket.create_connection(("127.0.0.1", int((Path(folder) / "control").read_text())), 60) as connection:
        connection.sendall(json.dumps([command, options]).encode() + b"\n")
        with connection.makefile() as lines:
            answer = json.loads(lines.readline())
    if "error" in answer:
        raise RuntimeError(answer["error"])
    return answer["result"]


def _value(text):
    try:
        return json.loads(text)
    except ValueError:
        return text


def main():
    if len(sys.argv) < 3 or sys.argv[2] not in COMMANDS:
        print(__doc__, file=sys.stdout if "--help" in sys.argv[1:] else sys.stderr)
        sys.exit(0 if "--help" in sys.argv[1:] else 64)
    options = dict(one.split("=", 1) for one in sys.argv[3:] if "=" in one)
    # A release looks like a number, and is none.
    options = {name: value if name == "release" else _value(value) for name, value in options.items()}
    try:
        result = ask(sys.argv[1], sys.argv[2], **options)
    except (OSError, RuntimeError, ValueError) as reason:
        sys.exit(f"control.py: {reason}")
    for one in result if isinstance(result, list) else [] if result is None else [result]:
        print(one if isinstance(one, str) else json.dumps(one))


if __name__ == "__main__":
    main()
