# SPDX-License-Identifier: GPL-3.0-or-later
"""Scenarios of a grid that works, and of parts that go away and come back while the agent lives."""

import os
import subprocess
import time

import grid as contracts
from jobs_common import (
    WAITING, Stage, calls, check, clock, customer_log, customer_reads, end_states, ends, events, eventually, facts,
    fails, free_gpus, hold_gpus, home, is_approved, known, log, minute_price, output, over_here, refused_then_failed,
    reported_minutes, running, same, slurm_id, slurm_state, status, steps, stranger, time_limit, transactions,
    until_told, user,
)
from world import KEY, PROVIDER, TOP

NODES = [(2, 16, 1048576)] * 3 + [(0, 16, 1048576)]  # of the partition: GPUs, CPUs, MB
LINES = r"""NodeName=n1 CPUs=16 RealMemory=1048576 Gres=gpu:2
NodeName=n2 CPUs=16 RealMemory=1048576 Gres=gpu:2
NodeName=n3 CPUs=16 RealMemory=1048576 Gres=gpu:2
NodeName=n4 CPUs=16 RealMemory=1048576
NodeName=n5 CPUs=64 RealMemory=9000"""
PARTITIONS = r"""PartitionName=grid Nodes=n1,n2,n3,n4 Default=YES DefaultTime=60 MaxTime=7-0 PriorityTier=1 PreemptMode=CANCEL
PartitionName=gridlock Nodes=n1,n5 MaxTime=7-0 PriorityTier=1
PartitionName=urgent Nodes=n1,n2,n3,n4 MaxTime=7-0 PriorityTier=10 PreemptMode=OFF"""
CONF = """PreemptType=preempt/partition_prio
PreemptMode=CANCEL"""
TALKATIVE = """echo "user=$(id -un) home=$PWD name=$SLURM_JOB_NAME"
shopt -q login_shell && echo login
head -n 3 "$0"
umask
sleep 3"""
DENIED = 3  # a customer
RETRY = 20  # s


def prepare(world):
    # A node of the chain that only the agent asks, so that it alone may lose it.
    world.chain.call("lab_node", "/behind", {"behind": 0})
    world.configure({
        "metascheduler.endpoint.rpc": world.chain.url("/behind"), "metascheduler.endpoint.ws": world.chain.url("/behind", "ws"),
        "policy.deny": world.customers[DENIED].address,
    })
    world.agent.start()
    world.join()
    # The sbatch service tells where logs go.
    ends(world, world.request("true", 10), "Finished")


def crowd(world):
    prepare(world)
    hold_gpus(world, "grid", 3)


OPTIONS = {
    "LAB_NODE_LINES": LINES, "LAB_PARTITION_LINES": PARTITIONS, "LAB_CONF_EXTRA": CONF,
    "settings": {
        "slurm.partition": "grid", "retry-limit": f"{RETRY}s", "policy.max-cpus": 40, "policy.max-minutes": 2000,
        "script-limit": 20000,
    },
}
STAGE = Stage("live", [], crowd, **OPTIONS)
AWAY = Stage("away", [], prepare, **OPTIONS)


# ---- what a job is


@STAGE.scenario
def job_is_what_customers_know(world):
    """Name, user, work directory, login shell, output, and that Slurm never runs it again by itself."""
    job = world.request(TALKATIVE, 10)
    number = slurm_id(world, job)
    found = facts(world, number)
    same((found["JobName"], found["Requeue"], found["UserId"].split("(")[0]), (job, "0", user(world)), "name, requeue, user")
    same((found["WorkDir"], found["TimeLimit"]), (home(world), clock(10)), "work directory, limit")
    ends(world, job, "Finished")
    lines = output(world, job).split("\n")
    expected = [
        f"user={user(world)} home={home(world)} name={job}", "login", "#!/bin/bash -l", '[ "$(umask)" != 0067 ] || umask 0022', "true",
        "0022",
    ]
    same(lines[:6], expected, "what the job says")
    same(os.stat(found["StdOut"]).st_mode & 0o777, 0o600, "the mode of its output")
    same(steps(world, job), ["MetaScheduled", "Scheduled", "Running", "Finished"], "its way")


@STAGE.scenario
def w01_partition_is_the_configured_one(world):
    """The partition was hard-coded."""
    job = world.request("sleep 1", 10)
    same(facts(world, slurm_id(world, job))["Partition"], "grid", "the partition")
    ends(world, job, "Finished")


@STAGE.scenario
def w15_hardware_is_the_partitions(world):
    """Partition names were matched in part, nodes without GPUs and memory in TB miscounted."""
    entry = world.grid.providers.call("getProvider", PROVIDER)["providerHardware"]
    nodes = list(zip(entry["gpusPerNode"], entry["cpusPerNode"], entry["memPerNode"]))
    same((entry["nodes"], nodes), (4, NODES), "the registration")


@STAGE.scenario
def w29_key_is_nowhere_to_be_seen(world):
    """The key was an argument or a variable."""
    process = world.agent.process.pid
    for name in ("cmdline", "environ"):
        check(KEY.encode() not in open(f"/proc/{process}/{name}", "rb").read(), f"the key is in {name}")
    check(KEY not in log(world), "the key is in the log")


# ---- endings


@STAGE.scenario
def w25_less_than_a_minute_costs_one(world):
    """A job of seconds reports 0 minutes; the contract bills 1."""
    before = world.grid.balance(world.customers[1].address)
    job = world.request("sleep 1", 10, customer=1, cpus=2)
    found = ends(world, job, "Finished")
    same((found["exitCode"], found["lastError"]), (0, ""), "the end")
    same(found["cost"]["finalCost"], minute_price(world, job), "the bill")
    over_here(world, job)
    same(reported_minutes(world, job), 0, "minutes reported")
    check(before > world.grid.balance(world.customers[1].address), "nothing was paid")


@STAGE.scenario
def w26_exit_code_is_the_wait_status(world):
    """What the chain is told is Slurm's own word, and the words say it to people."""
    jobs = [world.request(body, 10) for body in ("exit 3", "kill -9 $$")]
    for job, code, words in zip(jobs, (3 << 8, 9), ("exit code 3", "signal 9")):
        found = ends(world, job, "Failed")
        same(found["exitCode"], code, "exit code")
        check(words in found["lastError"], found["lastError"])


@STAGE.scenario
def time_limit_is_out_of_credits(world):
    """TIMEOUT."""
    job = world.request("sleep 600", 1)
    found = ends(world, job, "OutOfCredits", 150)
    check("time limit" in found["lastError"], found["lastError"])
    same(found["cost"]["finalCost"], minute_price(world, job), "the bill")
    over_here(world, job)
    same(reported_minutes(world, job), 1, "minutes reported")


@STAGE.scenario
def administrator_cancels(world):
    """scancel of a running job is billed, of a waiting one not."""
    runs, waits = world.request("sleep 600", 10), world.request("true", **WAITING)
    running(world, runs)
    world.lab.command("scancel", slurm_id(world, runs), slurm_id(world, waits))
    same(ends(world, runs, "Cancelled")["cost"]["finalCost"], minute_price(world, runs), "the bill")
    same(ends(world, waits, "Cancelled")["cost"]["finalCost"], 0, "the bill of the one that never ran")
    same(steps(world, waits)[-2:], ["Scheduled", "Cancelled"], "its way")


@STAGE.scenario
def deadline_passes(world):
    """DEADLINE."""
    job = world.request("true", **WAITING)
    number = slurm_id(world, job)
    world.lab.command("scontrol", "update", f"JobId={number}", "TimeMin=1", "Deadline=now+70seconds")
    found = ends(world, job, "Failed", 150)
    check("deadline" in found["lastError"], found["lastError"])
    same((end_states(world, job), found["cost"]["finalCost"]), (["DEADLINE"], 0), "states, bill")


@STAGE.scenario
def requeue_adds_the_minutes(world):
    """An administrator's requeue: both runs count, and the chain hears of one job."""
    job = world.request("sleep 40", 10)
    number = slurm_id(world, job)
    eventually("it runs for a while", lambda: "00:00:25" <= facts(world, number)["RunTime"])
    world.lab.command("scontrol", "update", f"JobId={number}", "Requeue=1")
    world.lab.command("scontrol", "requeue", number)
    ends(world, job, "Finished", 150)
    over_here(world, job)
    same(reported_minutes(world, job), 1, "minutes reported")
    same(steps(world, job), ["MetaScheduled", "Scheduled", "Running", "Finished"], "its way")


# ---- cancels, top-ups, and what the chain takes back


@STAGE.scenario
def w10_cancel_before_the_start_frees_the_cluster(world):
    """The contract raises no event of such a cancel: the job kept its place, and started."""
    job = world.request("true", **WAITING)
    eventually("it waits in Slurm", lambda: slurm_state(world, job) == "PENDING")
    world.customers[0].cancel(job)
    eventually("it is gone from Slurm", lambda: slurm_state(world, job) == "CANCELLED")
    over_here(world, job)
    same((steps(world, job)[-2:], calls(world, job)), (["Scheduled", "Cancelled"], []), "its way, our reports")


@STAGE.scenario
def customer_cancels_a_running_job(world):
    """The Slurm job ends, the chain hears Cancelled, the provider is paid."""
    job = world.request("sleep 600", 10)
    running(world, job)
    world.customers[0].cancel(job)
    same(ends(world, job, "Cancelled")["cost"]["finalCost"], minute_price(world, job), "the bill")
    same(end_states(world, job), ["CANCELLED"], "Slurm")
    same(len(events(world, "ClaimNextCancellingJobEvent", job)), 1, "claims of the cancel")


@STAGE.scenario
def bot_panics_a_running_job(world):
    """The Slurm job ends, and nothing is reported of it."""
    job = world.request("sleep 600", 10)
    running(world, job)
    world.bot.panic(job, "for a test")
    eventually("it is gone from Slurm", lambda: slurm_state(world, job) == "CANCELLED")
    over_here(world, job)
    same((status(world, job), calls(world, job)), ("Panicked", ["providerSetJobStatus"]), "the chain, our reports")


@STAGE.scenario
def w11_top_ups_are_never_lost(world):
    """The limit in Slurm is what was claimed and topped up, whether the job runs or waits."""
    runs, waits = world.request("sleep 600", 10), world.request("sleep 600", **WAITING)
    running(world, runs)
    slurm_id(world, waits)
    world.customers[0].top_up(runs, 10)
    world.customers[0].top_up(waits, 200)
    world.customers[0].top_up(runs, 5)
    for job, minutes in ((runs, 25), (waits, 22)):
        eventually(f"the limit of {job} is {minutes} min", lambda: time_limit(world, job) == clock(minutes))
        world.customers[0].cancel(job)
        ends(world, job, "Cancelled")


@STAGE.scenario
def top_up_passes_no_limit(world):
    """It was set as SlurmUser, beyond policy.max-minutes: 2000 here."""
    job = world.request("sleep 600", 1900)
    running(world, job)
    world.customers[0].top_up(job, 100)
    eventually("the limit is the policy's", lambda: time_limit(world, job) == "1-09:20:00")
    customer_reads(world, job, "time limit stays at 2000 of ")
    same(known(world, job)["limit_minutes"], 2000, "the limit that is shown")
    world.customers[0].cancel(job)
    ends(world, job, "Cancelled")


@STAGE.scenario
def bot_takes_back_and_gives_again(world):
    """After the bot's time-out the old Slurm job ends; the next claim has a number and a Slurm job of its own."""
    job = world.request("sleep 1", **WAITING)
    first = slurm_id(world, job)
    eventually("it waits in Slurm", lambda: slurm_state(world, job) == "PENDING")
    world.bot.timeout(job)
    eventually("the second claim is in Slurm", lambda: len(world.slurm_jobs(job)) == 2)
    eventually("the first Slurm job is gone", lambda: facts(world, first)["JobState"] == "CANCELLED")
    same(known(world, job)["claim"], 2, "the claim's number")
    world.customers[0].cancel(job)
    over_here(world, job)


# ---- refuse or fail


@STAGE.scenario
def no_script_fails(world):
    """Nobody can run it."""
    job = world.customers[0].request(contracts.definition(hash="none"), 10)
    fails(world, job, "no script")


@STAGE.scenario
def oversized_and_empty_scripts_fail(world):
    """Nobody should run it."""
    fails(world, world.request("#" * 20_001, 10), "20001 bytes")
    fails(world, world.request(" \n", 10), "empty")


@STAGE.scenario
def credits_for_no_minute_fail(world):
    """The contract lets such jobs through."""
    fails(world, world.request("true", 1, cpus=4), "one minute")


@STAGE.scenario
def denied_customer_is_refused(world):
    """policy.deny."""
    refused_then_failed(world, world.request("true", 10, customer=DENIED), "takes no jobs of")


@STAGE.scenario
def jobs_beyond_the_policy_are_refused(world):
    """policy.max-cpus, policy.max-minutes."""
    jobs = [world.request("true", 100, tasks=41), world.request("true", 2100)]
    for job, why in zip(jobs, ("up to 40 CPUs", "up to 2000 minutes")):
        refused_then_failed(world, job, why)


@STAGE.scenario
def customer_without_a_user_is_refused(world):
    """No Unix user."""
    customer = stranger(world)
    job = customer.request(contracts.definition(hash=customer.store(b"true")), 10)
    refused_then_failed(world, job, f"no Unix user {customer.address.lower()}")


@STAGE.scenario
def job_that_fits_no_node_is_refused(world):
    """What slurmctld says no to."""
    refused_then_failed(world, world.request("true", 200, cpus=17), "")


@STAGE.scenario
def w04_many_jobs_at_once(world):
    """Reports and claims raced for nonces; one claim in 5 s. Twelve jobs: no transaction of theirs is lost or fails."""
    jobs = [world.request("sleep 2", 10, customer=2) for _ in range(12)]
    for job in jobs:
        ends(world, job, "Finished")
    for job in jobs:
        same(steps(world, job), ["MetaScheduled", "Scheduled", "Running", "Finished"], "its way")
        same(len(world.slurm_jobs(job)), 1, "Slurm jobs")
    history = transactions(world)
    same([one[0] for one in history], list(range(len(history))), "nonces")


@STAGE.alone
def gpus_are_the_whole_jobs(world):
    """GPUs count for the job, not for each task."""
    free_gpus(world)
    job = world.request("sleep 2", 200, gpus=2, tasks=2)
    found = facts(world, slurm_id(world, job))
    same((found["TresPerJob"].replace(":", "/", 1), found["NumTasks"]), ("gres/gpu:2", "2"), "what Slurm was asked for")
    ends(world, job, "Finished")


@STAGE.alone
def w27_gas_limits_fit(world):
    """The gas limit was 20 million."""
    for _, known_hash, _, _ in transactions(world):
        sent = world.chain.call("eth_getTransactionByHash", known_hash)
        check(int(sent["gas"], 16) < 3_000_000, "gas of a transaction:", int(sent["gas"], 16))


# ---- parts go away


@AWAY.alone
def w02_reports_outlast_the_chains_absence(world):
    """Reports were given up after three tries in a minute."""
    script, end = until_told(world)
    job = world.request(script, 10)
    running(world, job)
    world.chain.call("lab_fault", "/behind", {"drop_request": 1.0})
    world.chain.call("lab_cut")
    end()
    try:
        eventually("it ends in Slurm", lambda: slurm_state(world, job) == "COMPLETED")
        time.sleep(5)
        same(status(world, job), "Running", "the chain meanwhile")
    finally:
        world.chain.call("lab_fault", "/behind", {"drop_request": 0.0})
    ends(world, job, "Finished")


@AWAY.alone
def sbatch_service_away(world):
    """A job waits for it, up to retry-limit; then it goes back."""
    world.sbatch.stop()
    try:
        lost = world.request("true", 10)
        eventually("it goes back", lambda: events(world, "JobRefusedEvent", lost), RETRY + 30, 0.5)
        # It is given to us once more at once, and fails if that takes too long again.
        saved = world.request("true", 10)
    finally:
        world.sbatch.start()
    customer_reads(world, lost, "refused: ", "could not start the job in time")
    # Nothing but the service was wrong with it.
    for job in (lost, saved):
        ends(world, job, "Finished", 120)


@AWAY.alone
def w14_only_the_trusted_sbatch_service_is_believed(world):
    """TLS without verification of the server."""
    mine = list(world.sbatch.words)
    folder = world.chain.folder / "other-tls"
    subprocess.run([TOP / "lab/grid/services/ca.sh", folder], check=True, stdout=subprocess.DEVNULL)
    world.sbatch.stop()
    world.sbatch.words = [str(word).replace(str(world.chain.folder / "tls"), str(folder)) for word in mine]
    world.sbatch.start()
    try:
        job = world.request("true", 10)
        eventually("it is claimed", lambda: status(world, job) == "Scheduled")
        eventually("the agent tells why it waits", lambda: "certificate cannot be verified" in (known(world, job) or {}).get("trouble", ""))
        same(world.slurm_jobs(job), [], "its Slurm jobs")
    finally:
        world.sbatch.stop()
        world.sbatch.words = mine
        world.sbatch.start()
    ends(world, job, "Finished")


@AWAY.alone
def grid_logger_elsewhere_is_not_written_to(world):
    """The sbatch service may not send us anywhere: only the configured logger, or one under its own domain."""
    mine = list(world.sbatch.words)
    world.sbatch.stop()
    world.sbatch.words[mine.index("--logger") + 1] = f"127.0.0.1:{world.logger.port}"
    world.sbatch.start()
    try:
        job = world.request(" \n", 10)
        ends(world, job, "Failed")
        eventually("the log says so", lambda: "grid logger that is not configured" in log(world))
        same(customer_log(world, job), [], "the customer's log")
    finally:
        world.sbatch.stop()
        world.sbatch.words = mine
        world.sbatch.start()
    ends(world, world.request("true", 10), "Finished")


def drain(world, word):
    world.agent.ask(word, "--control", world.lab.run / "control.sock")


@AWAY.alone
def drained_it_claims_nothing(world):
    """What is claimed goes on; a restart does not end it."""
    old = world.request("sleep 6", 10)
    running(world, old)
    drain(world, "drain")
    job = world.request("true", 10)
    eventually("it waits for a claim", lambda: status(world, job) == "MetaScheduled")
    world.agent.stop()
    world.agent.start()
    ends(world, old, "Finished")
    time.sleep(2)
    same((status(world, job), world.ask("grid")["is_drained"]), ("MetaScheduled", True), "status, drained")
    drain(world, "resume")
    ends(world, job, "Finished")


@AWAY.alone
def one_customer_keeps_nobody_out(world):
    """What is claimed beyond a customer's places goes back, and comes again when there is one."""
    world.agent.stop()
    world.configure({"policy.max-jobs-per-customer": 1})
    world.agent.start()
    try:
        drain(world, "drain")
        flood = [world.request("sleep 8", 10) for _ in range(4)]
        last = world.request("true", 10, customer=1)
        eventually("all wait for a claim", lambda: {status(world, job) for job in [*flood, last]} == {"MetaScheduled"})
        drain(world, "resume")
        ends(world, last, "Finished", 60)
        check(sum(status(world, job) == "Finished" for job in flood) < 3, "the flood came first")
        most = 0
        while any(status(world, job) != "Finished" for job in flood):
            most = max(most, sum(bool(world.slurm_jobs(job)) and status(world, job) == "Running" for job in flood))
            check(not {status(world, job) for job in flood} & {"Failed", "Cancelled", "Panicked"}, "one was not given back")
            time.sleep(0.5)
        check(most == 1, f"{most} at once")
    finally:
        world.agent.stop()
        world.settings.pop("policy.max-jobs-per-customer")
        world.configure({})
        world.agent.start()


@AWAY.alone
def w12_stale_head_starves_nobody(world):
    """One failing claim starved the others: a job that is cancelled in the queue costs nothing, and the next one is claimed."""
    drain(world, "drain")
    stale, good = world.request("true", 10), world.request("true", 10)
    for job in (stale, good):
        eventually("it waits for a claim", lambda: status(world, job) == "MetaScheduled")
    world.customers[0].cancel(stale)
    before = len(transactions(world))
    drain(world, "resume")
    ends(world, good, "Finished")
    sent = transactions(world)[before:]
    same([one[2] for one in sent], [1, 1, 1], "outcomes of claim, Running, Finished")
    same(status(world, stale), "Cancelled", "the stale one")


def seconds_of_an_answer(world):
    begun = time.monotonic()
    world.ask("grid")
    return time.monotonic() - begun


@AWAY.alone
def w13_slurmctld_away_or_hung(world):
    """Nothing is claimed then, the agent answers, and goes on by itself."""
    for fault, mend in (("stop", "start"), ("pause", "resume")):
        world.lab.fault(fault, "slurmctld")
        try:
            job = world.request("true", 10)
            eventually("it waits for a claim", lambda: status(world, job) == "MetaScheduled")
            time.sleep(4)
            # One that hangs does so each time; a machine with much to do does not.
            check(min(seconds_of_an_answer(world) for _ in range(3)) < 3, "the agent hangs")
            same(status(world, job), "MetaScheduled", f"slurmctld {fault}: the job")
        finally:
            world.lab.fault(mend, "slurmctld")
        ends(world, job, "Finished")


@AWAY.alone
def contract_closed_to_new_jobs(world):
    """What is in the queues goes on; the process used to die."""
    drain(world, "drain")
    queued = world.request("true", 10)
    eventually("it waits for a claim", lambda: status(world, queued) == "MetaScheduled")
    world.admin.enable(False)
    try:
        try:
            world.request("true", 10)
            check(False, "the contract takes new jobs")
        except contracts.Reverted:
            pass
        world.ask("provider", "show")
        same(world.ask("grid")["is_open"], False, "grid status")
        drain(world, "resume")
        ends(world, queued, "Finished")
    finally:
        world.admin.enable(True)


@AWAY.alone
def banned_its_reports_wait(world):
    """Every call of a banned provider reverts: reports wait, go out in order afterwards, and are paid."""
    hold_gpus(world, "grid", 3)
    script, end = until_told(world)
    runs, waits = world.request(script, 10), world.request("sleep 1", **WAITING)
    running(world, runs)
    slurm_id(world, waits)
    world.bot.provider("ban", PROVIDER)
    try:
        eventually("the agent knows", lambda: not world.ask("grid")["is_approved"])
        before = len(transactions(world))
        end()
        free_gpus(world)
        for job in (runs, waits):
            eventually("it ends in Slurm", lambda: slurm_state(world, job) == "COMPLETED", 60)
        eventually("two reports wait", lambda: world.ask("grid")["waiting_reports"] == 2)
        check("banned" in world.ask("grid")["state"], world.ask("grid")["state"])
        same(len(transactions(world)), before, "transactions")
        paid = world.grid.balance(PROVIDER)
    finally:
        world.bot.provider("unban", PROVIDER)
    if not is_approved(world):
        world.bot.provider("approve", PROVIDER)
    for job in (runs, waits):
        ends(world, job, "Finished")
        same(steps(world, job)[-3:], ["Scheduled", "Running", "Finished"], "its way")
    cost = minute_price(world, runs) + minute_price(world, waits)
    same(world.grid.balance(PROVIDER) - paid, cost * 80 // 100, "what the provider gets")


def loses_its_end(world, meanwhile):
    """The block with a job's end is lost when the agent has seen it, and the provider is banned when the end comes again."""
    job = world.request("true", 10)
    ends(world, job, "Finished")
    over_here(world, job)
    selector = "0x" + world.grid.meta.encode("providerSetJobStatus", contracts.job_id(0), 0, 0, "", 0)[:4].hex()
    meanwhile()
    before = world.grid.balance(PROVIDER)
    lost = eventually("the end's block is lost", lambda: world.chain.call("lab_lose", PROVIDER, selector, 0, True))
    world.bot.provider("ban", PROVIDER)
    try:
        same(status(world, job), "Running", "its status on the chain")
        yield
        eventually("the end is not taken", lambda: any(row[1] == lost[0] and not row[2] for row in transactions(world)), 60)
        eventually("the agent knows", lambda: known(world, job) and not world.ask("grid")["is_approved"])
    finally:
        world.bot.provider("unban", PROVIDER)
    if not is_approved(world):
        world.bot.provider("approve", PROVIDER)
    ends(world, job, "Finished")
    over_here(world, job)
    same(world.grid.balance(PROVIDER) - before, 0, "what the provider got, as of the first time")
    same(len(world.slurm_jobs(job)), 1, "Slurm jobs")


@AWAY.alone
def a_lost_end_that_is_refused_is_reported_again(world):
    """The contract takes no report of a banned provider: also one that it had taken before its block was lost."""
    for _ in loses_its_end(world, lambda: None):
        pass


@AWAY.alone
def a_lost_end_is_found_by_the_next_agent(world):
    """The agent is away when the block is lost."""
    for _ in loses_its_end(world, world.agent.kill):
        world.agent.start()


@AWAY.alone
def w05_missed_claim_is_submitted(world):
    """A ClaimJobEvent that nobody listened to left a job without a Slurm job: killed while the claim is on its way."""
    drain(world, "drain")
    job = world.request("true", 10)
    eventually("it waits for a claim", lambda: status(world, job) == "MetaScheduled")
    world.chain.call("lab_mode", None)
    drain(world, "resume")
    eventually("the claim is in the pool", lambda: world.chain.call("lab_waiting", PROVIDER))
    world.agent.kill()
    world.chain.call("lab_mode", 0)
    same(world.grid.wait(job, "Scheduled")["cost"]["finalCost"], 0, "claimed, while nobody listens")
    world.agent.start()
    ends(world, job, "Finished")
    same((len(world.slurm_jobs(job)), known(world, job)["claim"]), (1, 1), "Slurm jobs, claim")


@AWAY.alone
def w08_reorganised_claim_makes_one_job(world):
    """A claim that is mined twice was submitted twice."""
    script, end = until_told(world)
    job = world.request(script, 10)
    running(world, job)

    def blocks():
        return [world.chain.call("eth_getTransactionByHash", one[1])["blockHash"] for one in transactions(world)[-2:]]

    before = blocks()
    world.chain.call("lab_reorganise", 2)
    world.chain.call("lab_mine", 2)
    check(not set(before) & set(blocks()), "the claim and Running are where they were")
    end()
    ends(world, job, "Finished")
    same((len(world.slurm_jobs(job)), known(world, job)["claim"]), (1, 1), "Slurm jobs, claim")


@AWAY.alone
def preempted(world):
    """PREEMPTED."""
    job = world.request("sleep 600", 10)
    running(world, job)
    node = facts(world, slurm_id(world, job))["BatchHost"]
    words = ["-p", "urgent", "-w", node, "--exclusive", "-D", "/tmp", "-o", "/dev/null", "--wrap", "sleep 600"]
    urgent = world.lab.command("sbatch", "--parsable", *words).strip()
    found = ends(world, job, "Failed")
    world.lab.command("scancel", urgent)
    check("preempted" in found["lastError"], found["lastError"])


@AWAY.alone
def node_fails(world):
    """NODE_FAIL. Billed: it ran."""
    job = world.request("sleep 600", 10)
    running(world, job)
    node = facts(world, slurm_id(world, job))["BatchHost"]
    world.lab.fault("kill-node", node)
    world.lab.command("scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=test")
    found = ends(world, job, "Failed")
    check("node" in found["lastError"], found["lastError"])
    same(found["cost"]["finalCost"], minute_price(world, job), "the bill")
