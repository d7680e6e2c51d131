#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults made for real, on a cluster with a chain and a grid: what `check`, `status`, the log and the exit status say of each,
what is typed as they say, and whether that heals it. Needs root, for the lab.

    faults.py              all
    faults.py --quick      those that need no round of the running agent's checks by the grid, in about a minute
    faults.py --table      and print the table as Markdown
    faults.py SITE…        the faults of some sites

Exit status 1 when a message, its remedy or its healing is not as it must be."""

import argparse
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PYTHON = subprocess.run([ROOT / "lab/grid/install.sh"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
sys.dont_write_bytecode = True
if sys.executable != PYTHON:
    # The chain's libraries are in the lab's own Python.
    os.execv(PYTHON, [PYTHON, *sys.argv])
sys.path += [str(ROOT / part) for part in ("lab/grid", "Tests/Chain", "Tests/Events", "Tests/Grid", "Tests", "Tests/Faults")]

import faults_chain
import faults_host
import faults_slurm
import faults_start
from jobs_common import take_turns
from table import Table
from world import World

OPTIONS = {
    "LAB_DBD": 1, "LAB_NODE_LINES": faults_slurm.NODES, "LAB_PARTITION_LINES": faults_slurm.PARTITIONS,
    "LAB_CONF_EXTRA": "AccountingStorageEnforce=associations\n",
}
QUICK = {"LAB_NODE_LINES": faults_slurm.NODES, "LAB_PARTITION_LINES": faults_slurm.PARTITIONS}


def parts(world, quick):
    """-> name and body of each part; they may run side by side"""
    host = (faults_host.QUICK + faults_start.QUICK) if quick else (faults_host.ALL + faults_start.ALL)
    for body in host:
        yield body.__name__, lambda table, body=body: body(table, world)
    if quick:
        return
    for family in faults_chain.ALL + faults_slurm.ALL:
        for number, body in enumerate(family(world)):
            yield f"{family.__name__}{number}", body


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--table", action="store_true")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    table, failed = Table(), []

    def run(name, body):
        try:
            body(table)
        except Exception as problem:  # the other parts go on
            failed.append(f"{name}: {type(problem).__name__}: {problem}")
            print(failed[-1], flush=True)

    begun = time.monotonic()
    try:
        with World(customers=2, **(QUICK if options.quick else OPTIONS)) as world:
            take_turns(world)
            chosen = [(name, body) for name, body in parts(world, options.quick) if not options.names or name.rstrip("0123456789") in options.names or name in options.names]
            with ThreadPoolExecutor(int(os.environ.get("SITES", "16"))) as pool:
                list(pool.map(lambda one: run(*one), chosen))
            if not options.quick and (not options.names or "daemons" in options.names):
                run("daemons", lambda table: faults_slurm.daemons(table, world))
            if options.table:
                print("\n" + table.markdown(str(world.lab.base)) + "\n")
            if table.wrong or failed:
                raise Incomplete
    except Incomplete:
        pass
    for fault, problem in table.wrong:
        print(f"WRONG  {fault.kind}: {fault.name}: {problem}")
    for line in failed:
        print(f"WRONG  {line}")
    print(f"{len(table.rows)} faults, {len(table.wrong) + len(failed)} wrong, {time.monotonic() - begun:.0f} s")
    return 1 if table.wrong or failed or not table.rows else 0


class Incomplete(Exception):
    """Keeps the world."""


if __name__ == "__main__":
    if os.geteuid() != 0:
        sys.exit("faults.py: needs root, for the lab")
    sys.exit(main())
