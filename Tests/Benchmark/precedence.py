#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A benchmark that waits in the queue holds nobody up: a job that is submitted later starts first, whether slurmctld computes
priorities (priority/multifactor) or counts them down (priority/basic, the default of older releases). precedence.py [NAME…]: all, or
some. Needs root."""

import sys
import time

from fixture import Fixture, Lab, check, eventually, say

# By PriorityType: what of slurm.conf makes it so. Without a weight multifactor gives each job the same priority.
KINDS = {"basic": "PriorityType=priority/basic", "multifactor": "PriorityType=priority/multifactor\nPriorityWeightPartition=2000000"}


def gated(lab, name, user):
    """-> a job that runs until it is let go, and what lets it"""
    gate = lab.stage / name
    return lab.submit("-J", name, "-n", 1, "--mem=10", body=f"until [ -e {gate} ]; do sleep 0.2; done", user=user), gate.touch


def times(fixture, job):
    """-> start and end in Unix seconds, as slurmctld has them"""
    fields = dict(word.split("=", 1) for word in fixture.lab.command("scontrol", "--oneliner", "show", "job", job).split() if "=" in word)
    return int(fields["StartTime"]), int(fields["EndTime"])


def overtaken(fixture):
    """a benchmark that was submitted first, and a job of a user that came later, wait for one node"""
    blocker, end_blocker = gated(fixture.lab, "blocker", "labu2")
    eventually("the node is taken", lambda: fixture.state(blocker) == "RUNNING")
    fixture.begin("machine")
    benchmark = eventually("the benchmark has a job", lambda: fixture.newest()["parts"][0].get("job"))

    def priorities(*jobs):
        return [int(fixture.lab.command("squeue", "-h", "-j", job, "-o", "%Q")) for job in jobs]

    eventually("it is let go, and waits", lambda: fixture.state(benchmark) == "PENDING" and priorities(benchmark)[0] > 0)
    later, end_later = gated(fixture.lab, "later", "labu2")
    check(later > benchmark, "the other one came later", later, benchmark)
    mine, other = priorities(benchmark, later)
    check(mine < other, "its priority is not lower:", mine, other)
    # Nothing but the order in the queue decides: both fit.
    end_blocker()
    eventually("the later one starts", lambda: fixture.state(later) == "RUNNING")
    check(fixture.state(benchmark) == "PENDING", "the benchmark runs beside it", fixture.state(benchmark))
    end_later()
    _, parts = fixture.finished()
    check(parts["machine"]["state"] == "done" and parts["machine"]["job"] == benchmark, parts)
    check(times(fixture, benchmark)[0] >= times(fixture, later)[1] >= times(fixture, blocker)[1], benchmark, later)


def main(wanted):
    for kind, lines in KINDS.items():
        if wanted and kind not in wanted:
            continue
        started = time.monotonic()
        with Lab(LAB_NODES=1, LAB_CPUS=1, LAB_GPUS=0, LAB_MIN_JOB_AGE=86400, LAB_CONF_EXTRA=lines.replace("\n", "\\n")) as lab:
            fixture = Fixture(lab)
            fixture.configure(**{"slurm.partition": "main"})
            fixture.agent.start()
            overtaken(fixture)
            fixture.agent.stop()
        say(f"{kind}: right, {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main(sys.argv[1:])
