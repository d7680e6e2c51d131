#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What nodes say while the agent is away: of a job that goes on, of one that is over, of one on two nodes, of one that ran twice with
other cores, and of a node alone. Once the agent is back each job has its node's own word, with its true cores and GPUs. Needs root, and
the plugin that looks for /sys and /proc in a folder (make -C slurm-plugins spank-test-root).

The last line is a verdict in JSON; exit status 1 when a job has other cores or GPUs than Slurm gave it, or not by its node's word."""

import json
import tempfile
from pathlib import Path

from live import Site, backend_of, eventually, forget, kept, lab_of, say
from placement import check, ended, nodes_known


def state_of(lab, job):
    return lab.command("squeue", "-h", "-j", job, "-o", "%T", check=False).strip()


def submit_while_away(site):
    """-> the job that ran twice"""
    lab = site.lab
    twice = site.submit("-w", "n4", "-n1", "--requeue", seconds=5)
    eventually("a job runs", lambda: state_of(lab, twice) == "RUNNING", 60, 0.1)
    eventually("it has looked", lambda: (site.seen / f"{twice}.0").exists(), 60, 0.1)
    lab.command("scontrol", "requeue", twice)
    eventually("it is over", lambda: state_of(lab, twice) != "RUNNING", 60, 0.1)
    # It gets other cores when it comes back.
    others = site.submit("-w", "n4", "-n2", seconds=60)
    site.submit("-w", "n1", "-n3", seconds=60)
    site.submit("-w", "n1", "-n1", "--gres=gpu:1", seconds=0)
    site.submit("-w", "n2,n3", "-N2", "-n4", seconds=0, rest="srun true")
    lab.fault("restart", "n3")
    eventually("it runs again", lambda: (site.seen / f"{twice}.1").exists() and state_of(lab, others) == "RUNNING", 120, 0.2)
    eventually("it is over again", lambda: not state_of(lab, twice), 60, 0.2)
    eventually("two jobs go on", lambda: len(lab.command("squeue", "-h").split("\n")) <= 3, 60, 0.2)
    return twice


def running_rows(site):
    return {row["jobId"] for row in site.backends["main"].rows() if row["jobState"] == "running"}


def main():
    with tempfile.TemporaryDirectory(prefix="cockpit.") as folder, lab_of() as lab:
        backend = backend_of(Path(folder) / "main", "1.5.4")
        complaints = []
        try:
            site = Site(lab, {"main": backend})
            forget(lab)
            agent = site.agent()
            agent.start()
            # So that there is a plugin that was heard.
            lab.fault("restart", "n1")
            eventually("a node has told what it is made of", lambda: nodes_known(lab) == 1, 60, 0.2)
            agent.kill()
            twice = submit_while_away(site)
            if site.given(twice, 0) == site.given(twice, 1):
                complaints.append(f"{twice}: both runs had {site.given(twice, 0)}: nothing was tried")
            before = len(kept(lab))
            agent.start()
            eventually("what goes on is told", lambda: len(running_rows(site)) == 2, 60, 0.2)
            eventually("the nodes have told what they are made of", lambda: nodes_known(lab) == 4, 60, 0.2)
            left = len(kept(lab))
            lab.command("scancel", "-u", "labu1")
            expected = eventually("slurmdbd knows every end", lambda: (found := site.slurm()) and len(found) == 5 and found, 90, 1)
            eventually("the backend was told of every end", lambda: ended(backend) >= set(expected), 60, 0.5)
            wrong, sources = check(site, agent, expected)
            complaints += wrong
            if left:
                complaints.append(f"{left} words are kept although the agent is back")
            status = agent.stop()
        finally:
            backend.stop()
    for complaint in complaints:
        say(complaint)
    # slurmctld's own core numbers may be there before the node's word of the job is.
    wanted = {"node", "inventory"} if site.asks_slurmctld else {"node"}
    ok = not complaints and status == 0 and set(sources) <= wanted
    print(json.dumps({
        "ok": ok, "runs": len(expected), "wrong": len(complaints), "kept": before, "left": left,
        "sources": {str(key): count for key, count in sources.items()},
    }))
    if not ok:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
