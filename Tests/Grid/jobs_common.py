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

import cluster
import grid as contracts
from world import PROVIDER, World

CALLS = {"providerSetJobStatus": (bytes(32), 0, 0, "", 0), "refuseJob": (bytes(32),)}
POLL = 0.5  # s
OVER = {"Cancelled", "Finished", "Failed", "OutOfCredits", "Panicked"}


def eventually(what, condition, within=150, every=POLL):
    return cluster.eventually(what, condition, within, every)


class Scenario:
    def __init__(self, body, alone):
        self.body, self.name, self.alone = body, body.__name__, alone
        self.seconds, self.problem, self.parts, self.done = 0.0, None, None, False

    def advance(self, world, tell):
        """Runs the next part, unless one failed before."""
        if self.done:
            return
        begun = time.monotonic()
        try:
            if self.parts is None:
                self.parts = self.body(world) if inspect.isgeneratorfunction(self.body) else self.once(world)
            self.done = next(self.parts, self) is self
        except Exception as problem:  # whatever it is, the other scenarios go on
            self.problem, self.done = problem, True
        self.seconds += time.monotonic() - begun
        if self.done:
            tell(self)

    def once(self, world):
        self.body(world)
        yield from ()


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

    def run(self, wanted, tell):
        """-> the scenarios that were run. tell: called with each when it is over"""
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
                            list(pool.map(lambda one: one.advance(world, tell), together))
                for one in chosen:
                    if one.alone:
                        one.advance(world, tell)
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
    contracts.Customer.store = SAFE_STORE


def one_at_a_time(body):
    lock = threading.Lock()

    def locked(*arguments, **options):
        with lock:
            return body(*arguments, **options)

    return locked


# Of all customers: a script is a file named by its content.
SAFE_STORE = one_at_a_time(contracts.Customer.store)


def check(holds, *words):
    if not holds:
        raise AssertionError(" ".join(map(str, words)))


def same(found, wanted, what):
    check(found == wanted, f"{what}: {found!r}, expected {wanted!r}")


# ---- the agent


def restart(world, **settings):
    world.agent.stop()
    world.configure(settings)
    world.agent.start()


def log(world):
    return world.agent.log.read_text(errors="replace")


def known(world, job, claim=None):
    """What the agent says of a job's newest claim, or of one of them; None: nothing."""
    found = [one for one in world.ask("grid", "jobs", "--limit", 1000) if one["job"] == job and claim in (None, one["claim"])]
    return max(found, key=lambda one: one["claim"], default=None)


def reported_minutes(world, job):
    return known(world, job).get("reported_minutes")


def over_here(world, job):
    """The agent has closed it."""
    eventually(f"the agent closes {job}", lambda: job not in {one["job"] for one in world.ask("grid")["jobs"]}, 30)


# ---- the chain


def status(world, job):
    return world.grid.job(job)["statusName"]


def becomes(world, job, statuses, seconds=150):
    """Asked less often than Grid.wait does: many ask at once. -> the job"""
    def there():
        found = world.grid.job(job)
        return found if found["statusName"] in statuses else None

    return eventually(f"{job} is one of {', '.join(sorted(statuses))}", there, seconds, POLL)


def running(world, job, seconds=150):
    return becomes(world, job, {"Running"} | OVER, seconds)


def ends(world, job, wanted, seconds=150):
    found = becomes(world, job, OVER, seconds)
    how = f"{found['statusName']} ({found['lastError']!r}, {found['exitCode']})"
    check(found["statusName"] == wanted, f"{job} is {how}, not {wanted}")
    return found


def refused_then_failed(world, job, why, seconds=150):
    """It goes back to the pool; given to us once more it fails, with the same reason, which the customer can read."""
    found = ends(world, job, "Failed", seconds)
    check(events(world, "JobRefusedEvent", job), f"{job} was not given back")
    check(why in found["lastError"] and "refused before" in found["lastError"], f"{found['lastError']!r} says nothing of {why!r}")
    same(found["cost"]["finalCost"], 0, "what a refused job costs")
    same(world.slurm_jobs(job), [], "its Slurm jobs")
    customer_reads(world, job, "refused: ", why)


def fails(world, job, why, seconds=150):
    found = ends(world, job, "Failed", seconds)
    check(why in found["lastError"], f"{found['lastError']!r} says nothing of {why!r}")
    check(not events(world, "JobRefusedEvent", job), f"{job} was given back")
    same(world.slurm_jobs(job), [], "its Slurm jobs")
    customer_reads(world, job, "failed: ", why)


def customer_reads(world, job, *words):
    def told():
        return any(all(word in line for word in words) for line in customer_log(world, job))

    eventually(f"the customer's log says {words}", told, 15)


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
    return [names[text[2:10]] for text in inputs if text[10:74] == job[2:] and text[2:10] in names]


def minute_price(world, job):
    return world.grid.cost_per_minute(world.grid.job(job))


def is_approved(world):
    return world.grid.providers.call("isValidForScheduling", PROVIDER)


# ---- the cluster


def until_told(world):
    """-> a job's script that runs until it is told to end, and what tells it"""
    file = world.lab.base / f"may-end-{os.urandom(6).hex()}"
    return f"until [ -e {file} ]; do sleep 0.2; done", file.touch


def slurm_id(world, job, seconds=150):
    return eventually(f"{job} is in Slurm", lambda: world.slurm_jobs(job), seconds, POLL)[0][0]


def slurm_state(world, job):
    found = world.slurm_jobs(job)
    return found[-1][1] if found else None


def end_states(world, job):
    """-> the states its Slurm jobs ended in. An end is told while the nodes are still cleaned up; until then slurmctld says
    COMPLETING."""
    def states():
        return [state for _, state, *_ in world.slurm_jobs(job)]

    eventually(f"the nodes of {job} are clean", lambda: "COMPLETING" not in states())
    return states()


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


def hold_gpus(world, partition, nodes):
    """Takes those of so many nodes: all."""
    words = ["-p", partition, "-N", nodes, "--gpus-per-node=2", "-J", "blocker", "-D", "/tmp", "-o", "/dev/null"]
    number = world.lab.command("sbatch", "--parsable", *words, "--wrap", "sleep 86400").strip()
    eventually("the GPUs are taken", lambda: facts(world, number)["JobState"] == "RUNNING", 30)


def free_gpus(world):
    world.lab.command("scancel", "-n", "blocker")
    eventually("the GPUs are free", lambda: not world.lab.command("squeue", "-h", "-n", "blocker").strip(), 30)


WAITING = {"gpus": 2, "credits": 200}  # of a job that waits for these GPUs; eleven minutes


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
