#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Money where it takes hours: the gateway on the lab's chain, whose clock is moved, with a Slurm that does what is written here.

The contract pays a report that exceeds its own wall time by more than billDurationDeltaMinute for the wall time only. However late
Running came, the agent must never run into that, and lose no minute that a wait within billing.max-hold can save."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PYTHON = subprocess.run([ROOT / "lab/grid/install.sh"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
sys.dont_write_bytecode = True
if sys.executable != PYTHON:
    os.execv(PYTHON, [PYTHON, *sys.argv])
sys.path += [str(ROOT / part) for part in ("lab/grid", "Tests/Chain", "Tests/Events")]

import grid as contracts
from chain import KEY, LabChain
from cluster import eventually, say
from world import PROVIDER, Process

HOLD = 3600
# wall minutes when the job ends, minutes used, state -> minutes held for and lost, minutes billed
CASES = [
    (0, 0, "COMPLETED", 0, 1),  # less than a minute: the contract bills one
    (60, 60, "COMPLETED", 0, 60),
    (60, 74, "FAILED", 0, 74),
    (60, 75, "COMPLETED", 1, 75),  # waits a minute
    (60, 100, "COMPLETED", 26, 100),
    (60, 180, "COMPLETED", 106, 134),  # the longest hold saves 60 of 106
    (5, 20, "TIMEOUT", 1, 20),
    (5, 180, "COMPLETED", 161, 79),
    (0, 14, "COMPLETED", 0, 14),
    (0, 30, "CANCELLED", 16, 30),
]


class Driver:
    def __init__(self, folder, chain, grid, sbatch):
        key = folder / "key"
        key.write_text(KEY)
        key.chmod(0o600)
        binary = Path(os.environ.get("DRIVER", ROOT / ".build/debug/GridDriver"))
        self.log = (folder / "driver.log").open("wb")
        self.process = subprocess.Popen(
            [binary, folder, key, grid.meta.address, chain.url(), f"localhost:{sbatch.port}", str(HOLD)], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=self.log, text=True, bufsize=1)

    def tell(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        return self.process.stdout.readline().strip()

    def end(self):
        self.process.kill()
        self.process.wait()
        self.log.close()


class Stage:
    def __init__(self, folder):
        self.chain = LabChain(fund=(PROVIDER,))
        document = folder / "grid.json"
        subprocess.run(
            [PYTHON, ROOT / "lab/grid/deploy.py", self.chain.url(), document, "--scripts", folder / "scripts", "--minimumAmount", "1",
             "--provider", PROVIDER], check=True, stdout=subprocess.DEVNULL)
        self.grid = contracts.Grid.read(document)
        self.customer, self.bot = contracts.Customer(self.grid), contracts.Bot(self.grid)
        self.sbatch = Process(
            folder, "sbatch.py", "--chain", self.chain.url(), "--jobs", self.grid.jobs.address, "--scripts", folder / "scripts",
            "--logger", "localhost:1", "--plaintext").start()
        self.driver = Driver(folder, self.chain, self.grid, self.sbatch)
        self.ahead = 0

    def end(self):
        self.driver.end()
        self.sbatch.stop()
        self.chain.__exit__()

    def pass_seconds(self, seconds):
        self.ahead += seconds
        self.chain.call("lab_time", seconds)
        self.driver.tell("clock", self.ahead)

    def status(self, job):
        return self.grid.job(job)["statusName"]

    def case(self, wall, used, state, loses, billed):
        job = self.customer.request(contracts.definition(hash=self.customer.store(b"true")), 400)
        self.bot.schedule(job, PROVIDER)
        eventually("it is scheduled", lambda: self.status(job) == "Scheduled", 20)
        eventually("it is submitted", lambda: self.submitted(job), 20)
        self.driver.tell("start", job)
        eventually("it runs on the chain", lambda: self.status(job) == "Running", 20)
        self.pass_seconds(60 * wall + 30)  # away from the borders, where a second counts
        self.driver.tell("end", job, 60 * used + 20, state)
        if loses:
            eventually("its end is held, visibly", lambda: self.driver.tell("holds") == f"1 {loses}", 20)
            self.pass_seconds(min(60 * loses, HOLD))
        eventually("it has ended on the chain", lambda: self.status(job) in ("Finished", "Failed", "OutOfCredits", "Cancelled"), 20)
        entry = self.grid.job(job)
        paid = round(entry["cost"]["finalCost"] / self.grid.cost_per_minute(entry))
        assert paid == billed, f"{paid} minutes were billed"
        assert not self.grid.events(name="BilledTooMuchEvent"), "the contract found a report too long"

    def earnings(self):
        """What the contract moved to the provider, by the UTC day of its block, as the driver prints it."""
        days = {}
        for event in self.grid.events(name="Transfer"):
            told = event["arguments"]
            if told["receiver"].lower() == PROVIDER.lower() and told["sender"].lower() == self.grid.meta.address.lower():
                block = self.grid.chain.rpc("eth_getBlockByNumber", hex(event["block"]), False)
                day = time.strftime("%Y-%m-%d", time.gmtime(int(block["timestamp"], 16)))
                jobs, wei = days.get(day, (0, 0))
                days[day] = (jobs + 1, wei + told["value"])
        return ";".join(f"{day} {jobs} {wei}" for day, (jobs, wei) in sorted(days.items(), reverse=True))

    def submitted(self, job):
        self.driver.tell("clock", self.ahead)
        return self.driver.tell("submitted", job) == "yes"


def main():
    with tempfile.TemporaryDirectory(prefix="sga-billing.") as folder:
        stage = Stage(Path(folder))
        try:
            eventually("it registers", lambda: stage.grid.providers.call("isWaitingForApproval", PROVIDER), 30)
            stage.bot.provider("approve", PROVIDER)
            for case in CASES:
                stage.case(*case)
                say("ok   wall {} min, used {} min, {}: {} min would be lost, {} billed".format(*case))
            # The blocks' own times are asked for once a minute.
            wanted = stage.earnings()
            eventually(f"the earnings are {wanted}", lambda: stage.driver.tell("earnings") == wanted, 100)
            say(f"ok   earnings by day: {wanted}")
        except BaseException:
            print((Path(folder) / "driver.log").read_text()[-4000:], file=sys.stderr)
            raise
        finally:
            stage.end()


main()
