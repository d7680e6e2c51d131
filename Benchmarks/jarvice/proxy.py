# SPDX-License-Identifier: GPL-3.0-or-later
"""The proxy to interactive jobs against bare TCP relays, one on SwiftNIO (../RelayBench) and one of two threads a connection (relay.c), all
before the same application inside a job, without TLS; and 10,000 connections through it that do nothing."""

import asyncio
import contextlib
import os
import resource
import shutil
import socket
import statistics
import subprocess
import time
import urllib.parse
from pathlib import Path

import cluster

HERE = Path(__file__).resolve().parent
NIO_RELAY = Path(os.environ.get("RELAY", HERE.parents[1] / ".build-release/release/RelayBench"))
UPGRADE = ("GET {path}ws HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
FRAME = b"\x82\x84\0\0\0\0idle"


class Line:
    """A connection that stays open, to the proxy or to a relay."""

    def __init__(self, port, host, path):
        self.host, self.path = host, path
        self.wire = socket.create_connection(("127.0.0.1", port), timeout=120)
        self.wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = bytearray(1 << 20)

    def get(self, size):
        """Seconds until the last byte is there."""
        begin = time.monotonic()
        self.wire.sendall(f"GET {self.path}{size} HTTP/1.1\r\nHost: {self.host}\r\n\r\n".encode())
        head = b""
        while b"\r\n\r\n" not in head:
            head += self.wire.recv(65536) or self.ended()
        head, _, body = head.partition(b"\r\n\r\n")
        if b" 200 " not in head.split(b"\r\n")[0]:
            raise RuntimeError(head.decode())
        left = size - len(body)
        while left > 0:
            left -= self.wire.recv_into(self.buffer) or self.ended()
        return time.monotonic() - begin

    def ended(self):
        raise RuntimeError("the connection ended")


def compare(figure, ways, rounds, size=256 << 20, calls=2000):
    lines = {name: Line(*way) for name, way in ways.items()}
    for line in lines.values():
        line.get(size)
    seconds = {name: [] for name in lines}
    for turn in range(rounds):
        for name in list(lines)[::1 if turn % 2 else -1]:
            seconds[name].append(lines[name].get(size))
    speed = {name: size / 2 ** 20 / statistics.median(taken) for name, taken in seconds.items()}
    for name in ("nio_relay", "relay"):
        ratio = statistics.median(b / a for a, b in zip(seconds["proxy"], seconds[name]))
        figure(f"jarvice.proxy.throughput_vs_{name}", ratio, "ratio", mib_s=round(speed["proxy"]), relay_mib_s=round(speed[name]))
    taken = {name: [] for name in ("proxy", "relay")}
    for turn in range(calls):
        for name in list(taken)[::1 if turn % 2 else -1]:
            taken[name].append(lines[name].get(2) * 1000)
    p99 = {name: statistics.quantiles(values, n=100)[98] for name, values in taken.items()}
    figure(
        "jarvice.proxy.added_latency_p99_ms", p99["proxy"] - p99["relay"], "ms", p99_ms=round(p99["proxy"], 3), relay_p99_ms=round(p99["relay"], 3),
        median_ms=round(statistics.median(taken["proxy"]), 3), relay_median_ms=round(statistics.median(taken["relay"]), 3))


async def open_idle(port, host, path, count):
    """As many as can be opened, some at a time."""
    gate = asyncio.Semaphore(64)
    request = UPGRADE.format(host=host, path=path).encode()

    async def one():
        async with gate:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request)
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 60)
            if not head.startswith(b"HTTP/1.1 101 "):
                raise RuntimeError(head.decode())
            return reader, writer

    return await asyncio.gather(*(one() for _ in range(count)))


async def echo(line):
    reader, writer = line
    writer.write(FRAME)
    return await asyncio.wait_for(reader.readexactly(len(FRAME)), 60) == FRAME


def memory(process):
    """MiB of its own."""
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("RssAnon:"))


async def idle(figure, site, port, host, path, count):
    before, begin = memory(site.agent.process), time.monotonic()
    lines = await open_idle(port, host, path, count)
    took = time.monotonic() - begin
    await asyncio.sleep(5)
    grown = memory(site.agent.process) - before
    alive = sum(await asyncio.gather(*(echo(line) for line in lines[::100])))
    figure("jarvice.proxy.idle_mib", grown, "MiB", connections=len(lines), opened_per_s=round(len(lines) / took), alive=f"{alive} of {len(lines[::100])}")
    for _, writer in lines:
        writer.close()


@contextlib.contextmanager
def relay(program, port):
    """-> where it listens"""
    process = subprocess.Popen([program, str(port)], stdout=subprocess.PIPE, text=True)
    try:
        yield int(process.stdout.readline())
    finally:
        process.terminate()
        process.wait()


def proxy(site, figure, ok, rounds, connections):
    # Two of the agent's for each connection, and some for itself; where fewer may be open, there are fewer.
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    connections = min(connections, (hard - 400) // 2)
    lab = site.lab
    # A relay encrypts nothing.
    text = site.agent.config.read_text()
    plain = [line for line in text.splitlines() if "jobs.tls." not in line]
    site.agent.stop()
    site.agent.config.write_text("\n".join(plain).replace('jobs.domain: "jobs.example.org"', 'jobs.domain: "http://jobs.example.org"') + "\n")
    site.agent.start()
    cluster.eventually("the gateway answers", site.answers, 60)
    program = lab.stage / "application.py"
    shutil.copy(HERE / "application.py", program)
    subprocess.run(["cc", "-std=c11", "-D_GNU_SOURCE", "-O2", "-pthread", "-o", lab.stage / "relay", HERE / "relay.c"], check=True)
    job, _ = site.submit("bench-pages", f"exec python3 {program} $SINGULARITYENV_JARVICE_SERVICE_PORT; {ok}", keys={"JOBOBJ_INTERACTIVE": "True"})
    url = cluster.eventually("its URL", lambda: site.up.ask("POST", f"/request/bench-pages/1/{job}/info", {"qs": {}})["url"])
    parts = urllib.parse.urlsplit(url)
    host, path = parts.netloc, parts.path

    def listens():
        try:
            return Line(site.jobs_port, host, path).get(2) >= 0
        except RuntimeError:
            return False
    cluster.eventually("the application listens", listens)
    with relay(lab.stage / "relay", site.service_port) as bare, relay(NIO_RELAY, site.service_port) as nio:
        ports = {"proxy": site.jobs_port, "relay": bare, "nio_relay": nio}
        compare(figure, {name: (port, host, path) for name, port in ports.items()}, rounds)
        asyncio.run(idle(figure, site, site.jobs_port, host, path, connections))
    site.up.job("terminate", job, "bench-pages")
    site.end(job, "bench-pages")
