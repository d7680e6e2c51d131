#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""One party hangs, the others go on: slurmdbd (SIGSTOP) while jobs start and end, and the journal's disk (a pipe that nobody
reads). Needs root. Exit status 1 with what waited."""

import os
import sys
import threading
import time

from cluster import Agent, Lab, eventually, say

OPEN = "SELECT count(*) FROM runs WHERE phase IN ('pending','running','suspended','closing')"
QUICK = "SchedulerParameters=batch_sched_delay=0,sched_min_interval=0,sched_interval=2"


def expect(what, condition):
    if not condition:
        raise AssertionError(what)


def kinds(agent, job):
    rows = agent.query(f"SELECT t.kind FROM transitions t JOIN runs r ON r.job = t.job WHERE r.job_id = {job} ORDER BY t.sequence")
    return [row[0] for row in rows]


def hung_slurmdbd():
    """slurmdbd hangs while the agent needs it for one job: others start and end; when it is back, the one is told"""
    # Without the job completion plugin, which would tell of the end whatever slurmdbd does.
    with Lab(jobcomp="jobcomp/none", LAB_NODES=1, LAB_CPUS=16, LAB_DBD=1, LAB_MIN_JOB_AGE=2, LAB_CONF_EXTRA=QUICK) as lab:
        agent = Agent(lab, **{"accounting-interval": "1s", "sweep-interval": "2s"})
        agent.start()
        # Ends and is forgotten while nobody looks: only slurmdbd knows how.
        go = lab.base / "go"
        forgotten = lab.submit("-J", "forgotten", body=f"until [ -e {go} ]; do sleep 0.2; done; exit 5")
        eventually("it runs", lambda: "running" in kinds(agent, forgotten), 30)
        agent.kill()
        go.touch()
        eventually("slurmctld forgets it", lambda: f"JobId={forgotten}" not in lab.command("scontrol", "show", "job", check=False), 120, 1)
        eventually("slurmdbd knows its end", lambda: any(row["name"] == "forgotten" and row["end"] for row in lab.accounting().values()), 30, 1)
        lab.fault("pause", "slurmdbd")
        try:
            agent.start()
            began = time.monotonic()
            eventually("the agent asks slurmdbd", lambda: asks_slurmdbd(agent), 30, 0.2)
            jobs = [lab.submit("-J", "other", body="sleep 1") for _ in range(10)]
            eventually("the others started and ended", lambda: all(kinds(agent, job)[-1:] == ["ended"] and "running" in kinds(agent, job) for job in jobs), 30)
            # A helper that was given up is followed by another one.
            eventually("the agent still asks slurmdbd", lambda: asks_slurmdbd(agent), 30, 0.05)
            expect(f"it took {time.monotonic() - began:.0f} s", "ended" not in kinds(agent, forgotten))
        finally:
            lab.fault("resume", "slurmdbd")
        eventually("the forgotten one is told", lambda: kinds(agent, forgotten)[-1:] == ["ended"], 120, 0.5)
        eventually("nothing is open", lambda: agent.query(OPEN)[0][0] == 0, 60)
        agent.deliver()
        told = [t for t in agent.transitions() if t["job_id"] == forgotten and t["final"]]
        expect(told, len(told) == 1 and told[0]["exit_status"] == 5 << 8)
        agent.stop()


def asks_slurmdbd(agent):
    """A helper of the agent's waits for an answer."""
    for task in os.listdir(f"/proc/{agent.process.pid}/task"):
        try:
            with open(f"/proc/{agent.process.pid}/task/{task}/children") as file:
                children = file.read().split()
            for child in children:
                with open(f"/proc/{child}/cmdline", "rb") as file:
                    if b"\0accounting\0" in file.read():
                        return True
        except (FileNotFoundError, ProcessLookupError):
            continue  # ended meanwhile
    return False


def hung_journal():
    """the journal's disk hangs: jobs are followed, the agent answers, and ends when it is told to"""
    with Lab(LAB_NODES=1, LAB_CONF_EXTRA=QUICK) as lab:
        pipe = lab.run / "journal"
        os.mkfifo(pipe, 0o600)
        os.chown(pipe, lab.uid, -1)
        end = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)
        try:
            while os.write(end, b"\n" * 4096):
                pass
        except BlockingIOError:
            pass
        agent = Agent(lab, **{"journal.file": pipe})
        agent.start()
        jobs = [lab.submit(body="true") for _ in range(5)]
        eventually("they are followed", lambda: all(kinds(agent, job)[-1:] == ["ended"] for job in jobs), 30)
        expect("nothing was delivered", agent.query("SELECT count(*) FROM deliveries WHERE state <> 1")[0][0] >= 10)
        eventually("it answers", lambda: (agent.status() or {}).get("is_ready"), 30)
        ended = []
        stopping = threading.Thread(target=lambda: ended.append(agent.stop()))
        stopping.start()
        stopping.join()
        expect("it ends in good order while the disk hangs", ended == [0])
        os.close(end)


if __name__ == "__main__":
    if os.geteuid() != 0:
        sys.exit("lanes.py: needs root, for the lab")
    for test in [one for one in (hung_slurmdbd, hung_journal) if not sys.argv[1:] or one.__name__ in sys.argv[1:]]:
        say(test.__doc__)
        test()
    say("nobody waited for another")
