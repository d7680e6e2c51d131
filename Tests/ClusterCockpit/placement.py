#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where cores and GPUs come from, on a live cluster with the SPANK plugin: each node's own word, by its kernel's numbers, also of
jobs that last for no time, of the first job on a node, and where the backend has another numbering. Needs root, and the plugin that looks for /sys and /proc
in a folder (make -C slurm-plugins spank-test-root).

The last line is a verdict in JSON; exit status 1 when a job has other cores or GPUs than Slurm gave it."""

import contextlib
import json
import sqlite3
import tempfile
from dataclasses import replace
from pathlib import Path

from live import MACHINE, Site, backend_of, eventually, forget, lab_of, say

# What the backend believes: for none of the cores the same hardware threads as the kernel.
ELSEWHERE = replace(MACHINE, numbering="adjacent", gpus=())


def submit_all(site):
    """-> how many runs that makes"""
    count = 0
    for number in range(3):
        for words in (("-n1",), ("-n3",), ("--gres=gpu:1",), ("--gres=gpu:2", "-n2"), ("--exclusive",), ("-N2", "-n4"), ("-n1", "--array=1-2")):
            site.submit(*words, seconds=0 if number else 0.7, rest="srun true" if words[0] == "-N2" else "true")
            count += 2 if "--array=1-2" in words else 1
    return count


def nodes_known(lab):
    if not (lab.state / "clustercockpit.sqlite").exists():
        return 0  # the gateway opens its file after the doors are open
    with contextlib.closing(sqlite3.connect(f"file:{lab.state}/clustercockpit.sqlite?mode=ro", uri=True, timeout=20)) as database:
        return database.execute("SELECT count(*) FROM hardware").fetchone()[0]


def ended(backend):
    return {row["jobId"] for row in backend.rows() if row["jobState"] != "running"}


def shown(site, agent):
    """What the agent says of each job at the backend."""
    said = agent.ask("clustercockpit", "jobs", "--json", "--limit", "200", "--control", site.lab.run / "control.sock")
    return {one["slurm_job"]: one for one in json.loads(said)}


def check(site, agent, expected):
    """-> complaints, and where how many jobs' cores come from"""
    rows = {row["jobId"]: row for row in site.backends["main"].rows()}
    sources, complaints = {}, []
    jobs = shown(site, agent)
    for job, run in expected.items():
        data = rows[job].get("metaData") or {}
        source = (json.loads(data) if isinstance(data, str) else data).get("placementSource")
        sources[source] = sources.get(source, 0) + 1
        if jobs[job].get("placement_source") not in ("node", "inventory"):
            complaints.append(f"{job}: shown is {jobs[job].get('placement_source')}")
        given = site.given(job, run["runs"] - 1)
        held = {one["hostname"]: one for one in rows[job]["resources"]}
        if not given:
            continue
        for host in site.hosts(run["nodes"]):
            # A node that was done before the job asked is not told any more.
            if host not in given[0]:
                continue
            if host not in held:
                complaints.append(f"{job}: {host} is not among {sorted(held)}")
                continue
            # One where no step began tells nothing, and slurmctld not always.
            if not held[host].get("hwthreads") and not site.asks_slurmctld and host != site.hosts(run["nodes"])[0]:
                continue
            if held[host].get("hwthreads") != given[0][host]:
                complaints.append(f"{job} on {host} by {source}: threads {held[host].get('hwthreads')}, Slurm gave {given[0][host]}")
            if (held[host].get("accelerators") or []) != given[1][host]:
                complaints.append(f"{job} on {host}: GPUs {held[host].get('accelerators')}, Slurm gave {given[1][host]}")
    return complaints, sources


def main():
    with tempfile.TemporaryDirectory(prefix="cockpit.") as folder, lab_of() as lab:
        backend = backend_of(Path(folder) / "main", "1.5.4", ELSEWHERE)
        try:
            site = Site(lab, {"main": backend})
            forget(lab)
            agent = site.agent()
            agent.start()
            # No job has run: each node tells what it is made of when its slurmd starts, whoever is away then.
            lab.fault("restart", "n1")
            eventually("a node has told what it is made of", lambda: nodes_known(lab) == 1, 60, 0.2)
            heard = [node["node"] for node in agent.plugins()["plugins"]["nodes"]]
            agent.kill()
            lab.fault("restart", "n2")
            agent.start()
            lab.fault("restart", "n3")
            eventually("the nodes have told what they are made of", lambda: nodes_known(lab) == 3, 60, 0.2)
            # What was lost, the first job on the node says again, and its start waits for that.
            site.submit("-w", "n4", "-n3")
            eventually("all nodes have told what they are made of", lambda: nodes_known(lab) == 4, 60, 0.2)
            count = 1 + submit_all(site)
            eventually("all jobs are over", lambda: not lab.command("squeue", "-h").strip(), 120, 0.5)
            # slurmdbd hears of some later than of others.
            expected = eventually("slurmdbd knows every end", lambda: (found := site.slurm()) and len(found) == count and found, 60, 1)
            eventually("the backend was told of every end", lambda: ended(backend) >= set(expected), 60, 0.5)
            complaints, sources = check(site, agent, expected)
            if heard != ["n1"]:
                complaints.append(f"heard of {heard} when n1 had started")
            status = agent.stop()
        finally:
            backend.stop()
    for complaint in complaints:
        say(complaint)
    ok = not complaints and status == 0 and set(sources) <= {"node", "inventory"} and len(sources) == (2 if site.asks_slurmctld else 1)
    print(json.dumps({"ok": ok, "runs": len(expected), "wrong": len(complaints), "sources": {str(key): count for key, count in sources.items()}}))
    if not ok:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
