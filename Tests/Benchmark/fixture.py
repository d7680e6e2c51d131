# SPDX-License-Identifier: GPL-3.0-or-later
"""What the live tests of benchmarks share: a lab, an agent that measures one of its partitions, and programs that stand in for those on
nodes, which print what a test says, when it says so."""

import base64
import json
import os
import pwd
import re
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "Tests/Events"))
from cluster import Agent, Lab, eventually, say  # noqa: E402, F401

USER = "labu1"
PARTS = ["machine", "compute", "network", "storage", "internet"]

# A program of a node: what a test wrote for it is done first, then it prints its result; fio is the real one.
STAND_IN = """#!/bin/bash
if [ "${{1:-}}" = --version ]; then echo stand-in 1; exit 0; fi
if [ -e {orders}/{name} ]; then . {orders}/{name}; else sleep 1; fi
{body}
"""
HPCC = """cat >hpccoutf.txt <<'END'
T/V                N    NB     P     Q               Time                 Gflops
WR11C2R4         256    64     2     1               1.04              1.085e-02
||Ax-b||_oo/(eps*(||A||_oo*||x||_oo+||b||_oo)*N)=        0.0111537 ...... PASSED
Begin of Summary section.
CommWorldProcs=2
HPL_Tflops=0.00125
MaxPingPongLatency_usec=3.5
RandomlyOrderedRingLatency_usec=7.25
MinPingPongBandwidth_GBytes=0.5
End of Summary section.
END"""
SPEEDTEST = """echo '{"type":"result","download":{"bandwidth":12500000},"upload":{"bandwidth":2500000}}'"""
# What they print, as labels.
COMPUTE = {"compute.gflops": "1.25"}
NETWORK = {"network.p2p.latency.us": "3.50", "network.p2p.bw.mbps": "4000.00", "network.all-to-all.latency.us": "7.25"}
INTERNET = {"network.upload.bw.mbps": "20.00", "network.download.bw.mbps": "100.00"}


def check(holds, *words):
    if not holds:
        raise AssertionError(" ".join(map(str, words)))


class Fixture:
    """A lab, and an agent that measures one of its partitions."""

    def __init__(self, lab):
        self.lab = lab
        self.user = pwd.getpwnam(USER)
        self.results = self.folder("results")
        self.disk = self.folder("a disk's folder")
        self.orders_folder = self.folder("orders")
        self.control = lab.run / "control.sock"
        self.agent = None

    def folder(self, name):
        path = self.lab.base / name
        path.mkdir(mode=0o755)
        os.chown(path, self.user.pw_uid, self.user.pw_gid)
        return path

    def configure(self, **settings):
        """Keys that are None are left out."""
        keys = {
            "benchmark.result-folder": self.results, "benchmark.run-as": USER, "benchmark.executor": "native",
            "benchmark.storage": f"scratch={self.disk},disk-tmp={self.disk},shared-tmp=/nowhere", "benchmark.storage-size": 4,
            "benchmark.time-limit": "30m", **settings}
        self.agent = Agent(self.lab, **{key: value for key, value in keys.items() if value is not None})

    def stand_ins(self):
        """-> the variables with which jobs find them before those of the system"""
        folder = self.folder("programs")
        for name, body in {"hpcc": HPCC, "speedtest": SPEEDTEST, "fio": 'exec /usr/bin/fio "$@"'}.items():
            (folder / name).write_text(STAND_IN.format(orders=self.orders_folder, name=name, body=body))
        (folder / "mpirun").write_text('#!/bin/bash\nshift 2\nexec "$@"\n')
        for program in folder.iterdir():
            program.chmod(0o755)
        return f"PATH={folder}:/usr/bin:/bin"

    def each(self, tests, wanted):
        """Runs these tests; where names are wanted, those alone."""
        for test in tests:
            if wanted and test.__name__ not in wanted:
                continue
            started = time.monotonic()
            for program in ("hpcc", "speedtest", "fio"):
                self.order(program, None)
            test(self)
            # A node may still clean up what it was told of when the end is known.
            eventually("nothing is left behind", lambda: not self.left(), 20)
            say(f"{test.__name__}: right, {time.monotonic() - started:.0f} s")

    def order(self, program, body):
        """What a stand-in does before it prints; None: it waits a second."""
        path = self.orders_folder / program
        if body is None:
            path.unlink(missing_ok=True)
        else:
            fresh = path.with_suffix(".new")
            fresh.write_text(body + "\n")
            fresh.replace(path)

    def hold(self, program):
        """It waits until it is let go on. -> what lets it"""
        gate = self.orders_folder / f"{program}.gate"
        for path in (gate, gate.with_suffix(".reached")):
            path.unlink(missing_ok=True)
        self.order(program, f"touch {gate.with_suffix('.reached')}; until [ -e {gate} ]; do sleep 0.2; done")
        return gate.touch

    # MARK: the agent

    def ask(self, *words):
        return json.loads(self.agent.ask("benchmark", *words, "--json", "--control", self.control))

    def refused(self, *words):
        try:
            return self.agent.ask("benchmark", *words, "--control", self.control)
        except RuntimeError as error:
            return str(error)

    def begin(self, *parts):
        return self.ask("run", *(word for part in parts for word in ("--part", part)))["run"]

    def newest(self):
        """None while the agent does not answer, as after a kill."""
        answer = self.agent.ask("benchmark", "history", "--limit", 1, "--json", "--control", self.control, check=False)
        return json.loads(answer)["runs"][0] if answer else None

    def finished(self, within=200):
        """-> the run, and its parts by name"""
        run = eventually("the run is finished", lambda: (run := self.newest()) and run.get("ended_at") and run, within, 0.3)
        return run, {part["part"]: part for part in run["parts"]}

    def held(self, program):
        """Waits until it is started: the job's output is there."""
        eventually(f"{program} is started", (self.orders_folder / f"{program}.reached").exists)

    def running(self, part):
        """Waits until that part's job runs. -> its number"""
        def job():
            found = [one for one in (self.newest() or {"parts": []})["parts"] if one["part"] == part]
            return found and found[0].get("job") and self.state(found[0]["job"]) == "RUNNING" and found[0]["job"]
        return eventually(f"the job of {part} runs", job)

    def submissions(self):
        """What the ledger has of benchmarks: their names, and the Slurm jobs."""
        database = sqlite3.connect(f"file:{self.lab.state}/ledger.sqlite?mode=ro", uri=True, timeout=20)
        try:
            return database.execute("SELECT external_id, number FROM jobs WHERE gateway = 'benchmark'").fetchall()
        finally:
            database.close()

    # MARK: Slurm

    def state(self, job):
        return self.lab.command("squeue", "-h", "-a", "-t", "all", "-j", job, "-o", "%T", check=False).strip()

    def jobs(self):
        """The Slurm jobs that there were, by number."""
        return set(re.findall(r"^JobId=(\d+) ", self.lab.command("scontrol", "--oneliner", "show", "jobs"), re.MULTILINE))

    def as_user(self, *words):
        subprocess.run(words, check=True, user=self.user.pw_uid, group=self.user.pw_gid, extra_groups=[], cwd="/tmp")

    def script(self, job):
        return self.lab.command("scontrol", "write", "batch_script", job, "-")

    def token(self, job):
        """The secret of its run."""
        return self.script(job).split("TOKEN='")[1].split("'")[0]

    def left(self):
        """What jobs left behind in the folders."""
        return [path.name for folder in (self.results, self.disk) for path in folder.iterdir() if path.name.startswith("sga-")]


def block(token, name, text, cut=0):
    """As a job's script prints it. cut: bytes that are missing at the end"""
    sum_of = subprocess.run(["cksum"], input=text.encode(), capture_output=True, check=True).stdout.split()[0].decode()
    lines = subprocess.run(["base64"], input=text.encode()[:len(text) - cut], capture_output=True, check=True).stdout.decode().splitlines()
    return "".join(f"{line}\n" for line in ["", f"@sga begin {token} {name} {len(text)} {sum_of}", *(f"@sga . {one}" for one in lines),
                                            f"@sga end {token} {name}"])


def result(speed="0.00125"):
    """What the stand-in of hpcc writes, with another speed."""
    return HPCC.split("<<'END'\n")[1].removesuffix("END").replace("0.00125", speed)


def blocks(output):
    """The results in a job's output, read by another program than the agent; none before the job has begun."""
    found = {}
    if not Path(output).exists():
        return found
    for name, text in re.findall(r"^@sga begin \w+ (\S+) \d+ \d+\n((?:@sga \. .*\n)*)@sga end", Path(output).read_text(errors="replace"), re.MULTILINE):
        found[name] = base64.b64decode("".join(line[len("@sga . "):] for line in text.splitlines())).decode()
    return found
