# SPDX-License-Identifier: GPL-3.0-or-later
"""Scenarios of what an administrator is shown: each job's way from the request to the payment, and what it earned. They run on
the stages of jobs_live.py."""

import time

import grid as contracts
from jobs_common import (
    check, ends, events, eventually, facts, known, over_here, refused_then_failed, running, same, slurm_id,
)
from jobs_live import AWAY, DENIED, STAGE
from jobs_moving import findings
from world import PROVIDER

SHARE = 80  # per cent, of the provider


def way(world, job, claim=None):
    """The steps of a job that is over, once the chain was asked for its times: that takes up to a minute."""
    over_here(world, job)

    def there():
        found = known(world, job, claim)
        if found["steps"][0]["what"] != "requested":
            return None
        # The time of the claim's block is asked for last; until then it is the agent's own.
        claimed = step(found, "claimed")
        return found if claimed["at"] == transaction_time(world, claimed["transaction"]) else None

    return eventually(f"the times of {job} are known", there)


def words(found):
    return [step["what"] for step in found["steps"]]


def step(found, what):
    return next(one for one in found["steps"] if one["what"].startswith(what))


def block_time(world, event):
    return int(world.grid.chain.rpc("eth_getBlockByNumber", hex(event["block"]), False)["timestamp"], 16)


def transaction_time(world, transaction):
    return block_time(world, {"block": int(world.grid.chain.rpc("eth_getTransactionReceipt", transaction)["blockNumber"], 16)})


def turn(world, job, status):
    """The event of the job's change to a status."""
    number = contracts.STATUSES.index(status)
    return [one for one in events(world, "JobTransitionEvent", job) if one["arguments"]["status"] == number][-1]


def pay(world, transaction):
    """What a transaction moved to the provider, of the chain's own logs."""
    logs = world.grid.chain.rpc("eth_getTransactionReceipt", transaction)["logs"]
    moves = [one["arguments"] for one in world.grid.decode_logs(logs, "Transfer")]
    return sum(one["value"] for one in moves if one["receiver"].lower() == PROVIDER.lower())


def credits(wei):
    """As the agent writes them: six decimals, the rest cut off."""
    return f"{wei * 10**6 // contracts.CREDIT / 10**6:.6f}".rstrip("0").rstrip(".")


def earned(world):
    """-> sum over all jobs"""
    return sum(int(one.get("earned") or 0) for one in world.ask("grid", "jobs", "--limit", 1000))


@STAGE.scenario
def way_of_a_job(world):
    """Every step in order, with transactions and times that the chain and Slurm know, and the pay that the contract moved."""
    job = world.request("sleep 10", 10)
    number = slurm_id(world, job)
    entry = ends(world, job, "Finished")
    slurm = facts(world, number)  # which forgets it soon
    found = way(world, job)
    wei = entry["cost"]["finalCost"] * SHARE // 100
    same(words(found), [
        "requested", "claimed", f"submitted as Slurm job {number}", "started", "reported Running", "ended: COMPLETED",
        "reported Finished, 0 min", f"paid {credits(wei)} credits",
    ], "its way")
    same((found["is_over"], found["earned"]), (True, str(wei)), "over, earned")
    turns = {"claimed": "Scheduled", "reported Running": "Running", "reported Finished": "Finished", "paid": "Finished"}
    for what, status in turns.items():
        told, event = step(found, what), turn(world, job, status)
        same((told["transaction"], told["at"]), (event["transaction"], block_time(world, event)), what)
    same(pay(world, step(found, "paid")["transaction"]), wei, "what the transaction paid")
    same(step(found, "requested")["at"], block_time(world, events(world, "NewJobRequestEvent", job)[0]), "requested")
    for what, name in (("started", "StartTime"), ("ended", "EndTime")):
        same(step(found, what)["at"], int(slurm[name]), what)


@STAGE.scenario
def way_of_a_refused_job(world):
    """Given back, given to us again, failed: two ways, and nothing earned."""
    job = world.request("true", 10, customer=DENIED)
    refused_then_failed(world, job, "takes no jobs of")
    first, second = way(world, job, 1), way(world, job, 2)
    for found, last in ((first, "given back"), (second, "reported Failed")):
        same((words(found)[:2], len(words(found)), words(found)[-1]), (["requested", "claimed"], 4, last), "its way")
        check("takes no jobs of" in words(found)[2], words(found)[2])
        same(found["earned"], "0", "earned")
    same(step(first, "given back")["transaction"], events(world, "JobRefusedEvent", job)[0]["transaction"], "the return")


@STAGE.scenario
def way_of_a_cancelled_job(world):
    """A top-up and a cancel, each with the transaction of its claim."""
    job = world.request("sleep 600", 10, customer=1)
    running(world, job)
    world.customers[1].top_up(job, 5)
    topped = eventually("the top-up is claimed", lambda: events(world, "ClaimNextTopUpJobEvent", job))[0]
    minutes = topped["arguments"]["maxDurationMinute"]
    eventually("the agent knows", lambda: f"topped up by {minutes} min" in words(known(world, job)))
    world.customers[1].cancel(job)
    entry = ends(world, job, "Cancelled")
    found = way(world, job)
    same([one.split(":")[0].split(",")[0] for one in words(found)[3:]], [
        "started", "reported Running", f"topped up by {minutes} min", "the customer wants it cancelled", "ended", "reported Cancelled",
        f"paid {credits(entry['cost']['finalCost'] * SHARE // 100)} credits",
    ], "its way")
    same(step(found, "topped up")["transaction"], topped["transaction"], "the top-up")
    # The contract's own record may have told of the cancel before its claim did.
    cancel = eventually("the cancel is claimed", lambda: events(world, "ClaimNextCancellingJobEvent", job))[0]["transaction"]
    check(step(found, "the customer").get("transaction") in (None, cancel), "the cancel's transaction", found["steps"])


def all_is_counted(world):
    eventually("no job is open", lambda: not world.ask("grid")["jobs"])
    eventually("all is counted", lambda: earned(world) == world.grid.balance(PROVIDER), 60)
    same(earned(world), world.grid.balance(PROVIDER), "earned by all jobs, and what the provider has")
    check(world.grid.balance(PROVIDER) > 0, "nothing was earned")


@STAGE.alone
def earnings_are_what_the_contract_paid(world):
    """Of all jobs of this world, however they ended."""
    all_is_counted(world)


def ending(world, job):
    """The transaction that finished it, and its block."""
    transaction = turn(world, job, "Finished")["transaction"]
    return transaction, world.chain.call("eth_getTransactionReceipt", transaction)["blockHash"]


@AWAY.alone
def payment_that_is_mined_twice_counts_once(world):
    """A reorganisation puts the end into another block; and a restart reads on from the disk."""
    job = world.request("true", 10)
    ends(world, job, "Finished")
    over_here(world, job)
    before = ending(world, job)
    world.chain.call("lab_reorganise", 2)
    world.chain.call("lab_mine", 2)
    ends(world, job, "Finished")
    after = ending(world, job)
    check(before[0] == after[0] and before[1] != after[1], "the same end in another block:", before, after)
    time.sleep(3)
    all_is_counted(world)
    world.agent.stop()
    world.agent.start()
    all_is_counted(world)


@AWAY.alone
def lost_state_is_told_as_the_chain_has_it(world):
    """All files are lost: what was paid is told as the chain has it, and the agent's own claims are not another program's."""
    job = world.request("true", 10)
    entry = ends(world, job, "Finished")
    over_here(world, job)
    world.agent.stop()
    for file in world.lab.state.glob("*.sqlite*"):
        file.unlink()
    world.agent.start()

    def paid():
        found = known(world, job)
        return found if found and found.get("earned") else None

    found = eventually("the agent knows again what the job was paid", paid)
    wei = entry["cost"]["finalCost"] * SHARE // 100
    same((found["is_over"], found["state"], found["earned"]), (True, "Finished on the chain", str(wei)), "what is told of it")
    same(words(found)[-2:], ["Finished on the chain, reported with this provider's key", f"paid {credits(wei)} credits"], "its way")
    eventually("all that was ever paid is known", lambda: earned(world) == world.grid.balance(PROVIDER))
    eventually("grid earnings are that", lambda: int(world.ask("grid", "earnings")["credits"]) == world.grid.balance(PROVIDER), 60)
    level, text = findings(world)["key's use"]
    check(level == "ok" and "another program claimed" not in text, "what check says of the key's use:", level, text)
