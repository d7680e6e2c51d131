#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs of all parts while the agent is killed at random instants and slurmctld is restarted.

    soak.py [RUNS [KILLS [SEED]]]       10 runs, 20 kills in each

Each part of each run has one Slurm job and its whole result. hpcc and speedtest are stand-ins that print at once what is known; fio and
what machines say of themselves are real. The last line is the verdict as JSON. Needs root."""

import json
import random
import sys
import threading
import time

from fixture import COMPUTE, INTERNET, NETWORK, PARTS, Fixture, Lab, check, eventually, say


class Killer(threading.Thread):
    """Kills the agent, and restarts slurmctld once, while a run is under way."""

    def __init__(self, fixture, kills, chance):
        super().__init__(daemon=True)
        self.fixture, self.kills, self.random = fixture, kills, chance
        self.done, self.problem = 0, None

    def run(self):
        try:
            restart = self.random.randrange(self.kills) if self.kills else 0
            for number in range(self.kills):
                # From before it has read its file to when it has been at work for long.
                time.sleep(self.random.choice([0.05, 0.2, 0.5, 1, 2]) * self.random.random())
                self.fixture.agent.kill()
                if number == restart:
                    self.fixture.lab.fault("restart")
                self.fixture.agent.start(wait=False)
                self.done += 1
        except Exception as problem:  # told by the main thread
            self.problem = problem


def one_run(fixture, kills, chance):
    """-> what is wrong"""
    jobs, submissions = fixture.jobs(), set(fixture.submissions())
    run = fixture.begin()
    killer = Killer(fixture, kills, chance)
    killer.start()
    killer.join()
    check(killer.problem is None, killer.problem)
    eventually("the agent listens", fixture.agent.listens, 60)
    found, parts = fixture.finished()
    wrong = []
    if found["id"] != run or sorted(parts) != sorted(PARTS) or len(found["parts"]) != len(PARTS):
        wrong.append(f"the run: {found}")
    for name, labels in {"compute": COMPUTE, "network": NETWORK, "internet": INTERNET}.items():
        if parts[name]["state"] != "done" or parts[name]["labels"] != labels:
            wrong.append(f"{name}: {parts[name]}")
    for name, count in {"machine": 4, "storage": 8}.items():
        if parts[name]["state"] != "done" or len(parts[name]["labels"]) < count:
            wrong.append(f"{name}: {parts[name]}")
    more, fresh = fixture.jobs() - jobs, set(fixture.submissions()) - submissions
    if len(more) != len(PARTS) or len(fresh) != len(PARTS) or {str(number) for _, number in fresh} != more:
        wrong.append(f"Slurm's jobs {sorted(more)}, submissions {sorted(fresh)}")
    try:
        # A node may still clean up what it was told of when the end is known.
        eventually("nothing is left behind", lambda: not fixture.left(), 20)
    except TimeoutError:
        wrong.append(f"left behind: {fixture.left()}")
    return wrong


def main():
    runs, kills, seed = ([int(word) for word in sys.argv[1:]] + [10, 20, int(time.time())][len(sys.argv) - 1:])[:3]
    say(f"{runs} runs, {kills} kills in each, seed {seed}")
    chance, begun, wrong = random.Random(seed), time.monotonic(), []
    with Lab(LAB_NODES=2, LAB_CPUS=1, LAB_GPUS=0, LAB_MIN_JOB_AGE=86400, LAB_CONF_EXTRA="KillWait=1") as lab:
        fixture = Fixture(lab)
        fixture.configure(**{"slurm.partition": "main", "benchmark.env": fixture.stand_ins()})
        fixture.agent.start()
        for number in range(runs):
            wrong += one_run(fixture, kills, chance)
            say(f"run {number + 1} of {runs}: {'wrong' if wrong else 'right'}")
        fixture.agent.stop()
        print(json.dumps({"seed": seed, "runs": runs, "kills": runs * kills, "wrong": wrong, "seconds": round(time.monotonic() - begun)}), flush=True)
        check(not wrong, "it went wrong")


if __name__ == "__main__":
    main()
