#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What it costs to tell a ClusterCockpit backend of jobs: one JSON object a line on stdout, the rest on stderr. Needs root.

    cockpit.py [--quick] [NAME…]        sync_1000 idle start sync_10000 (all of these)

--quick: a few jobs and seconds: does it work? BINARY: the agent, a release build. PLUGINS: the folder of the built plugins. README.md says what the figures mean. The backend
here answers at once: what is measured is the agent, slurmctld and nothing else."""

import json
import os
import socket
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "Tests/Events"), str(ROOT / "lab/clustercockpit")]
import cluster  # noqa: E402
from cluster import Agent, Lab, eventually  # noqa: E402

cluster.say = lambda text: print(text, file=sys.stderr, flush=True)
SCHEDULER = "SchedulerParameters=batch_sched_delay=0,sched_min_interval=0,sched_interval=2,default_queue_depth=20000,partition_job_depth=20000"


class Size:
    """How many jobs stand for 1,000 and 10,000, how many start, and for how many seconds nothing is to happen, before and while it is measured."""

    jobs, many, starts, settle, idle = 1000, 10_000, 200, 30, 120

    @classmethod
    def be_quick(cls):
        cls.jobs, cls.many, cls.starts, cls.settle, cls.idle = 20, 50, 20, 2, 5


def figure(name, value, unit):
    print(json.dumps({"name": name, "value": round(value, 3), "unit": unit}), flush=True)


class Backend:
    """Release 1.5 as far as the agent asks: it takes every start and stop at once, and lists what runs."""

    def __init__(self, cores):
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        self.started, self.rows, self.requests, self.lock = {}, {}, 0, threading.Lock()
        topology = {"node": list(range(cores)), "socket": [list(range(cores))], "memoryDomain": [list(range(cores))], "core": [[one] for one in range(cores)]}
        self.clusters = json.dumps({"clusters": [{"name": "lab", "metricConfig": [], "subClusters": [{"name": "main", "nodes": "*", "topology": topology}]}]}).encode()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        data = b""
        while True:
            while b"\r\n\r\n" not in data:
                part = connection.recv(1 << 18)
                if not part:
                    return
                data += part
            head, _, data = data.partition(b"\r\n\r\n")
            length = next((int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
            while len(data) < length:
                data += connection.recv(1 << 18)
            body, data = data[:length], data[length:]
            status, answer = self.answer(head.split(b" ", 2)[1].decode(), body)
            connection.sendall(b"HTTP/1.1 %d OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (status, len(answer), answer))

    def answer(self, path, body):
        now = time.time()
        with self.lock:
            self.requests += 1
            if path.startswith("/api/jobs/start_job"):
                job = json.loads(body)
                self.started.setdefault(job["jobId"], now)
                self.rows[job["jobId"]] = job
                return 201, b'{"msg":"success"}'
            if path.startswith("/api/jobs/stop_job"):
                self.rows.pop(json.loads(body)["jobId"], None)
                return 200, b"{}"
            if path.startswith("/api/clusters"):
                return 200, self.clusters
            if path.startswith("/api/jobs/"):
                words = dict(word.split("=", 1) for word in path.partition("?")[2].split("&") if "=" in word)
                number, page = int(words.get("items-per-page", 25)), int(words.get("page", 1))
                rows = [{"jobId": one["jobId"], "startTime": one["startTime"], "jobState": "running"} for one in list(self.rows.values())[(page - 1) * number : page * number]]
                return 200, json.dumps({"jobs": rows, "items": number, "page": page}).encode()
            return 200, b""

    def close(self):
        self.socket.close()


def settings(lab, backend):
    token = lab.run / "token"
    token.write_text("token")
    token.chmod(0o600)
    os.chown(token, lab.uid, -1)
    return {"clustercockpit.backends": f"main={backend.url}", "clustercockpit.token-files": f"main={token}", "clustercockpit.cluster": "lab"}


def lab_of(jobs, **knobs):
    nodes = -(-jobs // 4000)
    return Lab(LAB_NODES=nodes, LAB_CPUS=-(-jobs // nodes), LAB_MEM=2 * jobs, LAB_CONF_EXTRA=f"MaxJobCount={jobs + 10_000}\n{SCHEDULER}", **knobs)


def run_jobs(lab, count):
    """Jobs that run and have no process: allocations without a shell."""
    script = f"seq {count} | xargs -P 8 -n 1 sh -c 'exec salloc --no-shell --quiet -n1 --mem=1 -t 600 -J bench >/dev/null 2>&1'"
    lab.command("bash", "-c", script, user="labu1")
    eventually("all run", lambda: int(lab.command("bash", "-c", "squeue -h -t R | wc -l")) == count, 600, 1)


def status(agent, key):
    lines = Path(f"/proc/{agent.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(key + ":")) / 1024


class Peak(threading.Thread):
    """The highest RssAnon, MiB."""

    def __init__(self, agent):
        super().__init__(daemon=True)
        self.agent, self.value, self.over = agent, 0, threading.Event()
        self.start()

    def run(self):
        while not self.over.wait(0.02):
            self.value = max(self.value, status(self.agent, "RssAnon"))


def seconds(agent):
    fields = Path(f"/proc/{agent.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def first_sync(lab, count):
    """The ledger knows all of the jobs when the gateway is switched on. -> the agent, seconds from its first word to the
    backend until the backend has all, MiB"""
    agent = Agent(lab)
    agent.start()
    eventually("all are in the ledger", lambda: agent.query("SELECT count(*) FROM runs WHERE phase = 'running'")[0][0] == count, 300, 0.5)
    agent.stop()
    backend = Backend(min(count, 4000))
    agent = Agent(lab, **settings(lab, backend))
    agent.start()
    begin = time.monotonic()
    peak = Peak(agent)
    eventually("the backend has all", lambda: len(backend.started) == count, 600, 0.005)
    took = time.monotonic() - begin
    first = min(backend.started.values())
    span = max(backend.started.values()) - first
    peak.over.set()
    cluster.say(f"{count} jobs: {took:.2f} s since the agent was ready, {span:.2f} s from the first to the last start, {backend.requests} requests, {seconds(agent):.2f} s of CPU")
    return agent, backend, took, peak.value


def sync(count, name, value):
    """value: what is told of the seconds"""
    with lab_of(count) as lab:
        run_jobs(lab, count)
        agent, backend, took, peak = first_sync(lab, count)
        agent.stop()
        backend.close()
        figure(f"clustercockpit.{name}.{value[0]}", value[1](took), value[0].split("_")[0])
        figure(f"clustercockpit.{name}.peak_anon_mib", peak, "MiB")


def sync_1000():
    """1,000 running jobs at the first start of the gateway."""
    sync(Size.jobs, "first_sync_1000", ("ms_per_job", lambda took: took * 1000 / Size.jobs))


def sync_10000():
    """10,000 running jobs at the first start of the gateway."""
    sync(Size.many, "first_sync_10000", ("s", lambda took: took))


def idle():
    """1,000 jobs run and nothing happens for two minutes."""
    with lab_of(Size.jobs) as lab:
        run_jobs(lab, Size.jobs)
        agent, backend, _, _ = first_sync(lab, Size.jobs)
        time.sleep(Size.settle)
        before, asked, begin = seconds(agent), backend.requests, time.monotonic()
        time.sleep(Size.idle)
        share = (seconds(agent) - before) / (time.monotonic() - begin) * 100
        cluster.say(f"{backend.requests - asked} requests in {Size.idle} s; {status(agent, 'RssAnon'):.1f} MiB")
        agent.stop()
        backend.close()
        figure("clustercockpit.idle_1000_cpu_percent", share, "%")


def start():
    """200 jobs start, 10 a second: from the node's time stamp of each to its start at the backend."""
    with Lab(LAB_NODES=1, LAB_CPUS=64, LAB_CONF_EXTRA=SCHEDULER) as lab:
        backend = Backend(64)
        agent = Agent(lab, **settings(lab, backend))
        agent.start()
        warm = lab.submit()
        eventually("a first job is at the backend", lambda: warm in backend.started, 60)
        told = subprocess.Popen([lab.stage / "slurm-grid-agent", "events", "--json", "--control", lab.run / "control.sock"], stdout=subprocess.PIPE, text=True)
        lines = []
        reader = threading.Thread(target=lambda: lines.extend(told.stdout), daemon=True)
        reader.start()
        begin, jobs = time.monotonic(), []
        for index in range(Size.starts):
            jobs.append(lab.submit(body="sleep 2"))
            time.sleep(max(0, begin + (index + 1) / 10 - time.monotonic()))
        eventually("all are at the backend", lambda: all(job in backend.started for job in jobs), 120, 0.1)
        told.terminate()
        reader.join(10)
        hinted = {}
        for line in map(json.loads, lines):
            if (hint := line.get("hint")) and hint["reason"] == "start":
                hinted.setdefault(hint["job_id"], hint["time_us"] / 1e6)
        took = sorted((backend.started[job] - hinted[job]) * 1000 for job in jobs if job in hinted)
        if len(took) < Size.starts * 0.95:
            sys.exit(f"cockpit.py: of {Size.starts} starts {len(took)} were hinted at: nothing was measured")
        cluster.say(f"{len(took)} starts: median {statistics.median(took):.1f} ms, the slowest {[round(one) for one in took[-8:]]} ms")
        agent.stop()
        backend.close()
        figure("clustercockpit.start_to_row_p99_ms", took[int(len(took) * 0.99)], "ms")


if __name__ == "__main__":
    if os.geteuid() != 0:
        sys.exit("cockpit.py: needs root, for the lab")
    parts = {"sync_1000": sync_1000, "idle": idle, "start": start, "sync_10000": sync_10000}
    words = sys.argv[1:]
    if "--quick" in words:
        words.remove("--quick")
        Size.be_quick()
    for name in words or parts:
        cluster.say(f"== {name}: {parts[name].__doc__}")
        parts[name]()
