#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""`make grid-up` and an agent that knows nothing but what it prints: configured with these lines, started, registered, approved
and asked for a job with the commands that are printed too; then `make grid-down` leaves nothing. Needs root, for the lab."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path += [str(ROOT / "Tests/Events"), str(ROOT / "Tests")]

from cluster import Lab, eventually, say

USER = "labu1"
# Of root's own in the page's words; on a machine without systemd its two services are done by hand.
SECRETS = "/etc/slurm-grid-agent/credentials"
AUTHORITY = "/etc/slurm-grid-agent/grid-ca.pem"


def make(*words, **environment):
    return subprocess.run(["make", "-s", "-C", ROOT, *words], env={**os.environ, **environment}, check=True, stdout=subprocess.PIPE, text=True).stdout


def printed(text):
    """-> the configuration, the other commands"""
    blocks = [textwrap.dedent(block) for block in re.findall(r"(?:^    .*\n|^\n(?=    ))+", text, re.MULTILINE)]
    config, *commands = blocks
    return config, [line.split("#")[0].strip() for block in commands for line in block.splitlines() if line.strip()]


class Joiner:
    """Types what was printed, as the administrators of the agent and of the grid would."""

    def __init__(self, lab, folder, text):
        self.lab, self.folder = lab, folder
        self.config, self.commands = printed(text)
        self.secrets = folder / "credentials"
        self.secrets.mkdir()
        self.authority = folder / "grid-ca.pem"
        # The service sees no file of /tmp: what is printed must not name one.
        if "/tmp/" in self.config:
            raise AssertionError(self.config)
        self.config = self.config.replace(AUTHORITY, str(self.authority))
        self.environment = {**os.environ, "CREDENTIALS_DIRECTORY": str(self.secrets), "SLURM_CONF": lab.environment["SLURM_CONF"]}
        self.process = None
        self.shell = {**os.environ}

    def type(self, start, **replaced):
        """The one command that begins so."""
        command, = (one for one in self.commands if one.startswith(start))
        for old, new in replaced.items():
            command = command.replace(old, new)
        say(f"$ {command}")
        if command.startswith("export "):
            name, value = command.removeprefix("export ").split("=", 1)
            self.shell[name] = value
            return ""
        return subprocess.run(["sh", "-c", command.replace(SECRETS, str(self.secrets)).replace(AUTHORITY, str(self.authority))], env=self.shell, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout

    def start(self):
        """What systemd does: the credential is the service's user's, the folders are there."""
        for path in (self.secrets, *self.secrets.iterdir()):
            shutil.chown(path, "slurm")
        file = self.lab.stage / "joined.yaml"
        file.write_text(self.config)
        words = ["run", "--config", file, "--state-folder", self.lab.state, "--bridge.socket", self.lab.socket, "--control.socket", self.lab.run / "control.sock",
                 "--admin.socket", self.lab.run / "admin.sock"]
        with (self.folder / "agent.log").open("ab") as log:
            self.process = subprocess.Popen(
                [str(self.lab.stage / "slurm-grid-agent"), *map(str, words)], env=self.environment, cwd="/tmp", stdout=log, stderr=log, user="slurm", group="slurm",
                extra_groups=[])

    def open_work(self):
        words = [ROOT / "packaging/deb/debian/open-work.sh", "--control", self.lab.run / "control.sock"]
        environment = {**os.environ, "PROGRAM": str(self.lab.stage / "slurm-grid-agent"), "STATE": str(self.lab.state)}
        done = subprocess.run(list(map(str, words)), env=environment, capture_output=True, text=True)
        return done.stdout if done.returncode == 0 else f"unknown: {done.stderr}"

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait(60)


def main():
    folder = Path(tempfile.mkdtemp(prefix="sga-joining."))
    folder.chmod(0o755)
    grid = folder / "grid"
    place = {"LAB_GRID_FOLDER": str(grid)}
    with Lab() as lab:
        text = make("grid-up", GRID_USER=USER, **place)
        joiner = None
        try:
            joiner = Joiner(lab, folder, text)
            joiner.type("install -m 0644")
            joiner.type("install -m 0600")
            joiner.start()
            joiner.type("export ")

            def registers():
                if joiner.process.poll() is not None:
                    raise RuntimeError((folder / "agent.log").read_text()[-2000:])
                done = subprocess.run([ROOT / "lab/grid/admin", "providers"], env=joiner.shell, capture_output=True, text=True)
                return "waits for approval" in done.stdout

            eventually("the agent registers", registers, 60, 1)
            joiner.type("lab/grid/admin approve")
            script = folder / "job.sh"
            ran = folder / "ran"
            ran.touch()
            shutil.chown(ran, USER)
            script.write_text(f"#!/bin/sh\nuntil [ -e {folder}/may-end ]; do sleep 0.2; done\necho it runs as $(id -un) >{ran}\n")
            number = joiner.type("lab/grid/customer request", **{"JOB.sh": str(script)}).strip()
            # As the words come to mind: before the verb, or behind it.
            orders = [subprocess.run([ROOT / "lab/grid/customer", *words], env=joiner.shell, capture_output=True, text=True) for words in (
                ("--as", "1", "status"), ("status", "--as", "1"))]
            if any(one.returncode for one in orders) or len({one.stdout.splitlines()[-1] for one in orders}) != 1:
                raise AssertionError(orders)
            # What a removal of the package would be told.
            eventually("a job of the grid is open", lambda: "1 open jobs of the grid" in joiner.open_work(), 60)
            (folder / "may-end").touch()

            def status():
                line, = (one for one in joiner.type("lab/grid/customer status").splitlines() if one.startswith(f"{number} "))
                return line if re.search(r"Finished|Failed|Cancelled|Panicked", line) else None

            line = eventually(f"job {number} ends", status, 120, 2)
            if "Finished" not in line:
                raise AssertionError(line)
            eventually("nothing is open any more", lambda: joiner.open_work() == "", 60)
            if ran.read_text() != f"it runs as {USER}\n":
                raise AssertionError(f"{line}: {ran.read_text()}")
            say(line)
        except Exception:
            print((folder / "agent.log").read_text()[-4000:] if (folder / "agent.log").exists() else "", flush=True)
            raise
        finally:
            if joiner:
                joiner.stop()
            pids = [int(line.split()[0]) for line in (grid / "pids").read_text().splitlines()] if (grid / "pids").exists() else []
            make("grid-down", **place)
    left = [pid for pid in pids if Path(f"/proc/{pid}/cmdline").exists() and str(grid) in Path(f"/proc/{pid}/cmdline").read_text()]
    if left or grid.exists():
        raise AssertionError(f"grid-down leaves {left} {grid}")
    shutil.rmtree(folder)
    say("a fresh agent joined the grid with what was printed, and ran a job to its end")


if __name__ == "__main__":
    if os.geteuid() != 0:
        sys.exit("joining.py: needs root, for the lab")
    main()
