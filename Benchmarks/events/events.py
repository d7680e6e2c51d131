#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the way from slurmctld to the ledger costs: one JSON object a line on stdout, the rest on stderr. Needs root.

    events.py [NAME…]        latency start hints throughput scancel idle (all of these)

BINARY: the agent, a release build. PLUGINS: the folder of the built plugins. README.md says what the figures mean."""

import json
import os
import shutil
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
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


def start():
    """400 jobs start while slurmdbd hangs and is needed: each start's way from the node's hint to its commit."""
    quick = "SchedulerParameters=batch_sched_delay=0,sched_min_interval=0"
    with Lab(LAB_NODES=1, LAB_CPUS=64, LAB_DBD=1, LAB_CONF_EXTRA=quick) as lab:
        agent = Agent(lab, **{"accounting-interval": "1s"})
        agent.start()
        cores = os.sched_getaffinity(0)
        apart(lab, agent)
        warm = lab.submit()
        eventually("a first job has ended", lambda: ended(agent, [warm]), 30)
        lab.fault("pause", "slurmdbd")
        told = subprocess.Popen([lab.stage / "slurm-grid-agent", "events", "--json", "--control", lab.run / "control.sock"], stdout=subprocess.PIPE, text=True)
        lines = []
        reader = threading.Thread(target=lambda: lines.extend(told.stdout), daemon=True)
        reader.start()
        # Hints at jobs that slurmctld does not know: only slurmdbd could tell.
        with plugin(lab) as connection:
            boot, now = os.urandom(16), int(time.time() * 1_000_000)
            connection.sendall(b"".join(frame(2, n, (1, 1), (2, boot), (3, 2), (4, 1), (5, now), (11, 3_000_000 + n)) for n in range(1, 101)))
            connection.recv(1)
            jobs = []
            begin = time.monotonic()
            for index in range(400):
                jobs.append(lab.submit(body="sleep 2"))  # its end, which tells of the start as well, comes too late to help
                time.sleep(max(0, begin + (index + 1) / 10 - time.monotonic()))
        eventually("all have ended", lambda: ended(agent, jobs), 60)
        waiting = agent.query("SELECT count(*) FROM hints WHERE job_id > 3000000")[0][0]
        lab.fault("resume", "slurmdbd")
        told.terminate()
        reader.join(10)
        hinted, took = {}, []
        for line in map(json.loads, lines):
            if hint := line.get("hint"):
                if hint["reason"] == "start":
                    hinted.setdefault(hint["job_id"], hint["time_us"])
            elif (transition := line.get("transition")) and transition["kind"] == "running" and transition.get("job_id") in hinted:
                took.append((transition["recorded_at_us"] - hinted[transition["job_id"]]) / 1000)
        took.sort()
        cluster.say(f"{len(took)} of {len(jobs)} starts hinted at; median {statistics.median(took):.1f} ms, most {took[-1]:.1f} ms; {waiting} hints waited for slurmdbd")
        if waiting < 100 or len(took) < 380:
            sys.exit("events.py: slurmdbd was not needed, or the starts were not hinted at: nothing was measured")
        agent.stop()
        os.sched_setaffinity(0, cores)
        figure("event.start_to_commit_p99_ms", took[int(len(took) * 0.99)], "ms")


def apart(lab, agent):
    """The node, what it starts, and whoever submits have one core, the agent another, as on a cluster they have a host each: ten steps
    that begin at once would take all cores for 50 ms."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        return
    node = int((lab.lab / "spool/n1/slurmd.pid").read_text())
    for process, own in ((node, cores[:1]), (os.getpid(), cores[:1]), (agent.process.pid, cores[1:])):
        for thread in Path(f"/proc/{process}/task").iterdir():
            os.sched_setaffinity(int(thread.name), own)


def ended(agent, jobs):
    return agent.query(f"SELECT count(*) FROM runs WHERE phase = 'ended' AND job_id IN ({','.join(map(str, jobs))})")[0][0] == len(jobs)


def hints():
    """3,000 jobs are cancelled while the agent is stopped, with lean records: from its waking to all ends in the ledger."""
    count = 3000
    lean = Path(tempfile.mkdtemp(prefix="sga-bench."))
    lean.chmod(0o755)
    for name in ("micro/jobcomp_grid_agent.so", "spank_grid_agent.so"):
        shutil.copy(cluster.PLUGINS / name, lean)
    with Lab(LAB_NODES=1, plugins=lean, LAB_CONF_EXTRA="MaxJobCount=20000\nSchedulerParameters=defer") as lab:
        agent = Agent(lab, **{"poll-interval": "10m", "sweep-interval": "10m"})  # no poll helps the hints
        script = f"seq {count} | xargs -P 4 -n 1 sbatch --quiet -D /tmp -o /dev/null --hold --wrap true -J"
        lab.command("bash", "-c", script, user="labu1")
        agent.start()
        eventually("all are in the ledger", lambda: agent.query("SELECT count(*) FROM runs")[0][0] == count, 60, 0.5)
        agent.pause()
        lab.command("scancel", "-u", "labu1")
        eventually("all are cancelled", lambda: not lab.command("squeue", "-h").strip(), 120, 1)
        time.sleep(2)
        begin = time.monotonic()
        agent.resume()
        eventually("all ends are in the ledger", lambda: agent.query("SELECT count(*) FROM runs WHERE phase = 'ended'")[0][0] == count, 120, 0.01)
        took = time.monotonic() - begin
        sources = agent.query("SELECT json_extract(body, '$.source'), count(*) FROM transitions WHERE final = 1 GROUP BY 1")
        cluster.say(f"{count} hints in {took:.2f} s; who told the ends: {sources}")
        agent.stop()
        figure("hints.per_s", count / took, "1/s")
    shutil.rmtree(lean)


def plugin(lab):
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(str(lab.socket))
    return connection


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
        with plugin(lab) as connection:
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
    parts = {"latency": latency, "start": start, "hints": hints, "throughput": throughput, "scancel": scancel, "idle": idle}
    for name in sys.argv[1:] or parts:
        cluster.say(f"== {name}: {parts[name].__doc__}")
        parts[name]()
