# SPDX-License-Identifier: GPL-3.0-or-later
"""Scenarios of an agent's first start on a cluster where another one has worked, and of its registration."""

import json
import shutil
import threading
import time

import grid as contracts
from jobs_common import (
    Stage, check, ends, events, eventually, facts, known, minute_price, over_here, reported_minutes, restart, same,
    slurm_state, status, until_told, user,
)
from world import KEY, PROVIDER

NODES = [(2, 16, 4000)] * 3
OWN, FOREIGN = [("os", "linux"), ("zone", "lab")], ("cpu", "epyc-7302")
CLAIMING = threading.Lock()


def register(world):
    """The supervisor that was there before registered the same, and a label that is not configured now."""
    world.old = contracts.Provider(world.grid, KEY)
    world.old.register(NODES, labels=sorted([*OWN, FOREIGN]))
    world.approve()
    world.give_jobs()


def start(world):
    world.started = time.monotonic()  # it may have its first answers before it listens
    world.agent.start()


STAGE = Stage("moving over", [start], register, unknown="empty", LAB_DBD=1, LAB_NODES=3, LAB_CPUS=16, LAB_MIN_JOB_AGE=20)


def claimed(world, script, customer=0, credits=10):
    """A job that the supervisor of before has claimed."""
    job = world.request(script, credits, customer=customer)
    eventually("it waits for a claim", lambda: status(world, job) != "Pending")
    with CLAIMING:
        while status(world, job) == "MetaScheduled":
            world.old.claim()
    return job


def submitted(world, job, script, customer=0, owner=None):
    """As that supervisor did. -> the Slurm job"""
    words = ["sbatch", "--parsable", f"--job-name={job}", "--comment=supervisor localhost:3000", "--partition=main", "-D", "/tmp",
             "-o", "/dev/null", "--ntasks=1", "--cpus-per-task=1", "--time=10", "--mem-per-cpu=100", "--gpus=0"]
    return int(world.lab.command(*words, user=owner or user(world, customer), stdin=f"#!/bin/bash -l\ntrue\n{script}\n").strip())


def says(world, job, status_name):
    with CLAIMING:
        world.old.report(job, status_name)


@STAGE.scenario
def never_submitted_is_submitted(world):
    """Claimed, and that supervisor died before its sbatch."""
    job = claimed(world, "exit 2")
    yield
    same(ends(world, job, "Failed")["exitCode"], 2 << 8, "exit code")
    same(len(world.slurm_jobs(job)), 1, "Slurm jobs")


@STAGE.scenario
def running_job_is_taken_over(world):
    """It ends right, with the minutes of its whole run."""
    job = claimed(world, "unused")
    number = submitted(world, job, "sleep 66")
    eventually("it runs", lambda: slurm_state(world, job) == "RUNNING")
    says(world, job, "Running")
    yield
    eventually("the agent has it", lambda: (known(world, job) or {}).get("slurm_job") == number)
    found = ends(world, job, "Finished", 120)
    over_here(world, job)
    same((reported_minutes(world, job), found["cost"]["finalCost"]), (1, minute_price(world, job)), "minutes, bill")


@STAGE.scenario
def waiting_job_is_taken_over(world):
    """Submitted, not started, Scheduled on the chain: no second Slurm job."""
    job = claimed(world, "unused")
    number = submitted(world, job, "true")
    world.lab.command("scontrol", "hold", number, check=False)
    yield
    eventually("the agent has it", lambda: (known(world, job) or {}).get("slurm_job") == number)
    world.lab.command("scontrol", "release", number, check=False)
    ends(world, job, "Finished")
    same(events(world, "JobRefusedEvent", job), [], "refusals")


@STAGE.scenario
def check_tells_of_a_supervisor_on_the_same_key(world):
    """Before the agent's first start: claims with the key by somebody else, and a supervisor's jobs in the queue."""
    job = claimed(world, "sleep 60")
    number = submitted(world, job, "sleep 60")  # longer than check takes
    found = findings(world)
    same(found["key's use"][0], "warning", "what check says of the key's use")
    check("supervisor" in found["key's use"][1], found)
    same(found["supervisor"][0], "warning", "what check says of its jobs")
    for subject in ("configuration", "slurmctld", "SPANK plugin", "slurmdbd", "partition", "chain", "contract", "balance", "sbatch service"):
        same(found[subject][0], "ok", f"what check says of the {subject}: {found[subject][1]}")
    yield
    ends(world, job, "Finished")
    same(known(world, job)["slurm_job"], number, "the supervisor's job")


def findings(world):
    """-> what `check` says, by subject"""
    done = world.lab.command("setpriv", f"--reuid={world.lab.uid}", "--clear-groups", world.lab.stage / "slurm-grid-agent", "check", "--json",
                             "--config", world.agent.config)
    return {one["subject"]: (one["level"], one["text"]) for one in json.loads(done)}


@STAGE.scenario
def cancel_before_the_first_start(world):
    """A customer cancelled a running job, and the supervisor died."""
    job = claimed(world, "unused")
    submitted(world, job, "sleep 600")
    eventually("it runs", lambda: slurm_state(world, job) == "RUNNING")
    says(world, job, "Running")
    world.customers[0].cancel(job)
    yield
    ends(world, job, "Cancelled")


@STAGE.scenario
def w07_ended_long_ago_is_billed_from_accounting(world):
    """Judged by squeue alone, a job that slurmctld has forgotten was declared lost."""
    job = claimed(world, "unused")
    submitted(world, job, "exit 7")
    says(world, job, "Running")
    eventually("it ended", lambda: slurm_state(world, job) == "FAILED")
    eventually("slurmctld has forgotten it", lambda: not world.slurm_jobs(job), 120, 1)
    yield
    found = ends(world, job, "Failed")
    same((found["exitCode"], found["cost"]["finalCost"]), (7 << 8, minute_price(world, job)), "exit code, bill")


@STAGE.scenario
def w07_two_slurm_jobs_of_one_name(world):
    """They stopped the whole pass: the newer one is taken."""
    job = claimed(world, "unused")
    world.lab.command("scancel", submitted(world, job, "sleep 600"))
    time.sleep(1.1)  # submit times are whole seconds
    number = submitted(world, job, "sleep 15")
    says(world, job, "Running")
    yield
    eventually("the agent has it", lambda: (known(world, job) or {}).get("slurm_job") == number)
    ends(world, job, "Finished", 120)


@STAGE.scenario
def w06_every_lost_job_is_closed(world):
    """The first one of a pass was left out, others panicked at one look: two answers a minute apart decide."""
    jobs = [claimed(world, "unused") for _ in range(2)]
    for job in jobs:
        says(world, job, "Running")
    yield
    for job in jobs:
        found = ends(world, job, "Panicked", 120)
        check("lost" in found["lastError"], found["lastError"])
    check(time.monotonic() - world.started > 50, "after one answer")


@STAGE.scenario
def somebody_elses_job_is_not_taken_over(world):
    """Anybody may name a job as he likes: only the customer's own counts."""
    job = claimed(world, "true")
    number = submitted(world, job, "sleep 590", owner=user(world, 1))  # so that slurmctld has not forgotten it
    yield
    ends(world, job, "Finished")
    check(known(world, job)["slurm_job"] != number, "the other user's job was taken for the customer's")
    state = facts(world, number)["JobState"]
    check(state == "RUNNING", f"the other user's job was touched: {state}")
    world.lab.command("scancel", number)


# ---- the registration


def registrations(world):
    return len(world.grid.events(name="ProviderWaitingForApproval"))


def differences(world):
    return world.ask("provider", "show")["differences"]


def waiting_labels(world):
    entry = world.ask("provider", "show").get("waiting")
    return entry and {one["key"]: one["value"] for one in entry["labels"]}


@STAGE.alone
def w16_equal_registration_is_not_sent_again(world):
    """Each restart could need a new approval."""
    same((registrations(world), differences(world)), (1, []), "registrations, differences")
    restart(world)
    time.sleep(2)
    same(registrations(world), 1, "registrations after a restart")


@STAGE.alone
def w18_operators_labels_stay(world):
    """Another label is told, sent only when the operator says so; keys that are not ours stay."""
    restart(world, **{"metascheduler.label": "os=linux,zone=elsewhere"})
    eventually("the difference is told", lambda: any("zone" in one for one in differences(world)))
    time.sleep(1)
    same(registrations(world), 1, "registrations before `provider register`")
    check("sent" in world.ask("provider", "register"), "not sent")
    wanted = {"os": "linux", "zone": "elsewhere", FOREIGN[0]: FOREIGN[1]}
    eventually("it waits for approval with every label", lambda: waiting_labels(world) == wanted)
    world.approve()
    eventually("nothing differs", lambda: not differences(world))
    check("unchanged" in world.ask("provider", "register"), "sent again")


@STAGE.alone
def measured_labels_are_registered(world):
    """What a benchmark measured is registered beside the operator's labels, when the operator says so."""
    before = registrations(world)
    results = world.lab.base / "results"
    results.mkdir(mode=0o755)
    shutil.chown(results, user(world, 0))
    restart(world, **{"metascheduler.label": "os=mine,zone=elsewhere", "labels.prefer": "operator",
                      "benchmark.result-folder": results, "benchmark.run-as": user(world, 0)})
    world.ask("benchmark", "run", "--part", "machine")
    shown = eventually("it is measured", lambda: world.ask("benchmark", "show")["labels"])
    eventually("the difference is told", lambda: any("cpu.microarch" in one for one in differences(world)))
    same(registrations(world), before, "registrations before `provider register`")
    check("sent" in world.ask("provider", "register"), "not sent")
    check(FOREIGN[0] in shown and "os" in shown, f"measured: {shown}")
    wanted = {key: label["value"] for key, label in shown.items()} | {"os": "mine", "zone": "elsewhere"}
    eventually("it waits for approval with every label", lambda: waiting_labels(world) == wanted)
    world.approve()
    eventually("nothing differs", lambda: not differences(world))


@STAGE.alone
def auto_register_sends_by_itself(world):
    """auto-register."""
    before = registrations(world)
    restart(world, **{"metascheduler.label": "os=linux,zone=third", "auto-register": "true"})
    eventually("it is sent", lambda: registrations(world) == before + 1)
    eventually("with the labels", lambda: (waiting_labels(world) or {}).get("zone") == "third")
    world.approve()
    restart(world)
    time.sleep(2)
    same(registrations(world), before + 1, "registrations after a restart")


@STAGE.alone
def new_prices_wait_for_the_jobs_under_way(world):
    """The contract bills at the prices of the end: a running job keeps those it was claimed at."""
    script, end = until_told(world)
    job = world.request(script, 10)
    world.grid.wait(job, "Running")
    price, before = minute_price(world, job), registrations(world)
    restart(world, **{"metascheduler.cpu-price-per-min": "1900000000000000000", "auto-register": "false"})
    eventually("the difference is told", lambda: any("cpu" in one for one in differences(world)))
    eventually("it is the only one", lambda: len(world.ask("grid", "status")["jobs"]) == 1)
    same(world.ask("provider", "register"), {"draining": {"jobs": 1}}, "the answer")
    later = world.request("true", 10)
    end()
    same(ends(world, job, "Finished")["cost"]["finalCost"], price, "the bill")
    eventually("it is sent", lambda: registrations(world) == before + 1)
    unclaimed_until_approved(world, later)
    found = ends(world, later, "Finished")
    check(found["cost"]["finalCost"] > price, "the next job has the old price")


def unclaimed_until_approved(world, job):
    """A job that was claimed at the old prices and ends after the approval is billed at the new ones."""
    eventually("it is told", lambda: "approval" in (world.ask("grid", "status").get("registration") or ""))
    eventually("the job waits for a claim", lambda: status(world, job) == "MetaScheduled")
    time.sleep(4)
    same(status(world, job), "MetaScheduled", "the job, while the registration waits")
    # A restart forgets nothing.
    world.agent.stop()
    world.agent.start()
    time.sleep(4)
    same(status(world, job), "MetaScheduled", "the job, after a restart")
    world.approve()


@STAGE.alone
def new_prices_stop_the_claims_until_they_are_approved(world):
    """Also when no job is under way."""
    before = registrations(world)
    restart(world, **{"metascheduler.cpu-price-per-min": "2100000000000000000", "auto-register": "false"})
    eventually("the difference is told", lambda: any("cpu" in one for one in differences(world)))
    eventually("no job is open", lambda: not world.ask("grid", "status")["jobs"])
    check("sent" in world.ask("provider", "register"), "it is not sent at once")
    job = world.request("true", 10)
    eventually("it is mined", lambda: registrations(world) == before + 1)
    unclaimed_until_approved(world, job)
    found = ends(world, job, "Finished")
    same(found["cost"]["finalCost"], minute_price(world, job), "the bill")


# ---- without accounting


def forgetful(world):
    world.old = contracts.Provider(world.grid, KEY)
    world.old.register([(2, 4, 4000)] * 2, labels=OWN)
    world.approve()
    world.give_jobs()


DISTRUST = Stage("no accounting", [start], forgetful, customers=1, LAB_NODES=2, LAB_MIN_JOB_AGE=2)


@DISTRUST.scenario
def doubt_is_never_submitted_again(world):
    """Scheduled for longer than slurmctld remembers, and no accounting: it may have run already."""
    job = claimed(world, "true")
    # The lab's blocks may be ahead of the clock.
    eventually("its claim is old", lambda: time.time() > world.grid.chain.time + 3, 60)
    yield
    check("cannot be known" in ends(world, job, "Failed")["lastError"], world.grid.job(job)["lastError"])
    same(world.slurm_jobs(job), [], "Slurm jobs")
    same(world.grid.balance(PROVIDER), 0, "what the provider got")
