#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs whose nodes have to boot (power saving), and jobs that wait for a prolog at slurmctld: that they run is told when they
do, with slurmdbd's start; one that is cancelled while its node boots has an end and did not run. Needs root."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from cluster import Agent, Lab, eventually, say
from endings import state
from robust import expect

POWER = "SuspendProgram=/bin/true\\nResumeProgram=/bin/true\\nSuspendTime=3600\\nSuspendTimeout=2\\nResumeTimeout=120"


def of(agent, job):
    return [t for t in agent.transitions() if t.get("job") == str(job)]


def kinds(agent, job):
    return [t["kind"] for t in of(agent, job)]


def told(agent, job):
    return eventually(f"the end of {job} is told", lambda: of(agent, job) if kinds(agent, job)[-1:] == ["ended"] else None, 60)


def power_down(lab):
    lab.fault("kill-node", "n2")
    lab.command("scontrol", "update", "NodeName=n2", "State=POWER_DOWN_FORCE")
    eventually("n2 is off", lambda: lab.command("sinfo", "-h", "-N", "-n", "n2", "-o", "%t").split()[0].endswith("~"), 60)


def boot(lab):
    """As after a boot, which the lab's own slurmds never had."""
    node = subprocess.Popen(["slurmd", "-D", "-b", "-N", "n2"], env=lab.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    eventually("n2 is up", lambda: lab.command("sinfo", "-h", "-N", "-n", "n2", "-o", "%t").split()[0] in ("idle", "mix", "alloc", "comp"), 60)
    return node


def waits(lab, agent, job):
    eventually(f"{job} has its node", lambda: state(lab, job) == "CONFIGURING", 60, 0.05)
    eventually("the agent has seen that", lambda: agent.query(f"SELECT phase, state FROM runs WHERE number = {job}") == [("pending", "RUNNING")], 30)
    agent.deliver()
    expect(of(agent, job), kinds(agent, job) == ["pending"])


def booting():
    """a job runs when its node has booted, with the start of then; another is cancelled before"""
    with Lab(LAB_NODES=2, LAB_DBD=1, LAB_CONF_EXTRA=POWER) as lab:
        agent = Agent(lab)
        agent.start()
        power_down(lab)
        job = lab.submit("-J", "boots", "-w", "n2", body="sleep 2")
        waits(lab, agent, job)
        given = int(lab.command("squeue", "-h", "-j", job, "-o", "%S").strip())
        time.sleep(3)
        expect(of(agent, job), kinds(agent, job) == ["pending"])
        node = boot(lab)
        try:
            transitions = told(agent, job)
            expect(transitions, [t["kind"] for t in transitions] == ["pending", "running", "ended"])
            row = eventually("slurmdbd has its end", lambda: next((row for (name, _), row in lab.accounting().items() if name == str(job) and row["end"]), None), 30)
            expect((row, transitions, given), given < row["start"] == transitions[1]["start_time"] == transitions[2]["start_time"])
            expect((row, transitions), row["elapsed"] == transitions[2]["elapsed"])
        finally:
            node.kill()
            node.wait()
        power_down(lab)
        job = lab.submit("-J", "cancelled", "-w", "n2", body="sleep 2")
        waits(lab, agent, job)
        lab.command("scancel", job)
        transitions = told(agent, job)
        expect(transitions, [(t["kind"], t.get("state")) for t in transitions] == [("pending", "PENDING"), ("ended", "CANCELLED")])
        agent.stop()


def prolog():
    """a job runs when slurmctld's prolog has ended"""
    folder = Path(tempfile.mkdtemp(prefix="sga-prolog."))
    folder.chmod(0o755)
    script, go = folder / "prolog", folder / "go"
    # Until the agent has seen the job wait, however long that takes; not for ever, should the test fail.
    script.write_text(f"#!/bin/sh\nfor i in $(seq 1200); do [ ! -e {go} ] || exit 0; sleep 0.5; done\n")
    script.chmod(0o755)
    with Lab(LAB_NODES=1, LAB_DBD=1, LAB_CONF_EXTRA=f"PrologSlurmctld={script}") as lab:
        agent = Agent(lab)
        agent.start()
        job = lab.submit("-J", "prolog", body="true")
        waits(lab, agent, job)
        go.touch()
        transitions = told(agent, job)
        expect(transitions, [t["kind"] for t in transitions] == ["pending", "running", "ended"])
        agent.stop()
    script.unlink()
    go.unlink()
    folder.rmdir()


if __name__ == "__main__":
    if os.geteuid() != 0:
        sys.exit("boots.py: needs root, for the lab")
    for test in [one for one in (booting, prolog) if not sys.argv[1:] or one.__name__ in sys.argv[1:]]:
        say(test.__doc__)
        test()
    say("all as it must be")
