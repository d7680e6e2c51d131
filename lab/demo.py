#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The main job from nothing: a Slurm cluster, a chain with a grid's contracts, the grid's services, and the agent; then six jobs
of two customers, side by side, each with another end. Prints what happens as it happens, what the chain says in the end, and
whether all of it is as it must be (exit status 0) or not (1). Needs root. KEEP=1 leaves it running until Ctrl-C.

BINARY names slurm-grid-agent. `make demo` builds what this needs."""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SERVICES = ROOT / "lab/grid/services"
if os.geteuid() != 0:
    sys.exit("demo: needs root, for a Slurm cluster whose jobs run as other users")
PYTHON = subprocess.run([ROOT / "lab/grid/install.sh"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
sys.dont_write_bytecode = True
if sys.executable != PYTHON:
    # gRPC and the chain's libraries are in the lab's own Python.
    os.execv(PYTHON, [PYTHON, *sys.argv])
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
sys.path += [str(ROOT / "lab/grid"), str(SERVICES)]

import grpc
import logger_pb2
import logger_pb2_grpc

import grid as contracts
from common import personal_hash
from grid import CREDIT, STATUSES
from world import PROVIDER, World, eventually

PATIENCE = 240  # s for all jobs
SCHEDULED, RUNNING, ENDS = 2, 3, STATUSES[4:]
LIVE = ("PENDING", "RUNNING", "COMPLETING", "CONFIGURING", "SUSPENDED", "STOPPED")

# Sends the script's output to the grid's logger; the last lines are to be there before the job is over.
PREAMBLE = """#!/bin/bash
exec 3>&1 > >(PYTHONPATH={writer} exec /usr/bin/python3 {writer}/writer.py --logger {logger} --ca {ca}) 2>&1
writer=$!
trap 'exec >&3 2>&3; wait $writer' EXIT
"""


class Job:
    """A job of the demo: what is asked for, what is done to it, and what must come of it.

    billed: minutes; error: a part of what the customer reads; exit_code: a wait status, None: Slurm has none that is sure, as of
    a job that it killed; needs: of grid.definition()"""

    def __init__(self, name, story, body, credits, status, slurm, billed=1, customer=0, error="", exit_code=0, **needs):
        self.name, self.story, self.body, self.credits, self.customer, self.needs = name, story, body, credits, customer, needs
        self.status, self.slurm, self.billed, self.error, self.exit_code = status, slurm, billed, error, exit_code
        self.id, self.number = "", 0  # on the chain
        self.seen, self.rows, self.chain = "", [], {}
        self.is_done_to = False


PRIMES = """\
sleep 2
echo "hello from $(hostname), node $SLURM_JOB_NODELIST: Slurm job $SLURM_JOB_ID, GPU ${CUDA_VISIBLE_DEVICES:-none}"
echo "I am $(id -un), my credits paid for this"
echo "there are $(seq 2 1000 | factor | awk 'NF == 2' | wc -l) primes below 1000"
"""


def make_jobs():
    return [
        Job("succeeds", "counts primes, with a GPU", PRIMES, credits=30, gpus=1, cpus=2, status="Finished", slurm="COMPLETED"),
        Job("fails", "exits with 3", "sleep 2\necho 'no such file: input.dat'\nexit 3\n", customer=1,
            credits=10, status="Failed", slurm="FAILED", error="exit code 3", exit_code=3 << 8),
        Job("is cancelled", "cancelled while it runs", "sleep 600\n",
            credits=10, status="Cancelled", slurm="CANCELLED", error="the job was cancelled", exit_code=None),
        Job("is topped up", "runs 95 s; 1 minute paid, 2 more later", "sleep 95\n",
            credits=1, status="Finished", slurm="COMPLETED"),
        Job("out of credits", "wants 10 minutes, 1 is paid", "sleep 600\n", customer=1,
            credits=1, status="OutOfCredits", slurm="TIMEOUT", error="time limit", exit_code=None),
        # Asked for last: the others hold some of what it wants.
        Job("never starts", "wants all 16 CPUs; cancelled while it waits", "echo 'not to be seen'\n", customer=1,
            credits=20, tasks=16, status="Cancelled", slurm="CANCELLED", billed=0),
    ]


class SlurmJob:
    """A line of squeue."""

    def __init__(self, number, state, ran, limit, reason):
        self.number, self.state, self.ran, self.limit, self.reason = number, state, ran, limit, reason
        self.has_ended = state not in LIVE
        # For CPUs, not because it is still being submitted.
        self.waits = state == "PENDING" and reason == "Resources"

    @property
    def seconds(self):
        days, _, clock = self.ran.rpartition("-")
        seconds = 0
        for part in clock.split(":"):
            seconds = 60 * seconds + int(part)
        return seconds + 86400 * int(days or 0)

    @property
    def words(self):
        tail = f"after {self.ran}" if self.has_ended else f"limit {self.limit}"
        return f"job {self.number} {self.state}, {tail}" + (f" ({self.reason})" if self.waits else "")


class Wrong(Exception):
    """Something is not as it must be; the lab keeps its files then."""


class Demo:
    def __init__(self):
        self.began = time.monotonic()
        self.jobs, self.wrong, self.checks = make_jobs(), [], 0
        self.block = 0

    # MARK: what is printed

    def tell(self, who, text, job=None):
        label = f"{job.number} {job.name}" if job else ""
        print(f"{time.monotonic() - self.began:6.1f}  {who:<10} {label:<16} {text}", flush=True)

    def expect(self, what, found, wanted):
        self.checks += 1
        if found != wanted:
            self.wrong.append(f"{what}: {found}, not {wanted}")

    # MARK: the world

    def join(self, world):
        self.world = world
        self.preamble = self.stage_writer()
        owner = world.customers[0].address.lower()
        results = world.lab.base / "results"
        results.mkdir(mode=0o755)
        shutil.chown(results, owner)
        world.configure({
            "benchmark.result-folder": results, "benchmark.run-as": owner, "benchmark.executor": "native",
            "benchmark.storage": f"scratch={results}", "benchmark.storage-size": 16,
            # More processes than this machine has cores: who waits lets others work.
            "benchmark.env": "OMPI_MCA_mpi_yield_when_idle=1"})
        world.agent.start()
        self.tell("agent", f"started as user slurm, pid {world.agent.process.pid}; it registers this cluster with the grid")
        eventually("the registration", lambda: world.grid.providers.call("isWaitingForApproval", PROVIDER), 60)
        self.measure()
        self.tell("chain", f"provider {PROVIDER} waits for approval")
        world.approve()
        self.tell("grid", "approves it, and gives it every job that is asked for")
        world.give_jobs()

    def measure(self):
        """The labels by which customers choose a cluster, as far as this machine has programs for them."""
        ask, programs = self.world.ask, {"machine": "lscpu", "network": "hpcc", "storage": "fio"}
        parts = [part for part, program in programs.items() if shutil.which(program)]
        self.tell("agent", f"measures the cluster by jobs of its own: {', '.join(parts)}")
        ask("benchmark", "run", *(word for part in parts for word in ("--part", part)))
        eventually("the benchmarks", lambda: ask("benchmark", "history", "--limit", 1)["runs"][0].get("ended_at"), PATIENCE)
        shown = ask("benchmark", "show")
        for part in shown["runs"][0]["parts"]:
            self.expect(f"the benchmark of {part['part']}", part["state"], "done")
        measured = {key: label["value"] for key, label in shown["labels"].items()}
        ask("provider", "register")

        def registered():
            entry = ask("provider", "show").get("waiting")
            labels = {one["key"]: one["value"] for one in entry["labels"]} if entry else {}
            return labels if measured.items() <= labels.items() else None

        labels = eventually("the labels on the chain", registered, 60)
        self.tell("chain", "the cluster's labels, measured on it or named by its operator:")
        for key in sorted(labels):
            print(f"{'':36}| {key} = {labels[key]}", flush=True)

    def stage_writer(self):
        """Puts what jobs send their output with where any user can read it. -> the first lines of a script that does so"""
        folder = self.world.lab.stage / "writer"
        modules = Path(sysconfig.get_path("purelib"))
        for name in ("grpc", "google"):
            shutil.copytree(modules / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        for path in (modules / "typing_extensions.py", *modules.glob("logger_pb2*.py"), SERVICES / "writer.py"):
            shutil.copy(path, folder)
        # Debian's Python, as any other may lie where users cannot go; its version must be that of the lab's.
        words = ["/usr/bin/python3", "-B", folder / "writer.py", "--help"]
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
        logger, ca = f"localhost:{self.world.logger.port}", self.world.lab.stage / "grid-ca.pem"
        return PREAMBLE.format(writer=folder, logger=logger, ca=ca)

    def request(self):
        world, preamble = self.world, self.preamble
        self.balances = {one.address: world.grid.balance(one.address) for one in world.customers}
        self.cut = world.grid.constants.call("deepsquareCut")  # the grid's part of each price, %
        self.balances[PROVIDER] = world.grid.balance(PROVIDER)
        self.block = world.grid.chain.height + 1
        for job in self.jobs:
            customer = world.customers[job.customer]
            needs = contracts.definition(hash=customer.store((preamble + job.body).encode()), **job.needs)
            job.id = customer.request(needs, job.credits, job.name)
            job.number = int(job.id, 16)
            self.tell(self.name_of(job), f"asks for a job, for {job.credits}: {job.story}", job)
            self.look()

    def name_of(self, job):
        return "customer " + "AB"[job.customer]

    # MARK: while they run

    def look(self):
        """Tells what is new on the chain and in Slurm."""
        by_id = {job.id: job for job in self.jobs}
        head = self.world.grid.chain.height
        events = self.world.grid.events(self.block, head)
        self.block = head + 1
        # After the chain, so that what Slurm did first is seen.
        rows = self.world.lab.command("squeue", "-h", "-a", "-t", "all", "-o", "%j|%i|%T|%M|%l|%r", check=False).splitlines()
        for job in self.jobs:
            job.rows = [SlurmJob(*row.split("|")[1:]) for row in rows if job.id and row.startswith(job.id)]
        for event in events:
            arguments = event["arguments"]
            job, words = by_id.get(arguments.get("jobId")), self.words(event)
            if job and words:
                if RUNNING in (arguments.get("previous"), arguments.get("status")):
                    self.tell_slurm(job)
                self.tell("chain", words, job)
        for job in self.jobs:
            if job.id:
                self.tell_slurm(job)
                job.chain = self.world.grid.job(job.id)

    def tell_slurm(self, job):
        for row in job.rows:
            # Not the moments on the way into the queue and out of it.
            if row.words != job.seen and (row.state == "RUNNING" or row.has_ended or row.waits):
                job.seen = row.words
                self.tell("Slurm", row.words, job)

    def words(self, event):
        arguments = event["arguments"]
        match event["event"]:
            case "JobTransitionEvent" if arguments["status"] != SCHEDULED:  # the claim's
                return f"{STATUSES[arguments['previous']]} → {STATUSES[arguments['status']]}"
            case "ClaimJobEvent":
                return f"MetaScheduled → Scheduled: claimed by the agent; {allowed(arguments)} paid for"
            case "ClaimNextTopUpJobEvent":
                return f"the agent takes note of the top-up: {allowed(arguments)} more"
            case "ClaimNextCancellingJobEvent":
                return "the agent takes note of the cancellation"
            case "BilledTooMuchEvent":
                self.expect("reports that exceed what the contract allows", arguments["jobId"], "none")
        return None

    def act(self, job):
        """What a customer does to a job, once it is so far."""
        customer, row = self.world.customers[job.customer], job.rows[0] if job.rows else None
        if job.is_done_to or row is None:
            return
        runs = job.chain["statusName"] == "Running" and row.state == "RUNNING" and row.seconds >= 5
        if job.name == "is cancelled" and runs:
            self.tell(self.name_of(job), "cancels it", job)
            customer.cancel(job.id)
        elif job.name == "never starts" and row.waits:
            self.tell(self.name_of(job), "cancels it; all credits come back at once", job)
            customer.cancel(job.id)
        elif job.name == "is topped up" and runs:
            self.tell(self.name_of(job), "tops it up by 2", job)
            customer.top_up(job.id, 2)
        else:
            return
        job.is_done_to = True

    def is_over(self, job):
        return job.chain["statusName"] in ENDS and all(row.has_ended for row in job.rows)

    def follow(self):
        end = time.monotonic() + PATIENCE
        shown = set()
        while time.monotonic() < end:
            self.look()
            for job in self.jobs:
                self.act(job)
                if self.is_over(job) and job.name in ("succeeds", "fails") and job.name not in shown:
                    shown.add(job.name)
                    self.show_output(job)
            if all(map(self.is_over, self.jobs)):
                return
            time.sleep(0.2)
        self.expect(f"open jobs after {PATIENCE} s", [job.name for job in self.jobs if not self.is_over(job)], [])

    # MARK: what jobs write

    def read_log(self, job, customer, last):
        """What the grid's logger has of a job, to the last line, asked for as a customer does, who signs the question."""
        user, now = self.world.customers[job.customer].address.lower(), int(time.time())
        question = f"read:{user}/{job.id}/{now}".encode()
        signature = customer.account.key.sign_msg_hash(personal_hash(question)).to_bytes()
        authority = (self.world.lab.stage / "grid-ca.pem").read_bytes()
        request = logger_pb2.ReadRequest(address=user, log_name=job.id, timestamp=now, signed_hash=signature)
        lines = []
        with grpc.secure_channel(f"localhost:{self.world.logger.port}", grpc.ssl_channel_credentials(authority)) as channel:
            try:
                # It would go on with what is still to come.
                for answer in logger_pb2_grpc.LoggerAPIStub(channel).Read(request, timeout=10):
                    lines.append(answer.data.decode(errors="replace"))
                    if lines[-1] == last:
                        break
            except grpc.RpcError as error:
                lines.append(f"({error.code().name})")
        return lines

    def show_output(self, job):
        owner, other = self.world.customers[job.customer], self.world.customers[1 - job.customer]
        last = "there are 168 primes below 1000" if job.name == "succeeds" else "no such file: input.dat"
        lines = self.read_log(job, owner, last)
        self.tell(self.name_of(job), "reads its output at the grid's logger:", job)
        for line in lines:
            print(f"{'':36}| {line}", flush=True)
        self.expect(f"the last line of \"{job.name}\"", lines[-1:], [last])
        self.expect(f"what the other customer sees of \"{job.name}\"", self.read_log(job, other, last), ["(UNAUTHENTICATED)"])

    # MARK: the end

    def table(self):
        rows = [["JOB", "WHAT IT DID", "CHAIN", "SLURM", "RAN", "BILLED", "LOCKED", "COST", "PROVIDER GETS", "COMES BACK"]]
        for job in self.jobs:
            final, locked = job.chain["cost"]["finalCost"], job.chain["cost"]["maxCost"]
            states, times = ("+".join(getattr(row, part) for row in job.rows) or "-" for part in ("state", "ran"))
            money = map(credits, (locked, final, self.share(job), locked - final))
            status, billed = job.chain["statusName"], f"{self.minutes(job)} min"
            rows.append([f"{job.number} {job.name}", job.story, status, states, times, billed, *money])
        print("\nWhat the chain and Slurm say in the end; money in credits:\n")
        widths = [max(map(len, column)) for column in zip(*rows)]
        for row in rows:
            words = [text.ljust(width) for text, width in zip(row[:4], widths)]
            numbers = [text.rjust(width) for text, width in zip(row[4:], widths[4:])]
            print("  " + "  ".join(words + numbers))
        print(f"\n  What started is billed 1 minute at least; the provider gets {100 - self.cut} % of it, the grid the rest.")

    def minutes(self, job):
        """That were billed."""
        each = self.world.grid.cost_per_minute(job.chain)
        return job.chain["cost"]["finalCost"] // each if each else 0

    def share(self, job):
        """The provider's, as the contract counts it."""
        return job.chain["cost"]["finalCost"] * (100 - self.cut) // 100

    def judge(self):
        for job in self.jobs:
            chain, name = job.chain, f"\"{job.name}\""
            self.expect(f"{name} on the chain", chain["statusName"], job.status)
            self.expect(f"the Slurm jobs of {name}", [row.state for row in job.rows], [job.slurm])
            self.expect(f"the minutes billed of {name}", self.minutes(job), job.billed)
            error = chain["lastError"]
            self.expect(f"the error of {name}", error, error if job.error and job.error in error else job.error)
            if job.exit_code is not None:
                self.expect(f"the wait status of {name}", chain["exitCode"], job.exit_code)
            if job.name == "is topped up":
                self.expect("the time limit after the top-up", [row.limit for row in job.rows], ["3:00"])
                self.expect("whether that job ran past its first limit", all(60 < row.seconds < 120 for row in job.rows), True)
        self.judge_money()
        heard = self.world.agent.plugins()["plugins"]
        ends, tasks = (sum(one["events"] for one in heard[kind]) for kind in ("jobcomp", "nodes"))
        self.expect("whether both plugins were heard", (ends > 0, tasks > 0), (True, True))
        agent = self.world.agent.process
        self.expect("whether the agent still runs", agent.poll() is None, True)
        self.expect("the agent's user", Path(f"/proc/{agent.pid}").stat().st_uid, self.world.lab.uid)
        count = sum(len(job.rows) for job in self.jobs)
        print(f"  {len(self.jobs)} jobs of the grid became {count} Slurm jobs. "
              f"The plugins told the agent of {ends} ends (slurmctld's) and {tasks} starts and ends (the nodes').")

    def judge_money(self):
        balance = self.world.grid.balance
        earned = balance(PROVIDER) - self.balances[PROVIDER]
        self.expect("the provider's earnings in wei", earned, sum(map(self.share, self.jobs)))
        for number, customer in enumerate(self.world.customers):
            spent = self.balances[customer.address] - balance(customer.address)
            cost = sum(job.chain["cost"]["finalCost"] for job in self.jobs if job.customer == number)
            self.expect(f"what customer {'AB'[number]} spent in wei", spent, cost)
        print(f"  The provider earned {credits(earned)} credits with them.")

    def run(self, world, options):
        self.join(world)
        self.request()
        self.follow()
        self.tell("lab", "all jobs are over")
        self.table()
        self.judge()
        spent = time.monotonic() - self.began
        steps = [("install", options.installed), ("build", options.built), ("run", spent)]
        took = ", ".join(f"{name} {duration(seconds)}" for name, seconds in steps if seconds is not None)
        print(f"  {self.checks - len(self.wrong)} of {self.checks} expectations hold.")
        for what in self.wrong:
            print(f"  WRONG: {what}")
        print(f"  It took: {took}.", flush=True)

    # MARK: left running

    def keep(self):
        """Until Ctrl-C."""
        lab, folder = self.world.lab, self.world.lab.base
        shell = folder / "play.sh"
        shell.write_text(f"""\
export SLURM_CONF={lab.environment["SLURM_CONF"]} LAB_GRID={self.world.document}
agent() {{ {lab.stage}/slurm-grid-agent "$@" --control {lab.run}/control.sock; }}
customer() {{ {ROOT}/lab/grid/customer "$@"; }}
admin() {{ {ROOT}/lab/grid/admin "$@"; }}
""")
        sample = folder / "sample.sh"
        sample.write_text(self.preamble + 'echo "hello from job $SLURM_JOB_ID"\nsleep 120\necho done\n')
        print(f"""
It is left running; Ctrl-C here ends it and removes what it made. In another terminal, as root:

  . {shell}
  squeue -a -t all                                   the cluster's jobs
  customer request --credits 10 --script {sample}
                                                     prints the job's number N; its name in Slurm is its id on the chain
  customer status                                    all jobs, as the chain has them
  customer topup N 5;  customer cancel N             more minutes; no more
  agent grid status;  agent grid jobs                what the agent does for the grid
  agent provider show                                this cluster's entry at the grid
  agent drain;  agent resume                         claims no new jobs; does again
  admin ban {PROVIDER}
                                                     nothing is claimed or reported until: admin unban …

  the agent's log    {self.world.agent.log}
  its configuration  {self.world.agent.config}
  jobs' output       {self.world.chain.folder}/logs""", flush=True)
        while True:
            time.sleep(3600)


def credits(wei):
    return f"{wei / CREDIT:.3f}"


def allowed(arguments):
    count = arguments["maxDurationMinute"]
    return f"{count} minute{'s' if count != 1 else ''}"


def duration(seconds):
    return f"{seconds // 60:.0f} min {seconds % 60:.0f} s" if seconds >= 60 else f"{seconds:.0f} s"


def introduce():
    print("""\
A grid sells computing time of many clusters: customers pay a contract on a chain, the contract gives each job to a cluster.
The agent joins one cluster to it: it claims the jobs, gives them to Slurm, and tells the chain how they went, which pays for it.
On the chain a job is Pending (asked for), MetaScheduled (meant for this cluster), Scheduled (claimed by the agent), Running,
and in the end Finished, Failed, Cancelled or OutOfCredits. Money is in credits.
Each line below: seconds since the start, who, which job, what happens.
""", flush=True)


def interrupt(*_):
    raise KeyboardInterrupt


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--installed", type=int, metavar="SECONDS", help="what installing took, to be printed")
    parser.add_argument("--built", type=int, metavar="SECONDS", help="what building took, to be printed")
    options = parser.parse_args()
    # The lab would take it for a wish to keep its files.
    keeps = os.environ.pop("KEEP", "0") not in ("", "0")
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, interrupt)
    demo = Demo()
    introduce()
    try:
        with World(customers=2, tell=lambda text: demo.tell("lab", text)) as world:
            try:
                demo.run(world, options)
                if keeps:
                    demo.keep()
            except KeyboardInterrupt:
                print("\nends, and cleans up", flush=True)
            # From here on they would leave daemons behind.
            for ending in (signal.SIGINT, signal.SIGTERM):
                signal.signal(ending, signal.SIG_IGN)
            if demo.wrong:
                raise Wrong
        shutil.rmtree(world.chain.folder, ignore_errors=True)
    except Wrong:
        sys.exit(f"the chain's log and the services' are kept in {world.chain.folder}")
    except (OSError, RuntimeError, contracts.GridError, subprocess.CalledProcessError) as error:
        sys.exit(f"demo: {error}")
    except KeyboardInterrupt:
        sys.exit(1)


if __name__ == "__main__":
    main()
