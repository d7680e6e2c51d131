#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Intents and logs while the client is killed and ended, and its nodes lose, delay, double and reorganise, stand still, count
wrong, refuse and are away.

    soak.py [INTENTS [KILLS [LOGS [SEED]]]] [--outage SECONDS]       1000 intents, 100 kills, 10000 logs, 15 s

Once on a chain where what is accepted is final, and blocks are lost all the same, once with confirmations and forks of up to 5
blocks. While all nodes are away 20 minutes pass on the chain and 100 blocks are made; how long that takes here is --outage (1200:
what it would take outside). Half of the ends are kills, the others SIGTERM.

The last line is the verdict as JSON. Exit status 1 when an intent was mined less or more than once, a nonce is missing or was
filled, a log was delivered less or more than once, SIGTERM ended the client otherwise than well, or it paid too much: more than 5
times the market, or for a replacement that no new head called for."""

import argparse
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time

from chain import ACCOUNT, KEY, ROOT, LabChain, say
from chain_faults import GWEI, Faults

DRIVER = os.environ.get("DRIVER", str(ROOT / ".build/debug/ChainDriver"))
NUISANCE = {"drop_request": 0.03, "drop_answer": 0.03, "delay": 0.15, "double": 0.05, "double_answer": 0.03, "null_receipt": 0.1,
            "falling_nonce": 0.1, "lost_broadcast": 0.05, "html": 0.01, "truncate": 0.01, "wrong_id": 0.01, "huge": 0.002}
QUIET = dict.fromkeys(NUISANCE, 0)
MARKET_LIMIT = 5  # what a replacement may offer, in times of what a new transaction would


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
        self.killed = self.terminated = 0
        self.bad_ends = []

    def allow(self, intents):
        """How many intents it may have submitted by now."""
        new = self.state / "allowed.new"
        new.write_text(str(intents))
        new.rename(self.state / "allowed")

    def start(self):
        self.process = subprocess.Popen([str(word) for word in self.words], stdout=self.output.open("ab"), stderr=self.log)

    def end(self, chooser):
        """Kills it, or asks it to end."""
        if self.process.poll() is not None:
            raise RuntimeError(f"the driver ended by itself with {self.process.returncode}: {self.log.name}")
        if chooser.random() < 0.5:
            self.process.kill()
            self.process.wait()
            self.killed += 1
            return
        self.process.terminate()
        self.terminated += 1
        try:
            status = self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = f"none within 60 s, {self.process.wait()}"
        # A process that has only just been started dies of it, as any would.
        if status not in (0, -signal.SIGTERM):
            self.bad_ends.append(status)
            say(f"the driver was sent SIGTERM and ended with {status}")

    def is_done(self):
        return self.output.exists() and "done" in self.output.read_text().split("\n")[-2:][0]

    def seen(self):
        with sqlite3.connect(self.state / "seen.sqlite") as database:
            return database.execute("SELECT number, sender, tx FROM seen").fetchall()


def profile(name, confirmations, intents, kills, logs, seed, outage):
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
        faults = Faults(chain, driver, chooser, confirmations > 0, outage, NUISANCE)
        # Each of them while there are intents to send.
        due = {(index + 1) * kills // (len(faults.plan) + 1): fault for index, fault in enumerate(faults.plan)}
        driver.allow(max(1, intents // (kills + 2)))
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
                faults.ask(chooser.choice([1, 1, 4]))
            if killed < kills:
                driver.end(chooser)
                killed += 1
                # The last of them are for when it settles.
                driver.allow(intents * (killed + 1) // (kills + 2))
                driver.start()
                if killed in due:
                    faults.run(due.pop(killed))
        for fault in due.values():
            faults.run(fault)
        say(f"{name}: {killed} kills, {forks} forks, {cuts} cuts in {time.monotonic() - start:.0f} s; settling")
        for path in ("/", "/behind"):
            chain.call("lab_fault", path, QUIET)
        chain.call("lab_mode", 0.25, confirmations > 0)
        faults.outbid(8)
        end = time.monotonic() + 2 * (120 + intents / 5)
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
        lost = set(chain.call("lab_lost"))
        verdict = {**judge(chain, contract, driver, intents, logs, lost), **bill(chain, driver)}
        verdict.update({"blind": faults.blind, "bad_ends": len(driver.bad_ends), "profile": name, "intents": intents, "kills": driver.killed,
                        "terminated": driver.terminated, "forks": forks, "lost_blocks": len(lost), "outage_s": outage, "logs": logs,
                        "done": driver.is_done()})
        good = verdict["done"] and not any(verdict[word] for word in BAD)
        if good:
            shutil.rmtree(chain.folder, ignore_errors=True)
        else:
            chain.keep = True
            say(f"{name}: state and logs are kept in {chain.folder}")
    return verdict, good


BAD = ("missing", "doubled", "failed", "holes", "filled", "logs_missing", "logs_doubled", "overpaid", "blind", "bad_ends")


def judge(chain, contract, driver, intents, logs, lost):
    """From the chain itself. lost: hashes of transactions that a block was lost with: what they logged is told again when they
    are mined again."""
    counts = [int(chain.call("lab_count", contract, number), 16) for number in range(intents)]
    history = chain.call("lab_history", ACCOUNT)
    nonces = sorted(nonce for nonce, *_ in history)
    seen = driver.seen()
    mine = [int(number) for number, sender, tx in seen if sender == ACCOUNT and tx not in lost]
    again = {int(number) for number, sender, tx in seen if sender == ACCOUNT and tx in lost}
    others = [int(number) for number, sender, _ in seen if sender != ACCOUNT]
    missing = (set(range(intents)) - set(mine) - again) | (set(range(logs)) - set(others))
    with sqlite3.connect(driver.state / "chain.sqlite") as database:
        replaced = database.execute("SELECT (SELECT count(*) FROM transactions) - (SELECT count(*) FROM attempts)").fetchone()[0]
    filled = sum(1 for nonce, identity, *_ in history if chain.call("eth_getTransactionByHash", identity)["to"] == ACCOUNT)
    return {"replaced": replaced, "filled": filled, "missing": counts.count(0), "doubled": sum(1 for count in counts if count > 1), "failed": sum(1 for _, _, ok, _ in history if not ok),
            "holes": len(nonces) - len(set(range(len(nonces))) & set(nonces)), "transactions": len(history),
            "logs_missing": len(missing), "logs_doubled": len(mine) - len(set(mine)) + len(others) - len(set(others))}


def bill(chain, driver):
    """What was offered and paid for transactions, in gwei."""
    first, dearest, overpaid, paid, more = {}, 0.0, 0, 0, 0
    for nonce, identity, cap, market, price, used in chain.call("lab_paid", ACCOUNT):
        price_before = first.setdefault(nonce, cap)
        dearest = max(dearest, cap / market)
        if cap > MARKET_LIMIT * market:
            overpaid += 1
            say(f"nonce {nonce}: {identity} offers {cap / GWEI:.2f} gwei for gas, a new one {market / GWEI:.2f}")
        paid += price * used
        more += max(0, price - price_before) * used
    return {"overpaid": overpaid, "dearest": round(dearest, 2), "paid_gwei": paid // GWEI, "paid_more_gwei": more // GWEI}


def main(intents, kills, logs, seed, outage):
    say(f"{intents} intents, {kills} ends, {logs} logs, seed {seed}")
    results = []
    for name, confirmations in (("instant", 0), ("confirmations", 6)):
        verdict, good = profile(name, confirmations, intents, kills, logs, seed, outage)
        say(json.dumps(verdict))
        results.append((verdict, good))
    total = {word: sum(verdict[word] for verdict, _ in results)
             for word in ("intents", "kills", "terminated", "logs", "lost_blocks", "replaced", "paid_gwei", "paid_more_gwei", *BAD)}
    total["dearest"] = max(verdict["dearest"] for verdict, _ in results)
    print(json.dumps(total))
    return 0 if all(good for _, good in results) else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("intents", 1000), ("kills", 100), ("logs", 10000), ("seed", random.randrange(1 << 30))):
        parser.add_argument(name, nargs="?", type=int, default=default)
    parser.add_argument("--outage", type=float, default=15)
    words = parser.parse_args()
    sys.exit(main(words.intents, words.kills, words.logs, words.seed, words.outage))
