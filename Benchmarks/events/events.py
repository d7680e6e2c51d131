#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the way from slurmctld to the ledger costs: one JSON object a line on stdout, the rest on stderr. Needs root.

    events.py [NAME…]        latency throughput scancel idle (all of these)

BINARY: the agent, a release build. PLUGINS: the folder of the built plugins. README.md says what the figures mean."""

import json
import os
import socket
import statistics
import struct
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "Tests/Events"))
import cluster  # noqa: E402
from cluster import Agent, Lab, eventually  # noqa: E402

cluster.say = lambda text: print(text, file=sys.stderr, flush=True)


def figure(name, value, unit):
    print(json.dumps({"name": name, "value": round(value, 3), "unit": unit}), flush=True)


def latency():
    """50 jobs a second end; each event's way from slurmctld to its commit."""
    with Lab(LAB_NODES=2, LAB_CONF_EXTRA="SchedulerParameters=defer") as lab:
        agent = Agent(lab)
        agent.start()
        jobs = [lab.submit("--hold") for _ in range(1000)]
        start = time.monotonic()
        for index, job in enumerate(jobs):
            lab.command("scancel", job)
            time.sleep(max(0, start + (index + 1) / 50 - time.monotonic()))
        rate = len(jobs) / (time.monotonic() - start)
        eventually("all have come", lambda: agent.query("SELECT count(*) FROM runs WHERE phase = 'ended'")[0][0] == len(jobs))
        told = agent.plugins()["plugins"]["commit_latency"]
        cluster.say(f"{rate:.0f} jobs/s; microseconds: {told}")
        agent.stop()
        figure("event.end_to_commit_p99_ms", told["p99"] / 1000, "ms")


def frame(kind, sequence, *fields):
    body = struct.pack("<HBBQ", 0x4753, 1, kind, sequence)
    for tag, value in fields:
        value = value.to_bytes(4 if value < 1 << 32 else 8, "little") if isinstance(value, int) else value
        body += struct.pack("<HH", tag, len(value)) + value
    return struct.pack("<I", len(body)) + body


def throughput():
    """Ends of different jobs from a plugin that always has more, until each is acknowledged: fsync and all."""
    count = 40_000
    with Lab(LAB_NODES=1) as lab:
        agent = Agent(lab, **{"poll-interval": "60s"})
        agent.start()
        boot, now = os.urandom(16), int(time.time())
        frames = [
            frame(2, n, (1, 1), (2, boot), (3, 2), (4, 2), (5, now * 1_000_000), (11, 1_000_000 + n), (20, 1000), (21, 100), (22, 3), (23, 0), (24, now - 60),
                  (26, now - 30), (27, now), (31, 0), (40, b"job"), (41, b"main"), (42, b"n1"), (43, b"account"), (46, b"1=4,2=100,4=1"))
            for n in range(1, count + 1)
        ]
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(lab.socket))
            start, acked, sent = time.monotonic(), 0, 0
            connection.setblocking(False)
            pending, answers = b"", b""
            while acked < count:
                if not pending and sent < count and sent - acked < 256:  # the plugin's own window
                    take = min(count - sent, 256 - (sent - acked))
                    pending = b"".join(frames[sent:sent + take])
                    sent += take
                try:
                    pending = pending[connection.send(pending):] if pending else b""
                except BlockingIOError:
                    pass
                try:
                    answers += connection.recv(65536)
                    while len(answers) >= 16:
                        acked, answers = struct.unpack_from("<Q", answers, 8)[0], answers[16:]
                except BlockingIOError:
                    time.sleep(0.0002)
            took = time.monotonic() - start
        eventually("the journal has them", lambda: agent.query("SELECT count(*) FROM deliveries WHERE state <> 1")[0][0] == 0, 120)
        cluster.say(f"{count} ends (a start and an end each) in {took:.1f} s; the journal had all {time.monotonic() - start:.1f} s after the start")
        agent.stop()
        figure("ledger.events_per_s", count / took, "1/s")


def scancel():
    """200 scancels with the plugin and a hung agent against 200 without the plugin, in turns."""
    with Lab(LAB_NODES=1, LAB_CONF_EXTRA="SchedulerParameters=defer") as ours, Lab(LAB_NODES=1, jobcomp="jobcomp/none", spank=False, LAB_CONF_EXTRA="SchedulerParameters=defer") as bare:
        agent = Agent(ours)
        agent.start()
        agent.pause()
        ratios, extra = [], []
        for turn in range(7):
            took = {}
            for lab in (ours, bare) if turn % 2 else (bare, ours):
                jobs = [lab.submit("--hold") for _ in range(200)]
                start = time.monotonic()
                for job in jobs:
                    lab.command("scancel", job)
                took[lab] = time.monotonic() - start
            ratios.append(took[ours] / took[bare])
            extra.append((took[ours] - took[bare]) / 200 * 1000)
        cluster.say(f"ratios {[round(ratio, 3) for ratio in ratios]}, more per scancel {[round(one, 3) for one in extra]} ms")
        agent.resume()
        agent.stop()
        figure("jobcomp.scancel_hung_ratio", statistics.median(ratios), "1")
        figure("jobcomp.scancel_hung_extra_ms", statistics.median(extra), "ms")


def idle():
    """10,000 jobs wait; nothing happens for a minute."""
    with Lab(LAB_NODES=2, LAB_CONF_EXTRA="MaxJobCount=20000\nSchedulerParameters=defer") as lab:
        script = "seq 10000 | xargs -P 4 -n 1 sbatch --quiet -D /tmp -o /dev/null --hold --wrap true -J"
        lab.command("bash", "-c", script, user="labu1")
        agent = Agent(lab, **{"poll-interval": "5s"})
        agent.start()
        eventually("all are in the ledger", lambda: agent.query("SELECT count(*) FROM runs")[0][0] == 10_000, 120, 1)
        eventually("all are told", lambda: agent.query("SELECT count(*) FROM deliveries WHERE state <> 1")[0][0] == 0, 60, 1)
        time.sleep(20)
        process = Path(f"/proc/{agent.process.pid}")

        def used():
            fields = process.joinpath("stat").read_text().rsplit(")", 1)[1].split()
            return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

        before, start = used(), time.monotonic()
        time.sleep(60)
        share = (used() - before) / (time.monotonic() - start) * 100
        anonymous = next(int(line.split()[1]) for line in process.joinpath("status").read_text().splitlines() if line.startswith("RssAnon"))
        agent.stop()
        figure("agent.idle_10k_anon_mib", anonymous / 1024, "MiB")
        figure("agent.idle_10k_cpu_percent", share, "%")


if __name__ == "__main__":
    if os.geteuid() != 0:
        sys.exit("events.py: needs root, for the lab")
    parts = {"latency": latency, "throughput": throughput, "scancel": scancel, "idle": idle}
    for name in sys.argv[1:] or parts:
        cluster.say(f"== {name}: {parts[name].__doc__}")
        parts[name]()
