# SPDX-License-Identifier: GPL-2.0-or-later
"""The other end of the SPANK plugin, for its tests: frames read by the letter of docs/event-format.md, listeners that are
well or ill, and munged in a folder of its own.

As a program, to be run on another host:
    spank_peer.py listen ADDRESS PORT [MUNGE_SOCKET]   prints what arrives by TCP, a JSON object a line
    spank_peer.py send ADDRESS PORT                    sends its input"""

import contextlib
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

EVENT, SEALED, NODE = 2, 5, 6
NUMBERS = {1: "source", 3: "kind", 5: "observed", 11: "job", 20: "uid", 21: "gid", 51: "step", 52: "task", 53: "status", 58: "memory", 59: "waited"}
TEXTS = {50: "node", 54: "gpus", 55: "cores", 56: "hardware", 57: "addresses"}
KINDS = {3: "prolog", 4: "epilog", 5: "step start", 6: "task exit"}


def fields_of(frame):
    """Type and fields, by tag, of one whole frame."""
    length, magic, version, kind, sequence = struct.unpack_from("<IHBBQ", frame)
    assert length + 4 == len(frame), f"{length} is not the length of {len(frame)} bytes"
    assert (magic, version, sequence) == (0x4753, 1, 0), (magic, version, sequence)
    fields, position = {}, 16
    while position < len(frame):
        tag, size = struct.unpack_from("<HH", frame, position)
        position += 4
        assert position + size <= len(frame), f"field {tag} does not end in the frame"
        fields[tag] = frame[position : position + size]
        position += size
    return kind, fields


def event_of(frame):
    """The names and values of an event frame, or of a node's; an unknown field is an error here, as the plugin must not send one."""
    kind, fields = fields_of(frame)
    assert kind in (EVENT, NODE), f"type {kind} is no event"
    event = {}
    for tag, value in fields.items():
        event[NUMBERS.get(tag) or TEXTS[tag]] = int.from_bytes(value, "little") if tag in NUMBERS else value.decode()
    event["kind"] = KINDS[event["kind"]] if kind == EVENT else "node"
    return event


def unseal(frame, munge_socket):
    """The event in a sealed frame, and who signed it."""
    kind, fields = fields_of(frame)
    assert kind == SEALED and list(fields) == [60], (kind, list(fields))
    words = ["unmunge", "-N"] + (["-S", munge_socket] if munge_socket else [])
    done = subprocess.run([*words, "-m", "/dev/stderr", "-o", "/dev/stdout"], input=fields[60], capture_output=True, check=False)
    told = dict(line.split(":", 1) for line in done.stderr.decode().splitlines() if ":" in line)
    if done.returncode != 0:
        return None, told.get("STATUS", done.stderr.decode()).strip()
    signer = int(told["UID"].split("(")[-1].rstrip(") "))
    return event_of(done.stdout), {"uid": signer, "host": told["ENCODE_HOST"].strip()}  # "c1 (10.97.0.11)"


ACK = struct.pack("<IHBBQ", 12, 0x4753, 1, 3, 1)


def read_all(connection, answer=ACK, limit=10):
    """What comes to its end; a whole frame is answered."""
    connection.settimeout(limit)
    message, answered = b"", False
    with contextlib.suppress(OSError):
        while part := connection.recv(65536):
            message += part
            if not answered and len(message) >= 4 and len(message) >= 4 + struct.unpack_from("<I", message)[0]:
                answered = True
                if answer is None:
                    break
                connection.sendall(answer)
    return message


class Listener:
    """Takes what comes on a Unix or TCP socket: one message a connection. `uid`: who listens, when it is not ourselves. `answer`: to
    each frame; None: the connection is closed without one, as of an agent that is killed."""

    def __init__(self, address, uid=None, answer=ACK):
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.bind(address)
        before = os.geteuid()
        os.seteuid(before if uid is None else uid)
        try:
            self.socket.listen(128)
        finally:
            os.seteuid(before)
        self.address = self.socket.getsockname()
        self.messages, self.answer = [], answer
        self.users = set()  # who connected to the Unix socket
        self.changed = threading.Condition()
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.socket.accept()
                if self.socket.family == socket.AF_UNIX:
                    peer = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("iII"))
                    self.users.add(struct.unpack("iII", peer)[1])
                message = read_all(connection, self.answer)
                connection.close()
                with self.changed:
                    self.messages.append(message)
                    self.changed.notify_all()

    def wait(self, count=1, within=60):
        """-> the messages, once there are so many or so many seconds have passed: more are for those that are not to come"""
        with self.changed:
            self.changed.wait_for(lambda: len(self.messages) >= count, within)
            return list(self.messages)

    def close(self):
        # close() alone does not wake accept().
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


class Hung:
    """Listens and never accepts; `full`: the queue is full too, so that a connection is not even made."""

    def __init__(self, address, full=False):
        self.family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        self.socket = socket.socket(self.family, socket.SOCK_STREAM)
        self.socket.bind(address)
        self.socket.listen(0 if full else 128)
        self.address = self.socket.getsockname()
        self.fillers = []
        for _ in range(8 if full else 0):
            filler = socket.socket(self.family, socket.SOCK_STREAM)
            filler.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                filler.connect(self.address)
            self.fillers.append(filler)

    def close(self):
        for filler in [*self.fillers, self.socket]:
            filler.close()


class Munged:
    """A munged with its own key. It runs as who runs this."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.socket = str(self.folder / "munge.socket")
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(64))
        key.chmod(0o600)
        program = shutil.which("munged", path=os.environ["PATH"] + ":/usr/sbin:/sbin")
        if not program:
            raise FileNotFoundError("munged is missing: apt install munge")
        self.process = subprocess.Popen(
            [program, "--foreground", "--force", "--num-threads=2", f"--socket={self.socket}", f"--key-file={key}",
             f"--seed-file={self.folder}/munge.seed", f"--pid-file={self.folder}/munge.pid", f"--log-file={self.folder}/munge.log"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + 60
        while subprocess.run(["munge", "-S", self.socket, "-n"], capture_output=True, check=False).returncode != 0:
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError("munged does not start: " + (self.folder / "munge.log").read_text())
            time.sleep(0.02)

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def close(self):
        self.resume()
        self.process.terminate()
        self.process.wait()


def frame_of(kind, fields):
    """A frame with these (tag, value) fields; a value is bytes or a number."""
    body = b"".join(
        struct.pack("<HH", tag, len(value)) + value
        for tag, value in ((tag, value if isinstance(value, bytes) else struct.pack("<I", value)) for tag, value in fields))
    return struct.pack("<IHBBQ", 12 + len(body), 0x4753, 1, kind, 0) + body


def listen(address, port, munge_socket=None):
    listener = Listener((address, int(port)))
    print(json.dumps({"listening": listener.address[:2]}), flush=True)
    seen = 0
    while True:
        messages = listener.wait(seen + 1, within=3600)
        for frame in messages[seen:]:
            event, signer = unseal(frame, munge_socket)
            print(json.dumps({"event": event, "signer": signer}), flush=True)
        seen = len(messages)


def send(address, port):
    with socket.create_connection((address, int(port)), timeout=60) as connection:
        connection.sendall(sys.stdin.buffer.read())


if __name__ == "__main__":
    {"listen": listen, "send": send}[sys.argv[1]](*sys.argv[2:])
