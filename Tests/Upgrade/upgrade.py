#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an earlier release left is taken over: its configuration, state folder and spool files, as they were when it was killed with
claims, transactions and jobs open (*.tar.xz; make.py makes one). No
chain answers here, so what is open stays open. Needs root."""

import contextlib
import json
import os
import re
import shutil
import sqlite3
import sys
import tarfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path.append(str(HERE.parent / "Events"))

from cluster import Agent, Lab, eventually, say

# The configuration keeps all but the addresses of what is not there any more.
ADDRESSES = ((r"127\.0\.0\.1:\d+", "127.0.0.1:1"), (r"localhost:\d+", "localhost:1"), (r"(?m)^  tls\.ca: .*\n", ""), (r"(?m)^vanish-after: .*$", "vanish-after: 1h"))
# What make.py leaves, by the job's number at the grid: whether its claim is over, the chain's word, what it earned. The third was ended and
# its report is on its way, the fourth was ended while the agent was away.
CLAIMS = {1: (True, "Finished", "766400000000000000"), 2: (True, "Failed", "766400000000000000"), 3: (False, "Running", None), 4: (False, "Scheduled", None)}
# Of each: the next nonce, and the block up to which logs were read.
FIXTURES = {"before-ledger-8": (11, 39)}


def check(what, holds):
    if not holds:
        raise AssertionError(what)


def unpack(fixture, lab):
    """-> the folder with `state`, `spool` and `config.yaml`"""
    folder = lab.base / "before"
    with tarfile.open(fixture) as archive:
        archive.extractall(folder)
    for path in (folder / "state").iterdir():
        shutil.move(path, lab.state / path.name)
        shutil.chown(lab.state / path.name, "slurm", "slurm")
    return folder


def configure(agent, folder, lab):
    text = (folder / "config.yaml").read_text()
    base = re.search(r"state-folder: (\S+)/agent/state", text)[1]
    for pattern, replacement in ((re.escape(base), str(lab.base)), *ADDRESSES):
        text = re.sub(pattern, replacement, text)
    agent.config.write_text(text)


def spool(folder, lab):
    """The plugin of this release finds what the one before has written."""
    lab.fault("stop")
    place = lab.lab / "state/grid-agent"
    place.mkdir(mode=0o700, exist_ok=True)
    shutil.chown(place, "slurm", "slurm")
    for path in (folder / "spool").iterdir():
        shutil.copy(path, place)
        shutil.chown(place / path.name, "slurm", "slurm")
    lab.fault("start")


def ask(agent, *words):
    said = agent.ask(*words, "--json", "--control", agent.lab.run / "control.sock", check=False)
    return json.loads(said) if said else None


def formats(state):
    found = {}
    for name in ("ledger", "chain", "deepsquare"):
        with contextlib.closing(sqlite3.connect(f"file:{state}/{name}.sqlite?mode=ro", uri=True)) as database:
            found[name] = database.execute("PRAGMA user_version").fetchone()[0]
    return found


def claims(agent):
    """The grid's jobs by their last digit."""
    return {int(one["job"], 16): one for one in ask(agent, "grid", "jobs")}


def take_over(fixture):
    with Lab(LAB_NODES=1) as lab:
        folder = unpack(fixture, lab)
        # What was killed left its last commits beside the files.
        before, told = formats(lab.state), (lab.state / "journal.jsonl").read_text()
        agent = Agent(lab)
        configure(agent, folder, lab)
        agent.start()
        jobs = eventually("the grid's part is open", lambda: ask(agent, "grid", "jobs") and claims(agent), 60)
        check(jobs, set(jobs) == {1, 2, 3, 4})
        first = jobs[1]["slurm_job"]
        for number, expected in CLAIMS.items():
            one = jobs[number]
            check(one, (one["is_over"], one["chain_status"], one.get("earned")) == expected and one["slurm_job"] == first + number - 1)
        check(jobs[3], jobs[3]["state"] == "its end is being reported")
        chain = ask(agent, "chain", "status")
        account = chain["account"]
        check(chain, (account["in_flight"], account["waiting"]) == (1, 0) and (account["next_nonce"], chain["feed"]["block"]) == FIXTURES[fixture.name.split(".")[0]])
        verified = agent.ask("ledger", "verify", "--state-folder", lab.state)
        check(verified, verified.startswith("ok"))
        check(phases(agent), list(phases(agent).items()) == [(first, "ended"), (first + 1, "ended"), (first + 2, "ended"), (first + 3, "pending")])
        check("the journal was begun again", (lab.state / "journal.jsonl").read_text() == told)

        say("the plugin of today sends what the one before has written while no agent was there")
        spool(folder, lab)
        lab.submit(body="true")  # its thread begins with the first record
        eventually("the end is told", lambda: phases(agent)[first + 3] == "ended", 60)
        # What the chain is told waits for its word on the provider.
        eventually("the grid's part knows it", lambda: claims(agent)[4]["steps"][-1]["what"] == "ended: CANCELLED", 30)
        check(claims(agent), not claims(agent)[4]["is_over"])
        agent.deliver()
        lines = (lab.state / "journal.jsonl").read_text()
        check(lines, lines.startswith(told))
        transitions = [json.loads(line) for line in lines.splitlines()]
        numbers = [one["sequence"] for one in transitions]
        check(numbers, numbers == sorted(set(numbers)))
        for job in range(first, first + 4):
            ends = [one for one in transitions if one.get("job_id") == job and one["final"]]
            check(ends, len(ends) == 1)
        check("it ends as it should", agent.stop() == 0)
        after = formats(lab.state)
        check((before, after), all(after[name] >= before[name] for name in before))


def phases(agent):
    return dict(agent.query("SELECT job_id, phase FROM runs ORDER BY id"))


if __name__ == "__main__":
    if os.geteuid() != 0:
        sys.exit("upgrade.py: needs root, for the lab")
    for fixture in sorted(HERE.glob("*.tar.xz")):
        say(fixture.name)
        take_over(fixture)
    say("all as it must be")
