#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A chain for tests: JSON-RPC over HTTP and WebSocket on one port of 127.0.0.1, or of --host.

    server.py [--port N] [--chain-id N] [--fund ADDRESS]... [--port-file FILE]

Three nodes of one chain: `/` and `/second` see its head, `/behind` some blocks less. All take the methods named lab_… below, which make
blocks, reorganise the chain and switch faults on."""

import argparse
import asyncio
import base64
import hashlib
import json
import os
import ssl
import struct
import sys
import time

from eth_keys import keys
from eth_utils import function_signature_to_4byte_selector as selector

from evm import Chain, Refusal
from faults import Faults
from methods import Node, data

BODY_LIMIT = 32 << 20
WAYS = {"batch": None, "batch_refusal": [-32600, "batch too large"], "error_status": 200, "authorization": None}
ANNOUNCE, COUNT = selector("announce(uint256,uint256)"), selector("count(uint256)")


class Cut(Exception):
    """The connection is to be closed."""


class Lab:
    """What the lab_… methods do."""

    def __init__(self, chain_id, funded, seed):
        self.key = keys.PrivateKey(hashlib.sha256(b"the lab's own account").digest())
        self.chain = Chain(chain_id, [*funded, self.key.public_key.to_canonical_address()], seed)
        self.nodes = {path: Node(self.chain) for path in ("/", "/behind", "/second")}
        self.nodes["/behind"].behind = 3
        self.traffic = {path: {"requests": 0, "calls": 0, "methods": {}} for path in self.nodes}
        self.faults = {path: Faults(seed + index) for index, path in enumerate(self.nodes)}
        self.block_time, self.idle_blocks = 0.0, False
        self.lost = []
        self.wake = asyncio.Event()
        self.connections = set()
        self.arrivals = []  # (monotonic time, hash) of broadcasts
        self.mined = []  # (monotonic time, number) of blocks
        self.offers = {}  # hash -> (sender, nonce, cap, market), of each transaction that was ever sent
        self.tips = [(0.0, self.nodes["/"].suggested_tip)]  # (monotonic time, what a node suggests)
        self.chain.watchers.append(lambda block: self.mined.append([time.monotonic(), block.number]))

    def call(self, method, parameters):
        handler = getattr(self, method, None)
        if handler is None:
            raise Refusal(f"the lab has no {method}", -32601)
        try:
            return handler(*parameters)
        except (TypeError, ValueError, KeyError) as error:
            raise Refusal(str(error), -32602) from None

    def lab_mine(self, count=1):
        """Makes blocks, of what waits, then empty ones. -> the head's number"""
        for _ in range(count):
            self.chain.mine()
        return hex(self.chain.head.number)

    def lab_mode(self, block_time, idle_blocks=False):
        """block_time: seconds between blocks; 0: one at once for what comes; null: only by lab_mine."""
        self.block_time, self.idle_blocks = block_time, idle_blocks
        self.wake.set()
        return True

    def lab_time(self, seconds):
        """Sets the chain's clock forward. -> by how much it is before this machine's"""
        if seconds < 0:
            raise ValueError("a chain's clock goes forward only")
        self.chain.advance(int(seconds))
        return self.chain.ahead

    def lab_deploy(self):
        """The tests' contract. -> its address"""
        with open(os.path.join(sys.prefix, "Recorder.hex"), encoding="ascii") as file:
            code = bytes.fromhex(file.read().strip()[2:])
        self.send(b"", code, 2_000_000)
        block = self.chain.mine()
        return data(next(contract for contract in block.contracts if contract))

    def lab_announce(self, contract, first, amount):
        """Sends a transaction with so many logs, of the numbers from `first` on."""
        call = ANNOUNCE + first.to_bytes(32, "big") + amount.to_bytes(32, "big")
        self.send(bytes.fromhex(contract[2:]), call, 60_000 + 4_000 * amount)
        self.wake.set()
        return True

    def lab_count(self, contract, number):
        """How often the contract was told a number."""
        call = COUNT + number.to_bytes(32, "big")
        return data(self.chain.call(self.chain.head, b"\0" * 20, bytes.fromhex(contract[2:]), call, 0, 1_000_000)[0])

    def send(self, to, payload, gas):
        self.chain.send(self.key, to, payload, gas)

    def lab_reorganise(self, depth):
        return self.chain.reorganise(depth)

    def lab_lose(self, account, selector="0x", age=0.0, alone=False):
        """The head, if it is as old as that (seconds) and holds a call of the account to that function, is lost, and the account's
        transactions in it are forgotten. alone: only when it holds no other transaction. -> their hashes, or []"""
        head, sender, wanted = self.chain.head, bytes.fromhex(account[2:]), bytes.fromhex(selector[2:])
        mine = [one for one in head.transactions if one.sender == sender]
        fits = any(one.data.startswith(wanted) for one in mine) and time.monotonic() - head.made >= age
        if not fits or (alone and len(mine) < len(head.transactions)):
            return []
        lost = [data(one) for one in self.chain.lose_head(sender)]
        self.lost += lost
        self.wake.set()
        return lost

    def lab_lost(self):
        """-> the hashes of all that was ever lost so: an answer that was cut is asked for again, and says nothing the second time"""
        return self.lost

    def lab_fault(self, path, rates):
        self.faults[path].set(rates)
        return True

    def lab_node(self, path, settings):
        """A node's ways: those that methods.Node begins with, and `batch` (calls at once), `batch_refusal` (code, message),
        `error_status` (of HTTP, for answers with an error), `authorization` (the header that it wants)."""
        for name, value in settings.items():
            if name == "chain" or name not in vars(self.nodes[path]) and name not in WAYS:
                raise ValueError(f"a node has no {name}")
            setattr(self.nodes[path], name, value)
            if name == "suggested_tip":
                self.tips.append((time.monotonic(), value))
        return True

    def lab_path(self, path):
        """One more node, at the head, of whom nobody else asks."""
        if path not in self.nodes:
            self.nodes[path] = Node(self.chain)
            self.faults[path] = Faults(len(self.nodes))
            self.traffic[path] = {"requests": 0, "calls": 0, "methods": {}}
        return True

    def lab_pool(self, minimum_tip=0, lose=False):
        """What the miner asks for; whether broadcasts are forgotten."""
        self.chain.minimum_tip, self.chain.lose = minimum_tip, lose
        self.wake.set()
        return True

    def lab_forget(self):
        """The pool is lost, but for what the lab itself sends."""
        own = self.key.public_key.to_canonical_address()
        self.chain.pool = {own: self.chain.pool.get(own, {})}
        return True

    def cut(self, spared):
        for writer in self.connections - {spared}:
            writer.transport.abort()
        return True

    def lab_waiting(self, address):
        """The hashes in the pool of an account, by nonce."""
        return [data(one.hash) for _, one in sorted(self.chain.pool.get(bytes.fromhex(address[2:]), {}).items())]

    def lab_history(self, address):
        """Of every transaction of an account: nonce, hash, status, block."""
        wanted, found = bytes.fromhex(address[2:]), []
        for block in self.chain.canonical:
            for index, one in enumerate(block.transactions):
                if one.sender == wanted:
                    found.append([one.nonce, data(one.hash), int(block.receipts[index].state_root == b"\x01"), block.number])
        return found

    def lab_paid(self, account):
        """Of every transaction that an account ever sent, in their order: nonce, hash, the most that it offered for gas, what a new
        one would have offered at that time (twice the base fee and the highest tip that a node suggested within the last two
        minutes), and of a mined one the price of gas and the gas it used, else 0; wei."""
        wanted, found = bytes.fromhex(account[2:]), []
        for identity, (sender, nonce, cap, market) in self.offers.items():
            if sender != wanted:
                continue
            block, index = self.chain.places.get(identity, (None, None))
            price = used = 0
            if block:
                one = block.transactions[index]
                price = block.header.base_fee_per_gas + self.chain.tip(one, block.header.base_fee_per_gas)
                used = block.receipts[index].gas_used - (block.receipts[index - 1].gas_used if index else 0)
            found.append([nonce, data(identity), cap, market, price, used])
        return found

    def offered(self, raw):
        """Somebody sends a transaction."""
        one, now = self.chain.decode(raw), time.monotonic()
        self.arrivals.append([now, "0x" + one.hash.hex()])
        later = [since for since, _ in self.tips[1:]] + [now]
        tip = max(tip for (_, tip), until in zip(self.tips, later) if until > now - 120)
        market = 2 * self.chain.next_base_fee + tip
        self.offers.setdefault(one.hash, (one.sender, one.nonce, one.max_fee_per_gas, market))

    def lab_arrivals(self):
        """When broadcasts arrived, by the monotonic clock: [seconds, hash]; forgotten by asking."""
        found, self.arrivals = self.arrivals, []
        return found

    def lab_traffic(self, path):
        """What came to a node: HTTP requests, calls in them, and how many of each method; forgotten by asking."""
        found, self.traffic[path] = self.traffic[path], {"requests": 0, "calls": 0, "methods": {}}
        return found

    def lab_mined(self):
        """When blocks were made, by the monotonic clock: [seconds, number]; forgotten by asking."""
        found, self.mined = self.mined, []
        return found

    async def miner(self):
        while True:
            if self.block_time is None:
                self.wake.clear()
                await self.wake.wait()
            elif self.block_time == 0:
                self.wake.clear()
                if self.chain.executable():
                    self.chain.mine()
                    await asyncio.sleep(0)  # whatever comes of it, the node goes on answering
                else:
                    await self.wake.wait()
            else:
                await asyncio.sleep(self.block_time)
                if self.block_time and (self.idle_blocks or self.chain.executable()):
                    self.chain.mine()


class Client:
    def __init__(self, lab, reader, writer):
        self.lab, self.reader, self.writer = lab, reader, writer
        self.path = "/"
        self.subscriptions = {}

    @property
    def node(self):
        return self.lab.nodes[self.path]

    @property
    def faults(self):
        return self.lab.faults[self.path]

    # ---- JSON-RPC

    def one(self, question):
        identity = question.get("id") if isinstance(question, dict) else None
        if self.faults.happens("wrong_id") and isinstance(identity, int):
            identity += 1000
        answer = {"jsonrpc": "2.0", "id": identity}
        try:
            method, parameters = question["method"], question.get("params", [])
            if method == "eth_sendRawTransaction":
                self.lab.offered(bytes.fromhex(parameters[0][2:]))
            if method == "lab_cut":
                # Closes every connection but the one that asks.
                answer["result"] = self.lab.cut(self.writer)
            elif method.startswith("lab_"):
                answer["result"] = self.lab.call(method, parameters)
            elif method == "eth_subscribe":
                answer["result"] = self.subscribe(parameters)
            else:
                answer["result"] = self.faults.answer(self.node, method, parameters)
            if method == "eth_sendRawTransaction":
                self.lab.wake.set()
        except Refusal as refusal:
            answer["error"] = {"code": refusal.code, "message": refusal.message}
            if refusal.data is not None:
                answer["error"]["data"] = refusal.data
        except (KeyError, TypeError):
            answer["error"] = {"code": -32600, "message": "invalid request"}
        return answer

    def way(self, name):
        return getattr(self.node, name, WAYS[name])

    def count(self, body):
        """Of a request by HTTP that is none of the lab's own."""
        try:
            calls = json.loads(body)
        except ValueError:
            return
        traffic, calls = self.lab.traffic[self.path], calls if isinstance(calls, list) else [calls]
        traffic["requests"] += 1
        traffic["calls"] += len(calls)
        for call in calls:
            method = call.get("method", "")
            traffic["methods"][method] = traffic["methods"].get(method, 0) + 1

    def answer(self, body):
        try:
            question = json.loads(body)
        except ValueError:
            return b'{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"parse error"}}'
        if isinstance(question, list):
            if (limit := self.way("batch")) is not None and len(question) > limit:
                code, message = self.way("batch_refusal")
                return json.dumps({"jsonrpc": "2.0", "id": None, "error": {"code": code, "message": message}}).encode()
            answers = [self.one(one) for one in question]
            if self.faults.happens("double_answer"):
                answers.append(answers[0])
            return json.dumps(answers).encode()
        return json.dumps(self.one(question)).encode()

    async def respond(self, body):
        """The answer's bytes, after what the faults make of it."""
        control = b'"lab_' in body[:200]
        if control:
            return self.answer(body)
        faults = self.faults
        if faults.happens("drop_request"):
            raise Cut
        if faults.happens("double"):
            self.answer(body)
        answer = self.answer(body)
        if delay := faults.delay():
            await asyncio.sleep(delay)
        if faults.happens("drop_answer"):
            raise Cut
        if faults.happens("html"):
            return b"<html><body>502 Bad Gateway</body></html>"
        if faults.happens("huge"):
            return b'{"jsonrpc":"2.0","id":1,"result":"' + b"a" * (64 << 20) + b'"}'
        if faults.happens("truncate"):
            return answer[: len(answer) // 2]
        return answer

    # ---- HTTP

    async def serve(self):
        while True:
            head = await self.reader.readuntil(b"\r\n\r\n")
            lines = head.decode("latin-1").split("\r\n")
            _, target, _ = lines[0].split(" ", 2)
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:] if line)}
            self.path = target if target in self.lab.nodes else "/"
            if headers.get("upgrade", "").lower() == "websocket":
                if self.way("authorization") not in (None, headers.get("authorization")):
                    self.writer.write(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")
                    return
                await self.upgrade(headers["sec-websocket-key"])
                return
            if "chunked" in headers.get("transfer-encoding", ""):
                body = await self.chunks()
            else:
                body = await self.reader.readexactly(min(int(headers.get("content-length", 0)), BODY_LIMIT))
            control = b'"lab_' in body[:200]
            if not control:
                self.count(body)
            if not control and self.way("authorization") not in (None, headers.get("authorization")):
                self.writer.write(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")
                continue
            answer = await self.respond(body)
            status = 200 if control or b'"error"' not in answer else self.way("error_status")
            self.writer.write(b"HTTP/1.1 %d Status\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (status, len(answer)) + answer)
            await self.writer.drain()

    async def chunks(self):
        body = b""
        while size := int(await self.reader.readline(), 16):
            body += await self.reader.readexactly(size)
            await self.reader.readline()
        await self.reader.readline()
        return body

    # ---- WebSocket, RFC 6455

    async def upgrade(self, key):
        accept = base64.b64encode(hashlib.sha1(key.encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
        self.writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n")
        self.lab.chain.watchers.append(self.announce)
        try:
            while True:
                opcode, payload = await self.frame()
                if opcode == 8:
                    return
                if opcode == 9:
                    self.send(10, payload)
                elif opcode in (1, 2):
                    self.send(1, await self.respond(payload))
        finally:
            self.lab.chain.watchers.remove(self.announce)

    async def frame(self):
        payload = b""
        while True:
            first, second = await self.reader.readexactly(2)
            size = second & 127
            if size == 126:
                size = struct.unpack(">H", await self.reader.readexactly(2))[0]
            elif size == 127:
                size = struct.unpack(">Q", await self.reader.readexactly(8))[0]
            if size > BODY_LIMIT:
                raise Cut
            mask = await self.reader.readexactly(4) if second & 128 else b"\0\0\0\0"
            part = await self.reader.readexactly(size)
            payload += bytes(byte ^ mask[index % 4] for index, byte in enumerate(part))
            if first & 15:
                opcode = first & 15
            if first & 128:
                return opcode, payload

    def send(self, opcode, payload):
        size = len(payload)
        head = bytes([128 | opcode]) + (bytes([size]) if size < 126 else b"\x7e" + struct.pack(">H", size) if size < 65536 else b"\x7f" + struct.pack(">Q", size))
        self.writer.write(head + payload)

    def subscribe(self, parameters):
        if parameters[0] not in ("newHeads", "logs"):
            raise Refusal("no such subscription", -32601)
        identity = hex(len(self.subscriptions) + 1)
        self.subscriptions[identity] = parameters
        return identity

    def announce(self, block):
        if self.faults.happens("drop_answer") or self.node.behind or block.number > self.node.head.number:
            return
        for identity, (kind, *rest) in self.subscriptions.items():
            if kind == "newHeads":
                results = [self.node.block(block, False)]
            else:
                results = self.node.eth_getLogs(dict(rest[0] if rest else {}, blockHash=data(block.hash)))
            for result in results:
                message = {"jsonrpc": "2.0", "method": "eth_subscription", "params": {"subscription": identity, "result": result}}
                self.send(1, json.dumps(message).encode())


async def main(arguments):
    lab = Lab(arguments.chain_id, [bytes.fromhex(address[2:]) for address in arguments.fund], arguments.seed)

    async def accept(reader, writer):
        lab.connections.add(writer)
        try:
            await Client(lab, reader, writer).serve()
        except (Cut, asyncio.IncompleteReadError, ConnectionError, ValueError, KeyError):
            pass
        finally:
            lab.connections.discard(writer)
            writer.close()

    tls = None
    if arguments.certificate:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(arguments.certificate)
    server = await asyncio.start_server(accept, arguments.host, arguments.port, limit=BODY_LIMIT, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    if arguments.port_file:
        with open(arguments.port_file + ".new", "w", encoding="ascii") as file:
            file.write(str(port))
        os.rename(arguments.port_file + ".new", arguments.port_file)
    place = f"{arguments.host}:{port}/"
    print(f"chain {arguments.chain_id} at http://{place} (behind: /behind), ws://{place}", flush=True)
    await lab.miner()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0, help="default: any that is free")
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen at; default: 127.0.0.1")
    parser.add_argument("--port-file", help="where the port is written to")
    parser.add_argument("--certificate", help="a PEM file of certificate and key: HTTPS and WSS instead of HTTP and WS")
    parser.add_argument("--chain-id", type=int, default=1337)
    parser.add_argument("--fund", action="append", default=[], help="an account with 10^6 coins")
    parser.add_argument("--seed", type=int, default=0, help="of the faults and reorganisations")
    try:
        asyncio.run(main(parser.parse_args()))
    except KeyboardInterrupt:
        sys.exit(0)
