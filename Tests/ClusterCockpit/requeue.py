#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs that Slurm puts back, on a live cluster: what `clustercockpit.requeue` makes of their runs at a double of cc-backend. Needs root."""

import tempfile
from pathlib import Path

from live import STATES, Site, backend_of, eventually, lab_of, say

POLICIES = ("replace", "first", "last-end")
# By whom a job is put back; one is cancelled in the queue then.
KINDS = ("by admin", "by node", "cancelled")
# Each runs until it is put back.
BODY = '[ "${SLURM_RESTART_COUNT:-0}" -gt 0 ] || sleep 3600; sleep 1'


def runs_of(lab, job):
    """slurmdbd's runs of a job, the first one first."""
    words = ["sacct", "-D", "-X", "-P", "-n", "-j", job, "--format=State,Start,End"]
    lines = [line.split("|") for line in lab.command(*words).splitlines()]
    return [{"state": STATES[state.split()[0]], "start": int(start), "end": int(end)} for state, start, end in lines if start.isdigit() and end.isdigit()]


def wanted(policy, kind, runs):
    """-> the one row that the backend has of it: start, end, state"""
    first, last = runs[0], runs[-1]
    if kind == "cancelled" or policy == "first":
        return first["start"], first["end"], first["state"]
    return (last if policy == "replace" else first)["start"], last["end"], last["state"]


def state(lab, job):
    return lab.command("squeue", "-h", "-j", job, "-o", "%T", check=False).strip()


def submit_all(site):
    """-> the jobs by kind, each of which has been put back and has ended"""
    lab = site.lab
    jobs = {kind: lab.submit("--requeue", f"-Jrequeue-{index}", "-n1", "-wn1" if kind == "by node" else "-wn2", body=BODY) for index, kind in enumerate(KINDS)}
    for job in jobs.values():
        eventually(f"job {job} runs", lambda: state(lab, job) == "RUNNING", 60)
    for kind, job in jobs.items():
        eventually(f"the backend has job {job}", lambda: any(row["jobId"] == job for row in next(iter(site.backends.values())).rows()), 60)
    for kind, job in jobs.items():
        if kind == "by node":
            lab.command("scontrol", "update", "NodeName=n1", "State=down", "Reason=test")
        else:
            lab.command("scontrol", "requeue" if kind == "by admin" else "requeuehold", job)
    eventually("it waits in the queue again", lambda: state(lab, jobs["cancelled"]) == "PENDING", 60)
    lab.command("scancel", jobs["cancelled"])
    eventually("it was put back", lambda: lab.command("squeue", "-h", "-j", jobs["by node"], "-O", "RestartCnt", check=False).strip() != "0", 60)
    # It may have come back by itself.
    lab.command("scontrol", "update", "NodeName=n1", "State=resume", check=False)
    eventually("all jobs are over", lambda: not lab.command("squeue", "-h").strip(), 90, 0.5)
    return jobs


def try_policy(lab, folder, policy):
    backend = backend_of(Path(folder) / policy, "1.5.4")
    try:
        site = Site(lab, {policy.replace("-", ""): backend})
        agent = site.agent(**{"clustercockpit.requeue": policy})
        agent.start()
        jobs = submit_all(site)
        for kind, job in jobs.items():
            runs = eventually(f"slurmdbd knows the runs of {job}", lambda: len(found := runs_of(lab, job)) >= (1 if kind == "cancelled" else 2) and found, 60, 0.5)
            expected = wanted(policy, kind, runs)

            def told():
                rows = [(row["startTime"], row["startTime"] + row["duration"], row["jobState"]) for row in backend.rows() if row["jobId"] == job]
                return rows == [expected]

            try:
                eventually(f"{policy}: the row of the job that was put back {kind}", told, 60, 0.5)
            except TimeoutError:
                say(f"{policy}, {kind}: slurmdbd has {runs}, wanted {expected}, the backend has {[row for row in backend.rows() if row['jobId'] == job]}")
                raise
        if agent.stop() != 0:
            raise RuntimeError("the agent did not end well")
        say(f"{policy}: {len(jobs)} jobs that were put back are stored as they should")
    finally:
        backend.stop()


def main():
    with tempfile.TemporaryDirectory(prefix="cockpit.") as folder, lab_of() as lab:
        for policy in POLICIES:
            try_policy(lab, folder, policy)


if __name__ == "__main__":
    main()
