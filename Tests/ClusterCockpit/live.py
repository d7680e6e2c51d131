# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab cluster whose jobs are told to doubles of cc-backend, and what each of them must have in the end."""

import json
import random
import shutil
import sys
import time
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TOP / "lab/clustercockpit"), str(TOP / "Tests/Events")]
from cluster import Agent, Lab, eventually, say  # noqa: E402, F401

from backend import Backend  # noqa: E402
from clusters import configuration  # noqa: E402
from fakesys import write  # noqa: E402
from machine import Machine, gpus  # noqa: E402

# The numbers of its hardware threads are not socket × cores + core.
MACHINE = Machine(sockets=2, cores=2, threads=2, numbering="interleaved", gpus=gpus(2))
STATES = {
    "COMPLETED": "completed", "FAILED": "failed", "CANCELLED": "cancelled", "TIMEOUT": "timeout", "NODE_FAIL": "node_fail",
    "OUT_OF_MEMORY": "out_of_memory", "PREEMPTED": "preempted", "REQUEUED": "cancelled",
}
OPT_OUT = "disable_cc_submission"


class Site:
    """A cluster whose jobs several backends are told of, by name."""

    def __init__(self, lab, backends, seed=1):
        self.lab, self.backends, self.random = lab, backends, random.Random(seed)
        self.seen = lab.base / "seen"
        if not self.seen.exists():
            lab.folder("seen", 0o777)
        self.hidden, self.names = [], {}
        # From 24.11 on slurmctld tells no core numbers: those of a node where no step began nobody knows.
        release = lab.command("scontrol", "--version").split()[1]
        self.asks_slurmctld = tuple(int(part) for part in release.split(".")[:2]) < (24, 11)
        for name in backends:
            self.write_token(name)

    def token(self, name):
        return self.lab.run / f"{name}.token"

    def write_token(self, name):
        fresh = self.token(name).with_suffix(".new")
        fresh.write_text(self.backends[name].token)
        fresh.chmod(0o600)
        shutil.chown(fresh, "slurm", "slurm")
        fresh.replace(self.token(name))

    def agent(self, **settings):
        return Agent(self.lab, **{
            "clustercockpit.backends": ",".join(f"{name}={one.url}" for name, one in self.backends.items()),
            "clustercockpit.token-files": ",".join(f"{name}={self.token(name)}" for name in self.backends),
            "accounting-interval": "10s", "sweep-interval": "5s", **settings,
        })

    def status(self, agent):
        """What the running agent says of each backend, by name."""
        said = agent.ask("clustercockpit", "status", "--json", "--control", self.lab.run / "control.sock")
        return {one["name"]: one for one in json.loads(said)["backends"]}

    def submit(self, *options, seconds=1.0, rest="true"):
        """What Slurm gives it, the job itself asks."""
        look = f"scontrol show job -d $SLURM_JOB_ID > {self.seen}/$SLURM_JOB_ID.${{SLURM_RESTART_COUNT:-0}} 2>&1"
        return self.lab.submit(*options, body=f"{look}; sleep {seconds}; {rest}")

    def submit_some(self, number):
        pick = self.random.random()
        kinds = [
            ("-n1",), ("-n3",), ("-N2", "-n2"), ("--exclusive",), ("--gres=gpu:1",), ("--gres=gpu:2", "-n2"), ("--exclusive", "--gres=gpu:1"),
            ("-n1", "--exclusive=user"), ("-n2",),
        ]
        return self.submit(f"-Jj{number}", *kinds[number % len(kinds)], seconds=round(pick * 2, 2), rest="exit 3" if pick < 0.2 else "true")

    def special(self):
        """One of each kind that somebody has to do something to. -> what to do"""
        lab = self.lab
        self.submit("-Jarray", "--array=1-5%2")
        self.submit("-Jhet", "-n1", ":", "-n1")
        cancelled = self.submit("-Jcancelled", "--hold")
        requeued = self.submit("-Jrequeued", "--requeue", "-n1", seconds=6)
        suspended = self.submit("-Jsuspended", "-n1", seconds=4)
        killed = self.submit("-Jkilled", "-n1", seconds=300)
        hidden = self.submit("-Jhidden", "--hold")
        self.hidden.append(hidden)
        lab.command("scancel", cancelled)
        lab.command("scontrol", "update", f"JobId={hidden}", f"AdminComment={OPT_OUT}")
        lab.command("scontrol", "release", hidden)

        def later():
            for job in (requeued, suspended, killed):
                eventually(f"job {job} runs", lambda: lab.command("squeue", "-h", "-j", job, "-o", "%T", check=False).strip() in ("RUNNING", ""), 90)
            for words in (("scontrol", "requeue", requeued), ("scontrol", "suspend", suspended), ("scancel", killed)):
                lab.command(*words, check=False)
            time.sleep(1)
            lab.command("scontrol", "resume", suspended, check=False)

        return later

    # What must be at the backend

    def slurm(self):
        """Runs that ran, by (job id, start); of a job with several the last one. None while slurmdbd waits for an end."""
        fields = "JobIDRaw,State,Start,End,NodeList,AllocTRES"
        words = ["sacct", "-D", "-X", "-a", "-P", "-n", "-S", "now-1days", f"--format={fields}"]
        last = {}
        for line in self.lab.command(*words).splitlines():
            raw, state, start, end, nodes, tres = line.split("|")
            if state in ("RUNNING", "PENDING", "SUSPENDED", "REQUEUED") and not end.isdigit():
                return None
            if not start.isdigit() or nodes == "None assigned" or int(raw) in self.hidden:
                continue
            row = {"start": int(start), "end": int(end), "state": STATES[state.split()[0]], "nodes": nodes, "tres": tres}
            before = last.get(int(raw))
            last[int(raw)] = {**max(before, row, key=lambda one: one["start"]), "runs": before["runs"] + 1} if before else {**row, "runs": 1}
        return last

    def hosts(self, nodes):
        if nodes not in self.names:
            self.names[nodes] = self.lab.command("scontrol", "show", "hostnames", nodes).split()
        return self.names[nodes]

    def given(self, job, run):
        """Hosts with hardware threads, and the number of GPUs on each, as Slurm told the job; None: it did not come to ask."""
        file = self.seen / f"{job}.{run}"
        found, gpus_of = {}, {}
        # Asked for the number of an array or a heterogeneous job, Slurm tells of each part of it.
        parts = file.read_text().split("JobId=") if file.exists() else []
        own = next((part for part in parts if part.split()[:1] == [str(job)]), "")
        for line in own.splitlines():
            words = dict(word.split("=", 1) for word in line.split() if "=" in word)
            if "CPU_IDs" not in words:
                continue
            hosts = self.hosts(words["Nodes"])
            threads = set()
            for part in words["CPU_IDs"].split(","):
                first, _, end = part.partition("-")
                threads |= set(range(int(first), int(end or first) + 1))
            cores = sorted({thread // MACHINE.threads for thread in threads})
            indices = []
            if "IDX:" in words.get("GRES", ""):
                for part in words["GRES"].split("IDX:")[1].split(")")[0].split(","):
                    first, _, end = part.partition("-")
                    indices += range(int(first), int(end or first) + 1)
            for host in hosts:
                found[host] = MACHINE.of_cores(cores)
                gpus_of[host] = [MACHINE.gpus[index].long_address for index in indices]
        return (found, gpus_of) if found else None

    def compare(self, expected, name):
        """-> complaints about what this backend has, by kind, and how many jobs could be asked for their cores"""
        verdict = {"lost": [], "doubled": [], "wrong_end": [], "wrong_state": [], "wrong_resources": []}
        backend, rows, looked = self.backends[name], {}, 0
        old = backend.release.minor < 5
        for row in backend.rows():
            if row["jobId"] in rows or row["jobId"] not in expected:
                verdict["doubled"].append(f"{row['jobId']} at {row['startTime']}: {row['jobState']}")
            rows[row["jobId"]] = row
        for job, run in expected.items():
            row = rows.get(job)
            if not row:
                verdict["lost"].append(f"{job}: {run}")
                continue
            # Before 1.5 a run lasts a second at least, and some states have no word.
            end = max(run["end"], run["start"] + 1) if old else run["end"]
            state = "failed" if old and run["state"] == "node_fail" else run["state"]
            if (row["startTime"], row["startTime"] + row["duration"]) != (run["start"], end):
                verdict["wrong_end"].append(f"{job}: {row['startTime']}+{row['duration']}, slurmdbd {run['start']} to {run['end']}")
            if row["jobState"] != state:
                verdict["wrong_state"].append(f"{job}: {row['jobState']}, slurmdbd {run['state']}")
            looked += self.compare_resources(job, run, row, verdict["wrong_resources"])
        return verdict, looked

    def compare_resources(self, job, run, row, complaints):
        """-> whether the job itself could say what it was given"""
        hosts = self.hosts(run["nodes"])
        held = {one["hostname"]: one for one in row["resources"]}
        if sorted(held) != sorted(hosts) or row["user"] != "labu1":
            complaints.append(f"{job} of {row['user']}: hosts {sorted(held)}, slurmdbd {hosts}")
            return False
        count = next((int(part.split("=")[1]) for part in run["tres"].split(",") if part.startswith("gres/gpu=")), 0)
        if row["numAcc"] != count:
            complaints.append(f"{job}: {row['numAcc']} GPUs, slurmdbd {count}")
        given = self.given(job, run["runs"] - 1)
        if not given:
            return False
        for host in hosts:
            threads = held[host].get("hwthreads") or []
            if not threads and not self.asks_slurmctld and host != hosts[0]:
                continue
            if threads != given[0].get(host):
                complaints.append(f"{job} on {host}: threads {held[host].get('hwthreads')}, Slurm gave {given[0].get(host)}")
            # A job that was over before it was looked at keeps no GPU index in slurmctld.
            told = held[host].get("accelerators") or []
            if told and told != given[1].get(host):
                complaints.append(f"{job} on {host}: GPUs {told}, Slurm gave {given[1].get(host)}")
        return True


def backend_of(folder, release, machine=MACHINE):
    """A double that knows the lab's nodes."""
    return Backend(folder, release, [configuration(subclusters=[("main", "n[1-4]", machine)])], commit_seconds=5).start()


def kept(lab):
    """What nodes have said and no agent has taken."""
    return list((lab.base / "words").glob("*.word"))


def forget(lab):
    """As if the nodes had said nothing when their slurmds started."""
    eventually("all nodes have said what they are made of", lambda: len(kept(lab)) == 4, 60, 0.1)
    for word in kept(lab):
        word.unlink()


def lab_of():
    machine = {"LAB_SOCKETS": MACHINE.sockets, "LAB_CORES": MACHINE.cores, "LAB_THREADS": MACHINE.threads}
    extra = "KillWait=1\nOverTimeLimit=0\nSchedulerParameters=batch_sched_delay=0,sched_min_interval=0,sched_interval=2,bf_interval=2"
    lab = Lab(LAB_DBD=1, LAB_NODES=4, LAB_CRED_EXPIRE=5, LAB_CONF_EXTRA=extra, **machine)
    # Each node's kernel says that it is that machine.
    write(MACHINE, lab.base / "hardware")
    shutil.copy(TOP / "slurm-plugins/build/root/spank_grid_agent.so", lab.stage / "spank_grid_agent.so")
    line = (lab.stage / "plugstack.conf").read_text().rstrip()
    (lab.stage / "plugstack.conf").write_text(f"{line} root={lab.base / 'hardware'}\n")
    return lab
