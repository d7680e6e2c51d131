#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Holds the lab's grid contracts to what is known of the real ones: selectors, topics, errors, states, money, queues.

Prints a line for each group of checks; ends with 1 when one of them failed."""

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
if not sys.prefix.startswith(os.environ.get("LAB_CHAIN_VENV", str(ROOT / "lab/chain/.venv"))):
    python = subprocess.run([ROOT / "lab/grid/install.sh"], check=True, capture_output=True, text=True).stdout.strip()
    os.execv(python, [python, "-B", *sys.argv])
sys.path[:0] = [str(ROOT / "Tests/Chain"), str(ROOT / "lab/grid")]

from chain import LabChain, say  # noqa: E402
from eth_utils import keccak  # noqa: E402

import artifacts  # noqa: E402
import interface  # noqa: E402
from deploy import CONSTANTS, Deployment  # noqa: E402
from grid import (
    CREDIT,
    ERRORS,
    PRICES,
    STATUSES,
    Admin,
    Bot,
    Contract,
    Customer,
    Grid,
    GridError,
    Provider,
    Reverted,
)  # noqa: E402
from grid import definition, job_id, signature  # noqa: E402

NOBODY = "0x" + "00" * 20
PENDING, META, SCHEDULED, RUNNING, CANCELLED, FINISHED, FAILED, OUT_OF_CREDITS, PANICKED = range(9)
# 16.74 credits a minute at the default prices.
NEEDS = definition(gpus=1, cpus=4, tasks=2, mem=1000, hash="hash123", uses=[("os", "linux")], affinity=[("zone", "==", "fr")])
PER_MINUTE = 16_740_000_000_000_000_000


class Checks:
    def __init__(self):
        self.count, self.failed, self.total = 0, 0, 0

    def equal(self, found, wanted, what):
        self.count += 1
        if found != wanted:
            self.failed += 1
            print(f"  {what}: is {found!r}, should be {wanted!r}", flush=True)

    def reverts(self, call, wanted, what):
        """wanted: the error as in Name(argument, …), "" for one without data, "ok" for none"""
        try:
            call()
            found = "ok"
        except Reverted as error:
            found = f"{error.name}({', '.join(map(str, error.arguments))})" if error.payload else ""
        self.equal(found, wanted, what)

    def group(self, name):
        say(f"{name}: {self.count} checks" + (f", {self.failed} FAILED" if self.failed else ""))
        self.total += self.failed
        self.count = self.failed = 0


class Stage:
    """A grid on a chain, and parties that are new in each group."""

    def __init__(self, lab, skipping, reverting):
        self.lab, self.skipping, self.reverting = lab, skipping, reverting
        self.deployment = Deployment(lab.url())
        self.grid = Grid(self.deployment.run(skipping, reverting, dict(CONSTANTS), 2, 1_000_000))
        self.meta, self.jobs, self.queues = self.grid.meta, self.grid.jobs, self.grid.queues
        self.customer, self.other, self.bot, self.admin = (
            Customer(self.grid, 0),
            Customer(self.grid, 1),
            Bot(self.grid),
            Admin(self.grid),
        )

    def stranger(self):
        """Somebody with coins whom the grid does not know."""
        party = Provider(self.grid, os.urandom(32))
        self.deployment.fund(party.address, 10)
        return party

    def provider(self, prices=PRICES):
        party = self.stranger()
        party.register([(1, 16, 128_000), (1, 16, 64_000)], prices, [("os", "linux")])
        self.bot.provider("approve", party.address)
        return party

    def job(self, status, provider, credits=1000, needs=NEEDS, delegate=False):
        """A job brought to a status the usual way."""
        job = self.customer.request(needs, credits, "test", delegate)
        if status >= META or status == FAILED:
            self.bot.schedule(job, provider.address)
        if status >= SCHEDULED:
            provider.claim()
        if status >= RUNNING:
            provider.report(job, RUNNING)
        if status > RUNNING:
            provider.report(job, status)
        return job

    def advance(self, minutes):
        self.lab.call("lab_time", 60 * minutes)

    def balances(self, *parties):
        return [self.grid.balance(one.address) for one in parties]

    def logs(self, receipt):
        return [(one["event"], one["arguments"]) for one in self.grid.decode_logs(receipt["logs"])]

    def as_caller(self, party, function, *arguments):
        """What the MetaScheduler would say, without a transaction."""
        return lambda: self.meta.call(function, *arguments, sender=party.address)


def selectors(check):
    """Of the compiled contracts and of the errors in their text."""
    text = "".join(path.read_text() for path in artifacts.SOURCES.glob("*.vy"))
    topics = dict(reversed(one.split(":")) for one in interface.TOPICS.split())
    for name in artifacts.NAMES:
        functions = dict(reversed(one.split(":")) for one in interface.FUNCTIONS[name].split())
        entries = artifacts.load(name)[0]
        found = {entry["name"]: keccak(text=signature(entry))[:4].hex() for entry in entries if entry["type"] == "function"}
        for function in functions.keys() | found.keys():
            check.equal(found.get(function), functions.get(function), f"{name}.{function}")
        for entry in entries:
            if entry["type"] == "event":
                check.equal("0x" + keccak(text=signature(entry)).hex(), topics.get(entry["name"]), f"{name}'s {entry['name']}")
    errors = dict(reversed(one.split(":")) for one in interface.ERRORS.split())
    for error, selector in errors.items():
        check.equal((keccak(text=error)[:4].hex(), error in ERRORS), (selector, True), error)
    for part in text.split('method_id("')[1:]:
        error = part.split('"')[0]
        check.equal(error in errors or error == "Panic(uint256)", True, f"{error} is a known error")
    # Calldata as other libraries make it.
    payload = Contract(None, "MetaScheduler", NOBODY).encode("providerSetJobStatus", 1, 5, 10, "boom", -7)
    words = ["1", "5", "a", "a0", "f" * 63 + "9", "4"]
    check.equal(
        payload.hex(),
        "e1c0fdd4"
        + "".join(("f" if len(word) > 8 else "0") * (64 - len(word)) + word for word in words)
        + b"boom".hex().ljust(64, "0"),
        "a report",
    )
    labels = [("os", "linux"), ("compute.gflops", "123.45")]
    payload = Contract(None, "ProviderManager", NOBODY).encode("register", (2, [0, 1], [16, 16], [128000, 64000]), PRICES, labels)
    check.equal(keccak(payload).hex(), "0d93456a2aae86eeb9982a10a0087b6e798659bec0e9d49fec3e93920a92e850", "a registration")
    check.group("selectors and topics")


def transition(current, asked):
    """What providerSetJobStatus says by the provider of the job."""
    if asked < RUNNING:
        return f"RunningColdStatusOnly({asked})"
    if asked == current:
        return "SameStatusError()"
    if current > RUNNING:
        return f"JobHotStatusOnly({current})"
    allowed = {
        PENDING: {CANCELLED, PANICKED},
        META: {CANCELLED, PANICKED},
        SCHEDULED: {RUNNING, CANCELLED, FAILED, PANICKED},
        RUNNING: {CANCELLED, FINISHED, FAILED, OUT_OF_CREDITS, PANICKED},
    }
    return "ok" if asked in allowed[current] else f"InvalidTransition({current}, {asked})"


def matrix(stage, check):
    provider, other, stranger = stage.provider(), stage.provider(), stage.stranger()
    jobs = {status: stage.job(status, provider) for status in (*range(SCHEDULED, PANICKED + 1), META, PENDING)}
    report = "providerSetJobStatus"
    # A Pending job has no provider: its row needs one put there by force.
    check.reverts(
        stage.as_caller(provider, report, jobs[PENDING], CANCELLED, 0, "", 0),
        f"JobProviderOnly({provider.address}, {NOBODY})",
        "Pending",
    )
    stage.jobs.send(stage.admin.account, "grantRole", stage.jobs.call("METASCHEDULER_ROLE"), stage.admin.address)
    stage.jobs.send(stage.admin.account, "setProviderAddr", jobs[PENDING], provider.address)
    for current, job in jobs.items():
        check.equal(stage.grid.job(job)["status"], current, f"a job in {STATUSES[current]}")
        for asked in range(9):
            check.reverts(
                stage.as_caller(provider, report, job, asked, 1, "", 0),
                transition(current, asked),
                f"{STATUSES[current]} to {STATUSES[asked]}",
            )
    # The order of the checks, from the first.
    unknown, running, done = job_id(10**9), jobs[RUNNING], jobs[FINISHED]
    for asked in (9, 255):
        check.reverts(stage.as_caller(stranger, report, unknown, asked, 0, "", 0), "", f"status {asked}")
    check.reverts(stage.as_caller(stranger, report, unknown, 0, 0, "", 0), "ProviderNotJoined()", "not joined")
    check.reverts(stage.as_caller(provider, report, unknown, 0, 0, "", 0), "InvalidJob()", "no such job")
    check.reverts(
        stage.as_caller(other, report, running, 0, 0, "", 0),
        f"JobProviderOnly({other.address}, {provider.address})",
        "another's job",
    )
    check.reverts(stage.as_caller(provider, report, done, 1, 0, "", 0), "RunningColdStatusOnly(1)", "a cold job")
    check.group("matrix of providerSetJobStatus")
    calls(stage, check, provider, jobs)


def calls(stage, check, provider, jobs):
    """The other calls on a job of each status."""
    bot, customer = stage.bot, stage.customer
    for current, job in jobs.items():
        name, cold = STATUSES[current], current > RUNNING

        def rule(target, allowed):
            return (
                "SameStatusError()"
                if current == target
                else (
                    f"JobHotStatusOnly({current})"
                    if cold
                    else "ok" if current in allowed else f"InvalidTransition({current}, {target})"
                )
            )

        hot = f"JobHotStatusOnly({current})" if cold else "ok"
        paid = "ok" if current in (SCHEDULED, RUNNING) else f"RunningScheduledStatusOnly({current})"
        check.reverts(
            stage.as_caller(bot, "metaSchedule", job, provider.address), rule(META, {PENDING}), f"metaSchedule of {name}"
        )
        check.reverts(stage.as_caller(bot, "timeoutJob", job), rule(PENDING, {META, SCHEDULED}), f"timeoutJob of {name}")
        check.reverts(
            stage.as_caller(bot, "panicJob", job, "x"), rule(PANICKED, {PENDING, META, SCHEDULED, RUNNING}), f"panicJob of {name}"
        )
        refusal = "ok" if current in (META, SCHEDULED) else f"MetaScheduledScheduledStatusOnly({current})"
        check.reverts(stage.as_caller(provider, "refuseJob", job), refusal, f"refuseJob of {name}")
        check.reverts(stage.as_caller(customer, "cancelJob", job), hot, f"cancelJob of {name}")
        check.reverts(
            stage.as_caller(customer, "setDelegateSpendingAuthority", job, True), hot, f"setDelegateSpendingAuthority of {name}"
        )
        check.reverts(stage.as_caller(customer, "topUpJob", job, CREDIT), paid, f"topUpJob of {name}")
        check.reverts(
            stage.as_caller(stage.other, "cancelJob", job),
            f"CustomerOnly({stage.other.address}, {customer.address})",
            f"cancelJob of {name} by another",
        )
    running, other = jobs[RUNNING], stage.provider()
    check.reverts(
        stage.as_caller(other, "refuseJob", running),
        f"JobProviderOnly({other.address}, {provider.address})",
        "refuseJob by another",
    )
    check.reverts(
        stage.as_caller(bot, "metaSchedule", running, customer.address), "ProviderNotJoined()", "metaSchedule to nobody"
    )
    check.reverts(stage.as_caller(bot, "metaSchedule", job_id(10**9), other.address), "InvalidJob()", "metaSchedule of no job")
    check.reverts(
        stage.as_caller(stage.other, "topUpJob", running, CREDIT),
        "Error(ERC20: insufficient allowance)",
        "topUpJob without allowance",
    )
    role = stage.meta.call("METASCHEDULER_ROLE")
    check.equal(role, "0x34fe770ac2473ec704bda003df1f7ec520ba6602bc5ebb22f4d41610283d996e", "METASCHEDULER_ROLE")
    for function, arguments in (
        ("metaSchedule", (running, other.address)),
        ("timeoutJob", (running,)),
        ("panicJob", (running, "x")),
    ):
        missing = f"Error(AccessControl: account {stage.admin.address} is missing role {role})"
        check.reverts(stage.as_caller(stage.admin, function, *arguments), missing, f"{function} by the admin")
    missing = f"Error(AccessControl: account {bot.address} is missing role 0x{'00' * 32})"
    for function, arguments in (
        ("setEnableRequestNewJob", (False,)),
        ("withdrawAdmin", (1,)),
        ("grantRole", (role, bot.address)),
    ):
        check.reverts(stage.as_caller(bot, function, *arguments), missing, f"{function} by the bot")
    check.reverts(
        lambda: stage.jobs.call("setJobStatus", running, CANCELLED, sender=provider.address),
        f"Error(AccessControl: account {provider.address} is missing role {role})",
        "setJobStatus by a provider",
    )
    check.reverts(
        lambda: stage.queues.call("popNextClaimableJob", provider.address, sender=provider.address),
        "Error(Ownable: caller is not the owner)",
        "pop by a provider",
    )
    check.group("other calls in each status, and who may")


def requests(stage, check):
    customer, ask = stage.customer, "requestNewJob"
    stage.customer.allow(CREDIT)

    def asked(credits=100, party=customer, **changes):
        return stage.as_caller(party, ask, dict(NEEDS, **changes), credits * CREDIT, "name", False)

    for field in ("memPerCpu", "cpusPerTask", "ntasks"):
        check.reverts(asked(**{field: 0}), "InvalidJobDefinition()", f"{field} 0")
    check.reverts(asked(gpus=0, batchLocationHash=""), "ok", "no GPU, no hash")
    check.reverts(asked(storageType=4), "ok", "storage 4")
    check.reverts(asked(storageType=5), "", "storage 5")
    check.reverts(asked(99), f"InsufficientFunds({99 * CREDIT}, {100 * CREDIT})", "99 credits")
    check.reverts(asked(party=stage.other), "Error(ERC20: insufficient allowance)", "no allowance")
    check.reverts(asked(10**9), "Error(ERC20: transfer amount exceeds balance)", "too many credits")
    stage.admin.enable(False)
    check.reverts(asked(0), "NewJobRequestDisabled()", "closed")
    check.equal(stage.meta.call("enableRequestNewJob"), False, "enableRequestNewJob")
    stage.admin.enable(True)
    before = stage.balances(customer, stage.meta)
    job = customer.request(NEEDS, 1000, "my job")
    after = stage.balances(customer, stage.meta)
    check.equal([new - old for new, old in zip(after, before)], [-1000 * CREDIT, 1000 * CREDIT], "locked credits")
    found, now = stage.grid.job(job), stage.grid.chain.time
    check.equal(
        (found["statusName"], found["name"], found["providerAddr"], found["customerAddr"]),
        ("Pending", "my job", NOBODY, customer.address),
        "a new job",
    )
    check.equal(
        found["definition"],
        dict(NEEDS, affinity=[{"label": {"key": "zone", "value": "fr"}, "op": "0x" + b"==".hex()}]),
        "its definition",
    )
    check.equal(
        (found["time"]["submit"], found["time"]["cancelRequestTimestamp"], found["hasCancelRequest"]),
        (now, now, False),
        "its times",
    )
    check.equal(job in stage.jobs.call("getByCustomer", customer.address), True, "getByCustomer")
    check.reverts(lambda: stage.jobs.call("get", job_id(10**9)), "InvalidJob()", "get of no job")
    check.group("requestNewJob")


def flow(stage, check):
    """Events, refusals, and a cancel in each status."""
    provider, customer = stage.provider(), stage.customer
    job = customer.request(NEEDS, 1000)

    def moved(old, new):
        return ("JobTransitionEvent", {"jobId": job, "previous": old, "status": new})

    refused = ("JobRefusedEvent", {"jobId": job, "providerAddr": provider.address, "customerAddr": customer.address})
    for claimed in (False, True):
        check.equal(stage.logs(stage.bot.schedule(job, provider.address)), [moved(PENDING, META)], "metaSchedule")
        check.equal(stage.queues.call("getClaimableJobQueueSize", provider.address) > 0, True, "in the queue")
        check.equal(stage.grid.job(job)["providerAddr"], provider.address, "its provider")
        if claimed or stage.skipping is False:
            claim = stage.logs(provider.meta("claimNextJob"))
            wanted = {
                "customerAddr": customer.address,
                "providerAddr": provider.address,
                "jobId": job,
                "maxDurationMinute": 59,
                "jobDefinition": stage.grid.job(job)["definition"],
            }
            check.equal(claim, [moved(META, SCHEDULED), ("ClaimJobEvent", wanted)], "claimNextJob")
        status = stage.grid.job(job)["status"]
        receipt = stage.bot.timeout(job) if claimed else provider.refuse(job)
        check.equal(stage.logs(receipt), [moved(status, PENDING), refused], "taken back")
        found = stage.grid.job(job)
        check.equal((found["providerAddr"], found["cost"]["maxCost"]), (NOBODY, 1000 * CREDIT), "its credits stay")
    # An end before the start, from each status: everything goes back.
    for status in (PENDING, META, SCHEDULED):
        provider = stage.provider()
        before = stage.balances(customer, stage.meta)
        job = stage.job(status, provider, 500)
        names = [name for name, _ in stage.logs(customer.cancel(job))]
        check.equal(names, ["Transfer", "JobTransitionEvent"], f"a cancel of {STATUSES[status]} says")
        found = stage.grid.job(job)
        check.equal(
            (found["statusName"], found["hasCancelRequest"], found["cost"]["finalCost"]),
            ("Cancelled", True, 0),
            f"a cancel of {STATUSES[status]}",
        )
        check.equal(stage.balances(customer, stage.meta), before, f"the refund of {STATUSES[status]}")
        check.equal(stage.queues.call("hasCancellingJob", provider.address), False, "the cancelling queue")
        check.reverts(
            lambda: provider.report(job, RUNNING),
            (
                "JobHotStatusOnly(4)"
                if status == SCHEDULED
                else f"JobProviderOnly({provider.address}, {NOBODY})" if status == PENDING else "JobHotStatusOnly(4)"
            ),
            "a report after it",
        )
    # And of a running one: the provider is asked to.
    provider = stage.provider()
    job = stage.job(RUNNING, provider)
    customer.cancel(job)
    found = stage.grid.job(job)
    check.equal((found["statusName"], found["hasCancelRequest"]), ("Running", True), "a cancel of Running")
    check.equal(stage.queues.call("getCancellingJobQueueSize", provider.address), 1, "the cancelling queue")
    wanted = {"customerAddr": customer.address, "providerAddr": provider.address, "jobId": job}
    check.equal(
        stage.logs(provider.meta("claimNextCancellingJob")), [("ClaimNextCancellingJobEvent", wanted)], "claimNextCancellingJob"
    )
    check.reverts(stage.as_caller(provider, "claimNextCancellingJob"), "NoJob()", "no other")
    check.reverts(stage.as_caller(provider, "claimNextJob"), "NoJob()", "no other job")
    check.reverts(stage.as_caller(provider, "claimNextTopUpJob"), "NoJob()", "no top-up")
    provider.report(job, CANCELLED, 1, "as asked", -7)
    found = stage.grid.job(job)
    check.equal((found["statusName"], found["lastError"], found["exitCode"]), ("Cancelled", "as asked", -7), "its end")
    check.equal(stage.grid.providers.call("getJobCount", provider.address), 1, "the provider's jobs")
    check.group("scheduling, refusals, cancels")


def bill(stage, check, provider, wall, reported, billed, status=FINISHED, credits=3100, per_minute=PER_MINUTE, change=None):
    job = stage.job(RUNNING, provider, credits)
    before = stage.balances(provider, stage.customer, stage.meta)
    if change:
        change()
    stage.advance(wall)
    logs = stage.logs(provider.report(job, status, reported))
    cost = min(billed * per_minute, credits * CREDIT)
    shares = [cost * 80 // 100, credits * CREDIT - cost]
    what = f"wall {wall}, reported {reported}, {STATUSES[status]}"
    found = stage.grid.job(job)
    check.equal(found["cost"]["finalCost"], cost, f"finalCost of {what}")
    gains = [new - old for new, old in zip(stage.balances(provider, stage.customer, stage.meta), before)]
    check.equal(gains, [*shares, -sum(shares)], f"shares of {what}")
    wanted = [
        ("Transfer", {"sender": stage.meta.address, "receiver": one.address, "value": share})
        for one, share in zip((provider, stage.customer), shares)
    ]
    if reported > wall + 15:
        wanted.insert(0, ("BilledTooMuchEvent", {"jobId": job, "providerAddr": provider.address, "billingAmount": reported}))
    check.equal(
        logs, wanted + [("JobTransitionEvent", {"jobId": job, "previous": RUNNING, "status": status})], f"events of {what}"
    )
    times = found["time"]
    check.equal(
        (times["end"], times["panicTimestamp"], (times["end"] - times["start"]) // 60),
        (stage.grid.chain.time, times["end"] if status == PANICKED else 0, wall),
        f"times of {what}",
    )


def billing(stage, check):
    provider = stage.provider()
    cases = [
        (60, 180, 60),
        (60, 75, 75),
        (60, 76, 60),
        (60, 10, 10),
        (5, 180, 5),
        (5, 20, 20),
        (5, 21, 5),
        (0, 0, 1),
        (0, 15, 15),
        (0, 16, 0),
        (30, 0, 1),
    ]
    for wall, reported, billed in cases:
        bill(stage, check, provider, wall, reported, billed)
    for status in (CANCELLED, FAILED, OUT_OF_CREDITS):
        bill(stage, check, provider, 2, 2, 2, status)
    bill(stage, check, provider, 0, 0, 1, PANICKED)
    bill(stage, check, provider, 300, 300, 300, credits=1000)  # no more than was locked
    # Prices count at the end.
    double = tuple(2 * price for price in PRICES)

    def approve():
        provider.register([(1, 16, 128_000)], double)
        check.equal(
            stage.grid.providers.call("getProviderPrices", provider.address)["cpuPricePerMin"],
            PRICES[1],
            "prices before the approval",
        )
        stage.bot.provider("approve", provider.address)

    bill(stage, check, provider, 10, 10, 10, per_minute=2 * PER_MINUTE, change=approve)
    # From Scheduled nothing is billed.
    for status in (CANCELLED, FAILED, PANICKED):
        before = stage.balances(provider, stage.customer, stage.meta)
        job = stage.job(SCHEDULED, provider)
        logs = stage.logs(provider.report(job, status, 1000, "no"))
        check.equal(
            [name for name, _ in logs], ["Transfer", "JobTransitionEvent"], f"events of {STATUSES[status]} from Scheduled"
        )
        check.equal(stage.balances(provider, stage.customer, stage.meta), before, f"shares of {STATUSES[status]} from Scheduled")
        check.equal(stage.grid.job(job)["lastError"], "no", "its error")
    # The bot's panic pays all of it back, also while it runs.
    before = stage.balances(provider, stage.customer, stage.meta)
    job = stage.job(RUNNING, provider)
    stage.advance(10)
    stage.bot.panic(job, "lost")
    found = stage.grid.job(job)
    check.equal((found["statusName"], found["lastError"], found["cost"]["finalCost"]), ("Panicked", "lost", 0), "panicJob")
    check.equal(stage.balances(provider, stage.customer, stage.meta), before, "its shares")
    # Fewer credits than a minute's.
    job = stage.customer.request(definition(gpus=1000), 100)
    stage.bot.schedule(job, provider.address)
    check.equal(provider.claim()["maxDurationMinute"], 0, "minutes of too few credits")
    jobs = stage.grid.list()
    locked = sum(one["cost"]["maxCost"] for one in jobs if one["status"] <= RUNNING)
    cuts = sum(one["cost"]["finalCost"] - one["cost"]["finalCost"] * 80 // 100 for one in jobs)
    check.equal(stage.balances(stage.meta), [locked + cuts], "what stays")
    stage.admin.meta("withdrawAdmin", cuts)
    check.equal(stage.balances(stage.meta), [locked], "what stays without the cuts")
    check.reverts(
        stage.as_caller(stage.admin, "withdrawAdmin", locked + 1),
        "Error(ERC20: transfer amount exceeds balance)",
        "too much withdrawn",
    )
    check.group("billing")


def top_ups(stage, check):
    provider, customer = stage.provider(), stage.customer
    job = stage.job(SCHEDULED, provider)
    check.equal(stage.queues.call("hasTopUpJob", provider.address), False, "no top-up")
    customer.top_up(job, 100)
    stage.other.top_up(job, 50)
    cost = stage.grid.job(job)["cost"]
    check.equal((cost["maxCost"], cost["pendingTopUp"]), (1150 * CREDIT, 150 * CREDIT), "two top-ups")
    check.equal(stage.queues.call("getTopUpJobQueueSize", provider.address), 2, "both in the queue")
    for minutes in (8, 0):
        wanted = {"jobId": job, "providerAddr": provider.address, "maxDurationMinute": minutes}
        check.equal(stage.logs(provider.meta("claimNextTopUpJob")), [("ClaimNextTopUpJobEvent", wanted)], "claimNextTopUpJob")
        check.equal(stage.grid.job(job)["cost"]["pendingTopUp"], 0, "nothing pending")
    check.reverts(stage.as_caller(provider, "claimNextTopUpJob"), "NoJob()", "no third")
    # Delegated: 59 minutes are paid, and slices are of 30.
    job = stage.job(RUNNING, provider, delegate=True)
    plain = stage.job(RUNNING, provider)
    ask = "topUpJobDelegate"
    check.reverts(stage.as_caller(stage.stranger(), ask, job), "CustomerMetaSchedulerProviderOnly()", "by a stranger")
    check.reverts(stage.as_caller(customer, ask, plain), "NoSpendingAuthority()", "without authority")
    check.reverts(stage.as_caller(provider, ask, job), "RemainingTimeAboveLimit(59, 30)", "too early")
    stage.advance(40)
    stage.lab.call("lab_mine")
    for party in (provider, stage.bot, customer):
        check.reverts(stage.as_caller(party, ask, job), "ok", "late enough")
    before = stage.balances(customer)[0]
    provider.meta(ask, job)
    check.equal(before - stage.balances(customer)[0], 30 * PER_MINUTE, "a slice")
    check.equal(provider.claim_top_up()["maxDurationMinute"], 30, "its minutes")
    stage.advance(60)
    stage.lab.call("lab_mine")
    check.reverts(stage.as_caller(provider, ask, job), "Panic(17)", "too late")
    check.group("top-ups")


def queues(stage, check):
    """A stale head, a job that goes to another provider, and cancels of what has ended."""
    skipping, provider, other = stage.skipping, stage.provider(), stage.provider()
    first, second = (stage.job(META, provider) for _ in range(2))
    size, more = "getClaimableJobQueueSize", "hasNextClaimableJob"
    check.equal(stage.queues.call(size, provider.address), 2, "two jobs")
    stage.customer.cancel(first)
    check.equal(stage.queues.call(size, provider.address), 1 if skipping else 2, "with a cancelled head")
    for _ in range(2):
        check.reverts(stage.as_caller(provider, "claimNextJob"), "ok" if skipping else "JobHotStatusOnly(4)", "a claim of it")
    if skipping:
        check.equal(provider.claim()["jobId"], second, "the claim after it")
    stage.bot.timeout(second)
    stage.bot.schedule(second, other.address)
    if not skipping:
        return naive(stage, check)
    check.equal(stage.queues.call(more, provider.address), False, "the former provider has nothing")
    check.reverts(stage.as_caller(provider, "claimNextJob"), "NoJob()", "nor gets it")
    check.equal(other.claim()["jobId"], second, "the other has it")
    other.report(second, RUNNING)
    stage.customer.cancel(second)
    stage.customer.top_up(second, 1)
    check.equal(stage.queues.call("hasCancellingJob", other.address), True, "to be cancelled")
    other.report(second, FINISHED, 1)
    for queue in ("hasCancellingJob", "hasTopUpJob"):
        check.equal(stage.queues.call(queue, other.address), False, f"{queue} after the end")
    check.group("skipping queues")


def naive(stage, check):
    provider, other = stage.provider(), stage.provider()
    job = stage.job(META, provider)
    stage.bot.timeout(job)
    check.reverts(stage.as_caller(provider, "claimNextJob"), "InvalidTransition(0, 2)", "a claim of a job that was taken back")
    stage.bot.schedule(job, other.address)
    # Through the queue of the former provider, with the event of the other.
    check.equal(provider.claim()["providerAddr"], other.address, "the former provider's claim")
    check.reverts(stage.as_caller(other, "claimNextJob"), "SameStatusError()", "the other's")
    provider = stage.provider()
    job = stage.job(RUNNING, provider)
    stage.customer.cancel(job)
    provider.report(job, FINISHED, 1)
    check.equal(stage.queues.call("hasCancellingJob", provider.address), True, "a cancel of a job that ended")
    check.equal(provider.claim_cancel()["jobId"], job, "is claimed")
    check.group("naive queues")


def providers(stage, check):
    manager, bot = stage.grid.providers, stage.bot
    party = stage.stranger()
    address = party.address

    def register(nodes=1, gpus=(0,), cpus=(1,), mem=(1,)):
        return lambda: manager.call("register", (nodes, gpus, cpus, mem), PRICES, [], sender=address)

    for arguments, error in (
        ((0, [], [], []), "InvalidNodesCount()"),
        ((2, [0], [1, 1], [1, 1]), "ArrayLengthMismatch()"),
        ((1, [0], [0], [1]), "InvalidTotalCpus()"),
        ((1, [0], [1], [0]), "InvalidTotalMem()"),
        ((1, [0], [1], [1]), "ok"),
    ):
        check.reverts(register(*arguments), error, f"register {arguments}")
    for function in ("getProvider", "getWaitingForApprovalProvider", "getProviderPrices", "getProviderHardware", "getLabels"):
        check.reverts(
            lambda: manager.call(function, address), "NoProvider()" if stage.reverting else "ok", f"{function} of nobody"
        )
    if not stage.reverting:
        check.equal(manager.call("getProvider", address)["addr"], NOBODY, "nobody's registration")
    for verb, error in (
        ("approve", "WaitingApprovalOnly()"),
        ("ban", "NoProvider()"),
        ("unban", "NoProvider()"),
        ("remove", "NoProvider()"),
    ):
        check.reverts(lambda: manager.call(verb, address, sender=bot.address), error, f"{verb} of nobody")

    def state():
        return [manager.call(function, address) for function in ("isValidForScheduling", "isWaitingForApproval", "isBanned")]

    check.equal(state(), [False, False, False], "nobody")
    check.equal(
        stage.logs(party.register([(1, 2, 3), (4, 5, 6)], PRICES, [("a", "b")])),
        [("ProviderWaitingForApproval", {"addr": address})],
        "register",
    )
    check.equal(state(), [False, True, False], "who waits")
    check.equal(stage.logs(bot.provider("approve", address)), [("ProviderApproved", {"addr": address})], "approve")
    check.equal(state(), [True, False, False], "who is approved")
    prices = dict(zip(("gpuPricePerMin", "cpuPricePerMin", "memPricePerMin"), PRICES))
    hardware = {"nodes": 2, "gpusPerNode": [1, 4], "cpusPerNode": [2, 5], "memPerNode": [3, 6]}
    wanted = {
        "addr": address,
        "providerHardware": hardware,
        "providerPrices": prices,
        "labels": [{"key": "a", "value": "b"}],
        "isBanned": False,
    }
    check.equal(manager.call("getProvider", address), wanted, "getProvider")
    party.register([(0, 8, 9)], PRICES)
    check.equal(state(), [True, True, False], "who registers again")
    check.equal(manager.call("getProvider", address), wanted, "the former registration counts")
    check.equal(
        manager.call("getWaitingForApprovalProvider", address)["providerHardware"]["cpusPerNode"], [8], "the new one waits"
    )
    bot.provider("approve", address)
    check.equal(manager.call("getProviderHardware", address)["cpusPerNode"], [8], "the new one counts")
    job = stage.job(RUNNING, party, needs=definition())
    waiting = stage.job(META, party, needs=definition())
    check.equal(stage.logs(bot.provider("ban", address)), [("ProviderBanChanged", {"addr": address, "status": True})], "ban")
    check.equal(state(), [False, False, True], "who is banned")
    check.reverts(register(), "Banned()", "register of the banned")
    check.reverts(lambda: manager.call("ban", address, sender=bot.address), "AlreadyDone()", "ban of the banned")
    for function, arguments in (
        ("claimNextJob", ()),
        ("claimNextCancellingJob", ()),
        ("claimNextTopUpJob", ()),
        ("refuseJob", (waiting,)),
        ("providerSetJobStatus", (job, FINISHED, 1, "", 0)),
    ):
        check.reverts(stage.as_caller(party, function, *arguments), "ProviderNotJoined()", f"{function} of the banned")
    bot.provider("unban", address)
    check.reverts(stage.as_caller(party, "claimNextJob"), "ok", "claimNextJob after the ban")
    check.equal(stage.logs(bot.provider("remove", address)), [("ProviderRemoved", {"addr": address})], "remove")
    check.reverts(stage.as_caller(party, "claimNextJob"), "ProviderNotJoined()", "claimNextJob of the removed")
    role = manager.call("METASCHEDULER_ROLE")
    check.reverts(
        lambda: manager.call("approve", address, sender=address),
        f"Error(AccessControl: account {address} is missing role {role})",
        "approve by oneself",
    )
    for name, value in CONSTANTS.items():
        check.equal(stage.grid.constants.call(name), value, name)
    stage.admin.set_constant("deepsquareCut", 30)
    check.equal(stage.grid.constants.call("deepsquareCut"), 30, "a constant that changed")
    check.group("providers and constants")


def main():
    check, begin = Checks(), time.monotonic()
    artifacts.load_all()
    selectors(check)
    for skipping, reverting in ((True, True), (False, False)):
        with LabChain() as lab:
            stage = Stage(lab, skipping, reverting)
            say(
                f"-- queues {'skipping' if skipping else 'naive'}, getProvider of nobody {'reverts' if reverting else 'is empty'}"
            )
            for group in (requests, matrix, flow, billing, top_ups, queues, providers):
                group(stage, check)
    say(f"{'failed' if check.total else 'passed'}, {time.monotonic() - begin:.0f} s")
    return 1 if check.total else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except GridError as error:
        sys.exit(f"contracts: {error}")
