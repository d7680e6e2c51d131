#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""An administrator's first hour: the packages on a cluster that runs, the plugins, a job, `check`, a grid of `make grid-up` that is
joined, a job that is paid. Typed as README, docs/install.md and the grid's own words say; after each step the screens must say what
is so, and no `check` may fail. In the end the seconds to each milestone. DEBIAN=trixie DEBS=FOLDER: Debian 13 with its packages.
Needs root, systemd-nspawn and what lab/grid/install.sh fetches. SKIP_BOOT=1 goes without."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from head import DAEMONS, PLUGIN_LINES, PLUGSTACK, SLURM_CONF, Head
from machine import SUITE, base, eventually, say
from packages import TOP, built

sys.path += [str(TOP / "Tests/Events"), str(TOP / "Tests/Grid")]
from joining import printed  # noqa: E402

CONFIG = "/etc/slurm-grid-agent/config.yaml"


class Trial:
    def __init__(self, head, folder):
        self.head, self.folder = head, folder
        self.begun = time.monotonic()
        self.milestones = []
        self.environment = {**os.environ, "LAB_GRID_FOLDER": str(folder / "grid"), "LAB_GRID": str(folder / "grid/grid.json"), "GRID_USER": "alice"}

    def reached(self, what):
        self.milestones.append((what, time.monotonic() - self.begun))
        say(what)

    def run(self, command, statuses=(0,)):
        """Typed as root; the exit status is one of these."""
        text, _, status = self.head.run(f"{command}; status=$?; echo; echo trial-status=$status", check=False).rpartition("\ntrial-status=")
        if int(status) not in statuses:
            raise AssertionError(f"{command}: {status.strip()}:\n{text}")
        return text

    def check(self, *, missing=()):
        """Nothing fails, and nothing is amiss but what has still to be done, and the clock: of a container it is another machine's."""
        findings = json.loads(self.run("slurm-grid-agent check --json"))
        amiss = {one["subject"]: one["text"] for one in findings if one["level"] != "ok" and one["subject"] != "clock"}
        if set(amiss) != set(missing):
            raise AssertionError(f"check: {amiss}, not {missing}")
        return amiss

    def status(self):
        status = json.loads(self.run("slurm-grid-agent status --json", (0, 75)))
        return status, {part["name"]: part for part in status["parts"]}

    def settled(self, missing=()):
        """The running agent has looked at all and says of it what is so."""
        def parts():
            status, parts = self.status()
            return status["health"] != "starting" and {name: part["text"] for name, part in parts.items() if part["level"] not in ("ok", "off") and name != "clock"}.keys() == set(missing)
        eventually(f"status has only {list(missing)} to complain of: {self.run('slurm-grid-agent status', (0, 1, 75))}", parts, 60)

    def grid(self, *words):
        """Typed on the grid's side, in the same network."""
        done = subprocess.run(["nsenter", "--net", "--target", self.head.leader, *map(str, words)], cwd=TOP, env=self.environment, capture_output=True, text=True)
        if done.returncode:
            raise AssertionError(f"{words}: {done.returncode}: {done.stdout}{done.stderr}")
        return done.stdout

    # What is done, in order

    def installs(self):
        self.run("cd packages && apt install -y ./slurm-grid-agent_*.deb ./slurm-grid-agent-plugins_*.deb")
        eventually("it is active", self.head.is_active, 60)
        self.reached("installed, active")
        self.settled(["jobcomp plugin", "SPANK plugin"])
        self.check(missing=["jobcomp plugin", "SPANK plugin"])

    def loads_plugins(self):
        advised = self.run("slurm-grid-agent plugins status")
        lines = [line for line in (PLUGIN_LINES + PLUGSTACK).splitlines() if line not in advised]
        if lines:
            raise AssertionError(f"plugins status lacks {lines}: {advised}")
        # Where Debian's own file includes a folder, a file in that; else that file.
        folder, line = "/etc/slurm/plugstack.conf.d", PLUGSTACK.strip()
        place = f"{folder}/slurm-grid-agent.conf" if folder in advised else "/etc/slurm/plugstack.conf"
        self.head.write("/etc/slurm/slurm.conf", SLURM_CONF + PLUGIN_LINES)
        self.run(f"echo '{line}' >>{place} && systemctl restart slurmctld slurmd")
        eventually("the node is idle", lambda: self.head.run("sinfo -h -o %t", check=False).strip() == "idle", 60)
        self.reached("plugins in slurm.conf and plugstack.conf, slurmctld and slurmd restarted")
        job = self.run("slurm-grid-agent submit --user alice --chdir /tmp --output /dev/null --wrap hostname").strip()
        self.run(f"slurm-grid-agent wait {job}")
        eventually("the ledger has its end", lambda: "ended" in self.run(f"slurm-grid-agent ledger show {job}"), 30)
        listed = self.run("slurm-grid-agent ledger list")
        if "alice" not in listed or "wrap" not in listed:
            raise AssertionError(listed)
        self.reached("first job ended, in the ledger")
        self.check()
        self.settled()
        self.reached("check and status: all well")

    def joins(self):
        text = self.grid("make", "-s", "grid-up")
        config, commands = printed(text)
        self.reached("a grid is there (make grid-up)")
        # As somebody does it who starts with the wrong thing: the file first, what it names later.
        shipped = self.head.read(CONFIG)
        self.head.write(CONFIG, f"{shipped}\n{config}slurm:\n  partition: main\n")
        status, parts = self.status()
        if parts["configuration"]["level"] != "warning" or "grid-ca.pem cannot be read" not in parts["configuration"]["text"] or "no grid" in status["summary"]:
            raise AssertionError(f"of a file that cannot be used: {parts['configuration']}: {status['summary']}")
        for source, target, mode in re.findall(r"install -m (?:\d+) (\S+) (\S+)()", "\n".join(commands)):
            shutil.copy(source, f"/proc/{self.head.leader}/root{target}")
            os.chmod(f"/proc/{self.head.leader}/root{target}", 0o600 if target.endswith("chain-key") else 0o644)
        if "not in force" not in self.status()[1]["configuration"]["text"]:
            raise AssertionError(self.status()[1])
        self.check(missing=["provider"])
        self.reached("configured; check: all well but the registration")
        self.run("systemctl restart slurm-grid-agent")
        text = self.run("slurm-grid-agent status", (0, 75))
        if "no grid is configured" in text or re.match(r"ok ", text):
            raise AssertionError(text)
        eventually("registered", lambda: "waits for approval" in self.run("slurm-grid-agent grid status", (0, 1)), 60)
        self.settled(["provider"])
        self.reached("registered, waits for approval")
        account = re.search(r"^provider +(0x\w+)", self.run("slurm-grid-agent provider show"), re.MULTILINE)[1]
        self.grid("lab/grid/admin", "approve", account)
        eventually("claims", lambda: "are claimed" in self.run("slurm-grid-agent grid status"), 60)
        self.reached("approved")

    def earns(self):
        script = self.folder / "job.sh"
        script.write_text("#!/bin/sh\nid -un\n")
        self.grid("lab/grid/customer", "request", "--credits", "10", "--script", script)
        eventually("claimed", lambda: re.search(r"^0x1 ", self.run("slurm-grid-agent grid jobs"), re.MULTILINE), 60)
        self.reached("a customer's job is claimed")
        eventually("paid", lambda: re.search(r"^total +1 +0\.\d*[1-9]", self.run("slurm-grid-agent grid earnings"), re.MULTILINE), 120)
        self.reached("it has ended, and is paid")
        jobs = self.run("slurm-grid-agent grid jobs")
        if not re.search(r"^0x1 .* Finished .* done$", jobs, re.MULTILINE) or "0x1 " not in self.run("slurm-grid-agent ledger list"):
            raise AssertionError(jobs)
        self.settled()
        self.check()

    def misses_a_user(self):
        """A second customer, whom nobody has mapped: told of while the job waits, and not in five minutes."""
        self.grid("lab/grid/customer", "--as", "1", "request", "--credits", "10", "--script", self.folder / "job.sh")
        begun = time.monotonic()
        part = eventually("the customer without a user is told of", lambda: self.status()[1].get("customers"), 60)
        if part["level"] != "warning" or "no Unix user for" not in part["text"]:
            raise AssertionError(part)
        say(f"told after {time.monotonic() - begun:.0f} s")
        self.reached("a customer without a Unix user is told of")


def main():
    if os.environ.get("SKIP_BOOT") == "1":
        return say("SKIPPED: no machine was booted (SKIP_BOOT=1)")
    if os.geteuid() != 0 or not shutil.which("systemd-nspawn"):
        sys.exit("first_hour.py: needs root and systemd-nspawn (packaging/install-build-deps.sh boot); SKIP_BOOT=1 goes without")
    subprocess.run([TOP / "lab/grid/install.sh"], check=True, stdout=subprocess.DEVNULL)
    debs = built()
    with tempfile.TemporaryDirectory(prefix="sga-hour.") as folder, Head(base(debs.values())) as head:
        head.run("mkdir /root/packages && apt-get -q -y install slurm-wlm munge && useradd -m alice")
        for deb in debs.values():
            shutil.copy(deb, f"/proc/{head.leader}/root/root/packages")
        head.write("/etc/slurm/slurm.conf", SLURM_CONF)
        head.run(f"systemctl restart {' '.join(DAEMONS)}")
        eventually("the node is idle", lambda: head.run("sinfo -h -o %t", check=False).strip() == "idle", 60)
        trial = Trial(head, Path(folder))
        try:
            for step in (trial.installs, trial.loads_plugins, trial.joins, trial.earns, trial.misses_a_user):
                step()
        finally:
            subprocess.run(["make", "-s", "-C", TOP, "grid-down"], env=trial.environment, check=False)
        say(f"on {SUITE}, Slurm {head.run('slurmctld -V').split()[-1]}, seconds to each milestone:")
        for what, seconds in trial.milestones:
            print(f"{seconds:7.1f}  {what}", flush=True)


if __name__ == "__main__":
    main()
