#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""SIGTERM at random instants of an agent with a chain, a grid and jobs under way: on an idle machine, beside others that
want every core, and with 5 % of a CPU. Each time it ends with status 0 and nothing in its log that would wake somebody.

    stops.py [STOPS [SEED]]       200

The last line is the verdict as JSON, with the seconds that stops took. Exit status 1 when one went wrong. Needs root."""

import json
import multiprocessing
import os
import random
import re
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PYTHON = subprocess.run([ROOT / "lab/grid/install.sh"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
sys.dont_write_bytecode = True
if sys.executable != PYTHON:
    # What the lab's chain needs is in its own Python.
    os.execv(PYTHON, [PYTHON, *sys.argv])
sys.path += [str(ROOT / part) for part in ("lab/grid", "Tests/Chain", "Tests/Events")]

from world import World, eventually, say

# What is said of a stop as if something were wrong with the host.
FALSE_ALARM = re.compile(r"^(warning|error|critical): .*(cancel|alarm|closed|misuse|cannot be (used|written|read))", re.IGNORECASE)
WAYS = ("idle", "busy", "slow")
PATIENCE = 120  # s; longer than the unit's TimeoutStopSec


class Slow(threading.Thread):
    """Lets a process have 5 % of a CPU, as cpulimit does; where others take every core, it is given time until it has had them."""

    SHARE, ROUND, LONGEST = 0.005, 0.1, 0.1  # s: of a round, and how long one may last until the share was had

    def __init__(self, agent):
        super().__init__(daemon=True)
        self.agent, self.ending = agent, threading.Event()

    def run(self):
        while not self.ending.is_set():
            self.agent.pause()
            time.sleep(self.ROUND - self.SHARE)
            before, until = self.used(), time.monotonic() + self.LONGEST
            self.agent.resume()
            time.sleep(self.SHARE)
            while self.used() - before < self.SHARE and time.monotonic() < until:
                time.sleep(0.001)

    def used(self):
        """-> seconds of CPU that the process has had; more than any when it has ended"""
        try:
            # clock_getcpuclockid(3)
            return time.clock_gettime((~self.agent.process.pid << 3) | 2)
        except OSError:
            return float("inf")

    def end(self):
        self.ending.set()
        self.join()
        self.agent.resume()


class Busy:
    """Others that want every core, twice."""

    def __init__(self):
        self.processes = [multiprocessing.Process(target=spin, daemon=True) for _ in range(2 * os.cpu_count())]
        for process in self.processes:
            process.start()

    def end(self):
        for process in self.processes:
            process.kill()
            process.join()


def spin():
    while True:
        pass


class Work(threading.Thread):
    """Jobs of users and customers, so that there is always something under way."""

    def __init__(self, world, seed):
        super().__init__(daemon=True)
        self.world, self.random, self.ending = world, random.Random(seed), threading.Event()

    def run(self):
        while not self.ending.wait(self.random.random()):
            try:
                self.world.lab.submit(body=f"sleep 0.{self.random.randrange(10)}", user=self.world.customers[0].address.lower())
                if self.random.random() < 0.3:
                    self.world.request("sleep 1", credits=10)
            except RuntimeError:
                pass  # the accounts of the lab are not what this is about

    def end(self):
        self.ending.set()
        self.join()


def stop(agent, way, wait):
    """-> seconds from the signal to the end, and what was wrong"""
    before = len(agent.log.read_bytes()) if agent.log.exists() else 0
    busy = Busy() if way == "busy" else None
    slow = None
    try:
        agent.start(wait=False)
        # Before its first line it has not taken the signal over from the kernel.
        eventually("it has begun", lambda: b"serves the status page" in said(agent, before), 60, 0.01)
        if way == "slow":
            slow = Slow(agent)
            slow.start()
        time.sleep(wait)
        begun = time.monotonic()
        agent.process.terminate()
        try:
            status = agent.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            status = "still there"
        seconds = time.monotonic() - begun
    finally:
        for part in (slow, busy):
            if part:
                part.end()
        if agent.process.poll() is None:
            agent.kill()
    text = said(agent, before).decode(errors="replace")
    wrong = [f"status {status}"] if status != 0 else []
    wrong += [line for line in text.splitlines() if FALSE_ALARM.search(line)]
    return seconds, wrong


def said(agent, since):
    with agent.log.open("rb") as file:
        file.seek(since)
        return file.read()


def main(count, seed):
    chance = random.Random(seed)
    took = {way: [] for way in WAYS}
    bad = []
    with World(customers=1, seed=seed) as world:
        world.agent.start()
        world.join()
        quiet = time.monotonic()
        world.agent.stop()
        quiet = time.monotonic() - quiet
        work = Work(world, seed)
        work.start()
        for number in range(count):
            way = WAYS[number % len(WAYS)]
            wait = chance.random() * chance.choice((0.3, 3))
            seconds, wrong = stop(world.agent, way, wait)
            took[way].append(seconds)
            if wrong:
                bad.append({"stop": number, "way": way, "after": round(wait, 2), "wrong": wrong[:3]})
                say(f"stop {number} ({way}, {wait:.2f} s after the start): {wrong[:3]}")
        work.end()
        if bad:
            say(f"the agent's log is kept: {keep(world.agent.log)}")
    verdict = {
        "stops": count, "seed": seed, "bad": len(bad), "quiet_s": round(quiet, 2),
        **{f"{way}_median_s": round(statistics.median(times), 2) for way, times in took.items() if times},
        **{f"{way}_longest_s": round(max(times), 2) for way, times in took.items() if times},
    }
    print(json.dumps(verdict), flush=True)
    return 1 if bad else 0


def keep(log):
    kept = Path(f"/tmp/sga-stops-{os.getpid()}.log")
    kept.write_bytes(log.read_bytes())
    return kept


if __name__ == "__main__":
    if os.geteuid() != 0:
        sys.exit("stops.py: needs root, for the lab")
    words = [int(word) for word in sys.argv[1:]]
    sys.exit(main(words[0] if words else 200, words[1] if len(words) > 1 else random.randrange(1 << 30)))
