#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs of a grid, from the customer's request to the bill, on a live cluster and a live chain, with everything that may come
between. Needs root, for the lab.

    jobs.py [NAME…]      all scenarios, or some
    jobs.py --list       their names, and what they guard

One line for each: its seconds (of work, not of waiting for others), name, and what went wrong. Exit status 1 when something
did; the folders of such a world are kept. WORLDS=N runs so many stages at once (default 4)."""

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PYTHON = subprocess.run([ROOT / "lab/grid/install.sh"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
sys.dont_write_bytecode = True
if sys.executable != PYTHON:
    # The chain's libraries are in the lab's own Python.
    os.execv(PYTHON, [PYTHON, *sys.argv])
sys.path += [str(ROOT / part) for part in ("lab/grid", "Tests/Chain", "Tests/Events", "Tests/Grid")]

import jobs_late
import jobs_live
import jobs_moving
import jobs_outage
import jobs_timeline  # noqa: F401 - its scenarios are on the stages of jobs_live
import jobs_users

# The longest first.
STAGES = [jobs_live.AWAY, jobs_outage.STAGE, jobs_moving.STAGE, jobs_late.STAGE, jobs_live.STAGE, jobs_users.STAGE, jobs_moving.DISTRUST]


def tell(one):
    verdict = f"FAILED: {type(one.problem).__name__}: {one.problem}" if one.problem else "ok"
    print(f"{one.seconds:6.1f} s  {one.name}: {verdict}", flush=True)


def run(stage, wanted):
    """-> how many scenarios ran, how many failed"""
    begun = time.monotonic()
    try:
        scenarios = stage.run(wanted, tell)
    except Exception as problem:  # of the world: the other stages go on
        print(f"FAILED  stage {stage.name}: {type(problem).__name__}: {problem}", flush=True)
        return 1, 1
    if scenarios:
        print(f"{time.monotonic() - begun:6.1f} s  stage {stage.name}", flush=True)
    return len(scenarios), sum(one.problem is not None for one in scenarios)


def main():
    names = sys.argv[1:]
    scenarios = [one for stage in STAGES for one in stage.scenarios]
    if names == ["--list"]:
        for one in scenarios:
            print(f"{one.name}: {' '.join(one.body.__doc__.split())}")
        return 0
    if unknown := set(names) - {one.name for one in scenarios}:
        sys.exit(f"no such scenario: {', '.join(sorted(unknown))}; see --list")
    begun = time.monotonic()
    with ThreadPoolExecutor(int(os.environ.get("WORLDS", "4"))) as pool:
        outcomes = list(pool.map(lambda stage: run(stage, names), STAGES))
    total, failed = (sum(one[place] for one in outcomes) for place in range(2))
    for one in scenarios:
        if one.problem:
            tell(one)  # again, where the end of a log shows it
    print(f"{total} scenarios, {failed} failed, {time.monotonic() - begun:.0f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    if os.geteuid() != 0:
        sys.exit("jobs.py: needs root, for the lab")
    sys.exit(main())
