#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Benchmarks with real programs (Debian's hpcc, Open MPI and fio) on the nodes of a lab, at small sizes: labels are what the
programs printed; one to four nodes; a run that is cancelled ends its job. live.py [NAME…]: all, or some. Needs root."""

import json
import os
import pty
import re
import subprocess
import sys
import time

from fixture import USER, Agent, Fixture, Lab, blocks, check, eventually, say

PARTITIONS = [f"PartitionName=p{count} Nodes=n[1-{count}] MaxTime=1:00:00 State=UP" for count in (1, 2, 3, 4)]


def hpcc(text):
    return {name: float(value) for name, value in re.findall(r"^(\w+)=(\S+)$", text, re.MULTILINE) if re.match(r"^[\d.e+-]+$", value)}


def two(number):
    return f"{number:.2f}"


def check_compute(part):
    printed = hpcc(blocks(part["output"])["hpcc"])
    check(part["labels"] == {"compute.gflops": two(printed["HPL_Tflops"] * 1000)}, part, printed["HPL_Tflops"])
    return printed


def start(fixture, nodes):
    fixture.configure(**{
        "slurm.partition": f"p{nodes}", "benchmark.hpl.block-size": 32, "benchmark.hpl.memory-percent": 0.005,
        # More processes than this machine has cores: who waits lets others work.
        "benchmark.env": "OMPI_MCA_mpi_yield_when_idle=1"})
    fixture.agent.start()


def all_parts(fixture):
    """every part on two nodes: one job for each, labels as the programs printed"""
    start(fixture, 2)
    jobs, submissions = fixture.jobs(), set(fixture.submissions())
    run = fixture.begin()
    done, parts = fixture.finished(300)
    check(done["id"] == run and len(done["parts"]) == 5, done)
    check(all(parts[name]["state"] == "done" for name in ("machine", "compute", "network", "storage")), done)
    fresh = set(fixture.submissions()) - submissions
    check(len(fresh) == 5 and {str(number) for _, number in fresh} == fixture.jobs() - jobs, fresh)

    check_compute(parts["compute"])
    network = hpcc(blocks(parts["network"]["output"])["hpcc"])
    check(parts["network"]["labels"] == {
        "network.p2p.latency.us": two(network["MaxPingPongLatency_usec"]),
        "network.p2p.bw.mbps": two(network["MinPingPongBandwidth_GBytes"] * 8000),
        "network.all-to-all.latency.us": two(network["RandomlyOrderedRingLatency_usec"])}, parts["network"], network)
    storage = parts["storage"]
    files = blocks(storage["output"])
    fio = [json.loads(files[f"scratch.fio.{node}"]) for node in (0, 1)]
    total = sum(job["write"]["bw_bytes"] for one in fio for job in one["jobs"]) / 2**20
    check(storage["labels"]["storage.scratch.write.bw.mibps"] == two(total) and len(storage["labels"]) == 8, storage, total)
    check("shared-tmp: there is no folder /nowhere" in storage["message"], storage)
    machine = parts["machine"]["labels"]
    check(machine["os"] == "linux" and machine["cpu.microarch"] and machine["arch"] in ("amd64", "arm64"), machine)
    # What a node lacks takes nothing from the others.
    check(parts["internet"]["state"] == "done" or "speedtest" in parts["internet"]["message"], parts["internet"])
    # A node may still clean up what it was told of when the end is known.
    eventually("nothing is left behind", lambda: not fixture.left(), 20)
    # What the status has may be a second old.
    eventually("the status has the labels", lambda: shown(fixture).get("compute.gflops", {}).get("value") == parts["compute"]["labels"]["compute.gflops"], 20)
    # What the programs printed is kept.
    raw = {(one["part"], one["name"]): one["content"] for one in fixture.ask("results")}
    check(raw["compute", "hpcc"] == blocks(parts["compute"]["output"])["hpcc"] and ("storage", "scratch.fio.1") in raw, raw.keys())
    only = fixture.ask("results", "--run", run, "--part", "machine")
    check([one["part"] for one in only] == ["machine"] and "== cpuinfo" in only[0]["content"], only)


def shown(fixture):
    """-> labels, as the status has them"""
    return ((fixture.agent.status() or {}).get("benchmark") or {}).get("labels") or {}


def on_terminal(words, fixture):
    """-> what a command that ends well has written there"""
    ours, theirs = pty.openpty()
    following = subprocess.Popen(words, stdin=theirs, stdout=theirs, stderr=theirs, env=fixture.lab.environment)
    os.close(theirs)
    shown = b""
    while True:
        try:
            part = os.read(ours, 4096)
        except OSError:
            break
        shown += part
        if not part:
            break
    os.close(ours)
    check(following.wait(60) == 0, shown)
    return shown.decode(errors="replace")


def followed(fixture):
    """`run --follow` on a terminal has a bar; elsewhere a line for each part that is over"""
    start(fixture, 2)
    words = [fixture.lab.stage / "slurm-grid-agent", "benchmark", "run", "--follow", "--part", "network", "--control", fixture.control]
    text = on_terminal(words, fixture)
    # By hpcc's own sections, or by the time of the last run when it was over before its words were read.
    check(re.search(r"\[#*-*\] network(, hpcc: \d+ %)?", text), text)
    check(re.search(r"network on [^\n]*: done, \d+ s", text) and "network.p2p.latency.us" in text, text)
    said = fixture.agent.ask("benchmark", "run", "--follow", "--part", "machine", "--control", fixture.control)
    check(re.search(r"^machine on [^\n]*: done, \d+ s$", said, re.MULTILINE) and "[" not in said.split("LABEL")[0].split("RUN")[0], said)


def dry_run(fixture):
    return fixture.agent.ask("benchmark", "run", "--dry-run", "--part", "machine", "--control", fixture.control)


def cancelled(fixture):
    """a run that is cancelled ends its job, and the next one may begin"""
    start(fixture, 2)
    # Nothing starts on the nodes meanwhile.
    for node in ("n1", "n2"):
        fixture.lab.command("scontrol", "update", f"NodeName={node}", "State=DRAIN", "Reason=test")
    eventually("no node of the partition is there", lambda: "skipped" in dry_run(fixture))
    check("no node answers" in fixture.refused("run"), fixture.refused("run"))
    for node in ("n1", "n2"):
        fixture.lab.command("scontrol", "update", f"NodeName={node}", "State=RESUME")
    eventually("they are there again", lambda: "skipped" not in dry_run(fixture))
    blocker = fixture.lab.submit("-p", "p2", "-N", 2, "--exclusive", body="sleep 600")
    eventually("something else runs there", lambda: fixture.state(blocker) == "RUNNING")
    run = fixture.begin("machine", "storage")
    eventually("its job waits in the queue", lambda: fixture.newest()["parts"][0].get("job"))
    check("under way" in fixture.refused("run"), fixture.refused("run"))
    check(fixture.ask("cancel") == {"run": run}, run)
    done, _ = fixture.finished()
    check(done["is_cancelled"] and [part["state"] for part in done["parts"]] == ["cancelled", "cancelled"], done)
    fixture.lab.command("scancel", blocker)
    check(fixture.ask("cancel").get("run") is None, "nothing to cancel")


def node_counts(fixture):
    """w20: Linpack over one, three and four nodes; one node has no network"""
    for nodes in (1, 3, 4):
        start(fixture, nodes)
        # Three are enough for a ring, and two were measured.
        wanted = ["compute", "network"] if nodes != 4 else ["compute"]
        fixture.begin(*wanted)
        _, parts = fixture.finished(300)
        compute = parts["compute"]
        check(compute["state"] == "done" and f"{nodes}x 1 CPUs" in compute["hardware"], compute)
        printed = check_compute(compute)
        check(printed["CommWorldProcs"] == nodes, nodes, printed)
        if "network" in wanted:
            check(parts["network"]["state"] == ("skipped" if nodes == 1 else "done"), parts["network"])
        fixture.agent.stop()


def root_is_refused(fixture):
    """benchmark.run-as: no job of SlurmUser, of root, or of nobody that is there"""
    for user in ("slurm", "root", "nobody-of-that-name"):
        fixture.configure(**{"slurm.partition": "p1", "benchmark.run-as": user})
        fixture.agent.start()
        check("benchmark.run-as" in fixture.refused("run"), user, fixture.refused("run"))
        check(fixture.ask("history")["runs"] == [], "a run")
        fixture.agent.stop()
    # Root is taken for another one, unless it is said that it is meant.
    fallback = {"slurm.partition": "p1", "benchmark.run-as": "root", "benchmark.fallback-user": USER}
    fixture.configure(**fallback, **{"benchmark.allow-root": "true"})
    fixture.agent.start()
    check("benchmark.run-as" in fixture.refused("run"), fixture.refused("run"))
    fixture.agent.stop()
    fixture.configure(**fallback)
    fixture.agent.start()
    fixture.begin("machine")
    _, parts = fixture.finished()
    check(parts["machine"]["state"] == "done", parts)
    shown = fixture.lab.command("scontrol", "show", "job", parts["machine"]["job"])
    check(f"UserId={USER}(" in shown, shown)
    fixture.agent.stop()
    fixture.agent = Agent(fixture.lab)
    fixture.agent.start()
    check("benchmark.run-as is not set" in fixture.refused("run"), fixture.refused("run"))


TESTS = [root_is_refused, all_parts, followed, cancelled, node_counts]


def main(wanted):
    begun = time.monotonic()
    with Lab(LAB_NODES=4, LAB_CPUS=1, LAB_GPUS=0, LAB_MIN_JOB_AGE=86400, LAB_PARTITION_LINES="\\n".join(PARTITIONS)) as lab:
        fixture = Fixture(lab)
        for test in TESTS:
            if wanted and test.__name__ not in wanted:
                continue
            started = time.monotonic()
            test(fixture)
            fixture.agent.stop()
            say(f"{test.__name__}: right, {time.monotonic() - started:.0f} s")
    say(f"all right, {time.monotonic() - begun:.0f} s")


if __name__ == "__main__":
    main(sys.argv[1:])
