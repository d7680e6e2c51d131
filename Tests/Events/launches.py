#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes die as jobs are launched on them, twenty times, under jobs submitted with and without requeue: slurmctld puts
most of them back, whatever slurmdbd says of their first run, and the agent tells of one end, that of the last run. Needs
root."""

import os
import sys
import time

from cluster import Agent, Lab, eventually, say
from compare import compare
from endings import settled, state

NODES, ROUNDS = 4, 5  # twenty


def submit(lab, *options, body):
    """Again, where slurmctld did not answer within MessageTimeout: nodes that die keep it busy. What became of it then is compared, too."""
    def number():
        try:
            return lab.submit(*options, body=body)
        except RuntimeError as error:
            say(str(error))
            return None

    return eventually("a job is submitted", number, 30, 0.5)


def die_and_launch(lab, round):
    """All nodes die right before a job is launched on them, or right after, and come back. -> the jobs"""
    names = [f"n{number}" for number in range(1, NODES + 1)]
    jobs = []
    for name in names:
        if round % 2 == 0:
            lab.fault("kill-node", name)
        for requeue in ("--requeue", "--no-requeue"):
            # Where both are to be seen running, the first one is not to end before the second one runs.
            jobs.append(submit(lab, "-J", f"launch{round}", "-w", name, requeue, body=f"sleep {(2, 8)[round % 2]}"))
        if round % 2 == 1:
            eventually("they are launched", lambda: all(state(lab, job) == "RUNNING" for job in jobs[-2:]), 30, 0.02)
            lab.fault("kill-node", name)
    # Until slurmctld has given up the launches, of which slurmdbd is told at once. A node that is back sooner than
    # BatchStartTimeout after a launch is only asked for the job minutes later.
    time.sleep((1.5, 5, 2.5, 6, 4)[round])
    for name in names:
        lab.fault("start", name)
        lab.command("scontrol", "update", f"NodeName={name}", "State=RESUME", check=False)
    return jobs


def is_empty(lab):
    try:
        return release_all(lab)
    except RuntimeError as error:
        say(str(error))  # as above
        return False


def release_all(lab):
    """-> whether there is no job any more"""
    # A node that was told of a job while it died drains.
    lab.command("scontrol", "update", f"NodeName=n[1-{NODES}]", "State=RESUME", check=False)
    for job in lab.command("squeue", "-h", "-t", "PD", "-o", "%A %r").splitlines():
        number, reason = job.split(" ", 1)
        if "held" in reason or "JobHoldMaxRequeue" in reason:
            lab.command("scontrol", "release", number, check=False)
    return not lab.command("squeue", "-h").strip()


def all_settled(lab, jobs):
    """-> slurmdbd's rows, once it has all of the jobs, and no open one"""
    rows = settled(lab)
    return rows if rows and set(map(str, jobs)) <= {job for job, _ in rows} else None


def main():
    with Lab(LAB_DBD=1, LAB_NODES=NODES, LAB_CPUS=16, LAB_SLURMD_TIMEOUT=20, LAB_MESSAGE_TIMEOUT=2,
             LAB_CONF_EXTRA="KillWait=1\\nBatchStartTimeout=2\\nSchedulerParameters=batch_sched_delay=0,sched_min_interval=0,sched_interval=2,bf_interval=2") as lab:
        # slurmdbd is asked all the time, so that its word comes before slurmctld's.
        agent = Agent(lab, **{"accounting-interval": "1s", "sweep-interval": "5s"})
        agent.start()
        jobs = []
        for round in range(ROUNDS):
            say(f"round {round + 1} of {ROUNDS}: {NODES} nodes die at once")
            jobs += die_and_launch(lab, round)
            eventually("they have run", lambda: is_empty(lab), 180, 0.5)
        eventually("the ledger has no open run", lambda: agent.query("SELECT count(*) FROM runs WHERE phase IN ('pending','running','suspended','closing')")[0][0] == 0, 60)
        agent.deliver()
        rows = eventually("slurmdbd knows every end", lambda: all_settled(lab, jobs), 60, 1)
        transitions = agent.transitions()
        findings = agent.ask("ledger", "verify", "--state-folder", lab.state, check=False)
        verdict = compare(rows, agent.runs(), transitions, [] if findings.startswith("ok") else [findings])
        failed = {job for (job, _), row in rows.items() if row["state"] == "NODE_FAIL"}
        for job in map(str, jobs):
            last = max((row["submit"], row["state"]) for (name, _), row in rows.items() if name == job)[1]
            finals = [t.get("state") for t in transitions if t["final"] and t.get("job") == job]
            if finals != [last]:
                verdict.wrong.append(f"{job}: the chain of its ends is {finals}, slurmdbd's last word {last}")
        for complaint in verdict.complaints():
            say(complaint)
        say(f"{len(jobs)} jobs, of {len(failed)} of them a run failed with its node, {len(verdict.complaints())} complaints")
        agent.stop()
        if not verdict.ok:
            raise SystemExit(1)
        if len(failed) < len(jobs) // 2:
            raise SystemExit("too few launches failed: this proves nothing")


if __name__ == "__main__":
    if os.geteuid() != 0:
        sys.exit("launches.py: needs root, for the lab")
    main()
