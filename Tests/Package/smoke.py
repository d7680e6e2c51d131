#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is installed works with the Slurm that is installed: the commands, the daemon and both plugins on a live cluster, one
job that ends well and one that fails. Prints what was tried with; exit status 1 with what is wrong. Needs root.

BINARY, PLUGINS: the agent and a folder with the plugins to try in place of the installed ones. MODE: what
jobcomp_grid_agent must be, rich or lean; either when not set."""

import json
import os
import subprocess
import sys
from pathlib import Path

os.environ.setdefault("BINARY", "/usr/bin/slurm-grid-agent")
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "Events"))
from cluster import Agent, Lab, eventually, say  # noqa: E402


def installed_plugins():
    """Slurm's own plugin folder; None when the plugins are not in it."""
    found = list(Path("/usr/lib").glob("*/slurm*/jobcomp_grid_agent.so"))
    if not found:
        raise SystemExit("jobcomp_grid_agent.so is in no plugin folder of Slurm below /usr/lib: install slurm-grid-agent-plugins")
    return found[0].parent


def expect(what, found, wanted):
    if found != wanted:
        raise SystemExit(f"{what}: {found!r}, expected {wanted!r}")


def call(lab, *words, script=None):
    """Runs the agent's command; its exit status and output."""
    done = subprocess.run([lab.stage / "slurm-grid-agent", *map(str, words)], input=script, text=True, capture_output=True, env=lab.environment)
    if done.returncode not in (0, 3):
        raise SystemExit(f"{' '.join(map(str, words))}: exit status {done.returncode}: {done.stdout}{done.stderr}")
    return done.returncode, done.stdout


def submit(lab, name, script):
    words = ["submit", "--user", "labu1", "--job-name", name, "--chdir", "/tmp", "--output", lab.base / "out" / name, "--ntasks", 2]
    return int(call(lab, *words, script="#!/bin/sh\n" + script)[1])


def look_at_cluster(lab):
    running = lab.command("slurmctld", "-V").split()[-1]
    cluster = json.loads(call(lab, "cluster", "--json")[1])
    expect("Slurm's release, as the agent's library says it", cluster["library_version"].split("-")[0], running.split("-")[0])
    main = next(partition for partition in cluster["partitions"] if partition["name"] == "main")
    expect("nodes of partition main", [(node["name"], node["cpus"], node["gpus"]) for node in main["nodes"]], [(f"n{i}", 4, 2) for i in (1, 2)])
    return running


def run_jobs(lab, agent):
    (lab.base / "out").mkdir()
    (lab.base / "out").chmod(0o1777)
    good = submit(lab, "good", f"echo $(id -un) has $SLURM_NTASKS tasks\nuntil [ -e {lab.base}/out/go ]; do sleep 0.2; done\n")
    bad = submit(lab, "bad", "exit 3\n")

    def runs():
        job = json.loads(call(lab, "job", "--json", good)[1])
        return job if job["state"] == "RUNNING" else None
    placement = eventually("the job runs", runs)["placement"][0]
    expect("CPUs of the job on its node", placement["cpus"], 2)
    (lab.base / "out/go").touch()
    expect("wait for a job that ends well", call(lab, "wait", good)[0], 0)
    expect("wait for a job that fails", call(lab, "wait", bad)[0], 3)
    expect("the job's output", (lab.base / "out/good").read_text(), "labu1 has 2 tasks\n")
    check_journal(agent, good, bad)
    return placement


def check_journal(agent, good, bad):
    ends = eventually("both ends are in the journal", lambda: (lambda found: found if len(found) > 1 else None)([t for t in agent.transitions() if t["final"]]))
    told = {t["job_id"]: (t["state"], t["exit_status"], t["details"]["name"], t["details"]["partition"]) for t in ends}
    expect("ends in the journal", told, {good: ("COMPLETED", 0, "good", "main"), bad: ("FAILED", 3 << 8, "bad", "main")})
    begun = [t for t in agent.transitions() if t["job_id"] == good and t["kind"] == "running"]
    expect("starts of the job in the journal", len(begun), 1)
    runs = {row["job_id"]: (row["phase"], row["state"], row["exit_status"]) for row in agent.runs().values()}
    expect("the ledger's runs", runs, {good: ("ended", "COMPLETED", 0), bad: ("ended", "FAILED", 3 << 8)})
    verdict = agent.ask("ledger", "verify", "--state-folder", agent.lab.state)
    expect("ledger verify", verdict.strip(), "ok: 2 jobs, 0 open runs")


def check_plugins(agent):
    def heard():
        found = agent.plugins()["plugins"]
        return found if found["jobcomp"] and found["jobcomp"][0].get("hello", {}).get("mode") and found["nodes"] else None
    found = eventually("both plugins are heard", heard)
    hello = found["jobcomp"][0]["hello"]
    expect("records dropped by the plugin", hello["dropped"], 0)
    expect("records of both jobs", found["jobcomp"][0]["events"], 2)
    if "MODE" in os.environ:
        expect("the plugin's mode", hello["mode"], os.environ["MODE"])
    return hello, found["nodes"]


def main():
    plugins = Path(os.environ["PLUGINS"]) if "PLUGINS" in os.environ else installed_plugins()
    knobs = {} if "PLUGINS" in os.environ else {"LAB_PLUGIN_DIR": ""}  # slurmctld then takes the installed one
    with Lab(plugins=plugins, LAB_NODES=2, **knobs) as lab:
        version = call(lab, "--version")[1].strip()
        slurm = look_at_cluster(lab)
        expect("Slurm's release in --version", version.split()[-1].rstrip(")").split("-")[0], slurm.split("-")[0])
        agent = Agent(lab)
        agent.start()
        try:
            placement = run_jobs(lab, agent)
            hello, nodes = check_plugins(agent)
        finally:
            status = agent.stop()
        expect("exit status of the daemon", status, 0)
    release = dict(line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line)
    say(f"{version} on {release['PRETTY_NAME'].strip(chr(34))}, Slurm {slurm}")
    say(f"jobcomp_grid_agent {hello['mode']}: {hello['mode_reason']}")
    say(f"spank_grid_agent heard on {', '.join(sorted(node['node'] for node in nodes))}")
    say(f"placement: CPUs from {placement.get('cpus_source')}, cores from {placement.get('cores_source') or 'nowhere: not known'}")
    say("smoke test passed")


if __name__ == "__main__":
    main()
