#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Puts a grid's contracts on the lab's chain, and writes what others need to use them to a JSON file:

chain       the URL
chainId
contracts   addresses by name
admin, bot, customers
            {"address", "key"}; customers is a list. admin: the contracts' owner; bot: the meta-scheduler
scripts     the folder of job scripts, each named by its SHA-256
options     what was chosen here"""

import argparse
import hashlib
import json
import os
import sys
from pathlib import Path

from eth_abi import encode
from eth_keys import keys

import artifacts
from grid import CREDIT, Account, Chain, Contract, GridError, kind

# The account that lab/chain/server.py gives coins to.
LAB_KEY = hashlib.sha256(b"the lab's own account").digest()
CONSTANTS = {
    "minimumAmount": 100 * CREDIT,
    "cancellationFeeMinute": 5,
    "billDurationDeltaMinute": 15,
    "claimJobTimeout": 10,
    "topUpSliceDurationMin": 30,
    "deepsquareCut": 20,
}


class Deployment:
    def __init__(self, url, key=LAB_KEY):
        self.chain = Chain(url)
        self.payer = Account(self.chain, key)
        self.admin, self.bot = self.new(), self.new()
        self.codes = artifacts.load_all()

    def new(self):
        return Account(self.chain, keys.PrivateKey(os.urandom(32)).to_bytes())

    def fund(self, address, coins=1000):
        self.payer.send(address, value=coins * 10**18, gas=21_000)

    def create(self, name, *arguments):
        abi, code = self.codes[name]
        inputs = next((entry["inputs"] for entry in abi if entry["type"] == "constructor"), [])
        receipt = self.admin.send(None, code + encode([kind(one) for one in inputs], arguments), gas=8_000_000)
        return Contract(self.chain, name, receipt["contractAddress"], abi)

    def run(self, skipping, reverting, constants, customers, credits, providers=()):
        """-> the document, without `scripts`"""
        admin, bot = self.admin, self.bot
        parties = [self.new() for _ in range(customers)]
        for address in [one.address for one in (admin, bot, *parties)] + list(providers):
            self.fund(address)
        credit = self.create("Credit", 10**9 * CREDIT)
        settings = self.create("Constants", *constants.values())
        manager = self.create("ProviderManager", reverting)
        jobs = self.create("JobRepository")
        queues = self.create("ProviderJobQueues", jobs.address, skipping)
        meta = self.create("MetaScheduler", credit.address, settings.address, manager.address, queues.address, jobs.address)
        scheduler = meta.call("METASCHEDULER_ROLE")
        jobs.send(admin, "grantRole", scheduler, meta.address)
        queues.send(admin, "transferOwnership", meta.address)
        manager.send(admin, "grantRole", manager.call("METASCHEDULER_CONTRACT_ROLE"), meta.address)
        manager.send(admin, "grantRole", scheduler, bot.address)
        meta.send(admin, "grantRole", scheduler, bot.address)
        for one in parties:
            credit.send(admin, "transfer", one.address, credits * CREDIT)
        return {
            "chain": self.chain.url,
            "chainId": self.chain.chain_id,
            "contracts": {one.name: one.address for one in (meta, jobs, manager, queues, credit, settings)},
            "admin": admin.document,
            "bot": bot.document,
            "customers": [one.document for one in parties],
            "options": {
                "queue": "skipping" if skipping else "naive",
                "unknownProvider": "revert" if reverting else "empty",
                "constants": constants,
            },
        }


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url", help="of the chain: http://127.0.0.1:PORT/")
    parser.add_argument("file", type=Path, help="where the JSON is written to")
    parser.add_argument("--scripts", type=Path, help="the folder of job scripts; default: `scripts` beside the JSON")
    parser.add_argument("--key", help="who pays for all of it; default: the lab's own account")
    parser.add_argument(
        "--queue",
        choices=("naive", "skipping"),
        default="skipping",
        help="what queues do with jobs that changed since; default: skipping",
    )
    parser.add_argument(
        "--unknown-provider", choices=("revert", "empty"), default="revert", help="what getProvider does; default: revert"
    )
    parser.add_argument("--customers", type=int, default=2, metavar="N", help="default: 2")
    parser.add_argument("--credits", type=int, default=100_000, metavar="N", help="of each customer; default: 100000")
    parser.add_argument(
        "--provider", action="append", default=[], metavar="ADDRESS", help="an account that gets coins for its transactions"
    )
    group = parser.add_argument_group("constants; minimumAmount in credits, default 1 (the real one: 100)")
    for name, value in CONSTANTS.items():
        group.add_argument(
            f"--{name}",
            type=int,
            default=1 if name == "minimumAmount" else value,
            metavar="N",
            help=f"default: {1 if name == 'minimumAmount' else value}",
        )
    return parser.parse_args()


def main():
    options = parse()
    constants = {name: getattr(options, name) for name in CONSTANTS}
    constants["minimumAmount"] *= CREDIT
    deployment = Deployment(options.url, options.key or LAB_KEY)
    document = deployment.run(
        options.queue == "skipping",
        options.unknown_provider == "revert",
        constants,
        options.customers,
        options.credits,
        options.provider,
    )
    scripts = (options.scripts or options.file.parent / "scripts").resolve()
    scripts.mkdir(parents=True, exist_ok=True)
    document["scripts"] = str(scripts)
    new = options.file.with_name(options.file.name + ".new")
    # Keys, if only of a lab.
    with open(new, "w", encoding="utf-8", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
        json.dump(document, file, indent=2)
        file.write("\n")
    new.rename(options.file)
    for name, address in document["contracts"].items():
        print(f"{name:<18} {address}")
    print(f"wrote {options.file}")


if __name__ == "__main__":
    try:
        main()
    except GridError as error:
        sys.exit(f"lab: {error}")
