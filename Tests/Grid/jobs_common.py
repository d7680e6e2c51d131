# SPDX-License-Identifier: GPL-3.0-or-later
"""What the scenarios of jobs.py share: stages, and questions about a job.

A scenario is a function of a world; its docstring says what it guards. It is either plain, or a generator that yields between
its parts. All scenarios of a stage do each part side by side; what happens to the world in between is the stage's."""

import inspect
import json
import os
import pwd
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import grid as contracts
from cluster import Agent, eventually
from world import PROVIDER, World

CALLS = {"providerSetJobStatus": (bytes(32), 0, 0, "", 0), "refuseJob": (bytes(32),)}
OVER = {"Cancelled", "Finished", "Failed", "OutOfCredits", "Panicked"}


class Scenario:
    def __init__(self, body, alone):
        self.body, self.name, self.alone = body, body.__name__, alone
        self.seconds, self.problem, self.parts = 0.0, None, None

    def advance(self, world):
        """Runs the next part, unless one failed before."""
        if self.problem is not None:
            return
        begun = time.monotonic()
        try:
            if self.parts is None:
                self.parts = self.body(world) if inspect.isgeneratorfunction(self.body) else self.once(world)
            next(self.parts, None)
        except Exception as problem:  # whatever it is, the other scenarios go on
            self.problem = problem
        self.seconds += time.monotonic() - begun

    def once(self, world):
        self.body(world)
        yield


class Stage:
    """A world, and what is done to it between the parts of its scenarios."""

    def __init__(self, name, phases, prepare, customers=4, **options):
        self.name, self.phases, self.prepare = name, phases, prepare
        self.options = {"customers": customers, **options}
        self.scenarios = []

    def scenario(self, body):
        self.scenarios.append(Scenario(body, alone=False))
        return body

    def alone(self, body):
        """After all others, and with nothing beside it."""
        self.scenarios.append(Scenario(body, alone=True))
        return body

    def run(self, wanted):
        """-> the scenarios that were run"""
        chosen = [one for one in self.scenarios if not wanted or one.name in wanted]
        if not chosen:
            return []
        together = [one for one in chosen if not one.alone]
        try:
            with World(**self.options) as world:
                take_turns(world)
                self.prepare(world)
                for enter in (None, *self.phases):
                    if enter:
                        enter(world)
                    if together:
                        with ThreadPoolExecutor(len(together)) as pool:
                            list(pool.map(lambda one: one.advance(world), together))
                for one in chosen:
                    if one.alone:
                        one.advance(world)
                if any(one.problem for one in chosen):
                    raise Incomplete
        except Incomplete:
            pass
        return chosen


class Incomplete(Exception):
    """Ends a world that is to be kept."""


def take_turns(world):
    """Scenarios share accounts, whose transactions are numbered."""
    for party in (world.admin, world.bot, *world.customers):
        party.account.send = one_at_a_time(party.account.send)


def one_at_a_time(body):
    lock = threading.Lock()

    def locked(*arguments, **options):
        with lock:
            return body(*arguments, **options)

    return locked


def check(holds, *words):
    if not holds:
        raise AssertionError(" ".join(map(str, words)))


def same(found, wanted, what):
    check(found == wanted, f"{what}: {found!r}, expected {wanted!r}")


# ---- the agent


def configure(world, **settings):
    """Another configuration for the agent's next start."""
    world.settings = {**world.settings, **settings}
    own = world.agent_settings(world.lab.state / "key", world.lab.stage / "grid-ca.pem")
    world.agent = Agent(world.lab, **{**own, **world.settings})


def restart(world, **settings):
    world.agent.stop()
    configure(world, **settings)
    world.agent.start()


def log(world):
    return world.agent.log.read_text(errors="replace")


def known(world, job, claim=None):
    """What the agent says of a job's newest claim, or of one of them; None: nothing."""
    found = [one for one in world.ask("grid", "jobs", "--limit", 1000) if one["job"] == job and claim in (None, one["claim"])]
    return max(found, key=lambda one: one["claim"], default=None)


def reported_minutes(world, job):
    return known(world, job).get("reportedMinutes")


def over_here(world, job):
    """The agent has closed it."""
    eventually(f"the agent closes {job}", lambda: job not in {one["job"] for one in world.ask("grid")["jobs"]}, 30)


# ---- the chain


def status(world, job):
    return world.grid.job(job)["statusName"]


def running(world, job, seconds=60):
    return world.grid.wait(job, {"Running"} | OVER, seconds)


def ends(world, job, wanted, seconds=90):
    found = world.grid.wait(job, OVER, seconds)
    check(found["statusName"] == wanted, f"{job} is {found['statusName']} ({found['lastError']!r}, {found['exitCode']}), not {wanted}")
    return found


def refused_then_failed(world, job, why, seconds=60):
    """It goes back to the pool; given to us once more it fails, with the same reason, which the customer can read."""
    found = ends(world, job, "Failed", seconds)
    check(events(world, "JobRefusedEvent", job), f"{job} was not given back")
    check(why in found["lastError"] and "refused before" in found["lastError"], f"{found['lastError']!r} says nothing of {why!r}")
    same(found["cost"]["finalCost"], 0, "what a refused job costs")
    same(world.slurm_jobs(job), [], "its Slurm jobs")
    eventually("the customer's log has it", lambda: any("refused: " in line and why in line for line in customer_log(world, job)), 15)


def fails(world, job, why, seconds=60):
    found = ends(world, job, "Failed", seconds)
    check(why in found["lastError"], f"{found['lastError']!r} says nothing of {why!r}")
    check(not events(world, "JobRefusedEvent", job), f"{job} was given back")
    same(world.slurm_jobs(job), [], "its Slurm jobs")
    eventually("the customer's log has it", lambda: any("failed: " in line and why in line for line in customer_log(world, job)), 15)


def events(world, name, job=None):
    found = world.grid.events(name=name)
    if job is None:
        return found
    return [one for one in found if one["arguments"]["jobId"] == job]


def steps(world, job):
    """The statuses that it went through."""
    return [contracts.STATUSES[one["arguments"]["status"]] for one in events(world, "JobTransitionEvent", job)]


def transactions(world):
    """Of the provider: [nonce, hash, 1 or 0, block]"""
    return world.chain.call("lab_history", PROVIDER)


def calls(world, job):
    """The provider's transactions that name a job: functions, in order."""
    names = {bytes(world.grid.meta.encode(name, *words))[:4].hex(): name for name, words in CALLS.items()}
    inputs = [world.chain.call("eth_getTransactionByHash", one[1])["input"] for one in transactions(world)]
    return [names[text[2:10]] for text in inputs if job[2:] in text and text[2:10] in names]


def minute_price(world, job):
    return world.grid.cost_per_minute(world.grid.job(job))


def is_approved(world):
    return world.grid.providers.call("isValidForScheduling", PROVIDER)


# ---- the cluster


def slurm_id(world, job, seconds=30):
    return eventually(f"{job} is in Slurm", lambda: world.slurm_jobs(job), seconds, 0.2)[0][0]


def slurm_state(world, job):
    found = world.slurm_jobs(job)
    return found[-1][1] if found else None


def facts(world, number):
    """scontrol's words of a Slurm job."""
    text = world.lab.command("scontrol", "show", "job", "-o", number)
    return dict(word.split("=", 1) for word in text.split() if "=" in word)


def time_limit(world, job):
    return facts(world, slurm_id(world, job))["TimeLimit"]


def clock(minutes):
    """As Slurm writes a time limit."""
    return f"{minutes // 60:02}:{minutes % 60:02}:00"


def user(world, customer=0):
    return world.customers[customer].address.lower()


def home(world, customer=0):
    return pwd.getpwnam(user(world, customer)).pw_dir


def output(world, job):
    number = slurm_id(world, job)
    path = facts(world, number)["StdOut"]
    check(path.startswith("/tmp/"), f"the output goes to {path}")
    return eventually(f"{path} is written", lambda: os.path.exists(path) and open(path, encoding="utf-8").read(), 15)


def hold_gpus(world, partition, count):
    """Leaves two, so that a job that asks for more waits."""
    words = ["sbatch", "--parsable", "-p", partition, "-D", "/tmp", "-o", "/dev/null", f"--gpus={count}", "-t", "1-0", "-J", "blocker"]
    number = world.lab.command(*words, "--wrap", "sleep 86400").strip()
    eventually("the GPUs are taken", lambda: facts(world, number)["JobState"] == "RUNNING", 30)


def free_gpus(world):
    world.lab.command("scancel", "-n", "blocker")
    eventually("the GPUs are free", lambda: not world.lab.command("squeue", "-h", "-n", "blocker").strip(), 30)


WAITING = {"gpus": 3, "credits": 300}  # a job that waits for these GPUs; ten minutes


# ---- services


def customer_log(world, job):
    address = world.grid.job(job)["customerAddr"].lower()
    path = world.chain.folder / "logs" / address / f"{job}.log"
    return [json.loads(line)["data"] for line in path.read_text().splitlines()] if path.exists() else []


def stranger(world, credits=1000):
    """A customer without a Unix user."""
    found = contracts.Customer(world.grid, os.urandom(32))
    world.admin.fund(found.address, 10)
    world.admin.mint(found.address, credits)
    return found
