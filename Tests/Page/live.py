#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The status page of a live agent, in headless Chromium: on a cluster with a grid, busy and then failing, and what it says when the
agent ends. Pictures beside those of page.py. Needs root, for the lab. BINARY: the agent."""

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PYTHON = subprocess.run([ROOT / "lab/grid/install.sh"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
sys.dont_write_bytecode = True
if sys.executable != PYTHON:
    # The chain's packages are in the lab's own Python.
    os.execv(PYTHON, [PYTHON, *sys.argv])
sys.path[0] = str(ROOT / "lab/grid")
sys.path += [str(ROOT / part) for part in ("Tests/Events", "Tests/Chain")]

from cluster import eventually, say  # noqa: E402
from world import World  # noqa: E402


def look(world, name, end=None):
    words = [sys.executable, ROOT / "Tests/Page/page.py", "--live", f"unix:{world.lab.run / 'admin.sock'}", "--name", name]
    if end:
        words += ["--end", end]
    subprocess.run(list(map(str, words)), check=True)


def is_paid(status):
    return bool(status and status.get("grid") and any(job.get("earned") and job["is_over"] for job in status["recent_jobs"]))


def main():
    with World(customers=2) as world:
        world.configure({"admin.socket": world.lab.run / "admin.sock"})
        world.agent.start()
        world.join()
        done = world.request("echo hello", 10)
        world.grid.wait(done, "Finished")
        running = world.request("sleep 300", 10, customer=1)
        world.grid.wait(running, "Running")
        eventually("the status tells that the first job was paid", lambda: is_paid(world.agent.status()), 60)
        look(world, "live-busy")
        say("the sbatch service and slurmctld go")
        world.sbatch.stop()
        world.lab.fault("stop", "slurmctld")
        eventually("it says so", lambda: (world.agent.status() or {}).get("health") == "failure", 60)
        look(world, "live-failing", end=f"kill {world.agent.process.pid}")
        if world.agent.process.wait(60) != 0:
            raise AssertionError(f"the agent ended with {world.agent.process.returncode}")
    say("all as it must be")


if __name__ == "__main__":
    if os.geteuid() != 0:
        sys.exit("live.py: needs root, for the lab")
    main()
