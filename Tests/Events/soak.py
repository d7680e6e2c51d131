#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs run while the agent is killed and ended at random instants, slurmctld is restarted, killed and paused, a job_submit
plugin makes submissions late, the file systems of the ledger and of the plugin's spool fail for a while, the socket's folder
vanishes and the agent stays away for longer than slurmctld remembers.

    soak.py [--slurmdbd-stopped] [JOBS [KILLS [SEED]]]       2000 jobs, 100 kills

With --slurmdbd-stopped slurmdbd hangs (SIGSTOP) from the first job to the last, and is asked when it goes on. slurmctld waits
for it when it starts, and 22.05 for up to 15 minutes with its locks held when a running job is requeued: neither is done then. The
last line is the verdict as JSON: `vanished` are jobs whose end is known to nobody, proved one by one (vanished.py). Exit status 1
when anything was lost, doubled or wrong, or the agent did not end well. Needs root."""

import json
import os
import random
import re
import subprocess
import sys
import threading
import time

import vanished
from cluster import TOP, Agent, Lab, eventually, say
from compare import compare
from faults import MIN_JOB_AGE, Faults

OPEN = "SELECT DISTINCT job_id FROM runs WHERE phase IN ('pending','running','suspended','closing')"


class Jobs(threading.Thread):
    """Submits jobs of many kinds, and ends some of them, until there were enough."""

    def __init__(self, lab, count, seed, requeues=True):
        super().__init__(daemon=True)  # it does not outlive a failure
        self.lab, self.count, self.random, self.requeues = lab, count, random.Random(seed), requeues
        self.submitted = self.unanswered = 0

    def run(self):
        while self.submitted < self.count:
            try:
                self.submitted += self.one()
            except RuntimeError:
                self.unanswered += 1
                time.sleep(0.3)  # slurmctld is away or late; what came of it, slurmdbd will tell
            # No more in the queue than run within seconds.
            time.sleep(0.05)

    def one(self):
        submit, kind = self.lab.submit, self.random.random()
        user = self.random.choice(["labu1", "labu2", "labu3"])
        if kind < 0.05:
            self.lab.command(
                self.lab.stage / "slurm-grid-agent", "submit", "--user", user, "-D", "/tmp", "-o", "/dev/null", user="slurm",
                stdin=f"#!/bin/sh\nsleep 0.{self.random.randrange(10)}\n")
        elif kind < 0.45:
            submit(body=f"sleep 0.{self.random.randrange(10)}", user=user)
        elif kind < 0.60:
            submit(body=f"exit {self.random.randrange(1, 256)}", user=user)
        elif kind < 0.68:
            submit(body="kill -9 $$", user=user)
        elif kind < 0.76:
            self.cancel(submit("--hold", user=user), 0)
        elif kind < 0.86:
            self.cancel(submit(body="sleep 600", user=user), self.random.random() * 2)
        elif kind < 0.92:
            size = self.random.randrange(2, 12)
            submit(f"--array=1-{size}%4", body="sleep 0.2", user=user)
            return size
        elif kind < 0.96 and self.requeues:
            # One that ended by itself before it was put back is REQUEUED in slurmdbd, too: the first run stays until it is.
            job = submit("--requeue", body='[ -n "$SLURM_RESTART_COUNT" ] || sleep 20; sleep 1.5', user=user)
            self.later(1, "scontrol", "requeue", job)
        else:
            submit("-n1", ":", "-n1", body="sleep 0.3", user=user)
            return 2
        return 1

    def cancel(self, job, after):
        if after:
            self.later(after, "scancel", job)
        else:
            self.lab.command("scancel", job)

    def later(self, seconds, *words):
        timer = threading.Timer(seconds, lambda: self.lab.command(*words, check=False))
        timer.daemon = True
        timer.start()


def preload(folder):
    """Builds the library that makes slurmctld's files fail."""
    library = folder / "faulty-files.so"
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", library, TOP / "lab/faulty-files.c", "-ldl"], check=True)
    return library


def main(count, kills, seed, stopped=False):
    say(f"{count} jobs, {kills} ends of the agent, seed {seed}{', slurmdbd stopped' if stopped else ''}")
    knobs = {"LAB_DBD": 1, "LAB_NODES": 4, "LAB_CPUS": 32, "LAB_MIN_JOB_AGE": MIN_JOB_AGE, "LAB_JOB_SUBMIT": TOP / "lab/late.lua",
             "LAB_CONF_EXTRA": "KillWait=1\nSchedulerParameters=batch_sched_delay=0,sched_min_interval=0,sched_interval=2,bf_interval=2"}
    lab = Lab(**knobs)
    lab.knobs["LAB_SLURMCTLD_PRELOAD"] = str(preload(lab.stage))
    with lab:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size=64m,mode=0700,uid={lab.uid}", "tmpfs", lab.state], check=True)
        try:
            verdict = soak(lab, count, kills, seed, stopped)
        finally:
            if os.environ.get("KEEP"):
                subprocess.run(["cp", "-r", lab.state, lab.base / "state-kept"], check=False)
            subprocess.run(["umount", "-l", lab.state], check=False)
    print(json.dumps(verdict))
    return 1 if verdict["lost"] or verdict["duplicated"] or verdict["wrong"] or verdict["bad_ends"] else 0


def soak(lab, count, kills, seed, stopped):
    agent = Agent(lab, **{"accounting-interval": "5s", "sweep-interval": "2s", "vanish-after": "10s"})
    agent.start()
    jobs, faults = Jobs(lab, count, seed, requeues=not stopped), Faults(lab, agent, kills, seed, restarts=not stopped)
    faults.jobs = jobs
    if stopped:
        lab.fault("pause", "slurmdbd")
    jobs.start()
    while jobs.is_alive() or faults.killed < kills:
        if faults.killed < kills:
            # Spread over the run.
            if faults.killed * count <= jobs.submitted * kills or not jobs.is_alive():
                faults.step()
            else:
                time.sleep(0.1)
        else:
            time.sleep(0.2)
    jobs.join()
    faults.finish()
    say(f"{jobs.submitted} jobs were submitted; waiting for the last to end")
    eventually("the agent lives", lambda: agent.listens(), 60)
    time.sleep(10)  # longer than the jobs that end by themselves
    left = drain(lab)
    say(f"settling; slurmctld cannot end {sorted(left)}" if left else "settling")
    eventually("the ledger has no other open run", lambda: {job for (job,) in agent.query(OPEN)} <= left, 180, 0.5)
    time.sleep(12)  # one more round of everything
    agent.deliver()
    found = agent.ask("ledger", "verify", "--state-folder", lab.state, check=False)
    faults.terminate()
    if stopped:
        lab.fault("resume", "slurmdbd")
        eventually("slurmdbd has heard all of slurmctld", lambda: re.search(r"DBD Agent queue size: 0\b", lab.command("sdiag")), 60)
        time.sleep(2)  # what it was sent it may not have written yet
    rows, runs, transitions = lab.accounting(), agent.runs(), agent.transitions()
    log = (lab.lab / "log/slurmctld.log").read_text(errors="replace")
    recovered = {str(number) for life in vanished.lives(log) for number in life.recovered}
    living = alive(lab)
    unended = left & {job for job, _ in living}
    verdict = compare(rows, runs, transitions, [] if found.startswith("ok") else found.splitlines(), recovered, unended)
    verdict.vanished, wrong = vanished.prove(transitions, rows, runs, log, living)
    verdict.wrong += wrong
    with (lab.base / "slurmdbd.txt").open("w") as file:
        file.writelines(f"{key} {row}\n" for key, row in rows.items())
    for complaint in verdict.complaints()[:40]:
        say(complaint)
    say(f"{len(rows)} runs in slurmdbd, {len(runs)} in the ledger, {len(transitions)} transitions; {verdict.rewritten} runs that slurmctld told slurmdbd of again")
    # An error of the file system is no reason to set a file aside.
    aside = sorted(path.name for path in (lab.lab / "state/grid-agent").glob("*refused*"))
    if aside:
        verdict.wrong.append(f"spool files were set aside: {aside}")
        say(verdict.wrong[-1])
    if not verdict.ok or faults.bad_ends:
        os.environ["KEEP"] = "1"
    return {"jobs": jobs.submitted, "kills": faults.killed, "lost": len(verdict.lost), "duplicated": len(verdict.duplicated),
            "wrong": len(verdict.wrong), "vanished": verdict.vanished, "terminated": faults.terminated, "bad_ends": faults.bad_ends,
            "unanswered_submissions": jobs.unanswered, "compared": len(rows), "slurmdbd": "stopped" if stopped else "runs"}


def alive(lab):
    """(job number, submit time) of what slurmctld has."""
    found = lab.command("squeue", "-h", "-a", "-t", "all", "-o", "%A %V").splitlines()
    return {(int(job), int(submit)) for job, submit in map(str.split, found)}


def drain(lab):
    """Ends what is left in the queue. Some jobs wait for a scancel that a slurmctld that was away did not hear; others were
    refused by a slurmd ("launch failed requeued held") that knows their number from before slurmctld was killed, and its
    node drained. Returns what slurmctld does not get rid of within a minute: those jobs have not ended."""
    end = time.monotonic() + 60
    left = {0}
    while left and time.monotonic() < end:
        try:
            left = {int(job) for job in lab.command("squeue", "-h", "-a", "-o", "%A").split()}
            if left:
                lab.command("scancel", *left, check=False)
                lab.command("scontrol", "update", "NodeName=n[1-4]", "State=RESUME", check=False)
        except RuntimeError:
            pass  # slurmctld is just being started
        time.sleep(0.5)
    return left


if __name__ == "__main__":
    if os.geteuid() != 0:
        sys.exit("soak.py: needs root, for the lab")
    words = [word for word in sys.argv[1:] if word != "--slurmdbd-stopped"]
    numbers = [int(word) for word in words[:3]]
    sys.exit(main(*(numbers + [2000, 100, random.randrange(1 << 30)][len(numbers):]), stopped=len(words) < len(sys.argv) - 1))
