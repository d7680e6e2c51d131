# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole grid on one machine: a cluster with both plugins, the chain with its contracts, the sbatch service, the grid logger,
customers with Unix users, and the agent. For the demo, tests, soak and benchmarks; run with the Python of lab/grid/install.sh.

    with World() as world:
        world.agent.start()
        world.join()
        job = world.request("echo hello", credits=10)
        world.grid.wait(job, ["Finished"])"""

import json
import os
import random
import subprocess
import sys
import threading
import time
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
sys.path += [str(TOP / part) for part in ("lab/grid", "Tests/Events", "Tests/Chain")]

from eth_keys import keys

import grid as contracts
from chain import KEY, LabChain
from cluster import Agent, Lab, eventually, say

PROVIDER = keys.PrivateKey(bytes.fromhex(KEY)).public_key.to_address()


class Process:
    """A service of the lab, started again at the same port."""

    def __init__(self, folder, script, *words, port=0):
        """port: 0 for any. One that the kernel gives may be somebody else's before the service is started again"""
        self.name = script.removesuffix(".py")
        self.folder = folder
        self.port_file = folder / f"{self.name}.port"
        self.faults = folder / f"{self.name}.faults"
        self.log = folder / f"{self.name}.log"
        self.words = [sys.executable, TOP / "lab/grid/services" / script, *words, "--port-file", self.port_file, "--faults", self.faults]
        self.process, self.port = None, port

    def start(self):
        self.port_file.unlink(missing_ok=True)
        with self.log.open("ab") as log:
            environment = dict(os.environ, PYTHONDONTWRITEBYTECODE="1", GRPC_VERBOSITY="NONE")
            self.process = subprocess.Popen(
                [*map(str, self.words), "--port", str(self.port)], stdout=log, stderr=log, env=environment)
        eventually(f"{self.name} listens", self.port_file.exists, 30)
        self.port = int(self.port_file.read_text())
        return self

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(30)

    def fault(self, **faults):
        fresh = self.faults.with_suffix(".new")
        fresh.write_text(json.dumps(faults))
        fresh.replace(self.faults)


class World:
    def __init__(
        self, customers=1, queue="skipping", unknown="revert", delta=15, minimum=1, rich=True, spank=True, jobcomp=True, seed=0,
        block_time=0, confirmations=0, settings=None, tell=lambda text: None, **knobs
    ):
        self.options = (customers, queue, unknown, delta, minimum)
        self.cluster_options = {"rich": rich, "spank": spank}
        if not jobcomp:
            self.cluster_options["jobcomp"] = "jobcomp/none"
        self.knobs = knobs
        self.seed, self.block_time, self.confirmations = seed, block_time, confirmations
        self.settings = settings or {}
        self.tell = tell
        self.parts = []

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise

    def start(self):
        customers, queue, unknown, delta, minimum = self.options
        self.chain = self.enter(LabChain(seed=self.seed, fund=(PROVIDER,)))
        folder = self.chain.folder
        document = folder / "grid.json"
        subprocess.run(
            [sys.executable, TOP / "lab/grid/deploy.py", self.chain.url(), document, "--scripts", folder / "scripts", "--queue", queue,
             "--unknown-provider", unknown, "--customers", str(customers), "--minimumAmount", str(minimum),
             "--billDurationDeltaMinute", str(delta), "--provider", PROVIDER], check=True, stdout=subprocess.DEVNULL)
        self.tell(f"a chain at {self.chain.url()} with the grid's contracts")
        self.document = document
        self.grid = contracts.Grid.read(document)
        self.customers = [contracts.Customer(self.grid, number) for number in range(customers)]
        self.admin, self.bot = contracts.Admin(self.grid), contracts.Bot(self.grid)
        users = " ".join(customer.address.lower() for customer in self.customers)
        # Each cluster begins at its own job id: jobs' output files in /tmp are named by it, and outlive their users.
        extra = f"KillWait=2\nFirstJobId={random.randrange(1, 60_000) * 1000}\n" + self.knobs.pop("LAB_CONF_EXTRA", "")
        self.lab = Lab(**self.cluster_options, LAB_USERS=users, LAB_CONF_EXTRA=extra, **self.knobs)
        self.enter(self.lab)
        self.tell("a Slurm cluster")
        subprocess.run([TOP / "lab/grid/services/ca.sh", folder / "tls"], check=True, stdout=subprocess.DEVNULL)
        ca = self.lab.stage / "grid-ca.pem"
        ca.write_bytes((folder / "tls/ca.pem").read_bytes())
        tls = lambda name: ("--tls-cert", folder / f"tls/{name}.pem", "--tls-key", folder / f"tls/{name}.key")
        ports = int(self.lab.read_env()["LAB_PORT"]) + 90  # of the lab's own, behind its nodes'
        self.logger = Process(folder, "logger.py", "--folder", folder / "logs", *tls("logger"), port=ports).start()
        self.parts.append(self.logger)
        self.sbatch = Process(
            folder, "sbatch.py", "--chain", self.chain.url(), "--jobs", self.grid.jobs.address, "--scripts", folder / "scripts", "--logger",
            f"localhost:{self.logger.port}", *tls("sbatch"), port=ports + 1).start()
        self.parts.append(self.sbatch)
        self.tell("the services of the grid: batch scripts, and logs")
        key = self.lab.state / "key"
        key.write_text(KEY + "\n")
        key.chmod(0o600)
        os.chown(key, self.lab.uid, -1)
        if self.block_time or self.confirmations:
            self.chain.call("lab_mode", self.block_time or 0.5, bool(self.confirmations))
        self.configure({})
        return self

    def configure(self, more):
        """Another configuration for the agent's next start."""
        self.settings = {**self.settings, **more}
        own = self.agent_settings(self.lab.state / "key", self.lab.stage / "grid-ca.pem")
        self.agent = Agent(self.lab, **{**own, **self.settings})

    def agent_settings(self, key, ca):
        web_socket = self.chain.url(scheme="ws")
        return {
            "metascheduler.endpoint.rpc": self.chain.url(), "metascheduler.endpoint.ws": web_socket,
            "metascheduler.smart-contract": self.grid.meta.address, "metascheduler.label": "os=linux,zone=lab",
            "chain.key-file": key, "chain.confirmations": self.confirmations, "sbatch.endpoint": f"localhost:{self.sbatch.port}",
            "sbatch.tls.ca": ca, "slurm.partition": "main", "vanish-after": "2s", "poll-interval": "2s",
        }

    def enter(self, part):
        part.__enter__()
        self.parts.append(part)
        return part

    def __exit__(self, kind=None, *_):
        if hasattr(self, "stopping"):
            self.stopping.set()
            self.scheduler.join()
        if hasattr(self, "agent"):
            self.agent.stop()
        for part in reversed(self.parts):
            if isinstance(part, Process):
                part.stop()
            else:
                part.__exit__(kind)

    # MARK: the grid's side

    def join(self):
        """Waits for the agent's registration and approves it; gives it every job from now on."""
        eventually("the agent registers", lambda: self.grid.providers.call("isWaitingForApproval", PROVIDER), 60)
        self.approve()
        self.give_jobs()

    def approve(self):
        self.bot.provider("approve", PROVIDER)

    def give_jobs(self, every=0.2):
        self.stopping = threading.Event()
        self.scheduler = threading.Thread(target=self._give, args=(every,))
        self.scheduler.start()

    def _give(self, every):
        """The meta-scheduler: a job that came back is given to us again after a moment."""
        over = set()  # need not be asked for again
        while not self.stopping.wait(every):
            try:
                if not self.grid.providers.call("isValidForScheduling", PROVIDER):
                    continue
                for name in self.grid.job_ids():
                    job = None if name in over else self.grid.job(name)
                    if job and job["statusName"] == "Pending":
                        self.bot.schedule(name, PROVIDER)
                    elif job and job["status"] > contracts.STATUSES.index("Running"):
                        over.add(name)
            except (contracts.GridError, OSError, ValueError) as problem:
                # Ctrl-C ends the chain too.
                if not self.stopping.wait(0.5):
                    say(f"the meta-scheduler: {problem}")

    def request(self, script, credits, customer=0, **needs):
        """-> the job's id"""
        who = self.customers[customer]
        body = script if isinstance(script, bytes) else script.encode()
        return who.request(contracts.definition(hash=who.store(body), **needs), credits)

    def slurm_jobs(self, job):
        """slurmctld's word on a job of the grid: one line for each."""
        name = contracts.job_id(job)
        name = "0x" + name.hex() if isinstance(name, bytes) else name
        text = self.lab.command("squeue", "-h", "-a", "-t", "all", "-n", name, "-o", "%i %T %M %l", check=False)
        return [line.split() for line in text.splitlines()]

    def ask(self, *words):
        return json.loads(self.agent.ask(*words, "--json", "--control", self.lab.run / "control.sock"))
