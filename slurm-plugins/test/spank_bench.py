#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""How long a prolog takes with the SPANK plugin: from the start of a process that loads the plugin and calls the hook, as
slurmstepd does, to its end. The limit is the default, 200 ms. Prints a JSON object a line: the 99th percentile, and what
it must not exceed. Exit status 1: one exceeds it."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from spank_peer import Hung, Listener, Munged

BUILD = Path(__file__).resolve().parents[1] / "build"
PLUGIN = os.environ.get("PLUGIN", str(BUILD / "spank_grid_agent.so"))
HARNESS = os.environ.get("HARNESS", str(BUILD / "spank_harness"))


def measure(name, case, limit, count, *arguments, side_by_side=1):
    """The calls follow each other; those that mostly wait are made in several rows, so that there are enough of them."""
    words = [HARNESS, "--count", str(count // side_by_side), "job_prolog", PLUGIN, *arguments]
    rows = [subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) for _ in range(side_by_side)]
    texts = [row.communicate()[0] for row in rows]
    if any(row.returncode != 0 for row in rows):
        raise RuntimeError(f"{name}: a call failed")
    times = sorted(int(line) / 1000 for text in texts for line in text.split())
    p99 = times[max(0, -(-len(times) * 99 // 100) - 1)]
    print(json.dumps({
        "name": f"spank.prolog_p99_ms.{name}", "value": round(p99, 2), "unit": "ms", "limit": limit, "case": case, "calls": count,
        "median": round(times[len(times) // 2], 2), "max": round(times[-1], 2)}), flush=True)


def main():
    folder = Path(tempfile.mkdtemp(prefix="sga-spank."))
    munged = Munged(folder)
    by = f"munge_socket={munged.socket}"
    try:
        local = Listener(str(folder / "alive"))
        measure("alive", "agent on this host", 10, 500, f"socket={local.address}")
        remote = Listener(("127.0.0.1", 0))
        measure("alive_remote", "agent by TCP, signed by munged", 10, 500, f"controller=127.0.0.1:{remote.address[1]}", by)
        full = Hung(("127.0.0.1", 0), full=True)
        silent = f"controller=127.0.0.1:{full.address[1]}"
        measure("hung_listener", "TCP that does not answer", 250, 200, silent, by, side_by_side=8)
        queue = Hung(str(folder / "hung"), full=True)
        measure("hung_local_listener", "Unix socket with a full queue", 250, 200, f"socket={queue.address}")
        munged.pause()
        alive = f"controller=127.0.0.1:{remote.address[1]}"
        measure("hung_munge", "munged is stopped", 250, 200, alive, by, side_by_side=8)
    finally:
        munged.close()
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
