#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Benchmarks of a cluster whose nodes share no folder with the agent and do not reach it: results come through Slurm, in the comments of
their jobs. The agent is killed and slurmctld loses what it knew in the middle, somebody writes over it, the time limit is reached. Real
programs and stand-ins. comments.py [NAME…]: all, or some. Needs root."""

import json
import random
import re
import sys
import time
from pathlib import Path

from fixture import COMPUTE, INTERNET, NETWORK, PARTS, USER, Fixture, Lab, check, eventually, say

sys.path.insert(0, str(Path(__file__).resolve().parent))
import soak  # noqa: E402

KNOBS = {"LAB_NODES": 2, "LAB_CPUS": 1, "LAB_GPUS": 0, "LAB_MIN_JOB_AGE": 86400, "LAB_CONF_EXTRA": "KillWait=1"}
# Some thirty chunks, for gzip finds nothing in it.
NOISE = "head -c 20000 /dev/urandom | base64"


class Comments(Fixture):
    def __init__(self, lab):
        super().__init__(lab)
        self.programs = self.stand_ins()
        # What a test left that was killed is not ours.
        self.before = set(Path("/tmp").glob("sga-benchmark.*"))

    def start(self, **settings):
        self.configure(**{
            "slurm.partition": "main", "benchmark.env": self.programs, "benchmark.result-folder": None, **settings})
        self.agent.start()

    def left(self):
        return super().left() + [path.name for path in set(Path("/tmp").glob("sga-benchmark.*")) - self.before]

    def comment(self, job):
        return self.lab.command("squeue", "-h", "-t", "all", "-j", job, "-o", "%k", check=False).strip()

    def number(self, job):
        """Of the chunk that is there, or was taken last; 0: none."""
        found = re.match(r"@sga (?:chunk|taken) \d+ (\d+)", self.comment(job))
        return int(found[1]) if found else 0

    def in_the_middle(self, job, number=5):
        eventually(f"chunk {number}", lambda: self.number(job) >= number, 60, 0.05)

    def write(self, job, text):
        """As the job's user."""
        self.lab.command("scontrol", "update", f"JobId={job}", f"Comment={text}", user=USER)

    def printed(self, name="internet"):
        """What the program printed, as the agent has it."""
        return next(one["content"] for one in self.ask("results") if one["name"] == name)

    def noisy(self):
        """Begins a part of many chunks. -> its job"""
        self.order("speedtest", f"{NOISE} | tee {self.orders_folder}/noise")
        self.begin("internet")
        return self.running("internet")

    def whole(self):
        """The noisy part is over, and not a byte of it is missing."""
        _, parts = self.finished()
        check(parts["internet"]["labels"] == INTERNET and not parts["internet"].get("message"), parts)
        noise = (self.orders_folder / "noise").read_text()
        check(len(noise) > 25_000 and self.printed().startswith(noise), "what the program printed")


def all_parts(fixture):
    """every part: labels as with a folder, one job each, no port is open"""
    before = fixture.jobs()
    run = fixture.begin()
    done, parts = fixture.finished()
    check(done["id"] == run and all(parts[name]["state"] == "done" for name in PARTS), done)
    check(parts["compute"]["labels"] == COMPUTE and parts["network"]["labels"] == NETWORK and parts["internet"]["labels"] == INTERNET, parts)
    check(len(parts["storage"]["labels"]) == 8 and parts["machine"]["labels"]["os"] == "linux", parts)
    check(len(fixture.jobs() - before) == len(PARTS), fixture.jobs(), before)
    shown = fixture.lab.command("scontrol", "show", "job", parts["compute"]["job"])
    check("StdOut=/dev/null" in shown and re.search(r"Comment=@sga taken \d+ \d+", shown), shown)
    check("grpc.listen-address" not in (fixture.agent.status().get("listening") or []), fixture.agent.status())
    # The run's secret is in no comment.
    check(all(fixture.token(part["job"]) not in fixture.comment(part["job"]) for part in parts.values()), "the secret")


def agent_killed(fixture):
    """the agent is killed again and again in the middle of what a job sends"""
    job = fixture.noisy()
    for number in range(4, 24, 4):
        fixture.in_the_middle(job, number)
        fixture.agent.kill()
        fixture.agent.start(wait=False)
    fixture.whole()


def agent_away(fixture):
    """the agent is away when a program ends, and for longer than a job waits before it looks more seldom"""
    job = fixture.noisy()
    fixture.in_the_middle(job)
    fixture.agent.kill()
    time.sleep(13)
    check(fixture.state(job) == "RUNNING", fixture.state(job))
    fixture.agent.start()
    fixture.whole()


def lost_by_slurmctld(fixture):
    """slurmctld is stopped in the middle, and killed so that it loses the last seconds"""
    job = fixture.noisy()
    fixture.in_the_middle(job)
    fixture.lab.fault("stop")
    time.sleep(1)
    fixture.lab.fault("start")
    fixture.in_the_middle(job, 15)
    before = fixture.number(job)
    fixture.lab.fault("kill")
    fixture.lab.fault("start")
    say(f"  killed at chunk {before}, restored with {fixture.comment(job)[:20]!r}")
    fixture.whole()


def written_over(fixture):
    """the job's user writes over it: rubbish, chunks of his own, an earlier one again, answers that nobody gave"""
    job = fixture.noisy()
    fixture.in_the_middle(job, 3)
    old = eventually("a chunk", lambda: (shown := fixture.comment(job)).startswith("@sga chunk") and shown, 20, 0.02)
    words = old.split()
    for text in ("", "my own words", "@sga", "@sga chunk", "x" * 1024, f"@sga taken {words[2]} 99999999999999999999", f"@sga taken {words[2]} 999",
                 "@sga taken 7 1", f"@sga taken {words[2]} 2", f"@sga chunk {words[2]} 9 . {'0' * 32} AAAA", " ".join([*words[:5], words[5], "AAAA"]), old):
        fixture.write(job, text)
        time.sleep(0.3)
    fixture.whole()


def time_limit(fixture):
    """the time limit is reached: what had come counts, and the reason is told"""
    second = fixture.orders_folder / "second"
    second.unlink(missing_ok=True)
    fixture.order("fio", f"case \"$*\" in *disk-tmp*) touch '{second}'; sleep 3600 ;; esac")
    fixture.begin("storage")
    job = fixture.running("storage")
    eventually("the second folder is measured", second.exists)
    # An end within the second of the start is refused.
    time.sleep(2)
    # slurmctld looks every 30 s.
    fixture.lab.command("scontrol", "update", f"JobId={job}", "EndTime=now")
    _, parts = fixture.finished()
    found = parts["storage"]
    # Of both nodes: a sum of which a part is missing is none.
    check(found["state"] == "done" and all(key.startswith("storage.scratch.") for key in found["labels"]) and len(found["labels"]) == 4, found)
    check("TIMEOUT" in found["message"] and [one["name"] for one in fixture.ask("results")][:2] == ["scratch.fio.0", "scratch.fio.1"], found)
    for path in (*(set(Path("/tmp").glob("sga-benchmark.*")) - fixture.before), *fixture.disk.glob("sga-*")):
        fixture.as_user("rm", "-rf", path)


def cancelled(fixture):
    """a run that is cancelled in the middle ends its job"""
    job = fixture.noisy()
    fixture.in_the_middle(job)
    fixture.ask("cancel")
    done, parts = fixture.finished()
    check(done["is_cancelled"] and parts["internet"]["state"] in ("cancelled", "failed"), done)
    for path in set(Path("/tmp").glob("sga-benchmark.*")) - fixture.before:
        fixture.as_user("rm", "-rf", path)


def killed(fixture):
    """a run of all parts while the agent is killed ten times and slurmctld restarted: one job for each part, the whole result"""
    wrong = soak.one_run(fixture, 10, random.Random(time.time()))
    check(not wrong, wrong)


def real_programs(fixture):
    """hpcc over two nodes, by itself on each, and fio: labels as they printed; though an address is configured, where nobody listens"""
    for alone in ("false", "true"):
        fixture.agent.stop()
        fixture.start(**{
            "benchmark.results": "slurm", "public-address": "localhost:9", "benchmark.env": "OMPI_MCA_mpi_yield_when_idle=1",
            "benchmark.hpl.block-size": 32, "benchmark.hpl.memory-percent": 0.005, "benchmark.hpl.single-node": alone})
        fixture.begin(*(["compute", "network", "storage", "machine"] if alone == "false" else ["compute"]))
        _, parts = fixture.finished(300)
        check(all(part["state"] == "done" for part in parts.values()), parts)
        raw = {(one["part"], one["name"]): one["content"] for one in fixture.ask("results")}
        names = ["hpcc"] if alone == "false" else ["hpcc.0", "hpcc.1"]
        speed = sum(1000 * float(re.search(r"^HPL_Tflops=(\S+)$", raw["compute", name], re.MULTILINE)[1]) for name in names)
        check(abs(float(parts["compute"]["labels"]["compute.gflops"]) - speed) < 0.02, parts, speed)
        if alone == "false":
            fio = [json.loads(raw["storage", f"scratch.fio.{node}"]) for node in (0, 1)]
            total = sum(job["write"]["bw_bytes"] for one in fio for job in one["jobs"]) / 2**20
            check(parts["storage"]["labels"]["storage.scratch.write.bw.mibps"] == f"{total:.2f}", parts["storage"], total)
        for name, part in parts.items():
            say(f"  {name}: {fixture.comment(part['job'])}, {part['ended_at'] - part['started_at']} s, "
                f"{sum(len(text) for (kind, _), text in raw.items() if kind == name)} bytes")


TESTS = [all_parts, agent_killed, agent_away, lost_by_slurmctld, written_over, time_limit, cancelled, killed, real_programs]


def main(wanted):
    begun = time.monotonic()
    with Lab(**KNOBS) as lab:
        fixture = Comments(lab)
        fixture.start()
        fixture.each(TESTS, wanted)
        fixture.agent.stop()
    say(f"all right, {time.monotonic() - begun:.0f} s")


if __name__ == "__main__":
    main(sys.argv[1:])
