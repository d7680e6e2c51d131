# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab cluster with both plugins, an agent on it, and what each of them says of a job."""

import contextlib
import json
import os
import pwd
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "Tests"))
from waiting import eventually, say  # noqa: E402, F401

AGENT = Path(os.environ.get("BINARY", TOP / ".build/debug/slurm-grid-agent"))
PLUGINS = Path(os.environ.get("PLUGINS", TOP / "slurm-plugins/build"))


class Lab:
    """The cluster of lab/slurm-up.sh in a folder of its own."""

    def __init__(self, rich=True, spank=True, jobcomp="jobcomp/grid_agent", parameters="", plugins=None, place="/tmp", **knobs):
        self.base = Path(tempfile.mkdtemp(prefix="sga-events.", dir=place))
        self.base.chmod(0o755)
        slurm = pwd.getpwnam("slurm")
        self.uid = slurm.pw_uid
        self.home = self.folder("agent", 0o755)  # SlurmUser may make folders in it again
        self.state = self.folder("agent/state", 0o700)
        self.run = self.folder("agent/run", 0o755)
        self.stage = self.base / "stage"
        self.stage.mkdir(mode=0o755)
        shutil.copy(AGENT, self.stage / "slurm-grid-agent")
        for name in ("jobcomp_grid_agent.so", "spank_grid_agent.so"):
            shutil.copy((plugins or PLUGINS) / name, self.stage / name)
        self.socket = self.run / "events.sock"
        self.lab = self.base / "lab"
        plugstack = self.stage / "plugstack.conf"
        plugstack.write_text(f"optional {self.stage}/spank_grid_agent.so socket={self.socket} spool={self.base}/words\n" if spank else "")
        self.knobs = {
            "LAB": str(self.lab),
            "LAB_JOBCOMP": jobcomp,
            "LAB_JOBCOMP_PARAMS": f"grid_agent_socket={self.socket}" + ("," + parameters if parameters else ""),
            "LAB_PLUGIN_DIR": str(self.stage),
            "LAB_PLUGSTACK": str(plugstack),
            **{key: str(value) for key, value in knobs.items()},
        }
        self.environment = dict(os.environ)
        self.agents = []

    def folder(self, name, mode):
        path = self.base / name
        path.mkdir()
        path.chmod(mode)
        os.chown(path, self.uid, pwd.getpwnam("slurm").pw_gid)
        return path

    def __enter__(self):
        self.script("slurm-up.sh")
        self.environment["SLURM_CONF"] = self.read_env()["SLURM_CONF"]
        self.environment["SLURM_TIME_FORMAT"] = "%s"
        return self

    def __exit__(self, kind, *_):
        for agent in self.agents:  # of a test that failed
            if agent.process and agent.process.poll() is None:
                agent.kill()
        keep = kind is not None or os.environ.get("KEEP")
        subprocess.run([TOP / "lab/slurm-down.sh"], env={**os.environ, **self.knobs, "KEEP": "1" if keep else "0"}, check=False, stdout=subprocess.DEVNULL)
        if keep:
            say(f"logs and state are kept in {self.base}")
        else:
            shutil.rmtree(self.base, ignore_errors=True)

    def script(self, name, *words):
        subprocess.run([TOP / "lab" / name, *words], env={**os.environ, **self.knobs}, check=True, stdout=subprocess.DEVNULL)

    def read_env(self):
        pairs = (line.split("=", 1) for line in (self.lab / "lab.env").read_text().splitlines() if "=" in line)
        return {key.removeprefix("export "): value.strip("'\"") for key, value in pairs}

    def fault(self, action, daemon="slurmctld"):
        self.script("fault.sh", action, daemon)

    def command(self, *words, user=None, check=True, stdin=None):
        """Runs a Slurm command; returns its output."""
        prefix = []
        if user:
            account = pwd.getpwnam(user)
            prefix = ["setpriv", f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--init-groups"]
        done = subprocess.run([*prefix, *map(str, words)], env=self.environment, input=stdin, text=True, cwd="/tmp", capture_output=True)
        if check and done.returncode != 0:
            raise RuntimeError(f"{' '.join(map(str, words))}: {done.stderr.strip()}")
        return done.stdout

    def submit(self, *options, body="true", user="labu1"):
        words = ["sbatch", "--parsable", "-D", "/tmp", "-o", "/dev/null", *options]
        if not any(":" == str(option) for option in options):
            words += ["--wrap", body]
        else:
            words += ["--wrap", body]
        return int(self.command(*words, user=user).strip().split(";")[0])

    def accounting(self):
        """slurmdbd's rows, by (job, submit time): the last row of each is what counts."""
        fields = "JobIDRaw,JobID,State,Submit,Eligible,Start,End,ElapsedRaw,ExitCode,JobName"
        words = ["sacct", "-D", "-X", "-a", "-P", "-n", "-S", "now-1days", f"--format={fields}"]
        lines = [line.split("|", 9) for line in self.command(*words).splitlines()]
        # Not asked for a state, sacct leaves out what was never eligible: a job that was cancelled while it was held.
        cancelled = [line.split("|", 9) for line in self.command(*words, "-s", "CANCELLED", "-E", "now").splitlines()]
        rows, resized = {}, {}
        for raw, job, state, submit, _, start, end, elapsed, code, name in lines + [line for line in cancelled if line[4] == "Unknown"]:
            status, signalled = (int(part) for part in code.split(":"))
            row = {
                "job": key_of(job, raw), "state": state.split()[0], "submit": number(submit), "start": number(start), "end": number(end),
                "elapsed": int(elapsed), "exit": status << 8 | signalled, "name": name, "shown": job,
            }
            before = resized.pop(row["job"], None)
            if before:  # a new row, begun when the job changed its size; one run
                row.update(submit=before["submit"], start=before["start"], elapsed=min(before["elapsed"] + row["elapsed"], row["end"] - before["start"]))
            if row["state"] == "RESIZING":
                resized[row["job"]] = row
            else:
                rows[row["job"], row["submit"]] = row
        return rows


def is_listened_at(path):
    """Of a Unix socket. Nobody is asked: a connection would be counted."""
    with open("/proc/net/unix", encoding="utf-8", errors="replace") as file:
        rows = [line.split() for line in file]
    # Flags, 10000 of which says that it accepts; the path comes last.
    return any(row[3] == "00010000" and row[-1] == str(path) for row in rows)


def number(text):
    return int(text) if text.isdigit() else None


def key_of(job, raw):
    """The name that the agent gives: 7, 7_3, and 7_[] for the pending rest of an array; components by their own number."""
    if "+" in job:
        return raw
    return job.split("[")[0] + "[]" if "[" in job else job


class Agent:
    """The daemon, as user slurm."""

    def __init__(self, lab, **settings):
        self.lab = lab
        lab.agents.append(self)
        self.process = None
        self.journal = lab.state / "journal.jsonl"
        self.config = lab.stage / "config.yaml"
        self.log = lab.base / "agent.log"
        lines = {
            "state-folder": lab.state, "bridge.socket": lab.socket, "control.socket": lab.run / "control.sock",
            "admin.socket": lab.run / "admin.sock", "journal.file": self.journal, "poll-interval": "1s", **settings,
        }
        groups = {}
        for key, value in lines.items():
            head, _, tail = key.partition(".")
            groups.setdefault(head, {})[tail] = value
        with self.config.open("w") as file:
            for head, values in groups.items():
                if "" in values:
                    file.write(f"{head}: {values['']}\n")
                else:
                    file.write(f"{head}:\n" + "".join(f"  {key}: \"{value}\"\n" for key, value in values.items()))

    def start(self, wait=True, descriptors=None):
        """descriptors: as many as it may have open"""
        limit = (lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))) if descriptors else None
        user = pwd.getpwnam("slurm")
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [self.lab.stage / "slurm-grid-agent", "run", "--config", self.config], env=self.lab.environment, stdout=log, stderr=log,
                cwd="/tmp", user=user.pw_uid, group=user.pw_gid, extra_groups=[], preexec_fn=limit)
        if wait:
            eventually("the agent listens", self.listens, 30)

    def listens(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"the agent ended with {self.process.returncode}: {self.log.read_text()[-2000:]}")
        probe = subprocess.run(
            [self.lab.stage / "slurm-grid-agent", "plugins", "status", "--json", "--control", self.lab.run / "control.sock"], capture_output=True)
        # Its doors open in any order, and what a node tells at a door that is shut is lost.
        return probe.returncode == 0 and is_listened_at(self.lab.socket)

    def ask(self, *words, check=True):
        done = subprocess.run([self.lab.stage / "slurm-grid-agent", *map(str, words)], capture_output=True, text=True, env=self.lab.environment)
        if check and done.returncode != 0:
            raise RuntimeError(f"{words}: {done.returncode}: {done.stdout}{done.stderr}")
        return done.stdout

    def plugins(self):
        return json.loads(self.ask("plugins", "status", "--json", "--control", self.lab.run / "control.sock"))

    def status(self):
        """None while nobody answers."""
        said = self.ask("status", "--json", "--control", self.lab.run / "control.sock", check=False)
        return json.loads(said) if said else None

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            return self.process.wait(60)  # the unit's TimeoutStopSec
        return None

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def transitions(self):
        if not self.journal.exists():
            return []
        return [json.loads(line) for line in self.journal.read_text().splitlines(keepends=True) if line.endswith("\n")]

    def deliver(self):
        """Waits until the journal has what the ledger has: its reader comes after the ledger's commit."""
        eventually("everything is in the journal", lambda: self.query("SELECT count(*) FROM deliveries WHERE gateway = 'journal' AND state <> 1")[0][0] == 0)

    def runs(self):
        """The ledger's runs by (job, submit time)."""
        database = sqlite3.connect(f"file:{self.lab.state}/ledger.sqlite?mode=ro", uri=True, timeout=20)
        try:
            database.row_factory = sqlite3.Row
            rows = database.execute("SELECT * FROM runs").fetchall()
        finally:
            database.close()
        return {(name_of(row["number"], row["part"]), row["submit_time"]): dict(row) for row in rows}

    @contextlib.contextmanager
    def writing(self):
        """The ledger, to be changed in one transaction beside the agent."""
        database = sqlite3.connect(self.lab.state / "ledger.sqlite", timeout=20)
        try:
            with database:
                yield database
        finally:
            database.close()
            for file in self.lab.state.glob("ledger.sqlite*"):
                shutil.chown(file, "slurm", "slurm")

    def query(self, sql):
        database = sqlite3.connect(f"file:{self.lab.state}/ledger.sqlite?mode=ro", uri=True, timeout=20)
        try:
            return database.execute(sql).fetchall()
        finally:
            database.close()


def name_of(job, part):
    return {-1: f"{job}", -2: f"{job}_[]"}.get(part, f"{job}_{part}")
