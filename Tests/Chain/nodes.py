#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Intents and logs through nodes that are limited, odd or stand still: each is mined once, each log delivered once.

    nodes.py [NAME…]        all, or the cases with these names"""

import base64
import os
import shutil
import sqlite3
import subprocess
import sys
import time

from chain import ACCOUNT, KEY, ROOT, LabChain, say

DRIVER = os.environ.get("DRIVER", str(ROOT / ".build/debug/ChainDriver"))
INTENTS, LOGS, EMPTY = 12, 30, 300
USER = "Basic " + base64.b64encode(b"user:p@ss").decode()
# Each case: of the first node, of the second one (None: there is none), the address's user, confirmations.
CASES = {
    "a range of 10": ({"log_range": 10, "log_refusal": [-32614, "eth_getLogs is limited to a 10 range"]}, None, "", 0),
    "a range of 5 in other words": ({"log_range": 5, "log_refusal": [35, "ranges over 5 blocks are not supported on freetier"]}, None, "", 0),
    "a range of 3 under status 400": ({"log_range": 3, "log_refusal": [-32600, "You can make eth_getLogs requests with up to a 3 block range"],
                                       "error_status": 400}, None, "", 0),
    "no logs by hash": ({"no_log_hashes": True}, None, "", 0),
    "no batches": ({"batch": 0, "batch_refusal": [-32202, "Batch requests are disabled"]}, None, "", 0),
    "no batches, under status 400": ({"batch": 0, "error_status": 400}, None, "", 0),
    "batches of 3": ({"batch": 3, "batch_refusal": [-32005, "Batch request amount 5 exceeds max 3"]}, None, "", 6),
    "errors under status 500": ({"error_status": 500}, None, "", 0),
    "blocks without what is not needed": ({"leaves_out": ["gasLimit", "logsBloom", "transactions", "miner", "difficulty", "extraData"]}, None, "", 0),
    "states of few blocks": ({"states": 4}, None, "", 6),
    "user and password": ({"authorization": USER}, None, "user:p%40ss@", 0),
    "the first stands still": ({"stuck": EMPTY + 2}, {}, "", 0),
    "the first is limited, the second is not": ({"log_range": 2}, {}, "", 0),
}


def run(name, first, second, user, confirmations):
    with LabChain() as chain:
        contract = chain.call("lab_deploy")
        chain.call("lab_announce", contract, 10**6, LOGS // 2)
        chain.call("lab_mine", EMPTY)
        chain.call("lab_node", "/behind", {"behind": 0, **(second or {})})
        chain.call("lab_node", "/", first)
        chain.call("lab_mode", 0.2, True)
        state = chain.folder / "state"
        state.mkdir(mode=0o700)
        key = state / "key"
        key.touch(mode=0o600)
        key.write_text(KEY)
        urls = [chain.url(path, scheme).replace("://", f"://{user}") for path, scheme in (("/", "ws"), ("/", "http"))]
        words = [DRIVER, state, key, contract, INTENTS, confirmations, *urls] + ([chain.url("/behind")] if second is not None else [])
        output, log = chain.folder / "driver.out", chain.folder / "driver.log"
        process = subprocess.Popen([str(word) for word in words], stdout=output.open("w"), stderr=log.open("w"), env=dict(os.environ, DRIVER_LOG="debug"))
        try:
            end = time.monotonic() + 270
            while time.monotonic() < end and process.poll() is None:
                time.sleep(0.2)
                if "done" in output.read_text() and len(seen := delivered(state)) >= LOGS // 2 + INTENTS:
                    break
            else:
                raise AssertionError(f"{name}: not done: {output.read_text()}{log.read_text()[-3000:]}")
        finally:
            process.kill()
            process.wait()
        assert len(seen) == len(set(seen)) == LOGS // 2 + INTENTS, f"{name}: {sorted(seen)}"
        history = chain.call("lab_history", ACCOUNT)
        assert len(history) == INTENTS and all(succeeded for _, _, succeeded, _ in history), f"{name}: {history}"
        text = log.read_text()
        assert "p%40ss" not in text and "p@ss" not in text, f"{name}: a password is in the log"
        shutil.rmtree(chain.folder, ignore_errors=True)


def delivered(state):
    if not (state / "seen.sqlite").exists():
        return []
    try:
        with sqlite3.connect(state / "seen.sqlite") as database:
            return [number for number, in database.execute("SELECT number FROM seen")]
    except sqlite3.OperationalError:
        return []


def main(names):
    for name, (first, second, user, confirmations) in CASES.items():
        if not names or name in names:
            say(name)
            run(name, first, second, user, confirmations)
    say("all as it must be")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
