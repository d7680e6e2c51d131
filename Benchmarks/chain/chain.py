#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures of the chain client against the lab's chain: one JSON object a line; what it rests on goes to stderr."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "Tests/Chain"))
from chain import KEY, LabChain  # noqa: E402

BENCH = os.environ.get("CHAIN_BENCH", str(ROOT / ".build-release/release/ChainBench"))


def figure(name, value, unit, **more):
    print(json.dumps({"name": name, "value": round(value, 3), "unit": unit, **more}), flush=True)


def say(text):
    print(text, file=sys.stderr, flush=True)


def run(*words):
    return json.loads(subprocess.run([BENCH, *map(str, words)], check=True, capture_output=True, text=True).stdout)


def on_chain(mode, count, block_time):
    with LabChain() as chain:
        key = chain.folder / "key"
        key.touch(mode=0o600)
        key.write_text(KEY)
        contract = chain.call("lab_deploy")
        chain.call("lab_mode", block_time)
        answer = run(mode, chain.url(), key, contract, count)
        return answer, chain.call("lab_arrivals")


def main():
    primitives = run("primitives")
    figure("chain.keccak_mib_s", primitives["keccak_mib_s"], "MiB/s")
    figure("chain.sign_us", primitives["sign_us"], "us")

    serial = on_chain("serial", 8, 1.0)[0]["per_second"]
    pipelined = on_chain("pipelined", 768, 1.0)[0]["per_second"]
    say(f"one key, blocks of 1 s: {serial:.2f} a second by send and wait, {pipelined:.2f} with 64 in flight")
    figure("chain.pipelined_vs_serial", pipelined / serial, "1", serial_per_s=round(serial, 3), pipelined_per_s=round(pipelined, 3))

    answer, arrivals = on_chain("latency", 600, None)
    handed_over = answer["handed_over"]
    # In the order of their nonces, one each; a few were sent before the clock ran.
    seen, times = set(), []
    for when, identity in arrivals:
        if identity not in seen:
            seen.add(identity)
            times.append(when)
    delays = sorted((there - here) * 1000 for here, there in zip(handed_over, times[20:]))
    say(f"from intent to the node's socket, 50 a second, milliseconds: median {delays[len(delays) // 2]:.2f}, longest {delays[-1]:.2f}")
    figure("chain.intent_to_broadcast_p99_ms", delays[int(len(delays) * 0.99)], "ms", median=round(delays[len(delays) // 2], 3))


if __name__ == "__main__":
    main()
