# SPDX-License-Identifier: GPL-3.0-or-later
"""What the grid's services have in common: options, TLS, faults, signatures, the way they start and end."""

import concurrent.futures
import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import grpc
from eth_keys import keys
from eth_keys.exceptions import BadSignature
from eth_utils import ValidationError, keccak


class Refusal(Exception):
    """The answer to a request: a gRPC code and a text."""

    def __init__(self, code, text):
        super().__init__(text)
        self.code, self.text = code, text


def say(*words):
    print(time.strftime("%H:%M:%S"), *words, flush=True)


def personal_hash(message):
    """The hash that is signed for a personal message (EIP-191, version 0x45)."""
    return keccak(b"\x19Ethereum Signed Message:\n" + str(len(message)).encode() + message)


def recover(message, signature):
    """The address (20 bytes) that signed a personal message; ValueError if there is none. v is 0, 1, 27 or 28."""
    if len(signature) < 65:
        # The grid's own service looks no further than the index of v, and dies of it.
        raise Refusal(grpc.StatusCode.UNAVAILABLE, "index out of range: a signature has 65 bytes")
    v = signature[64] - 27 if signature[64] > 1 else signature[64]
    try:
        signature = keys.Signature(vrs=(v, int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big")))
        return signature.recover_public_key_from_msg_hash(personal_hash(message)).to_canonical_address()
    except (BadSignature, ValidationError) as error:
        raise ValueError(str(error)) from None


def wait(context, seconds):
    """Sleeps, but no longer than the client waits. -> whether it still does"""
    end = time.monotonic() + seconds
    while context.is_active() and time.monotonic() < end:
        time.sleep(min(0.1, max(0, end - time.monotonic())))
    return context.is_active()


class Faults:
    """Faults by a file that may change at any time (replace it by a rename). A JSON object; every member may be left out:

    delay     seconds before anything else happens
    fail      the name of a gRPC code, such as "UNAVAILABLE", to answer with
    drop      true: no answer ever
    oversize  bytes to add to the answer (a batch script)
    methods   what it is for: a list of methods, such as ["GetSBatch"]; default all
    rate      how many of the requests, 0 to 1; default all"""

    def __init__(self, path):
        self.path, self.last = path, {}

    def read(self):
        try:
            self.last = json.loads(Path(self.path).read_text(encoding="utf-8")) if self.path else {}
        except FileNotFoundError:
            self.last = {}
        except ValueError as error:
            say(f"{self.path}: {error}; the faults stay as they were")
        return self.last

    def meet(self, method, context):
        """Lets a request suffer. -> bytes to add to its answer"""
        faults = self.read()
        if method not in faults.get("methods", [method]) or random.random() >= faults.get("rate", 1):
            return 0
        alive = wait(context, faults.get("delay", 0))
        while alive and faults.get("drop"):
            alive = wait(context, 60)
        if not alive:
            raise Refusal(grpc.StatusCode.CANCELLED, "the client waits no longer")
        if "fail" in faults:
            raise Refusal(grpc.StatusCode[faults["fail"]], "a fault of the lab")
        return faults.get("oversize", 0)


def refusing(handler):
    """Answers a Refusal, and tells of each request."""

    def handle(self, request, context):
        try:
            answer = handler(self, request, context)
            say(handler.__name__, getattr(request, "job_id", ""), "OK")
            return answer
        except Refusal as refusal:
            say(handler.__name__, getattr(request, "job_id", ""), refusal.code.name, refusal.text)
            context.abort(refusal.code, refusal.text)

    return handle


def refusing_stream(handler):
    """The same for a stream of answers."""

    def handle(self, request, context):
        try:
            yield from handler(self, request, context)
        except Refusal as refusal:
            say(handler.__name__, refusal.code.name, refusal.text)
            context.abort(refusal.code, refusal.text)

    return handle


def add_options(parser):
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen at; default: 127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="default: any that is free")
    parser.add_argument("--port-file", help="where the port is written to")
    parser.add_argument("--tls-cert", help="the server's certificate, a PEM file")
    parser.add_argument("--tls-key", help="its key")
    parser.add_argument("--plaintext", action="store_true", help="no TLS")
    parser.add_argument("--connection-age", type=float, default=3600,
                        help="seconds after which a connection is ended, with 10 s of grace")
    parser.add_argument("--faults", help="a file of faults, read at each request: common.py")


def serve(arguments, name, threads, register):
    """Serves until SIGTERM or SIGINT. register(server) adds what is served."""
    # Before there is any other thread, so that none takes them.
    ends = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)
    server = grpc.server(
        concurrent.futures.ThreadPoolExecutor(threads),
        options=[
            # A port that is taken is an error, not to be shared.
            ("grpc.so_reuseport", 0),
            ("grpc.keepalive_time_ms", 10_000),
            ("grpc.keepalive_timeout_ms", 20_000),
            ("grpc.max_connection_age_ms", int(arguments.connection_age * 1000)),
            ("grpc.max_connection_age_grace_ms", 10_000),
        ],
    )
    register(server)
    address = f"{arguments.host}:{arguments.port}"
    if arguments.plaintext:
        port = server.add_insecure_port(address)
    elif arguments.tls_cert and arguments.tls_key:
        pair = (Path(arguments.tls_key).read_bytes(), Path(arguments.tls_cert).read_bytes())
        port = server.add_secure_port(address, grpc.ssl_server_credentials([pair]))
    else:
        sys.exit(f"{name}: --tls-cert and --tls-key, or --plaintext")
    server.start()
    if arguments.port_file:
        Path(arguments.port_file + ".new").write_text(str(port), encoding="ascii")
        os.rename(arguments.port_file + ".new", arguments.port_file)
    say(f"{name} at {arguments.host}:{port}")
    signal.sigwait(ends)
    # What is under way gets a second; then its context is no longer active, which ends it.
    server.stop(1).wait()
