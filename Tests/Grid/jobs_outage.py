# SPDX-License-Identifier: GPL-3.0-or-later
"""Scenarios of an agent that is killed, and of what happens until it is started again; with queues that keep stale jobs, and a
contract that pays no minute beyond its own clock."""

import time

from jobs_common import (
    WAITING, Stage, calls, check, clock, end_states, ends, events, eventually, facts, free_gpus, hold_gpus, known, minute_price,
    over_here, reported_minutes, running, same, slurm_id, slurm_state, status, steps, time_limit, transactions, until_told,
)
from jobs_live import drain


def prepare(world):
    world.agent.start()
    world.join()
    hold_gpus(world, "main", 4)


def kill(world):
    world.agent.kill()
    free_gpus(world)


def start(world):
    world.agent.start()


STAGE = Stage("outage", [kill, start], prepare, queue="naive", delta=1, LAB_NODES=4, LAB_CPUS=16, settings={"retry-limit": "60s"})


@STAGE.scenario
def w03_lost_running_is_repaired(world):
    """Start and end while the agent was away: Running is sent late, so the end waits until the contract would pay the minutes."""
    job = world.request("sleep 64", **WAITING)
    eventually("it waits in Slurm", lambda: slurm_state(world, job) == "PENDING")
    yield
    eventually("it ended in Slurm", lambda: slurm_state(world, job) == "COMPLETED", 100)
    yield
    hold = eventually("its end is held", lambda: (known(world, job) or {}).get("hold"))
    same(hold["minutes"], 1, "minutes that would be lost")
    found = ends(world, job, "Finished", 120)
    over_here(world, job)
    same((reported_minutes(world, job), events(world, "BilledTooMuchEvent", job)), (1, []), "minutes, complaints")
    same(found["cost"]["finalCost"], minute_price(world, job), "the bill")
    check(found["time"]["end"] - found["time"]["start"] >= 60, "the contract's clock", found["time"])
    same(steps(world, job)[-3:], ["Scheduled", "Running", "Finished"], "its way")


@STAGE.scenario
def unseen_end_is_reported(world):
    """It ended while the agent was away."""
    job = world.request("sleep 5; exit 4", 10)
    running(world, job)
    yield
    eventually("it ended in Slurm", lambda: slurm_state(world, job) == "FAILED")
    yield
    same(ends(world, job, "Failed")["exitCode"], 4 << 8, "exit code")


@STAGE.scenario
def cancel_in_an_outage(world):
    """The cancel waits in the contract's queue."""
    job = world.request("sleep 600", 10)
    running(world, job)
    yield
    world.customers[0].cancel(job)
    yield
    ends(world, job, "Cancelled")
    same(end_states(world, job), ["CANCELLED"], "Slurm")


@STAGE.scenario
def w09_cancel_of_an_ended_job(world):
    """It span for minutes, and could close a job with 0 minutes: the end that Slurm knows is what counts."""
    script, end = until_told(world)
    job = world.request(script, 10)
    running(world, job)
    yield
    world.customers[0].cancel(job)
    end()
    eventually("it ended in Slurm", lambda: slurm_state(world, job) == "COMPLETED")
    yield
    ends(world, job, "Finished")
    eventually("the cancel is claimed all the same", lambda: events(world, "ClaimNextCancellingJobEvent", job))
    same(calls(world, job), ["providerSetJobStatus"] * 2, "our reports")


@STAGE.scenario
def w10_unheard_cancel_ends_the_slurm_job(world):
    """Cancelled before its start, and started since: nobody was told."""
    job = world.request("sleep 600", **WAITING)
    eventually("it waits in Slurm", lambda: slurm_state(world, job) == "PENDING")
    yield
    world.customers[0].cancel(job)
    yield
    eventually("it is gone from Slurm", lambda: slurm_state(world, job) == "CANCELLED")
    over_here(world, job)
    same((status(world, job), world.grid.job(job)["cost"]["finalCost"]), ("Cancelled", 0), "the chain, the bill")


@STAGE.scenario
def w11_top_ups_in_an_outage(world):
    """Two of them: the first claim has the minutes of both, the second has none."""
    job = world.request("sleep 600", 10, customer=1)
    running(world, job)
    yield
    for credits in (10, 5):
        world.customers[1].top_up(job, credits)
    yield
    eventually("the limit is 25 min", lambda: time_limit(world, job) == clock(25))
    eventually("both are claimed", lambda: len(events(world, "ClaimNextTopUpJobEvent", job)) == 2)
    same([one["arguments"]["maxDurationMinute"] for one in events(world, "ClaimNextTopUpJobEvent", job)], [15, 0], "minutes")
    time.sleep(1)
    same(time_limit(world, job), clock(25), "the limit")
    world.customers[1].cancel(job)
    ends(world, job, "Cancelled")


@STAGE.scenario
def bot_panics_in_an_outage(world):
    """The Slurm job ends, and nothing is reported of it."""
    job = world.request("sleep 600", 10)
    running(world, job)
    yield
    world.bot.panic(job, "for a test")
    yield
    eventually("it is gone from Slurm", lambda: slurm_state(world, job) == "CANCELLED")
    over_here(world, job)
    same((status(world, job), calls(world, job)), ("Panicked", ["providerSetJobStatus"]), "the chain, our reports")


@STAGE.scenario
def bot_takes_back_in_an_outage(world):
    """The old Slurm job ends; the next claim has a number and a Slurm job of its own."""
    job = world.request("sleep 600", **WAITING)
    first = slurm_id(world, job)
    yield
    world.bot.timeout(job)
    eventually("it was given to us again", lambda: status(world, job) in ("MetaScheduled", "Scheduled"))
    yield
    eventually("there is a second Slurm job", lambda: len(world.slurm_jobs(job)) == 2, 60)
    same((end_states(world, job)[0], known(world, job)["claim"]), ("CANCELLED", 2), "the first Slurm job, the claim")
    # The chain knows the job only: a late report of the first claim would count for the second.
    eventually("the first claim is closed", lambda: len([one for one in world.ask("grid")["jobs"] if one["job"] == job]) == 1)
    same(known(world, job, 1)["chain_status"], "not ours any more", "the first claim on the chain")
    world.customers[0].cancel(job)
    over_here(world, job)


@STAGE.alone
def w12_stale_head_costs_nothing(world):
    """The head of the queue was cancelled, and this contract keeps it there for ever: no gas is burnt on it, and cancels and
    top-ups go on."""
    doomed, living = (world.request("sleep 600", 10) for _ in range(2))
    for job in (doomed, living):
        running(world, job)
    drain(world, "drain")
    stale, behind = world.request("true", 10), world.request("true", 10)
    for job in (stale, behind):
        eventually("it waits for a claim", lambda: status(world, job) == "MetaScheduled")
    world.customers[0].cancel(stale)
    before = len(transactions(world))
    drain(world, "resume")
    eventually("the queue rests", lambda: world.ask("grid")["queues"]["job"].get("trouble"))
    world.customers[0].cancel(doomed)
    world.customers[0].top_up(living, 10)
    ends(world, doomed, "Cancelled")
    eventually("the limit is 20 min", lambda: time_limit(world, living) == clock(20))
    time.sleep(8)
    sent = transactions(world)[before:]
    same([one[2] for one in sent], [1] * 3, "outcomes of the cancel's claim, the top-up's, and the report")
    same(status(world, behind), "MetaScheduled", "the one behind")
    world.customers[0].cancel(living)
    ends(world, living, "Cancelled")
