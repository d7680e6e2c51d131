# SPDX-License-Identifier: GPL-3.0-or-later
"""The compiled contracts, kept in the folder of the lab's chain for as long as their text is the same."""

import hashlib
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

SOURCES = Path(__file__).resolve().parent / "contracts"
# Not newer than the chain's fork.
OPTIONS = ["--evm-version", "london", "-O", "codesize", "-f", "abi,bytecode"]
NAMES = ("Constants", "Credit", "JobRepository", "ProviderManager", "ProviderJobQueues", "MetaScheduler")


def folder():
    text = "".join(OPTIONS).encode() + b"".join(path.read_bytes() for path in sorted(SOURCES.glob("*.vy")))
    return Path(sys.prefix) / f"grid-{hashlib.sha256(text).hexdigest()[:16]}"


def load(name):
    """-> (ABI, creation code)"""
    path = folder() / f"{name}.txt"
    if not path.exists():
        print(f"lab: compiling {name}.vy", file=sys.stderr)
        made = subprocess.run(
            [Path(sys.prefix) / "bin/vyper", *OPTIONS, SOURCES / f"{name}.vy"], check=True, capture_output=True, text=True
        )
        path.parent.mkdir(exist_ok=True)
        new = path.with_suffix(f".{os.getpid()}")
        new.write_text(made.stdout)
        new.rename(path)
    abi, code = path.read_text().splitlines()
    return json.loads(abi), bytes.fromhex(code[2:])


def load_all():
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return dict(zip(NAMES, pool.map(load, NAMES)))


if __name__ == "__main__":
    load_all()
    print(folder())
