#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes a fixture of upgrade.py: what a release leaves when it is killed with claims, a transaction and jobs open, and what its plugin
writes while no agent is there. Before a release; then it gets a line in upgrade.py's FIXTURES. Needs root, for the lab.

    [BINARY=AGENT PLUGINS=FOLDER] make.py NAME     NAME.tar.xz beside this file"""

import os
import subprocess
import sys
import tarfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PYTHON = subprocess.run([ROOT / "lab/grid/install.sh"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
sys.dont_write_bytecode = True
if sys.executable != PYTHON:
    # The chain's libraries are in the lab's own Python.
    os.execv(PYTHON, [PYTHON, *sys.argv])
sys.path.append(str(ROOT / "lab/grid"))

from world import PROVIDER, World, eventually, say


def leave(world):
    """Two jobs are over, the third's end is on its way to a chain that makes no blocks, the fourth waits and ends unseen."""
    agent = world.agent
    agent.start()
    world.join()
    for script, status in (("echo hello", "Finished"), ("exit 3", "Failed")):
        world.grid.wait(world.request(script, credits=10), [status])
    world.grid.wait(world.request("sleep 3600", credits=10, customer=1), ["Running"])
    world.lab.command("scontrol", "update", "NodeName=ALL", "State=DRAIN", "Reason=test")
    world.grid.wait(world.request("true", credits=10), ["Scheduled"])
    eventually("the fourth is in the queue", lambda: len(world.lab.command("squeue", "-h").splitlines()) == 2)
    eventually("the agent has seen it there", lambda: agent.query("SELECT count(*) FROM runs WHERE phase = 'pending'")[0][0] == 1)
    world.chain.call("lab_mode", None)
    world.lab.command("scancel", "--state=RUNNING")
    eventually("its end is on its way", lambda: world.chain.call("lab_waiting", PROVIDER), 60)
    agent.kill()
    world.lab.command("scancel", "--state=PENDING")
    eventually("the plugin has written it down", lambda: list((world.lab.lab / "state/grid-agent").glob("*.spool")), 60)
    time.sleep(4)


def pack(world, path):
    with tarfile.open(path, "w:xz") as archive:
        for file in sorted(world.lab.state.iterdir()):
            if not file.name.endswith("-shm") and file.name != "lock":
                archive.add(file, f"state/{file.name}")
        archive.add(world.lab.lab / "state/grid-agent", "spool")
        archive.add(world.agent.config, "config.yaml")


def main(name):
    with World(customers=2) as world:
        leave(world)
        path = Path(__file__).with_name(f"{name}.tar.xz")
        pack(world, path)
        world.chain.call("lab_mode", 0)
        say(f"{path}: {path.stat().st_size >> 10} KiB")


if __name__ == "__main__":
    if os.geteuid() != 0 or len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
