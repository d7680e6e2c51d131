#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Benchmarks with real programs (Debian's hpcc, Open MPI and fio) on the nodes of a lab, at small sizes: labels are what the
programs printed; an agent that is killed again and again has one job for each part; a run that is cancelled ends its job; one to
four nodes. live.py [NAME…]: all, or some. Needs root."""

import base64
import json
import os
import pwd
import re
import sqlite3
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "Events"))
from cluster import Agent, Lab, eventually, say  # noqa: E402

PARTITIONS = [f"PartitionName=p{count} Nodes=n[1-{count}] MaxTime=1:00:00 State=UP" for count in (1, 2, 3, 4)]
KILLS = 20


def expect(what, condition):
    if not condition:
        raise AssertionError(what)


class Stage:
    """A lab of four nodes, and an agent that measures one of its partitions."""

    def __init__(self, lab):
        self.lab = lab
        self.results = lab.base / "results"
        self.results.mkdir(mode=0o755)
        self.disk = lab.base / "a disk's folder"
        self.disk.mkdir(mode=0o755)
        user = pwd.getpwnam("labu1")
        for folder in (self.results, self.disk):
            os.chown(folder, user.pw_uid, user.pw_gid)
        self.agent = None

    def start(self, nodes):
        self.agent = Agent(self.lab, **{
            "slurm.partition": f"p{nodes}", "benchmark.result-folder": self.results, "benchmark.run-as": "labu1",
            "benchmark.executor": "native", "benchmark.hpl.block-size": 32, "benchmark.hpl.memory-percent": 0.005,
            "benchmark.storage": f"scratch={self.disk},disk-tmp={self.disk},shared-tmp=/nowhere", "benchmark.storage-size": 4,
            # More processes than this machine has cores: who waits lets others work.
            "benchmark.env": "OMPI_MCA_mpi_yield_when_idle=1", "benchmark.time-limit": "20m",
        })
        self.agent.start()

    def ask(self, *words):
        return json.loads(self.agent.ask("benchmark", *words, "--json", "--control", self.lab.run / "control.sock"))

    def newest(self):
        """None while the agent does not answer, as after a kill."""
        said = self.agent.ask("benchmark", "history", "--limit", 1, "--json", "--control", self.lab.run / "control.sock", check=False)
        return json.loads(said)["runs"][0] if said else None

    def over(self, within=120):
        return eventually("the run is over", lambda: (run := self.newest()) and run.get("ended_at") and run, within, 0.5)

    def jobs(self):
        """The Slurm jobs that there were, by number."""
        return set(re.findall(r"^JobId=(\d+) ", self.lab.command("scontrol", "--oneliner", "show", "jobs"), re.MULTILINE))

    def orders(self):
        database = sqlite3.connect(f"file:{self.lab.state}/ledger.sqlite?mode=ro", uri=True, timeout=20)
        try:
            return database.execute("SELECT external_id, number FROM jobs WHERE gateway = 'benchmark'").fetchall()
        finally:
            database.close()


def blocks(output):
    """The results in a job's output, read by another program than the agent."""
    found = {}
    for name, text in re.findall(r"^@sga begin \w+ (\S+) \d+ \d+\n((?:@sga \. .*\n)*)@sga end", Path(output).read_text(), re.MULTILINE):
        found[name] = base64.b64decode("".join(line[len("@sga . "):] for line in text.splitlines())).decode()
    return found


def hpcc(text):
    return {name: float(value) for name, value in re.findall(r"^(\w+)=(\S+)$", text, re.MULTILINE) if re.match(r"^[\d.e+-]+$", value)}


def two(number):
    return f"{number:.2f}"


def check_compute(part):
    printed = hpcc(blocks(part["output"])["hpcc"])
    expect(f"Linpack: {part} {printed['HPL_Tflops']}", part["labels"] == {"compute.gflops": two(printed["HPL_Tflops"] * 1000)})
    return printed


def all_parts_and_kills(stage):
    """every part on two nodes, the agent killed again and again: one job for each part, labels as the programs printed"""
    stage.start(2)
    before = stage.jobs()
    run = stage.ask("run")["run"]
    kills = 0
    while kills < KILLS:
        stage.agent.kill()
        stage.agent.start(wait=False)
        kills += 1
        # Somewhere else each time: from its very start to when it has been at work.
        time.sleep(0.15 * (kills % 8))
    eventually("the agent listens", stage.agent.listens, 30)
    done = stage.over()
    say(f"killed {kills} times")
    parts = {part["part"]: part for part in done["parts"]}
    states = {name: part["state"] for name, part in parts.items()}
    expect(f"{states} {done}", done["id"] == run and len(done["parts"]) == 5)
    expect(f"{done}", all(states[name] == "done" for name in ("machine", "compute", "network", "storage")))
    expect(f"one job for each part: {stage.orders()}", len(stage.orders()) == 5 and len({number for _, number in stage.orders()}) == 5)
    expect("no other job in Slurm", len(stage.jobs() - before) == 5)

    check_compute(parts["compute"])
    network = hpcc(blocks(parts["network"]["output"])["hpcc"])
    expect(f"network: {parts['network']} {network}", parts["network"]["labels"] == {
        "network.p2p.latency.us": two(network["MaxPingPongLatency_usec"]),
        "network.p2p.bw.mbps": two(network["MinPingPongBandwidth_GBytes"] * 8000),
        "network.all-to-all.latency.us": two(network["RandomlyOrderedRingLatency_usec"])})
    storage = parts["storage"]
    files = blocks(storage["output"])
    fio = [json.loads(files[f"scratch.fio.{node}"]) for node in (0, 1)]
    total = sum(job["write"]["bw_bytes"] for one in fio for job in one["jobs"]) / 2**20
    expect(f"storage: {storage} {total}", storage["labels"]["storage.scratch.write.bw.mibps"] == two(total) and len(storage["labels"]) == 8)
    expect(f"a folder that is not there: {storage}", "shared-tmp: there is no folder /nowhere" in storage["message"])
    machine = parts["machine"]["labels"]
    expect(f"machine: {machine}", machine["os"] == "linux" and machine["cpu.microarch"] and machine["arch"] in ("amd64", "arm64"))
    # What a node lacks takes nothing from the others.
    expect(f"internet: {parts['internet']}", parts["internet"]["state"] == "done" or "speedtest" in parts["internet"]["message"])
    left = [path.name for folder in (stage.results, stage.disk) for path in folder.iterdir() if path.name.startswith("sga-")]
    expect(f"nothing is left behind: {left}", not left)
    status = stage.agent.status()["benchmark"]
    expect(f"status: {status}", status["labels"]["compute.gflops"]["value"] == parts["compute"]["labels"]["compute.gflops"])


def cancelled(stage):
    """a run that is cancelled ends its job, and the next one may begin"""
    stage.start(2)
    # Nothing starts on the nodes meanwhile.
    for node in ("n1", "n2"):
        stage.lab.command("scontrol", "update", f"NodeName={node}", "State=DRAIN", "Reason=test")
    eventually("no node of the partition is there", lambda: "skipped" in stage.agent.ask(
        "benchmark", "run", "--dry-run", "--part", "machine", "--control", stage.lab.run / "control.sock"))
    expect("nothing to run on", "no node answers" in refused(stage, "run"))
    for node in ("n1", "n2"):
        stage.lab.command("scontrol", "update", f"NodeName={node}", "State=RESUME")
    eventually("they are there again", lambda: "skipped" not in stage.agent.ask(
        "benchmark", "run", "--dry-run", "--part", "machine", "--control", stage.lab.run / "control.sock"))
    blocker = stage.lab.submit("-p", "p2", "-N", 2, "--exclusive", body="sleep 600")
    run = stage.ask("run", "--part", "machine", "--part", "storage")["run"]
    eventually("its job waits in the queue", lambda: stage.newest()["parts"][0].get("job"))
    expect("another run", "under way" in refused(stage, "run"))
    expect("cancel", stage.ask("cancel") == {"run": run})
    done = stage.over(60)
    expect(f"{done}", done["is_cancelled"] and [part["state"] for part in done["parts"]] == ["cancelled", "cancelled"])
    stage.lab.command("scancel", blocker)
    expect("nothing to cancel", stage.ask("cancel").get("run") is None)


def refused(stage, *words):
    try:
        return stage.agent.ask("benchmark", *words, "--control", stage.lab.run / "control.sock")
    except RuntimeError as error:
        return str(error)


def node_counts(stage):
    """Linpack over one, three and four nodes; one node has no network"""
    for nodes in (1, 3, 4):
        stage.start(nodes)
        stage.ask("run", "--part", "compute", "--part", "network")
        done = stage.over(180)
        compute, network = done["parts"] if done["parts"][0]["part"] == "compute" else reversed(done["parts"])
        expect(f"{nodes} nodes: {compute}", compute["state"] == "done" and f"{nodes}x 1 CPUs" in compute["hardware"])
        printed = check_compute(compute)
        expect(f"{nodes} nodes: {printed}", printed["CommWorldProcs"] == nodes)
        expect(f"{nodes} nodes: {network}", network["state"] == ("skipped" if nodes == 1 else "done"))
        stage.agent.stop()


def root_is_refused(stage):
    """benchmark.run-as: no job of SlurmUser, of root, or of nobody that is there"""
    for user in ("slurm", "root", "nobody-of-that-name"):
        stage.agent = Agent(stage.lab, **{"slurm.partition": "p1", "benchmark.result-folder": stage.results, "benchmark.run-as": user})
        stage.agent.start()
        said = refused(stage, "run")
        expect(f"{user}: {said}", "benchmark.run-as" in said)
        expect("no run", stage.ask("history")["runs"] == [])
        stage.agent.stop()
    stage.agent = Agent(stage.lab, **{"benchmark.run-as": "labu1"})
    stage.agent.start()
    expect("no folder", "benchmark.result-folder is not set" in refused(stage, "run"))


TESTS = [root_is_refused, all_parts_and_kills, cancelled, node_counts]


def main(wanted):
    begun = time.monotonic()
    with Lab(LAB_NODES=4, LAB_CPUS=1, LAB_GPUS=0, LAB_PARTITION_LINES="\\n".join(PARTITIONS)) as lab:
        stage = Stage(lab)
        for test in TESTS:
            if wanted and test.__name__ not in wanted:
                continue
            started = time.monotonic()
            test(stage)
            stage.agent.stop()
            say(f"{test.__name__}: right, {time.monotonic() - started:.0f} s")
    say(f"all right, {time.monotonic() - begun:.0f} s")


main(sys.argv[1:])
