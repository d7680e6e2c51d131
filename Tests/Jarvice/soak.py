#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""JARVICE submits jobs, asks for the same again when an answer is lost, and for the end of each, while the agent is killed at random
instants.

    soak.py [JOBS [KILLS [SEED]]]       300 jobs, 40 kills

Each submission is one Slurm job, its exit status is that of its job, and its output is whole. The last line is the verdict as JSON.
Needs root."""

import json
import queue
import random
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "Events"))
from cluster import Lab, eventually, say  # noqa: E402
from place import OK, Site, insist  # noqa: E402

CONF = "KillWait=1\nSchedulerParameters=batch_sched_delay=0,sched_min_interval=0,sched_interval=2,bf_interval=2"
WORKERS = 6
# What a job does, and what upstream is told of it: code and state.
KINDS = [(OK, 0, "CD"), ("echo no success", 1, "F"), ("exit 3", 1, "F"), (f"sleep 1; {OK}", 0, "CD")]


class Soak:
    def __init__(self, site, count, kills, seed):
        self.site, self.kills, self.random = site, kills, random.Random(seed)
        self.jobs, self.wrong, self.unanswered = {}, [], 0
        self.names = queue.Queue()
        self.lock = threading.Lock()
        for number in range(count):
            self.names.put((f"soak-{number}", *KINDS[number % len(KINDS)]))
        self.is_over = threading.Event()

    def work(self):
        while True:
            try:
                name, command, code, state = self.names.get_nowait()
            except queue.Empty:
                return
            try:
                self.life(name, command, code, state)
            except Exception as error:
                with self.lock:
                    self.wrong.append(f"{name}: {error}")

    def life(self, name, command, code, state):
        keys = {"JOBOBJ_DEVICES": '["exclusive=False"]'}
        job = eventually(f"{name} is taken", lambda: self.ask(lambda: self.site.submit(name, f"echo {name}; {command}", keys=keys)[0]), 200)
        with self.lock:
            self.jobs[name] = job
        end = eventually(f"the end of {name}", lambda: self.ask(lambda: self.site.end(job, name)), 200)
        insist("its end", end[0] == code and f" {state} " in end[2][1], end)
        # What srun says of a task may come before what the task said.
        insist("its output", name in end[2][0].splitlines(), end[2][0])
        insist("the same answer again", self.ask(lambda: self.site.end(job, name)) in (None, end))
        insist("the same job again", self.ask(lambda: self.site.submit(name, keys=keys)[0]) in (None, job))

    def ask(self, call):
        """None where the answer was lost."""
        try:
            return call()
        except (OSError, EOFError):
            with self.lock:
                self.unanswered += 1
            return None

    def kill_all(self):
        done = 0
        while done < self.kills and not self.is_over.is_set():
            if self.is_over.wait(self.random.uniform(0.05, 2)):
                break
            self.site.agent.kill()
            self.site.start()
            done += 1
        self.killed = done

    def run(self):
        began = time.monotonic()
        workers = [threading.Thread(target=self.work, daemon=True) for _ in range(WORKERS)]
        killer = threading.Thread(target=self.kill_all, daemon=True)
        for thread in [*workers, killer]:
            thread.start()
        for thread in workers:
            thread.join()
        self.is_over.set()
        killer.join()
        found = self.site.lab.command("sacct", "-n", "-P", "-X", "-a", "-D", "-S", "now-1days", "-o", "jobname%60,jobidraw,state").split("\n")
        rows = [line.split("|") for line in found if line.startswith("jarvice_soak-")]
        ran = {}
        for name, job, state in rows:
            # A job that was taken back before it ran is no second run.
            if not state.startswith("CANCELLED"):
                ran.setdefault(name.removeprefix("jarvice_"), set()).add(int(job))
        doubled = {name: sorted(jobs) for name, jobs in ran.items() if len(jobs) > 1}
        other = {name: job for name, job in self.jobs.items() if ran.get(name) not in (None, {job})}
        return {
            "jobs": len(self.jobs), "kills": self.killed, "unanswered": self.unanswered, "doubled": doubled, "other": other,
            "wrong": self.wrong, "seconds": round(time.monotonic() - began)}


def main():
    count, kills, seed = ([int(word) for word in sys.argv[1:]] + [300, 40, int(time.time())][len(sys.argv) - 1:])[:3]
    say(f"{count} jobs, {kills} kills, seed {seed}")
    with Lab(LAB_DBD=1, LAB_NODES=4, LAB_CPUS=16, LAB_CONF_EXTRA=CONF) as lab:
        site = Site(lab)
        site.start()
        verdict = Soak(site, count, kills, seed).run()
        site.agent.stop()
        print(json.dumps({"seed": seed, **verdict}), flush=True)
        insist("all as it should be", verdict["jobs"] == count and not (verdict["doubled"] or verdict["other"] or verdict["wrong"]), verdict)


if __name__ == "__main__":
    main()
