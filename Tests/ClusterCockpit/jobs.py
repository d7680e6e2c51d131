#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs of many kinds on a live cluster, told to a double of cc-backend, while the agent is killed and the backend is away, slow,
restarted and given another token. The backend's table must equal slurmdbd's, row by row, with the cores and GPUs that Slurm gave
each job. Needs root.

    jobs.py [JOBS [KILLS [SEED]]]

The last line is a verdict in JSON; exit status 1 when a run is lost, doubled or wrong."""

import json
import random
import shutil
import sys
import tempfile
import threading
import time
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TOP / "lab/clustercockpit"), str(TOP / "Tests/Events")]
from cluster import Agent, Lab, eventually, say  # noqa: E402

from backend import Backend  # noqa: E402
from clusters import configuration  # noqa: E402
from machine import Machine, gpus  # noqa: E402

# The numbers of its hardware threads are not socket × cores + core.
MACHINE = Machine(sockets=2, cores=2, threads=2, numbering="interleaved", gpus=gpus(2))
STATES = {
    "COMPLETED": "completed", "FAILED": "failed", "CANCELLED": "cancelled", "TIMEOUT": "timeout", "NODE_FAIL": "node_fail",
    "OUT_OF_MEMORY": "out_of_memory", "PREEMPTED": "preempted", "REQUEUED": "cancelled",
}
OPT_OUT = "disable_cc_submission"


class Site:
    def __init__(self, lab, backend, jobs, seed):
        self.lab, self.backend, self.jobs, self.random = lab, backend, jobs, random.Random(seed)
        self.seen = lab.folder("seen", 0o777)
        self.token = lab.run / "cockpit.token"
        self.write_token()
        self.hidden = []

    def write_token(self):
        fresh = self.token.with_suffix(".new")
        fresh.write_text(self.backend.token)
        fresh.chmod(0o600)
        shutil.chown(fresh, "slurm", "slurm")
        fresh.replace(self.token)

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

    def given(self, job, run):
        """Hosts with hardware threads, and the number of GPUs on each, as Slurm told the job; None: it did not come to ask."""
        file = self.seen / f"{job}.{run}"
        found, gpus_of = {}, {}
        for line in file.read_text().splitlines() if file.exists() else ():
            words = dict(word.split("=", 1) for word in line.split() if "=" in word)
            if "CPU_IDs" not in words:
                continue
            hosts = self.lab.command("scontrol", "show", "hostnames", words["Nodes"]).split()
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

    def compare(self, expected):
        """-> complaints by kind"""
        verdict = {"lost": [], "doubled": [], "wrong_end": [], "wrong_state": [], "wrong_resources": []}
        rows = {}
        for row in self.backend.rows():
            if row["jobId"] in rows or row["jobId"] not in expected:
                verdict["doubled"].append(f"{row['jobId']} at {row['startTime']}: {row['jobState']}")
            rows[row["jobId"]] = row
        looked = 0
        for job, run in expected.items():
            row = rows.get(job)
            if not row:
                verdict["lost"].append(f"{job}: {run}")
                continue
            if (row["startTime"], row["startTime"] + row["duration"]) != (run["start"], run["end"]):
                verdict["wrong_end"].append(f"{job}: {row['startTime']}+{row['duration']}, slurmdbd {run['start']} to {run['end']}")
            if row["jobState"] != run["state"]:
                verdict["wrong_state"].append(f"{job}: {row['jobState']}, slurmdbd {run['state']}")
            hosts = self.lab.command("scontrol", "show", "hostnames", run["nodes"]).split()
            held = {one["hostname"]: one for one in row["resources"]}
            if sorted(held) != sorted(hosts) or row["user"] != "labu1":
                verdict["wrong_resources"].append(f"{job}: hosts {sorted(held)}, slurmdbd {hosts}")
                continue
            count = next((int(part.split("=")[1]) for part in run["tres"].split(",") if part.startswith("gres/gpu=")), 0)
            if row["numAcc"] != count:
                verdict["wrong_resources"].append(f"{job}: {row['numAcc']} GPUs, slurmdbd {count}")
            given = self.given(job, run["runs"] - 1)
            if not given:
                continue
            looked += 1
            for host in hosts:
                if (held[host].get("hwthreads") or []) != given[0].get(host):
                    verdict["wrong_resources"].append(f"{job} on {host}: threads {held[host].get('hwthreads')}, Slurm gave {given[0].get(host)}")
                # A job that was over before it was looked at keeps no GPU index in slurmctld.
                told = held[host].get("accelerators") or []
                if told and told != given[1].get(host):
                    verdict["wrong_resources"].append(f"{job} on {host}: GPUs {told}, Slurm gave {given[1].get(host)}")
        return verdict, looked


def disturb(site, agent, kills, stop):
    """Everything that may happen between the two, until all of it has."""
    backend = site.backend

    def kill():
        agent.kill()
        stop.wait(site.random.random())
        agent.start()

    def away():
        backend.away()
        stop.wait(2)
        backend.back()

    def token():
        backend.new_token()
        stop.wait(1)
        site.write_token()

    others = [
        away, token, lambda: backend.restart(), lambda: backend.fault("slow", path="stop_job", times=2, seconds=2),
        lambda: backend.fault("html", times=3), lambda: backend.fault("silent", path="start_job", times=3),
        lambda: backend.fault("redirect", path="stop_job", times=2), lambda: backend.fault("drop", times=3),
    ]
    for number in range(max(kills, len(others))):
        if number < len(others) or site.random.random() < 0.3:
            others[number % len(others)]()
        stop.wait(0.5)
        if number < kills:
            kill()
        stop.wait(0.5)
    backend.fault("clear")


def main():
    jobs, kills, seed = (int(word) for word in (sys.argv[1:] + ["24", "4", "1"][len(sys.argv) - 1 :])[:3])
    began = time.time()
    machine = {"LAB_SOCKETS": MACHINE.sockets, "LAB_CORES": MACHINE.cores, "LAB_THREADS": MACHINE.threads}
    extra = "KillWait=1\nOverTimeLimit=0\nSchedulerParameters=batch_sched_delay=0,sched_min_interval=0,sched_interval=2,bf_interval=2"
    with tempfile.TemporaryDirectory(prefix="cockpit.") as folder, Lab(LAB_DBD=1, LAB_NODES=4, LAB_CRED_EXPIRE=5, LAB_CONF_EXTRA=extra, **machine) as lab:
        backend = Backend(folder, "1.5.4", [configuration(subclusters=[("main", "n[1-4]", MACHINE)])], commit_seconds=5).start()
        try:
            site = Site(lab, backend, jobs, seed)
            agent = Agent(lab, **{
                "clustercockpit.backends": f"main={backend.url}", "clustercockpit.token-files": f"main={site.token}",
                "accounting-interval": "10s", "sweep-interval": "5s",
            })
            agent.start()
            stop = threading.Event()
            disturbance = threading.Thread(target=disturb, args=(site, agent, kills, stop))
            later = site.special()
            disturbance.start()
            try:
                for number in range(jobs):
                    site.submit_some(number)
                later()
                eventually("all jobs are over", lambda: not lab.command("squeue", "-h").strip(), 60 + jobs, 0.5)
            finally:
                disturbance.join()
            say("all jobs are over, and all that was to happen has happened")
            expected = eventually("slurmdbd knows every end", site.slurm, 60, 1)

            def told():
                verdict, looked = site.compare(expected)
                return None if any(verdict["lost"]) or any(row["jobState"] == "running" for row in backend.rows()) else (verdict, looked)

            try:
                verdict, looked = eventually("the backend was told of every run", told, 40, 0.5)
            except TimeoutError:
                verdict, looked = site.compare(expected)
            status = agent.stop()
        finally:
            backend.stop()
        for kind, complaints in verdict.items():
            for complaint in complaints:
                say(f"{kind}: {complaint}")
        counts = {kind: len(complaints) for kind, complaints in verdict.items()}
        ok = not any(counts.values()) and status == 0 and looked > 0
        print(json.dumps({"ok": ok, "runs": len(expected), "looked_at": looked, **counts, "kills": kills, "seed": seed, "agent_exit": status, "seconds": round(time.time() - began)}))
        if not ok:
            raise SystemExit(1)


if __name__ == "__main__":
    main()
