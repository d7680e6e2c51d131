#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs of every ending on a live cluster with both plugins: each arrives complete, in order, once, with Slurm's own exit
code, start and end; under sacct -c, SIGUSR2 and reconfigure too. Needs root. Exit status 1 with what differs."""

import os
import subprocess
import sys
import threading
import time

from cluster import Agent, Lab, eventually, say
from compare import compare


def state(lab, job):
    return lab.command("squeue", "-h", "-j", job, "-o", "%T", check=False).strip()


def insist(lab, *words):
    """A slurmctld that is just being reconfigured may drop a connection."""
    def done():
        try:
            lab.command(*words)
            return True
        except RuntimeError as error:
            if "already" in str(error) or "not running" in str(error):
                return True  # the answer was dropped, not the request
            return False

    eventually(" ".join(map(str, words)), done, 20)


def jobs_of_every_ending(lab, agent, disturb_from_here):
    """Starts them, and does to them what ends them."""
    say("jobs of every ending")
    lab.submit("-J", "ok", body="sleep 1")
    lab.submit("-J", "exit3", body="exit 3")
    lab.submit("-J", "signal", body="kill -9 $$")
    pending = lab.submit("-J", "pending", "--hold")
    running = lab.submit("-J", "running", body="sleep 300")
    lab.submit("-J", "timeout", "-t", "0:01", body="sleep 300")
    # However long it takes until all has been done to them.
    go = lab.base / "go"
    until_told = f"until [ -e {go} ]; do sleep 0.2; done"
    requeued = lab.submit("-J", "requeued", "--requeue", body=until_told)
    resized = lab.submit("-J", "resized", "-N", "2", body=until_told)
    suspended = lab.submit("-J", "suspended", body=until_told)
    array = lab.submit("-J", "array", "--array=1-300%3", body="sleep 1")
    lab.submit("-J", "het", "-n1", ":", "-n1", body="sleep 1")
    lost = lab.submit("-J", "nodefail", "-w", "n4", "--no-requeue", body="sleep 300")
    back = lab.submit("-J", "nodefailrequeue", "-w", "n4", "--requeue", body="sleep 300")
    lab.submit("-J", "dependent", f"--dependency=afternotok:{running}", body="true")
    disturb_from_here()
    for job in (running, requeued, resized, suspended, lost, back):
        eventually(f"job {job} runs", lambda: state(lab, job) == "RUNNING", 60)
    insist(lab, "scancel", pending)
    insist(lab, "scancel", running)
    insist(lab, "scontrol", "requeue", requeued)
    insist(lab, "scontrol", "suspend", suspended)
    insist(lab, "scontrol", "update", f"JobId={resized}", "NumNodes=1")
    say("a node dies under two jobs")
    lab.fault("kill-node", "n4")
    insist(lab, "scontrol", "update", "NodeName=n4", "State=DOWN", "Reason=test")
    eventually("the agent sees the suspension", lambda: any(t["kind"] == "suspended" for t in agent.transitions()))
    time.sleep(3)  # slurmstepd stops it once more after 2 s: a resume before that leaves it stopped for ever
    insist(lab, "scontrol", "resume", suspended)
    eventually("the agent sees that it goes on", lambda: any(t["kind"] == "resumed" for t in agent.transitions()))
    go.touch()
    insist(lab, "scancel", array)
    insist(lab, "scancel", back)


def disturb(lab, stop):
    """What an administrator does to a slurmctld, under load."""
    pid = int((lab.lab / "state/slurmctld.pid").read_text())
    while not stop.is_set():
        lab.command("scontrol", "reconfigure", check=False)
        subprocess.run(["kill", "-USR2", str(pid)], check=False)
        lab.command("sacct", "-c", user="labu2", check=False)
        stop.wait(0.5)


def main():
    with Lab(LAB_DBD=1, LAB_NODES=4, LAB_CPUS=16, LAB_SLURMD_TIMEOUT=30, LAB_CONF_EXTRA="KillWait=1\nOverTimeLimit=0\nSchedulerParameters=batch_sched_delay=0,sched_min_interval=0,sched_interval=2,bf_interval=2") as lab:
        agent = Agent(lab, **{"accounting-interval": "10s", "sweep-interval": "5s"})
        agent.start()
        stop = threading.Event()
        disturbance = threading.Thread(target=disturb, args=(lab, stop))
        try:
            jobs_of_every_ending(lab, agent, disturbance.start)
            # The time limit of a minute is the longest of it.
            eventually("all jobs are over", lambda: queue_is_empty(lab), 150, 0.5)
        finally:
            stop.set()
            if disturbance.ident:
                disturbance.join()
        eventually("the ledger has no open run", lambda: agent.query("SELECT count(*) FROM runs WHERE phase IN ('pending','running','suspended','closing')")[0][0] == 0, 60)
        agent.deliver()
        rows = eventually("slurmdbd knows every end", lambda: settled(lab), 60, 1)
        findings = [] if agent.ask("ledger", "verify", "--state-folder", lab.state, check=False).startswith("ok") else [agent.ask("ledger", "verify", "--state-folder", lab.state, check=False)]
        transitions = agent.transitions()
        verdict = compare(rows, agent.runs(), transitions, findings)
        expect(lab, agent, rows, transitions, verdict)
        status = agent.stop()
        if status != 0:
            verdict.wrong.append(f"the agent ended with {status}")
        for complaint in verdict.complaints():
            say(complaint)
        say(f"{len(rows)} runs in slurmdbd, {len(transitions)} transitions, {len(verdict.complaints())} complaints")
        if not verdict.ok:
            raise SystemExit(1)


def queue_is_empty(lab):
    try:
        return not lab.command("squeue", "-h").strip()
    except RuntimeError:
        return False  # reconfiguring


def settled(lab):
    rows = lab.accounting()
    return rows if all(row["state"] not in ("RUNNING", "PENDING", "SUSPENDED") for row in rows.values()) else None


def expect(lab, agent, rows, transitions, verdict):
    """That the jobs ended as they were meant to, or the comparison would prove nothing."""
    wanted = {
        "ok": "COMPLETED", "exit3": "FAILED", "signal": "FAILED", "running": "CANCELLED", "timeout": "TIMEOUT", "requeued": "COMPLETED", "resized": "COMPLETED",
        "suspended": "COMPLETED", "het": "COMPLETED", "nodefail": "NODE_FAIL", "nodefailrequeue": "CANCELLED", "dependent": "COMPLETED",
    }
    for name, state in wanted.items():
        finals = [t for t in transitions if t["final"] and t["details"].get("name") == name]
        if not finals or any(final.get("state") != state for final in finals):
            verdict.wrong.append(f"{name}: {[final.get('state') for final in finals]}, expected {state}")
    kinds = {name: [t["kind"] for t in transitions if t["details"].get("name") == name] for name in (*wanted, "pending", "array")}
    for name in ("requeued", "nodefailrequeue"):
        if kinds[name].count("requeued") != 1:
            verdict.wrong.append(f"{name}: {kinds[name]}, expected one requeue")
    if not {"suspended", "resumed"} <= set(kinds["suspended"]):
        verdict.wrong.append(f"suspended: {kinds['suspended']}")
    cancelled = [t for t in transitions if t["details"].get("name") == "pending" and t["final"]]
    if [t.get("state") for t in cancelled] != ["CANCELLED"] or "running" in kinds["pending"]:
        verdict.wrong.append(f"cancelled while pending: {cancelled}")
    if not any(t["job"].endswith("_[]") and t["final"] for t in transitions):
        verdict.wrong.append("the array's pending rest was not ended by its one record")
    plugins = agent.plugins()
    if [plugin["hello"].get("mode") for plugin in plugins["plugins"]["jobcomp"]] != ["rich"]:
        verdict.wrong.append(f"not one plugin with rich records: {plugins['plugins']['jobcomp']}")
    ran_on = {t["details"].get("nodes") for t in transitions if t["kind"] == "running"} & {"n1", "n2", "n3", "n4"}
    heard = {node["node"] for node in plugins["plugins"]["nodes"]}
    if not ran_on <= heard or "n4" not in heard:
        verdict.wrong.append(f"jobs ran on {ran_on}, SPANK was heard from {heard}")
    sources = {t.get("source") for t in transitions if t["kind"] in ("ended", "requeued")}
    if "plugin" not in sources:
        verdict.wrong.append(f"no end came from the plugin: {sources}")


if __name__ == "__main__":
    if os.geteuid() != 0:
        sys.exit("endings.py: needs root, for the lab")
    main()
