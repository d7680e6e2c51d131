#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A ledger of millions of jobs: made by the driver, measured by it, and opened by an agent on a lab cluster. The last line is
a JSON verdict; exit status 1 when a bound is not kept. Needs root, for the lab.

    scale.py [JOBS]        5,000,000, which takes some 20 GB below $SCALE_FOLDER (default /var/tmp) and several minutes

DRIVER, BINARY: of a release build."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "Tests/Events"))
from cluster import Agent, Lab, eventually, say  # noqa: E402

DRIVER = Path(os.environ.get("DRIVER", TOP / ".build/debug/ScaleDriver"))
# The bounds that an administrator is promised, in milliseconds.
BOUNDS = {
    "agent_start_ms": 5000,
    "status_ms": 100,
    "counts_max_ms": 20,
    "backlogs_max_ms": 20,
    "list_all_max_ms": 100,
    "list_open_max_ms": 100,
    "list_waiting_max_ms": 100,
    "list_parked_max_ms": 100,
    "show_max_ms": 100,
    "prune_hold_max_ms": 50,
    "check_slice_max_ms": 100,
}


def drive(*words):
    """The driver's figures; what it says meanwhile goes to stderr."""
    done = subprocess.run([DRIVER, *map(str, words)], stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


def start(lab, agent):
    """From exec to READY=1, with the event socket there."""
    path = lab.run / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(path))
        path.chmod(0o777)
        listener.settimeout(600)
        lab.environment["NOTIFY_SOCKET"] = str(path)
        begun = time.monotonic()
        agent.start(wait=False)
        # An agent that is ready before its ledger is open says beside it what it does.
        while listener.recv(4096) != b"READY=1":
            pass
        took = (time.monotonic() - begun) * 1000
    eventually("the agent listens", agent.listens, 60)
    return took


def status(lab):
    """The slowest of ten answers, by a client that stays."""
    slowest = 0
    for _ in range(10):
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(30)
            client.connect(str(lab.run / "control.sock"))
            begun = time.monotonic()
            client.sendall(b'{"command":"status"}\n')
            answer = client.recv(1 << 20)
            slowest = max(slowest, (time.monotonic() - begun) * 1000)
        if b'"version"' not in answer:
            raise RuntimeError(f"no status: {answer[:200]!r}")
    return slowest


def main(jobs):
    folder = Path(tempfile.mkdtemp(prefix="sga-scale.", dir=os.environ.get("SCALE_FOLDER", "/var/tmp")))
    figures = {}
    try:
        with Lab(LAB_NODES=1) as lab:
            conf = Path(lab.environment["SLURM_CONF"]).read_text()
            cluster = next(line.split("=", 1)[1].strip() for line in conf.splitlines() if line.startswith("ClusterName="))
            ledger = folder / "ledger.sqlite"
            say(f"== a ledger of {jobs} jobs")
            figures.update(drive("make", ledger, jobs, cluster))
            say(f"== {json.dumps(figures)}")
            folder.chmod(0o700)
            for path in (folder, *folder.iterdir()):
                os.chown(path, lab.uid, -1)
            agent = Agent(lab, **{"state-folder": folder, "retention": "30d"})
            figures["agent_start_ms"] = start(lab, agent)
            figures["status_ms"] = status(lab)
            agent.stop()
            figures.update(drive("measure", ledger, cluster))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    broken = [f"{name}: {figures[name]:.1f} > {bound}" for name, bound in BOUNDS.items() if figures[name] > bound]
    # Others' commits wait for what the writer is held, and for their own way to the disk.
    limit = figures["commit_p99_ms"] + 50
    if figures["commit_during_prune_p99_ms"] > limit:
        broken.append(f"commit_during_prune_p99_ms: {figures['commit_during_prune_p99_ms']:.1f} > {limit:.1f}")
    print(json.dumps({"ok": not broken, "broken": broken, **{name: round(value, 2) for name, value in figures.items()}}))
    return 0 if not broken else 1


if __name__ == "__main__":
    if os.geteuid() != 0:
        sys.exit("scale.py: needs root, for the lab")
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 5_000_000))
