#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs of the grid, of all endings, while the agent is killed and ended, slurmctld restarts, the chain's nodes are away, stand
still, count wrong and refuse, and the sbatch service, slurmdbd and Unix users are away.

    soak.py [JOBS [KILLS [SEED]]] [--profile instant|confirmations|both] [--no-spank] [--no-jobcomp] [--short]
            [--damage N] [--outage SECONDS] [--faults NAME,…]

300 jobs and 40 kills for each profile, with --short 20 and 4. Every second of them is a SIGTERM.
Once on a chain where what is accepted is final, and blocks are lost all the same, once with confirmations and forks of up to 4
blocks. --no-spank: jobcomp and polling only; --no-jobcomp: polling only. --short: both at once, in less than five minutes.
--damage: that many state files are damaged while the agent is dead. --outage: how long none of the agent's nodes answers
(default 60; 1200: twenty minutes). --faults: these alone, by the names of their functions in grid_faults.py. The
last line is the verdict as JSON, of both profiles or of the one. Exit status 1 when a claim became two Slurm jobs, a status, a bill, a refund or a balance is not what slurmdbd and the contract's rules say, a job failed that
the cluster could run, a transaction offered more than 5 times the market, or SIGTERM ended the agent otherwise than well. Needs root."""

import argparse
import heapq
import json
import os
import pwd
import random
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PYTHON = subprocess.run([ROOT / "lab/grid/install.sh"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
sys.dont_write_bytecode = True
if sys.executable != PYTHON:
    # What the lab's chain needs is in its own Python.
    os.execv(PYTHON, [PYTHON, *sys.argv])
sys.path += [str(ROOT / "lab/grid"), str(ROOT / "Tests/Grid")]

import grid as contracts
from accounts import OPEN, Books, Verdict
from grid_faults import CPUS, NODES, PATHS, TROUBLE, Faults, Killer, Nuisance
from world import PROVIDER, World, eventually, say

MARKET_LIMIT = 5  # what a replacement may offer, in times of what a new transaction would


class Hand(threading.Thread):
    """Does things at their time, one after the other; what is not done yet is tried again until it is too late."""

    def __init__(self):
        super().__init__(daemon=True)
        self.plan, self.count, self.lock, self.ending = [], 0, threading.Lock(), threading.Event()
        self.is_busy = False

    def later(self, seconds, action, patience=90):
        """action: gives true when it is done. Reverted: it cannot be done any more."""
        self.push(time.monotonic() + seconds, action, time.monotonic() + seconds + patience)

    def push(self, when, action, limit):
        with self.lock:
            self.count += 1
            heapq.heappush(self.plan, (when, self.count, action, limit))

    def run(self):
        while not self.ending.is_set():
            with self.lock:
                due = heapq.heappop(self.plan) if self.plan and self.plan[0][0] <= time.monotonic() else None
                self.is_busy = due is not None
            if due is None:
                self.ending.wait(0.05)
                continue
            _, _, action, limit = due
            try:
                done = action()
            except contracts.Reverted:
                done = True
            except TROUBLE:
                done = False
            if not done and time.monotonic() < limit:
                self.push(time.monotonic() + 0.25, action, limit)

    @property
    def is_idle(self):
        with self.lock:
            return not (self.plan or self.is_busy)

    def end(self):
        self.ending.set()
        self.join()


FORK_DEPTH = 10  # blocks, more than any fork of a run takes back


class Scheduler:
    """The meta-scheduler's bot: gives each job that waits to the provider, also one that came back."""

    def __init__(self, world, hand):
        # By number: the block at which a job was first seen over.
        self.world, self.hand, self.over_at = world, hand, {}
        hand.later(0, self.round)

    def round(self):
        try:
            grid = self.world.grid
            if grid.providers.call("isValidForScheduling", PROVIDER):
                head = grid.chain.height
                for number in grid.job_ids():
                    # A fork may take a job back, and give its number to another.
                    if head - self.over_at.get(number, head) <= FORK_DEPTH:
                        self.look(grid.job(number), head)
        except TROUBLE:
            pass
        self.hand.later(0.3, self.round)
        return True

    def look(self, job, head):
        if job["statusName"] not in OPEN:
            self.over_at.setdefault(job["jobId"], head)
            return
        self.over_at.pop(job["jobId"], None)
        if job["statusName"] == "Pending":
            try:
                self.world.bot.schedule(job["jobId"], PROVIDER)
            except contracts.Reverted:
                pass  # cancelled meanwhile


class Workload:
    """What customers, the bot and the cluster's administrator do with each job."""

    # kind: how many in a hundred
    KINDS = {"success": 24, "exit": 9, "signal": 5, "limit": 6, "cancel": 9, "cancel_at_once": 6, "cancel_pending": 3,
             "scancel": 6, "scancel_pending": 2, "top_up": 5, "two_top_ups": 3, "too_big": 3, "no_script": 3, "too_poor": 3,
             "requeue": 5, "timeout": 4, "panic": 4}

    def __init__(self, world, jobs, long, seed, short):
        self.world, self.random, self.short = world, random.Random(seed), short
        # What a naive queue keeps of a job that was taken back would stop it for good.
        self.is_naive = world.options[1] == "naive"
        self.customers, self.bot, self.root = [Hand() for _ in world.customers], Hand(), Hand()
        self.hands = [*self.customers, self.bot, self.root]
        self.requested, self.counting = 0, threading.Lock()  # in each customer's thread
        longs = ["long", "long", "long_requeue"] * (long // 3 + 1)
        self.kinds = list(self.KINDS)[: max(0, jobs - long)]
        self.kinds += self.random.choices(list(self.KINDS), list(self.KINDS.values()), k=max(0, jobs - long - len(self.kinds)))
        self.random.shuffle(self.kinds)
        # In the first two thirds: the last of them end in time.
        for number, kind in enumerate(longs[:long]):
            self.kinds.insert(number * max(1, jobs * 2 // 3 // max(1, long)), kind)
        if short:
            self.kinds.sort(key=lambda kind: kind not in ("long", "long_requeue", "two_top_ups", "top_up", "limit"))
        Scheduler(world, self.bot)

    def start(self, seconds):
        for number, kind in enumerate(self.kinds):
            which = self.random.randrange(len(self.customers))
            at = seconds * number / len(self.kinds)
            self.customers[which].later(at, self.request(kind, f"{kind} {number}", which), 300)
        for hand in self.hands:
            hand.start()

    @property
    def is_over(self):
        return all(hand.is_idle for hand in [*self.customers, self.root])

    @property
    def given_up(self):
        """Requests that a customer could not make: the chain was away for too long, or a fork took what was approved for them."""
        return len(self.kinds) - self.requested

    def end(self):
        for hand in self.hands:
            hand.end()

    def request(self, kind, name, which):
        """-> an action, which may have to be tried again without an answer to the first."""
        body, credits, needs = getattr(self, kind)()
        follow, customer, tried = getattr(self, f"{kind}_then", None), self.world.customers[which], []

        def act():
            if not (tried and self.find(name)):
                tried.append(name)
                script = "ab" * 32 if kind == "no_script" else customer.store(body.encode())
                customer.request(contracts.definition(hash=script, **needs), credits, name=name)
            with self.counting:
                self.requested += 1
            if follow:
                # A fork may give the job another number.
                forks = self.world.confirmations and kind != "cancel_at_once"
                self.customers[which].later(self.world.confirmations + 2 if forks else 0, then)
            return True

        def then():
            job = self.find(name)
            if job:
                follow(job, customer, self.customers[which])
            return job
        return act

    def find(self, name):
        """-> the job's id, or None"""
        for job in reversed(self.world.grid.job_ids()):
            if self.world.grid.job(job)["name"] == name:
                return job
        return None

    def when(self, hand, job, statuses, action, after=0.0):
        """Once the job has one of these statuses, and then so much later; never if it is over before."""
        def look():
            status = self.world.grid.job(job)["statusName"]
            if status in statuses:
                hand.later(after, action)
            return status in statuses or status not in OPEN

        hand.later(0, look, 300)

    def in_slurm(self, job, state, act, after=0.0):
        """The administrator's act, with the Slurm job's number, once the job is in that state."""
        def look():
            if self.world.grid.job(job)["statusName"] not in OPEN:
                return True
            for number, found, *_ in self.world.slurm_jobs(job):
                if found == state:
                    self.root.later(after, lambda: act(number), 20)
                    return True
            return False

        self.root.later(0, look, 300)

    def scancel_it(self, number):
        self.world.lab.command("scancel", number)
        return True

    def requeue_it(self, number):
        # Jobs of the grid are not requeued by themselves.
        self.world.lab.command("scontrol", "update", f"JobId={number}", "Requeue=1")
        self.world.lab.command("scontrol", "requeue", number)
        return True

    # MARK: kinds: script, credits, needs; then what is done to it. A credit is about a minute.

    def success(self):
        return f"sleep {self.random.randrange(21)}", self.random.choice([2, 3, 5]), {"cpus": self.random.choice([1, 1, 2])}

    def exit(self):
        return f"sleep {self.random.randrange(4)}; exit 3", 2, {}

    def signal(self):
        return f"sleep {self.random.randrange(4)}; kill -9 $$", 2, {}

    def limit(self):
        return "sleep 600", 1, {}

    def long(self):
        return f"sleep {self.random.randrange(121, 130 if self.short else 232)}", 5, {}

    def long_requeue(self):
        return "sleep 75", 5, {}

    def long_requeue_then(self, job, *_):
        self.in_slurm(job, "RUNNING", self.requeue_it, self.random.randrange(47, 58))

    def requeue(self):
        return "sleep 12", 3, {}

    def requeue_then(self, job, *_):
        self.in_slurm(job, "RUNNING", self.requeue_it, self.random.randrange(1, 9))

    def cancel(self):
        return "sleep 120", 4, {}

    def cancel_then(self, job, customer, hand):
        self.when(hand, job, ["Running"], lambda: customer.cancel(job), self.random.uniform(0, 20))

    def cancel_at_once(self):
        return "sleep 5", 2, {}

    def cancel_at_once_then(self, job, customer, hand):
        if self.is_naive:
            self.when(hand, job, ["Scheduled", "Running"], lambda: customer.cancel(job))
        else:
            hand.later(self.random.uniform(0, 2), lambda: customer.cancel(job))

    def cancel_pending(self):
        # The whole partition: it waits for the long jobs.
        return "sleep 1", 2 * NODES * CPUS, {"tasks": NODES * CPUS}

    def cancel_pending_then(self, job, customer, hand):
        self.when(hand, job, ["Scheduled"], lambda: customer.cancel(job), self.random.uniform(3, 10))

    def scancel(self):
        return "sleep 120", 4, {}

    def scancel_then(self, job, *_):
        self.in_slurm(job, "RUNNING", self.scancel_it, self.random.uniform(0, 20))

    scancel_pending = cancel_pending

    def scancel_pending_then(self, job, *_):
        self.in_slurm(job, "PENDING", self.scancel_it, self.random.uniform(1, 5))

    def top_up(self):
        return f"sleep {self.random.randrange(70, 100)}", 1, {}

    def top_up_then(self, job, customer, hand):
        self.when(hand, job, ["Running"], lambda: customer.top_up(job, 2), self.random.uniform(0, 25))

    def two_top_ups(self):
        return f"sleep {self.random.randrange(122, 130 if self.short else 170)}", 1, {}

    def two_top_ups_then(self, job, customer, hand):
        for _ in range(2):
            self.when(hand, job, ["Running"], lambda: customer.top_up(job, 1), self.random.uniform(0, 25))

    def too_big(self):
        return "true", 2 * 1000, {"tasks": 1000}

    def no_script(self):
        return "", 2, {}

    def too_poor(self):
        return "true", 1, {"cpus": 2}

    def timeout(self):
        return f"sleep {self.random.randrange(10)}", 2, {}

    def timeout_then(self, job, *_):
        statuses = ["Scheduled"] if self.is_naive else ["MetaScheduled", "Scheduled"]

        def act():
            if self.world.grid.job(job)["statusName"] in statuses:
                self.world.bot.timeout(job)
            return True

        self.when(self.bot, job, statuses, act, self.random.uniform(0, 1))

    def panic(self):
        return "sleep 120", 4, {}

    def panic_then(self, job, *_):
        after = self.random.uniform(0, 15)
        self.when(self.bot, job, ["Scheduled", "Running"], lambda: self.world.bot.panic(job, "a test"), after)


def settle(world, killer, seconds):
    """Until the chain has the last word on each job, the cluster is empty, and the agent has nothing open. -> what is left"""
    left = "nothing was asked yet"

    def over():
        nonlocal left
        killer.check()
        try:
            hot = [job["jobId"] for job in world.grid.list() if job["statusName"] in OPEN]
            queue = world.lab.command("squeue", "-h", "-a", "-o", "%A %j %T %r").splitlines()
            jobs = world.ask("grid", "status")["jobs"]
        except TROUBLE as problem:
            left = str(problem)
            return False
        # A node that was told of a job while it died drains, and holds jobs.
        world.lab.command("scontrol", "update", f"NodeName=n[1-{NODES}]", "State=RESUME", check=False)
        left = ""
        if hot or queue or jobs:
            left = f"open on the chain: {hot}; in the queue: {queue}; open for the agent: {json.dumps(jobs)}"
        return not left

    try:
        eventually("all is over", over, seconds, 1)
    except TimeoutError:
        say(f"not over after {seconds} s: {left}")
    return left


def profile(arguments, name):
    confirmations = 6 if name == "confirmations" else 0
    jobs, short = arguments.jobs, arguments.short
    seconds = 90 if short else max(2.0 * jobs, 12.0 * arguments.kills, 60)
    long = max(3, jobs // 10)
    knobs = {
        "LAB_DBD": 1, "LAB_NODES": NODES, "LAB_CPUS": CPUS, "LAB_MEM": 8000, "LAB_SLURMD_TIMEOUT": 5, "LAB_MESSAGE_TIMEOUT": 5,
        # Jobs on all nodes: one that dies takes some with it. What is too big is refused, not kept waiting.
        "LAB_CONF_EXTRA": "KillWait=2\nEnforcePartLimits=ALL\nSelectTypeParameters=CR_Core_Memory,CR_LLN\nSchedulerParameters="
        "batch_sched_delay=0,sched_min_interval=0,sched_interval=2,bf_interval=2",
    }
    world = World(
        customers=3, queue="skipping" if confirmations else "naive", unknown="empty" if confirmations else "revert",
        spank=not (arguments.no_spank or arguments.no_jobcomp), jobcomp=not arguments.no_jobcomp, seed=arguments.seed,
        block_time=1 if confirmations else 0, confirmations=confirmations, **(
            # A Running that comes so late costs us money, which is right, and not what this is about.
            {"delta": 90} if arguments.outage > 600 else {}), **knobs)
    with world:
        # The other parties' node has no faults.
        world.chain.call("lab_node", "/behind", {"behind": 0})
        world.grid.chain.url = world.chain.url("/behind")
        # Short: what a service or the cluster refuses for a while comes back in this run.
        world.configure({"metascheduler.endpoint.rpc": ",".join(map(world.chain.url, PATHS)), "retry-limit": "60s"})
        world.agent.start()
        eventually("the agent registers", lambda: world.grid.providers.call("isWaitingForApproval", PROVIDER), 60)
        world.approve()
        parties = [customer.address.lower() for customer in world.customers] + [PROVIDER.lower()]
        start = {address: world.grid.balance(address) for address in parties}
        work, killer = Workload(world, jobs, long, arguments.seed, short), Killer(world, arguments.kills, seconds, arguments.seed, arguments.damage)
        nuisance, faults = Nuisance(world, arguments.seed), Faults(world, seconds, arguments.seed, short, arguments.outage, arguments.faults)
        began = time.monotonic()
        try:
            work.start(30 if short else seconds)
            killer.start()
            nuisance.start()
            faults.run()
            killer.join()
            say(f"{name}: {work.requested} jobs requested, {killer.killed} kills, {faults.done} faults; settling")
            eventually("all is requested and done", lambda: work.is_over, 400, 0.5)
            if work.given_up:
                say(f"{name}: {work.given_up} requests were given up")
            if work.given_up > jobs // 10:
                raise RuntimeError(f"{work.given_up} of {jobs} requests could not be made: this run shows too little")
            nuisance.ending.set()
            nuisance.join()
            left = settle(world, killer, 200 if short else 600)
            # What is too much would come now.
            time.sleep(3)
        finally:
            nuisance.ending.set()
            work.end()
        good, line = report(world, name, start, killer, nuisance, faults, left, time.monotonic() - began)
    if good:
        shutil.rmtree(world.chain.folder, ignore_errors=True)
    return good, line


def answers(world):
    """-> slurmdbd's rows, by run; None while it has just been started"""
    try:
        return world.lab.accounting()
    except RuntimeError:
        return None


def settle_accounts(world):
    """slurmdbd may hear of the last ends later than anybody. What it never hears is for the verdict to tell."""
    def has_ends():
        rows = answers(world)
        return rows is not None and all(row["end"] and row["state"] not in ("PENDING", "RUNNING", "SUSPENDED") for row in rows.values())

    eventually("slurmdbd answers", lambda: answers(world) is not None, 30, 0.5)
    try:
        eventually("slurmdbd has all ends", has_ends, 20, 0.5)
    except TimeoutError as problem:
        say(str(problem))


def report(world, name, start, killer, nuisance, faults, left, seconds):
    settle_accounts(world)
    verdict = Verdict(Books(world, PROVIDER, start))
    log = world.agent.log.read_text(errors="replace").splitlines()
    for kind, job, words in verdict.faults:
        say(f"{kind}: {job}: {words}")
        for line in [line for line in log if job in line][-15:]:
            print("    " + line)
    document = {**verdict.document(), **bill(world), "profile": name, "kills": killer.killed, "terminated": killer.terminated,
                "bad_ends": len(killer.bad_ends), "died": killer.died, "damages": len(killer.damage.done), "refused": killer.refused,
                "faults": faults.done, "forks": nuisance.forks, "lost_blocks": len(faults.lost), "cuts": nuisance.cuts, "seconds": round(seconds)}
    good = not verdict.faults and not left and not killer.died and not killer.bad_ends and not document["overpaid"]
    if left and not document["open"]:
        document["open"] = 1
    if good:
        tidy(world)
    else:
        print(world.agent.ask("grid", "jobs", "--limit", 400, "--control", world.lab.run / "control.sock", check=False))
        os.environ["KEEP"] = "1"
        say(f"the chain's folder: {world.chain.folder}")
    line = json.dumps(document)
    print(line, flush=True)
    return good, line


def bill(world):
    """What the agent offered and paid for its transactions."""
    overpaid, dearest, paid, first, more = 0, 0.0, 0, {}, 0
    for nonce, identity, cap, market, price, used in world.chain.call("lab_paid", PROVIDER):
        dearest = max(dearest, cap / market)
        if cap > MARKET_LIMIT * market:
            overpaid += 1
            say(f"nonce {nonce}: {identity} offers {cap / 1e9:.2f} gwei for gas, a new one {market / 1e9:.2f}")
        paid += price * used
        more += max(0, price - first.setdefault(nonce, cap)) * used
    return {"overpaid": overpaid, "dearest": round(dearest, 2), "paid_gwei": paid // 10**9, "paid_more_gwei": more // 10**9}


def tidy(world):
    """The jobs' output."""
    owners = {pwd.getpwnam(customer.address.lower()).pw_uid for customer in world.customers}
    for file in Path("/tmp").glob("slurm-grid-agent-*.log"):
        if file.stat().st_uid in owners:
            file.unlink()


def both_at_once(words):
    """-> whether both are good. Their words come one after the other, the verdicts last."""
    running = []
    for name in ("instant", "confirmations"):
        output = open(f"/tmp/grid-soak-{name}.{os.getpid()}", "w+", encoding="utf-8")
        command = [sys.executable, __file__, *words, "--profile", name]
        running.append((output, subprocess.Popen(command, stdout=output, stderr=output)))
        time.sleep(8)  # ports and users are chosen at the start
    good, verdicts = True, []
    for output, process in running:
        good = process.wait() == 0 and good
        output.seek(0)
        *lines, last = output.read().splitlines() or [""]
        print("\n".join(lines))
        verdicts.append(last)
        output.close()
        os.unlink(output.name)
    print("\n".join(verdicts))
    summarize(good, verdicts)
    return good


def summarize(good, verdicts):
    """Both profiles in one line. verdicts: of each the line with which it ended"""
    profiles, numbers = {}, {}
    for line in verdicts:
        try:
            document = json.loads(line)
        except ValueError:  # it failed before it had one
            good, document = False, {"error": line}
        profiles[document.get("profile", "?")] = document
        for name, value in document.items():
            if isinstance(value, int):
                numbers[name] = numbers.get(name, 0) + value
    print(json.dumps({"good": good, **numbers, "profiles": profiles}), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("jobs", nargs="?", type=int)
    parser.add_argument("kills", nargs="?", type=int)
    parser.add_argument("seed", nargs="?", type=int, default=random.randrange(1 << 30))
    parser.add_argument("--profile", choices=("instant", "confirmations", "both"), default="both")
    parser.add_argument("--no-spank", action="store_true")
    parser.add_argument("--no-jobcomp", action="store_true")
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--damage", type=int, default=0)
    parser.add_argument("--outage", type=float, default=60)
    parser.add_argument("--faults", type=lambda text: text.split(","), default=[])
    arguments = parser.parse_args()
    arguments.jobs = arguments.jobs or (20 if arguments.short else 300)
    arguments.kills = (4 if arguments.short else 40) if arguments.kills is None else arguments.kills
    say(f"{arguments.jobs} jobs, {arguments.kills} kills of the agent, seed {arguments.seed}, {arguments.profile}")
    if arguments.profile != "both":
        return 0 if profile(arguments, arguments.profile)[0] else 1
    if arguments.short:
        words = [str(arguments.jobs), str(arguments.kills), str(arguments.seed), "--short"]
        words += ["--no-spank"] * arguments.no_spank + ["--no-jobcomp"] * arguments.no_jobcomp
        words += ["--damage", str(arguments.damage), "--outage", str(arguments.outage)]
        words += ["--faults", ",".join(arguments.faults)] * bool(arguments.faults)
        return 0 if both_at_once(words) else 1
    results = [profile(arguments, name) for name in ("instant", "confirmations")]
    good = all(good for good, _ in results)
    summarize(good, [line for _, line in results])
    return 0 if good else 1


if __name__ == "__main__":
    if os.geteuid() != 0:
        sys.exit("soak.py: needs root, for the lab")
    sys.exit(main())
