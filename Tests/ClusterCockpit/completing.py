#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs on two nodes, on a live cluster, of which the agent hears first while they are COMPLETING and one node is clean already:
slurmctld then names only the other. A double of cc-backend has to be told both hosts, late where slurmdbd is away, and the journal
never a part of them. Needs root.

The last line is a verdict in JSON; exit status 1 when a host is missing."""

import json
import tempfile
import time
from pathlib import Path

from live import Site, backend_of, eventually, lab_of, say

HOSTS = ["n1", "n2"]


class Epilog:
    """Ends on a node once its file is gone."""

    def __init__(self, lab):
        self.lab = lab
        script = lab.base / "epilog.sh"
        script.write_text(f"#!/bin/sh\nwhile [ -e {lab.base}/hold.$SLURMD_NODENAME ]; do sleep 0.1; done\n")
        script.chmod(0o755)
        lab.knobs["LAB_CONF_EXTRA"] += f"\\nEpilog={script}"
        # It would tell all nodes, and what it spooled while the agent was away.
        lab.knobs["LAB_JOBCOMP"] = "jobcomp/none"

    def hold(self, node):
        (self.lab.base / f"hold.{node}").touch()

    def release(self):
        for file in self.lab.base.glob("hold.*"):
            file.unlink()


def completing_job(lab, epilog):
    """-> a job whose first node is clean, and whose second one is not"""
    epilog.hold("n2")
    job = lab.submit("-N2", "-n4", "-w", ",".join(HOSTS), body="srun true")
    eventually(f"of job {job} slurmctld names n2 alone", lambda: lab.command("squeue", "-h", "-j", job, "-o", "%T %N").split() == ["COMPLETING", "n2"], 60)
    return job


def hosts(backend, job):
    return next((sorted(one["hostname"] for one in row["resources"]) for row in backend.rows() if row["jobId"] == job), None)


def told(backend, job, seconds):
    """-> the hosts of the job's row, once there is one"""
    eventually(f"the backend has job {job}", lambda: hosts(backend, job), seconds, 0.2)
    return hosts(backend, job)


def partly_told(agent, job):
    """-> what the journal names of its nodes where that is not all of them"""
    named = [one["details"].get("nodes") for one in agent.transitions() if one.get("job") == str(job)]
    return [text for text in named if text not in (None, "n[1-2]")]


def run(lab, backend, epilog):
    """-> complaints"""
    complaints = []

    def compare(job, found, when):
        if found != HOSTS:
            complaints.append(f"{job}, {when}: the backend was told {found}, not {HOSTS}")

    site = Site(lab, {"main": backend})
    agent = site.agent()
    job = completing_job(lab, epilog)
    agent.start()
    compare(job, told(backend, job, 60), "slurmdbd is there")
    epilog.release()
    eventually("all jobs are over", lambda: not lab.command("squeue", "-h").strip(), 60)
    status = agent.stop()
    late = completing_job(lab, epilog)
    lab.fault("kill", "slurmdbd")
    agent.start()
    # Others go on meanwhile.
    other = lab.submit("-w", "n3")
    eventually("a job on another node is told", lambda: hosts(backend, other) == ["n3"], 60, 0.2)
    time.sleep(3)
    if (found := hosts(backend, late)) is not None:
        complaints.append(f"{late}: the backend was told {found} though nobody could name all nodes")
    epilog.release()
    compare(late, told(backend, late, 60), "slurmdbd is away, and the nodes are clean")
    agent.deliver()
    for one in (job, late):
        complaints += [f"{one}: the journal has {text}" for text in partly_told(agent, one)]
        if not any(entry.get("job") == str(one) for entry in agent.transitions()):
            complaints.append(f"{one}: the journal has nothing of it")
    lab.fault("start", "slurmdbd")
    return complaints + ([] if (status, agent.stop()) == (0, 0) else ["the agent did not end well"])


def main():
    lab = lab_of()
    epilog = Epilog(lab)
    with tempfile.TemporaryDirectory(prefix="cockpit.") as folder, lab:
        backend = backend_of(Path(folder) / "main", "1.5.4")
        try:
            complaints = run(lab, backend, epilog)
        finally:
            epilog.release()
            backend.stop()
    for complaint in complaints:
        say(complaint)
    print(json.dumps({"ok": not complaints, "wrong": len(complaints)}))
    if complaints:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
