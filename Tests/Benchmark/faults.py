#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Benchmarks while things break: slurmctld is restarted, a node is lost, a time limit is reached, the disk of the result folder is full,
results come twice, forged, cut, or a gigabyte long. Programs are stand-ins, Slurm and fio are real. faults.py [NAME…]: all, or some.
Needs root."""

import subprocess
import sys
import time

from fixture import COMPUTE, INTERNET, NETWORK, Fixture, Lab, block, blocks, check, eventually, result, say

KNOBS = {"LAB_NODES": 2, "LAB_CPUS": 1, "LAB_GPUS": 0, "LAB_MIN_JOB_AGE": 86400, "LAB_CONF_EXTRA": "KillWait=1"}


def output_of(fixture, part):
    return next(one["output"] for one in fixture.newest()["parts"] if one["part"] == part)


def restarted_slurmctld(fixture):
    """slurmctld is restarted while a part runs, and while one waits: each has one job"""
    before = fixture.jobs()
    go_on = fixture.hold("hpcc")
    fixture.begin("compute", "internet")
    fixture.held("hpcc")
    fixture.lab.fault("restart")
    fixture.lab.fault("stop")
    go_on()
    time.sleep(1)
    fixture.lab.fault("start")
    _, parts = fixture.finished()
    check(parts["compute"]["labels"] == COMPUTE and parts["internet"]["labels"] == INTERNET, parts)
    check(len(fixture.jobs() - before) == 2, fixture.jobs(), before)


def lost_node(fixture):
    """a node is lost in the middle: the part fails and says so, with what it had printed; the run goes on, and the next one has all"""
    go_on = fixture.hold("hpcc")
    fixture.begin("network", "internet")
    fixture.held("hpcc")
    fixture.lab.fault("kill-node", "n2")
    # As slurmctld does by itself once SlurmdTimeout is over.
    fixture.lab.command("scontrol", "update", "NodeName=n2", "State=DOWN", "Reason=lost")
    _, parts = fixture.finished()
    check(parts["network"]["state"] == "failed" and "NODE_FAIL" in parts["network"]["message"], parts)
    check(parts["internet"]["labels"] == INTERNET, parts)
    go_on()
    fixture.lab.fault("start", "n2")
    fixture.lab.command("scontrol", "update", "NodeName=n2", "State=RESUME", check=False)
    eventually("the node is there again", lambda: "skipped" not in fixture.agent.ask(
        "benchmark", "run", "--dry-run", "--part", "network", "--control", fixture.control))
    fixture.begin("network")
    _, parts = fixture.finished()
    check(parts["network"]["labels"] == NETWORK, parts)


def time_limit(fixture):
    """the time limit is reached: what was printed before counts, and the reason is told"""
    fixture.order("fio", "case \"$*\" in *disk-tmp*) sleep 3600 ;; esac")
    fixture.begin("storage")
    job = fixture.running("storage")
    eventually("it has printed something", lambda: "scratch.fio.0" in blocks(output_of(fixture, "storage")))
    # An end within the second of the start is refused.
    time.sleep(2)
    # slurmctld looks every 30 s.
    fixture.lab.command("scontrol", "update", f"JobId={job}", "EndTime=now")
    _, parts = fixture.finished()
    found = parts["storage"]
    check(found["state"] == "done" and all(key.startswith("storage.scratch.") for key in found["labels"]) and len(found["labels"]) == 4, found)
    check("TIMEOUT" in found["message"], found)
    # The trap of a script has its moment; what it could not take away lies in the folder that was measured.
    for path in (*fixture.results.glob("sga-*"), *fixture.disk.glob("sga-*")):
        fixture.as_user("rm", "-rf", path)


def full_disk(fixture):
    """the result folder's disk is full: the part fails and names the folder; once there is space the next run has all"""
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size=2m,mode=0755,uid={fixture.user.pw_uid},gid={fixture.user.pw_gid}", "tmpfs", fixture.results], check=True)
    try:
        go_on = fixture.hold("speedtest")
        fixture.begin("internet", "machine")
        fixture.held("speedtest")
        filler = fixture.results / "filler"
        subprocess.run(["sh", "-c", f"cat /dev/zero >{filler}"], stderr=subprocess.DEVNULL, check=False)
        go_on()
        _, parts = fixture.finished()
        check(parts["internet"]["state"] == "failed" and "benchmark.result-folder" in parts["internet"]["message"], parts)
        # From the very start.
        fixture.begin("internet")
        _, parts = fixture.finished()
        check(parts["internet"]["state"] == "failed" and "benchmark.result-folder" in parts["internet"]["message"], parts)
        filler.unlink()
        fixture.begin("internet")
        _, parts = fixture.finished()
        check(parts["internet"]["labels"] == INTERNET, parts)
    finally:
        subprocess.run(["umount", "-l", fixture.results], check=True)


def forged_and_repeated(fixture):
    """results that come twice, with another run's secret word, or cut: the true one counts, once"""
    go_on = fixture.hold("hpcc")
    fixture.begin("compute")
    fixture.held("hpcc")
    job = fixture.running("compute")
    token, big, true = fixture.token(job), result("1000"), result()
    printed = fixture.lab.base / "printed"
    printed.write_text(
        block("0" * 32, "hpcc", big) + block(token, "hpcc", big, cut=20) + block(token, "hpcc", true) + block(token, "hpcc", true)
        + block("0" * 32, "hpl.1", big) + f"\n@sga begin {token} hpcc 99999999999 1\n@sga . ////\n")
    fixture.as_user("sh", "-c", f"cat {printed} >>'{output_of(fixture, 'compute')}'")
    go_on()
    _, parts = fixture.finished()
    check(parts["compute"]["state"] == "done" and parts["compute"]["labels"] == COMPUTE, parts)


def gigabyte(fixture):
    """a program that prints a gigabyte, an error of a gigabyte, and an output that somebody made a gigabyte long"""
    flood = "head -c 1G /dev/zero | tr '\\0' 'x'; echo"
    fixture.order("speedtest", f"{flood}; {{ {flood}; }} >&2")
    fixture.begin("internet")
    _, parts = fixture.finished()
    check(parts["internet"]["labels"] == INTERNET, parts)
    go_on = fixture.hold("speedtest")
    fixture.begin("internet", "machine")
    fixture.held("speedtest")
    output = output_of(fixture, "internet")
    fixture.as_user("sh", "-c", f"truncate -s 1G '{output}'")
    go_on()
    _, parts = fixture.finished()
    # What the job printed is at its end.
    check(parts["internet"]["labels"] == INTERNET and "longer than 16 MiB" in parts["internet"]["message"], parts)
    check(parts["machine"]["state"] == "done", parts)
    fixture.as_user("rm", output)


TESTS = [restarted_slurmctld, lost_node, time_limit, full_disk, forged_and_repeated, gigabyte]


def main(wanted):
    begun = time.monotonic()
    with Lab(**KNOBS) as lab:
        fixture = Fixture(lab)
        fixture.configure(**{"slurm.partition": "main", "benchmark.env": fixture.stand_ins()})
        fixture.agent.start()
        fixture.each(TESTS, wanted)
        fixture.agent.stop()
    say(f"all right, {time.monotonic() - begun:.0f} s")


if __name__ == "__main__":
    main(sys.argv[1:])
