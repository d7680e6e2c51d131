#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of the agent's state damaged, lost or old, with jobs of the grid under way: every job ends right, or the agent
refuses to act and says why. Needs root, for the lab.

    jobs_state.py                each damage of each file (part of `make test-grid`)
    jobs_state.py --pairs [SEED] each damage of each pair of files, in random order, and all three (`make test-state`)
    jobs_state.py FILE DAMAGE …  only these, as in `chain old ledger wal`

One line for each: its seconds, and what went wrong. Exit status 1 when something did; the folders of that world are kept."""

import itertools
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PYTHON = subprocess.run([ROOT / "lab/grid/install.sh"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
sys.dont_write_bytecode = True
if sys.executable != PYTHON:
    os.execv(PYTHON, [PYTHON, *sys.argv])
sys.path += [str(ROOT / part) for part in ("lab/grid", "Tests/Chain", "Tests/Events", "Tests/Grid")]

from jobs_common import (
    becomes, calls, check, ends, eventually, log, minute_price, reported_minutes, same, slurm_state, take_turns, transactions,
    until_told,
)
from world import World

FILES = {"ledger": "ledger.sqlite", "chain": "chain.sqlite", "grid": "deepsquare.sqlite"}
PARTS = ["", "-wal", "-shm"]


class Damage:
    """What is done to a file of an agent that was killed; `prepare` while it still runs."""

    def __init__(self, world, name):
        self.world = world
        self.path = world.lab.state / FILES[name]
        self.copy = world.lab.base / f"old-{name}.sqlite"

    def prepare(self):
        with sqlite3.connect(f"file:{self.path}?mode=ro", uri=True, timeout=20) as source, sqlite3.connect(self.copy) as target:
            source.backup(target)

    def part(self, suffix):
        return Path(f"{self.path}{suffix}")

    def deleted(self):
        for suffix in PARTS:
            self.part(suffix).unlink(missing_ok=True)

    def emptied(self):
        self.deleted()
        self.path.write_bytes(b"")
        self.own()

    def whole(self):
        """-> the file with all that was in its log"""
        database = sqlite3.connect(self.path, timeout=20)
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        database.close()
        data = self.path.read_bytes()
        self.deleted()
        return data

    def write(self, data):
        self.path.write_bytes(data)
        self.own()

    def halved(self):
        data = self.whole()
        self.write(data[:len(data) // 2])

    def flipped(self):
        """One bit of the kind of each page that has one."""
        data = bytearray(self.whole())
        for place in range(4096, len(data), 4096):
            if data[place] in (2, 5, 10, 13):
                data[place] ^= 0x40
        self.write(bytes(data))

    def wal(self):
        """What was not in the file itself yet."""
        for suffix in PARTS[1:]:
            self.part(suffix).unlink(missing_ok=True)

    def old(self):
        self.deleted()
        shutil.copyfile(self.copy, self.path)
        self.own()

    def own(self):
        shutil.chown(self.path, "slurm", "slurm")
        self.path.chmod(0o600)


DAMAGES = ["deleted", "emptied", "halved", "flipped", "wal", "old"]


def wait_for_end(world):
    """-> the exit status of an agent that does not run; None: it does, with its grid"""
    def known_by_now():
        if (ended := world.agent.process.poll()) is not None:
            return [ended]
        try:
            world.ask("grid", "status")
            return [None]
        except RuntimeError:
            return None

    return eventually("the agent runs, or says why not", known_by_now, 60, 0.2)[0]


def start(world):
    """Does what the agent says when it refuses to act. -> which files were moved away for that"""
    moved = []
    for _ in range(len(FILES) + 1):
        before = len(log(world))
        world.agent.start(wait=False)
        ended = wait_for_end(world)
        if ended is None:
            return moved
        said = log(world)[before:]
        check(ended == 78, f"it ended with {ended}: {said[-500:]}")
        last = said.strip().splitlines()[-1]
        named = [name for name, file in FILES.items() if file in last and "move" in last]
        check(named, f"it does not say what to do: {said[-500:]}")
        for name in named:
            Damage(world, name).deleted()
        moved += named
    raise AssertionError("it refuses again and again")


def scenario(world, what):
    """what: [(file, damage)]. One job in each state that it may be in when the agent dies."""
    damages = [(Damage(world, name), damage) for name, damage in what]
    # From before the copy: it runs at the end of the agent and after it.
    script, end_first = until_told(world)
    first = world.request(f"{script}; exit 4", 10)
    becomes(world, first, {"Running"})
    for one, damage in damages:
        if damage == "old":
            one.prepare()
    # Since then: one that goes on running, one that ends while nobody looks, one that is over, one that is asked for too late.
    over = world.request("exit 5", 10)
    script, end_running = until_told(world)
    running = world.request(f"{script}; exit 6", 10)
    script, end_meanwhile = until_told(world)
    meanwhile = world.request(f"{script}; exit 7", 10)
    for job in running, meanwhile:
        becomes(world, job, {"Running"})
    ends(world, over, "Failed")
    before = len(transactions(world))
    quick = world.request("exit 8", 10)  # anywhere on its way
    time.sleep(random.random())
    world.agent.kill()
    for one, damage in damages:
        getattr(one, damage)()
    end_meanwhile()
    eventually("it ends", lambda: slurm_state(world, meanwhile) == "FAILED")
    late = world.request("exit 9", 10)
    moved = start(world)
    if len(what) == len(FILES) and all(damage == "old" for _, damage in what):
        # Of copies of the same instant none knows of the nonces since: an administrator has to (docs/state.md).
        def is_foreign():
            return "foreignNonce" in world.ask("chain", "status")["account"]["alarms"]

        eventually("it tells of nonces, or claims", lambda: is_foreign() or world.grid.job(late)["statusName"] != "MetaScheduled", 60)
        if is_foreign():
            world.ask("chain", "acknowledge")
    end_first()
    end_running()
    jobs = {first: 4, over: 5, running: 6, meanwhile: 7, quick: 8, late: 9}
    for job, code in jobs.items():
        same(ends(world, job, "Failed")["exitCode"], code << 8, "exit code")
        same(len(world.slurm_jobs(job)), 1, f"Slurm jobs of {job}")
    eventually("nothing is left", lambda: not world.ask("grid", "status")["jobs"], 60)
    same(world.ask("chain", "status")["account"]["alarms"], {}, "alarms")
    for job in jobs:
        told = calls(world, job)
        check(told.count("providerSetJobStatus") <= 3 and "refuseJob" not in told, f"{told} of {job}")
    # Reports may be sent again whose transaction nobody remembers; all else is right the first time.
    failed = [one for one in transactions(world)[before:] if not one[2]]
    lost = any(name == "chain" for name, _ in what)
    check(len(failed) <= (4 if lost else 0), f"{len(failed)} transactions without effect")
    return moved


def run(world, cases):
    """Takes them out of the list, one after the other."""
    while cases:
        what = cases.pop(0)
        begun = time.monotonic()
        words = ", ".join(f"{name} {damage}" for name, damage in what)
        try:
            moved = scenario(world, what)
        except Exception as problem:  # the world is spent
            print(f"{time.monotonic() - begun:6.1f} s  {words}: FAILED: {type(problem).__name__}: {problem}", flush=True)
            raise
        refused = f" (refused first, until {', '.join(moved)} was moved away)" if moved else ""
        print(f"{time.monotonic() - begun:6.1f} s  {words}: ok{refused}", flush=True)


def money(world):
    """The minutes of a run that began before the ledger was lost and ended while nobody looked."""
    script, end = until_told(world)
    job = world.request(script, 10)
    becomes(world, job, {"Running"})
    time.sleep(62)
    world.agent.kill()
    Damage(world, "ledger").deleted()
    Damage(world, "grid").deleted()
    end()
    eventually("it ends", lambda: slurm_state(world, job) == "COMPLETED")
    start(world)
    found = ends(world, job, "Finished")
    eventually("it is closed", lambda: not world.ask("grid", "status")["jobs"], 60)
    same((reported_minutes(world, job), found["cost"]["finalCost"]), (1, minute_price(world, job)), "minutes, bill")
    print("         minutes of a run that the ledger lost: ok", flush=True)


def in_worlds(cases, with_money):
    """The cases in one world, and after one that failed the others in another. -> how often something went wrong"""
    failures = 0
    while cases or with_money:
        left = len(cases)
        try:
            with World(customers=1, LAB_DBD=1, LAB_NODES=4, LAB_CPUS=16) as world:
                take_turns(world)
                world.agent.start()
                world.join()
                run(world, cases)
                if with_money:
                    money(world)
                with_money = False
        except Exception as problem:  # told above, or of the world
            print(f"FAILED: {type(problem).__name__}: {problem}", flush=True)
            failures += 1
            if len(cases) == left:  # the world itself
                break
    return failures


def main():
    words = sys.argv[1:]
    single = [[(name, damage)] for name in FILES for damage in DAMAGES]
    if words[:1] == ["--pairs"]:
        seed = int(words[1]) if words[1:] else int(time.time())
        print(f"seed {seed}")
        random.seed(seed)
        cases = [[(a, x), (b, y)] for a, b in itertools.combinations(FILES, 2) for x in DAMAGES for y in DAMAGES]
        cases += [[(name, damage) for name in FILES] for damage in DAMAGES]
        random.shuffle(cases)
        limit = int(os.environ.get("CASES", len(cases)))
        cases = cases[:limit]
    elif words:
        cases = [list(zip(words[::2], words[1::2]))]
    else:
        cases = single
    begun = time.monotonic()
    count = len(cases)
    # In worlds side by side.
    shares = [share for share in (cases[first::len(FILES)] for first in range(len(FILES))) if share]
    with ThreadPoolExecutor(len(shares)) as pool:
        failed = sum(pool.map(lambda share: in_worlds(share, with_money=words[:1] == ["--pairs"] and share is shares[0]), shares))
    print(f"{count} cases, {failed} failed, {time.monotonic() - begun:.0f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    if os.geteuid() != 0:
        sys.exit("jobs_state.py: needs root, for the lab")
    sys.exit(main())
