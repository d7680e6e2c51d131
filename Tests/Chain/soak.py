#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Intents and logs while the client is killed, and its nodes lose, delay, double and reorganise.

    soak.py [INTENTS [KILLS [LOGS [SEED]]]]       1000 intents, 100 kills, 10000 logs

Once on a chain where what is accepted is final, once with confirmations and forks of up to 5 blocks. The last line is the
verdict as JSON. Exit status 1 when an intent was mined less or more than once, a nonce is missing, or a log was delivered
less or more than once."""

import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import time

from chain import ACCOUNT, KEY, ROOT, LabChain, say

DRIVER = os.environ.get("DRIVER", str(ROOT / ".build/debug/ChainDriver"))
NUISANCE = {"drop_request": 0.03, "drop_answer": 0.03, "delay": 0.15, "double": 0.05, "double_answer": 0.03, "null_receipt": 0.1,
            "falling_nonce": 0.1, "lost_broadcast": 0.05, "html": 0.01, "truncate": 0.01, "wrong_id": 0.01, "huge": 0.002}
QUIET = dict.fromkeys(NUISANCE, 0)


class Driver:
    def __init__(self, chain, contract, intents, confirmations):
        self.state = chain.folder / "state"
        self.state.mkdir(mode=0o700)
        key = self.state / "key"
        key.touch(mode=0o600)
        key.write_text(KEY)
        self.words = [DRIVER, self.state, key, contract, str(intents), str(confirmations), chain.url("/", "ws"), chain.url("/"), chain.url("/behind")]
        self.output = chain.folder / "driver.out"
        self.log = (chain.folder / "driver.log").open("ab")
        self.process = None

    def start(self):
        self.process = subprocess.Popen([str(word) for word in self.words], stdout=self.output.open("ab"), stderr=self.log)

    def kill(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"the driver ended by itself with {self.process.returncode}: {self.log.name}")
        self.process.kill()
        self.process.wait()

    def is_done(self):
        return self.output.exists() and "done" in self.output.read_text().split("\n")[-2:][0]

    def seen(self):
        with sqlite3.connect(self.state / "seen.sqlite") as database:
            return database.execute("SELECT number, sender, tx FROM seen").fetchall()


def profile(name, confirmations, intents, kills, logs, seed):
    chooser = random.Random(seed)
    with LabChain(seed=seed) as chain:
        contract = chain.call("lab_deploy")
        # Out of reach of the forks, and of the node that lags: what is sent to no contract succeeds, and is counted by none.
        chain.call("lab_mine", 6)
        # Slow enough that kills hit every stage.
        chain.call("lab_mode", 0.25, confirmations > 0)
        for path in ("/", "/behind"):
            chain.call("lab_fault", path, NUISANCE)
        chain.call("lab_node", "/", {"log_range": 64})
        driver = Driver(chain, contract, intents, confirmations)
        driver.start()
        killed, announced, forks, cuts, start = 0, 0, 0, 0, time.monotonic()
        while killed < kills or announced < logs:
            time.sleep(chooser.uniform(0.1, 0.7))
            if announced < logs:
                amount = min(logs - announced, max(1, logs // max(1, kills)))
                chain.call("lab_announce", contract, announced, amount)
                announced += amount
            if chooser.random() < 0.15:
                chain.call("lab_cut")
                cuts += 1
            if chooser.random() < (0.3 if confirmations else 0.1):
                # Where what is accepted is final there are no forks; the logs must bear one all the same.
                chain.call("lab_reorganise", chooser.randrange(1, 6) if confirmations else 1)
                forks += 1
            if chooser.random() < 0.03:
                chain.call("lab_forget")
            if chooser.random() < 0.1:
                ask(chain, chooser.choice([1, 1, 4]))
            if killed < kills:
                driver.kill()
                killed += 1
                driver.start()
        say(f"{name}: {killed} kills, {forks} forks, {cuts} cuts in {time.monotonic() - start:.0f} s; settling")
        for path in ("/", "/behind"):
            chain.call("lab_fault", path, QUIET)
        # What is in flight now must be replaced.
        ask(chain, 8)
        chain.call("lab_mode", 0.25, confirmations > 0)
        end = time.monotonic() + 120 + intents / 5
        while not driver.is_done() and time.monotonic() < end:
            if driver.process.poll() is not None:
                raise RuntimeError(f"the driver ended by itself with {driver.process.returncode}: {driver.log.name}")
            time.sleep(0.5)
        if confirmations:
            time.sleep(3)
        wanted = logs + intents
        while len(driver.seen()) < wanted and time.monotonic() < end:
            time.sleep(0.5)
        time.sleep(2)
        driver.process.kill()
        driver.process.wait()
        verdict = judge(chain, contract, driver, intents, logs)
        verdict.update({"profile": name, "intents": intents, "kills": killed, "forks": forks, "logs": logs, "done": driver.is_done()})
        good = verdict["done"] and not any(verdict[word] for word in ("missing", "doubled", "failed", "holes", "logs_missing", "logs_doubled"))
        if good:
            shutil.rmtree(chain.folder, ignore_errors=True)
        else:
            say(f"{name}: state and logs are kept in {chain.folder}")
    return verdict, good


def ask(chain, gwei):
    """The chain asks for more, or less, than was offered before."""
    chain.call("lab_pool", gwei * 10**9)
    for path in ("/", "/behind"):
        chain.call("lab_node", path, {"suggested_tip": gwei * 10**9})


def judge(chain, contract, driver, intents, logs):
    """From the chain itself."""
    counts = [int(chain.call("lab_count", contract, number), 16) for number in range(intents)]
    history = chain.call("lab_history", ACCOUNT)
    nonces = sorted(nonce for nonce, *_ in history)
    seen = driver.seen()
    mine = [int(number) for number, sender, _ in seen if sender == ACCOUNT]
    others = [int(number) for number, sender, _ in seen if sender != ACCOUNT]
    missing = (set(range(intents)) - set(mine)) | (set(range(logs)) - set(others))
    with sqlite3.connect(driver.state / "chain.sqlite") as database:
        replaced = database.execute("SELECT (SELECT count(*) FROM transactions) - (SELECT count(*) FROM attempts)").fetchone()[0]
    return {"replaced": replaced, "missing": counts.count(0), "doubled": sum(1 for count in counts if count > 1), "failed": sum(1 for _, _, ok, _ in history if not ok),
            "holes": len(nonces) - len(set(range(len(nonces))) & set(nonces)), "transactions": len(history),
            "logs_missing": len(missing), "logs_doubled": len(mine) - len(set(mine)) + len(others) - len(set(others))}


def main(intents, kills, logs, seed):
    say(f"{intents} intents, {kills} kills, {logs} logs, seed {seed}")
    results = []
    for name, confirmations in (("instant", 0), ("confirmations", 6)):
        verdict, good = profile(name, confirmations, intents, kills, logs, seed)
        say(json.dumps(verdict))
        results.append((verdict, good))
    total = {word: sum(verdict[word] for verdict, _ in results)
             for word in ("intents", "kills", "logs", "missing", "doubled", "failed", "holes", "logs_missing", "logs_doubled")}
    print(json.dumps(total))
    return 0 if all(good for _, good in results) else 1


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[1:5]]
    sys.exit(main(*(numbers + [1000, 100, 10000, random.randrange(1 << 30)][len(numbers):])))
