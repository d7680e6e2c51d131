# SPDX-License-Identifier: GPL-3.0-or-later
"""Holds what the chain says of a grid's jobs against slurmdbd: who ended each, as what, for how many minutes, and the money."""

import grid as contracts

OPEN = ("Pending", "MetaScheduled", "Scheduled", "Running")
# The table in docs/deepsquare.md.
STATUS = {
    "COMPLETED": "Finished", "TIMEOUT": "OutOfCredits", "CANCELLED": "Cancelled", "FAILED": "Failed", "NODE_FAIL": "Failed",
    "OUT_OF_MEMORY": "Failed", "PREEMPTED": "Failed", "DEADLINE": "Failed", "BOOT_FAIL": "Failed",
}
# Kinds of the soak's jobs that nobody can run; all others can be, sooner or later.
HOPELESS = ("too_big", "no_script", "too_poor")
SHARE = 80  # per cent, of the provider


class Books:
    """What is read of the chain and of slurmdbd, once all is over."""

    def __init__(self, world, provider, start):
        """start: of each party's credits, by address"""
        self.grid, self.provider, self.start = world.grid, provider.lower(), start
        self.jobs = {job["jobId"]: job for job in self.grid.list()}
        self.claims, self.moves, self.transfers, self.too_much, self.senders = {}, {}, {}, [], {}
        for event in self.grid.events():
            self.take(event)
        self.runs = {}
        for row in sorted(world.lab.accounting().values(), key=lambda row: (int(row["job"].split("_")[0]), row["submit"] or 0)):
            self.runs.setdefault(self.name_of(row, world.agent), []).append(row)

    @staticmethod
    def name_of(row, agent):
        """slurmctld tells slurmdbd the name of a job that did not run some seconds after its end, or never if it is killed: then
        the agent has to say which job it was."""
        if row["name"] != "allocation":
            return row["name"]
        known = agent.query(f"SELECT external_id FROM jobs JOIN runs ON runs.job = jobs.id WHERE job_id = {row['job']} AND submit_time = {row['submit']}")
        return known[0][0] if known and known[0][0] else row["name"]

    def take(self, event):
        told = event["arguments"]
        if event["event"] == "ClaimJobEvent" and told["providerAddr"].lower() == self.provider:
            self.claims.setdefault(told["jobId"], []).append(event)
        elif event["event"] == "JobTransitionEvent":
            self.moves.setdefault(told["jobId"], []).append(event)
        elif event["event"] == "BilledTooMuchEvent":
            self.too_much.append(told["jobId"])
        elif event["event"] == "Transfer":
            self.transfers.setdefault(event["transaction"], []).append((told["receiver"].lower(), told["value"]))

    def sender(self, event):
        transaction = event["transaction"]
        if transaction not in self.senders:
            self.senders[transaction] = self.grid.chain.rpc("eth_getTransactionByHash", transaction)["from"].lower()
        return self.senders[transaction]


class Verdict:
    def __init__(self, books):
        self.books = books
        self.faults = []  # (kind, job, words)
        self.endings, self.long, self.requeued = {}, 0, 0
        for job in books.jobs.values():
            self.judge(job)
        for job in books.too_much:
            self.wrong("billed_too_much", job, "BilledTooMuchEvent")
        for name in books.runs:
            if name.startswith("0x") and name not in books.jobs:
                self.wrong("doubled", name, "the chain has no such job")
        self.balances()

    def wrong(self, kind, job, words):
        self.faults.append((kind, job, words))

    def count(self, kind):
        return sum(1 for found, *_ in self.faults if found == kind)

    def judge(self, job):
        books, name = self.books, job["jobId"]
        runs, claims, status = books.runs.get(name, []), books.claims.get(name, []), job["statusName"]
        numbers = list(dict.fromkeys(run["job"] for run in runs))
        if len(numbers) > len(claims):
            self.wrong("doubled", name, f"{len(claims)} claims, Slurm jobs {numbers}")
        self.endings[status] = self.endings.get(status, 0) + 1
        self.requeued += len(runs) > len(numbers)
        alive = [run["job"] for run in runs if run["end"] is None or run["state"] in ("PENDING", "RUNNING", "SUSPENDED")]
        if status in OPEN or alive:
            return self.wrong("open", name, f"{status} on the chain; alive in Slurm: {alive}")
        end = books.moves[name][-1]
        # Of the job that the last claim became; earlier ones were taken back, which pays nothing.
        last = [run for run in runs if run["job"] == numbers[-1]] if numbers else []
        seconds = sum(run["elapsed"] for run in last)
        self.long += 120 <= seconds <= 240
        ran, cost = end["arguments"]["previous"] == contracts.STATUSES.index("Running"), job["cost"]
        bill = 0
        if books.sender(end) == books.provider:
            self.check_status(job, end, last, len(numbers) == len(claims))
            if ran:
                bill = self.check_minutes(job, last, seconds)
            elif seconds >= 60 and len(numbers) == len(claims):
                self.wrong("wrong_minutes", name, f"{seconds} s in Slurm, ended before Running on the chain")
        elif status not in ("Cancelled", "Panicked"):
            self.wrong("wrong_status", name, f"{status} by {books.sender(end)}")
        if cost["finalCost"] != bill:
            self.wrong("wrong_refunds", name, f"finalCost {cost['finalCost']}, by the contract's rules {bill}")
        customer = job["customerAddr"].lower()
        back = sum(value for who, value in books.transfers.get(end["transaction"], []) if who == customer)
        if back != cost["maxCost"] - cost["finalCost"]:
            self.wrong("wrong_refunds", name, f"{back} went back of {cost['maxCost']}, finalCost {cost['finalCost']}")

    def check_status(self, job, end, runs, is_last):
        """Of an end that the provider told."""
        status, name = job["statusName"], job["jobId"]
        was_scheduled = end["arguments"]["previous"] == contracts.STATUSES.index("Scheduled")
        if not runs or (not is_last and was_scheduled and status == "Failed"):
            # It became no Slurm job.
            if status != "Failed":
                self.wrong("wrong_status", name, f"{status} on the chain, no job in Slurm")
            elif job["name"].split()[0] not in HOPELESS:
                self.wrong("wrong_status", name, f"{job['name']} failed without a job in Slurm ({job['lastError']!r})")
            return
        run = runs[-1]
        if STATUS.get(run["state"]) != status:
            self.wrong("wrong_status", name,
                       f"{status} on the chain ({job['lastError']!r}), {run['state']} in Slurm (job {run['job']})")

    def check_minutes(self, job, runs, seconds):
        """-> what is to be billed"""
        price, most = self.books.grid.cost_per_minute(job), job["cost"]["maxCost"]
        minutes = max(1, seconds // 60)
        bill = min(minutes * price, most)
        if job["cost"]["finalCost"] != bill:
            elapsed = [(run["job"], run["state"], run["elapsed"]) for run in runs]
            billed = f"{job['cost']['finalCost'] / price:.2f} minutes billed (at most {most / price:.2f})"
            self.wrong("wrong_minutes", job["jobId"], f"{billed}, {minutes} in Slurm: {elapsed}")
            return job["cost"]["finalCost"]
        return bill

    def balances(self):
        books, jobs = self.books, self.books.jobs.values()
        for address, start in books.start.items():
            if address == books.provider:
                wanted = start + sum(job["cost"]["finalCost"] * SHARE // 100 for job in jobs)
            else:
                mine = [job for job in jobs if job["customerAddr"].lower() == address]
                wanted = start - sum(job["cost"]["maxCost" if job["statusName"] in OPEN else "finalCost"] for job in mine)
            found = books.grid.balance(address)
            if found != wanted:
                self.wrong("balance", address, f"has {found}, by its jobs {wanted}")

    def document(self):
        kinds = ("doubled", "wrong_status", "wrong_minutes", "wrong_refunds", "open", "billed_too_much")
        return {
            "jobs": len(self.books.jobs), "claims": sum(map(len, self.books.claims.values())),
            **{kind: self.count(kind) for kind in kinds}, "balance": "wrong" if self.count("balance") else "ok",
            "long": self.long, "requeued": self.requeued, "endings": self.endings,
        }
