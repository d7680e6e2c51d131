#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Holds vanished.py to what it is there for: each way in which "vanished" is not the truth is found. Needs no Slurm."""

import datetime

from compare import compare
from vanished import prove

# slurmctld is stopped, started, killed, started.
LOG = """[2026-11-29T21:05:47.336] slurmctld version 22.05.8 started on cluster lab
[2026-11-29T21:05:49.262] _slurm_rpc_submit_batch_job: JobId=11 InitPrio=4294901750 usec=728
[2026-11-29T21:05:50.635] Terminate signal (SIGINT or SIGTERM) received
[2026-11-29T21:05:52.330] slurmctld version 22.05.8 started on cluster lab
[2026-11-29T21:05:52.866] Recovered JobId=11_8(42) Assoc=6
[2026-11-29T21:05:52.866] Recovered JobId=11_* Assoc=6
[2026-11-29T21:05:52.870] _job_complete: JobId=40 done
[2026-11-29T21:05:53.800] sched: Allocate JobId=11_9(44) NodeList=n1 #CPUs=1 Partition=main
[2026-11-29T21:05:53.804] _job_complete: JobId=41 done
[2026-11-29T21:05:53.900] _slurm_rpc_submit_batch_job: JobId=45 InitPrio=4294901750 usec=728
[2026-11-29T21:05:54.990] sched: Allocate JobId=11_9(44) NodeList=n1 #CPUs=1 Partition=main
[2026-11-29T21:05:55.109] slurmctld version 22.05.8 started on cluster lab
[2026-11-29T21:05:55.649] Recovered JobId=11_* Assoc=6
[2026-11-29T21:05:55.649] Recovered JobId=46 Assoc=6
[2026-11-29T21:05:57.000] sched: Allocate JobId=47 NodeList=n1 #CPUs=1 Partition=main
"""


def at(second):
    return int(datetime.datetime.fromisoformat(f"2026-11-29T21:05:{second:02d}").timestamp())


def told(job, number, submit, start=None):
    return {"kind": "vanished", "job": job, "job_id": number, "submit_time": at(submit), "start_time": start}


def row(shown, state, start, end):
    return {"shown": shown, "state": state, "start": start, "end": end}


ENDED = row("11_[9-10]", "CANCELLED", at(58), at(58))
# name: transition, rows of slurmdbd, runs of the ledger, what slurmctld has, what is said; None: known to nobody
CASES = {
    "killed with slurmctld": (told("45", 45, 53), {}, {}, (), None),
    "a task, allotted before the kill": (told("11_9", 44, 49, at(53)), {}, {}, (), None),
    "and then taken back and cancelled": (told("11_9", 44, 49, at(53)), {("11_[]", at(49)): ENDED}, {}, (), None),
    "a task that never ran": (told("11_9", 44, 49), {("11_[]", at(49)): ENDED}, {}, (), "has an end"),
    "another submit time": (told("45", 45, 53), {("45", at(54)): row("45", "FAILED", at(54), at(55))}, {}, (), "has an end"),
    "another job of that number": (told("45", 45, 53), {("45", at(54)): row("45", "FAILED", at(54), at(55))}, {("45", at(54))}, (), None),
    "put back, which slurmctld lost": (
        {**told("45", 45, 54), "restarts": 1}, {("45", at(53)): row("45", "CANCELLED", at(53), at(57))}, {("45", at(53))}, (), "of the run before"),
    "put back, and the run before ended for that": (
        {**told("45", 45, 54), "restarts": 1}, {("45", at(53)): row("45", "NODE_FAIL", at(53), at(54))}, {("45", at(53))}, (), None),
    "no end in slurmdbd": (told("45", 45, 53), {("45", at(54)): row("45", "RUNNING", at(54), None)}, {}, (), None),
    "slurmctld has it": (told("45", 45, 53), {}, {}, {(45, at(53))}, "slurmctld has the job"),
    "stopped": (told("39", 39, 49), {}, {}, (), "was stopped"),
    "ended well before the kill": (told("40", 40, 52), {}, {}, (), "had to tell"),
    "ended right before the kill": (told("41", 41, 52), {}, {}, (), None),
    "recovered": (told("46", 46, 53), {}, {}, (), "not killed after"),
    "never killed": (told("47", 47, 56), {}, {}, (), "not killed after"),
}
for name, (transition, rows, runs, alive, said) in CASES.items():
    unknown, wrong = prove([transition], rows, runs, LOG, alive)
    assert (unknown, len(wrong)) == ((1, 0) if said is None else (0, 1)), f"{name}: {unknown} {wrong}"
    assert said is None or said in wrong[0], f"{name}: {wrong}"


def step(kind, submit, final=False, **end):
    return {"kind": kind, "job": "45", "job_id": 45, "ledger_job": 1, "submit_time": at(submit), "final": final, "details": {}, **end}


# A requeue that slurmctld lost: what was told, and what is said of it; None: all as it must be
LATE_END = {"state": "CANCELLED", "start_time": at(53), "end_time": at(58), "elapsed": 5, "exit_status": 0}
PUT_BACK = [step("running", 53), step("requeued", 53, start_time=at(53), end_time=at(54), elapsed=1), step("pending", 54)]
TOLD = {
    "taken back": ([*PUT_BACK, step("restored", 53, elapsed=1), step("ended", 53, True, **LATE_END)], None),
    "ended though put back": ([*PUT_BACK, step("ended", 53, True, **LATE_END)], "ended 2 times"),
    "taken back though not put back": ([PUT_BACK[0], step("restored", 53), step("ended", 53, True, **LATE_END)], "had not been put back"),
    "started once more": ([*PUT_BACK, step("restored", 53), step("running", 53), step("ended", 53, True, **LATE_END)], "running"),
    "found out too late": ([*PUT_BACK, step("vanished", 54, True), step("corrected", 53, **LATE_END)], None),
    "corrected for nothing": ([*PUT_BACK, step("corrected", 53, **LATE_END)], "though it did not vanish"),
}
SLURMDBD = {("45", at(53)): {"state": "CANCELLED", "start": at(53), "end": at(58), "elapsed": 5, "exit": 0}}
for name, (transitions, said) in TOLD.items():
    numbered = [{**transition, "sequence": number} for number, transition in enumerate(transitions)]
    complaints = compare(SLURMDBD, {("45", at(53)): {"phase": "ended"}, ("45", at(54)): {"phase": "undone"}}, numbered, []).complaints()
    assert not complaints if said is None else any(said in complaint for complaint in complaints), f"{name}: {complaints}"
print(f"{len(TOLD)} ways to tell of a requeue that was lost are told apart")
print(f"{len(CASES)} ways of a job to vanish are told apart")
