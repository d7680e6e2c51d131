#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""How fast the grid gateway is, from the chain to Slurm and back: one JSON object a line on stdout, the rest on stderr. Needs
root.

    grid.py [NAME…]        idle latency throughput (all)

BINARY: the agent, a release build. PLUGINS: the folder of the built plugins. JOBS: for throughput, default 300.
../README.md says what the figures mean."""

import json
import os
import re
import socket
import sqlite3
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PYTHON = subprocess.run([ROOT / "lab/grid/install.sh"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
sys.dont_write_bytecode = True
if sys.executable != PYTHON:
    # gRPC and the chain's packages are in the lab's own Python.
    os.execv(PYTHON, [PYTHON, *sys.argv])
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
# In place of this folder: lab/grid has a module grid too.
sys.path[0] = str(ROOT / "lab/grid")
sys.path += [str(ROOT / part) for part in ("Tests/Events", "Tests/Chain", "lab/grid/services")]

import cluster  # noqa: E402


def say(text):
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


cluster.say = say

import grpc  # noqa: E402
import rlp  # noqa: E402
import sbatch_pb2  # noqa: E402
import sbatch_pb2_grpc  # noqa: E402
from eth_keys import keys  # noqa: E402

from chain import KEY  # noqa: E402
from cluster import eventually  # noqa: E402
from common import personal_hash  # noqa: E402
from grid import STATUSES, job_id  # noqa: E402
from world import PROVIDER, World  # noqa: E402

TICKS = os.sysconf("SC_CLK_TCK")
# The node tells monotonic time, the plugins wall time.
WALL = time.time() - time.monotonic()


def figure(name, value, unit, **more):
    print(json.dumps({"name": name, "value": round(value, 3), "unit": unit, **more}), flush=True)


def percentile(values, part):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]


def describe(what, values):
    numbers = f"median {statistics.median(values):.1f}, p99 {percentile(values, 0.99):.1f}, longest {max(values):.1f}"
    say(f"{what}, ms, of {len(values)}: {numbers}")


class Tap:
    """Sits before the node and notes when a status of a job is there, by the wall clock: the node itself looks at its socket
    late while it makes a block."""

    # No other call has a parameter like it; in which order JSON's members come is not said.
    RAW = re.compile(rb'"params":\["0x([0-9a-f]{200,})"\]')

    def __init__(self):
        self.target = None
        self.statuses = {}  # (job, status) -> time of the first broadcast
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}/"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            here, _ = self.listener.accept()
            there = socket.create_connection(("127.0.0.1", self.target))
            for one in (here, there):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self.pass_on, args=(here, there, self.look), daemon=True).start()
            threading.Thread(target=self.pass_on, args=(there, here, None), daemon=True).start()

    @staticmethod
    def pass_on(source, sink, look):
        seen = b""
        try:
            while part := source.recv(1 << 16):
                now = time.time()
                sink.sendall(part)
                if look:
                    seen = look(seen + part, now)
        except OSError:
            pass
        for one in (source, sink):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def look(self, seen, now):
        """-> what may still become a broadcast"""
        end = 0
        for match in self.RAW.finditer(seen):
            end = match.end()
            raw = bytes.fromhex(match[1].decode())
            # EIP-2718: a typed transaction begins with its type, a legacy one with its list.
            call = rlp.decode(raw[1:])[7] if raw[0] < 0x80 else rlp.decode(raw)[5]
            if call[:4] == self.selector:
                self.statuses.setdefault(("0x" + call[4:36].hex(), STATUSES[call[67]]), now)
        return seen[end:][-65536:]


class OwnCore:
    """The node's EVM keeps the last core of the machine to itself: what is measured is the agent's time, not the wait for a core
    that makes a block. All that is started by this process, and itself, stay on the others. Where there is one core nothing is
    done."""

    def __init__(self):
        self.all = sorted(os.sched_getaffinity(0))
        if self.is_possible:
            os.sched_setaffinity(0, self.all[:-1])

    @property
    def is_possible(self):
        return len(self.all) > 1

    def give(self, process):
        if self.is_possible:
            os.sched_setaffinity(process.pid, self.all[-1:])

    def end(self):
        os.sched_setaffinity(0, self.all)


def prepare(world, count, script, credits):
    """Jobs that only wait to be given to the provider. The agent is approved. -> their ids"""
    world.agent.start()
    eventually("the agent registers", lambda: world.grid.providers.call("isWaitingForApproval", PROVIDER), 60)
    world.approve()
    say(f"{count} jobs are requested")
    return [job_id(world.request(script, credits)) for _ in range(count)]


def wait_for_statuses(world, first, count, within):
    """Until the chain has a claim, a start and an end of so many jobs in blocks after `first`. -> the block of each"""
    def blocks():
        history = world.chain.call("lab_history", PROVIDER)
        found = [block for _, _, succeeded, block in history if succeeded and block > first]
        return found if len(found) >= 3 * count else None

    return eventually("all jobs are over", blocks, within, 1)


def finish(world, jobs):
    """Did they do what they should? Their output files go. -> the jobs' ids on the chain, by Slurm's"""
    number = {one["job_id"]: chain_job(one) for one in world.agent.transitions() if one["kind"] == "submitted"}
    for slurm in number:
        for path in Path("/tmp").glob(f"slurm-grid-agent-{slurm}-*.log"):
            path.unlink()
    statuses = {job: world.grid.job(job)["statusName"] for job in jobs}
    if wrong := {job: status for job, status in statuses.items() if status != "Finished"}:
        raise RuntimeError(f"jobs did not finish: {wrong}")
    return number


def chain_job(transition):
    """The ledger's name of a job is the contract's address, and the job's id there."""
    return transition["external_id"].split("/")[-1]


def script_time(world, jobs):
    """Median seconds of the sbatch service's answer, asked as the agent asks."""
    provider = keys.PrivateKey(bytes.fromhex(KEY))
    ca = (world.chain.folder / "tls/ca.pem").read_bytes()
    with grpc.secure_channel(f"localhost:{world.sbatch.port}", grpc.ssl_channel_credentials(ca)) as channel:
        challenge = sbatch_pb2_grpc.AuthAPIStub(channel).Challenge(sbatch_pb2.ChallengeRequest()).challenge
        signature = provider.sign_msg_hash(personal_hash(challenge)).to_bytes()
        service, times = sbatch_pb2_grpc.SBatchAPIStub(channel), []
        for job in jobs[:50]:
            begun = time.monotonic()
            service.GetSBatch(sbatch_pb2.GetSBatchRequest(
                job_id=job, batch_location_hash=world.grid.job(job)["definition"]["batchLocationHash"], challenge=challenge,
                signed_challenge=signature, provider_address=provider.public_key.to_canonical_address(),
                customer_address=bytes.fromhex(world.customers[0].address[2:])))
            times.append(time.monotonic() - begun)
    return statistics.median(times)


def latency():
    """About one job a second; its start, its end and its claim. The node's EVM has a core of its own."""
    core = OwnCore()
    tap = Tap()
    with World(settings={"metascheduler.endpoint.rpc": tap.url}) as world:
        tap.target = world.chain.port
        core.give(world.chain.process)
        tap.selector = world.grid.meta.encode("providerSetJobStatus", job_id(0), 0, 0, "", 0)[:4]
        jobs = prepare(world, 120, "sleep 1", 2)
        heard = world.chain.folder / "events.jsonl"
        with heard.open("w") as output:
            words = [world.lab.stage / "slurm-grid-agent", "events", "--json", "--control", world.lab.run / "control.sock"]
            listener = subprocess.Popen(list(map(str, words)), stdout=output)
        world.chain.call("lab_mined")
        first, begun = world.grid.chain.height, time.monotonic()
        for index, job in enumerate(jobs):
            time.sleep(max(0, begun + index * 0.9 - time.monotonic()))
            world.bot.schedule(job, PROVIDER)
        wait_for_statuses(world, first, len(jobs), 60)
        mined = {number: when + WALL for when, number in world.chain.call("lab_mined")}
        claims = {one["arguments"]["jobId"]: mined[one["block"]] for one in world.grid.events(name="ClaimJobEvent")}
        number = finish(world, jobs)
        service = script_time(world, jobs)
        listener.terminate()
        listener.wait()
        committed = {(chain_job(one), one["kind"]): one["recorded_at_us"] / 1e6 for one in world.agent.transitions()}
        started, ended = stamps(heard, number)
        made = transactions(world)
    core.end()
    ways = (
        ("a start", "start_to_running", started, "running", "Running"),
        ("an end", "end_to_status", ended, "ended", "Finished"))
    for what, name, stamp, kind, status in ways:
        ledger = [(committed[job, kind] - stamp[job]) * 1000 for job in jobs]
        whole = [(tap.statuses[job, status] - stamp[job]) * 1000 for job in jobs]
        describe(f"from the plugin's time stamp of {what} to the ledger's commit", ledger)
        describe(f"from the plugin's time stamp of {what} to {status} at the node's socket", whole)
        tail(jobs, lambda job: (stamp[job], committed[job, kind], *made[job, status], tap.statuses[job, status]))
        figure(f"grid.{name}_broadcast_p99_ms", percentile(whole, 0.99), "ms", median=round(statistics.median(whole), 3))
    whole = [(committed[job, "submitted"] - claims[job]) * 1000 for job in jobs]
    describe("from a claim's block to the ledger's commit of the Slurm job", whole)
    say(f"of it the sbatch service's answer: {service * 1000:.1f} ms")
    figure("grid.claim_to_submit_p50_ms", statistics.median(whole) - service * 1000, "ms", service_ms=round(service * 1000, 3))


def transactions(world):
    """When the chain client had the intent of each status, and its signed transaction, on its disk; by (job, status)."""
    with sqlite3.connect(f"file:{world.lab.state}/chain.sqlite?mode=ro", uri=True, timeout=20) as database:
        rows = database.execute(
            "SELECT i.data, i.made_at, min(t.made_at) FROM intents i JOIN attempts a ON a.intent = i.id JOIN transactions t ON t.attempt = a.id "
            "WHERE i.class = 'status' GROUP BY i.id ORDER BY i.id DESC").fetchall()
    return {("0x" + data[4:36].hex(), STATUSES[data[67]]): (intent, signed) for data, intent, signed in rows if len(data) > 67}


def tail(jobs, times):
    """Where the slowest of them spent their time."""
    parts = ("to the ledger", "to the gateway's intent", "to the signed transaction", "to the socket")
    rows = sorted(((found := times(job))[-1] - found[0], [(b - a) * 1000 for a, b in zip(found, found[1:])]) for job in jobs)
    for place, part in enumerate(parts):
        describe(f"  of it {part}", [steps[place] for _, steps in rows])
    for whole, steps in rows[-3:]:
        say(f"  a slow one, {whole * 1000:.1f} ms: " + ", ".join(f"{part} {step:.1f}" for part, step in zip(parts, steps)))


def stamps(heard, number):
    """What the plugins said first of each job: seconds of start and end by the job's id on the chain."""
    started, ended = {}, {}
    for line in heard.read_text().splitlines():
        event = json.loads(line)
        if hint := event.get("hint"):
            job, when, isStart, isEnd = hint["job_id"], hint["time_us"], hint["reason"] == "start", False
        elif (told := event.get("observation")) and told["source"] == "plugin":
            over = told["state"] not in ("PENDING", "RUNNING", "SUSPENDED")
            job, when, isStart, isEnd = told["job_id"], told["time_us"], not over, over
        else:
            continue
        if job in number and (isStart or isEnd):
            found = started if isStart else ended
            found[number[job]] = min(found.get(number[job], 1e18), when / 1e6)
    return started, ended


def idle():
    """Nothing to do, blocks of 1 s: what the agent asks the node for, with a WebSocket and without."""
    found, seconds = {}, 60
    for name in ("clock", "socket"):
        with World() as world:
            if name == "clock":
                world.agent_settings = without_socket(world.agent_settings)
                world.configure({})
            world.agent.start()
            eventually("the agent registers", lambda: world.grid.providers.call("isWaitingForApproval", PROVIDER), 60)
            world.approve()
            world.chain.call("lab_mode", 1.0, True)
            time.sleep(20)
            world.chain.call("lab_mined")
            world.chain.call("lab_traffic", "/")
            time.sleep(seconds)
            traffic, blocks = world.chain.call("lab_traffic", "/"), len(world.chain.call("lab_mined"))
        found[name] = (traffic["requests"] / seconds, traffic["calls"] / seconds, blocks / seconds)
        requests, calls, rate = found[name]
        say(f"idle, by the {name}: {requests:.2f} HTTP requests and {calls:.2f} calls a second, {rate:.2f} blocks a second: {traffic['methods']}")
    requests, calls, _ = found["clock"]
    figure("chain.idle_requests_per_s", requests, "1/s", calls_per_s=round(calls, 3))
    requests, calls, rate = found["socket"]
    figure("chain.idle_requests_per_s_socket", requests, "1/s", calls_per_s=round(calls, 3), blocks_per_s=round(rate, 3))


def without_socket(settings):
    return lambda *words: {name: value for name, value in settings(*words).items() if name != "metascheduler.endpoint.ws"}


NAMES = {"node": "the node's EVM", "agent": "the agent", "slurm": "slurmctld and slurmds", "sbatch": "the sbatch service"}


class Clock:
    """Processor time of processes, seconds."""

    def __init__(self, groups):
        self.groups = groups
        self.begun, self.before, self.machine = time.monotonic(), self.read(), self.read_machine()

    def read(self):
        found = {}
        for name, pids in self.groups.items():
            fields = [Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split() for pid in pids]
            # Its own, and that of children that it has waited for.
            found[name] = sum(sum(map(int, one[11:15])) for one in fields) / TICKS
        return found

    @staticmethod
    def read_machine():
        fields = list(map(int, Path("/proc/stat").read_text().splitlines()[0].split()[1:9]))
        return (sum(fields) - fields[3] - fields[4]) / TICKS

    def shares(self):
        """Percent of a core of each group, and of all cores together."""
        took = time.monotonic() - self.begun
        shares = {name: (now - self.before[name]) / took * 100 for name, now in self.read().items()}
        return shares, (self.read_machine() - self.machine) / took * 100


def throughput():
    """Jobs that end at once, all waiting when the clock starts; blocks of 1 s, one key."""
    count, in_flight = int(os.environ.get("JOBS", 300)), 64
    # The other queue's length costs the lab's node the more the longer it is.
    with World(queue="naive", settings={"chain.in-flight": in_flight}, LAB_CPUS=64, LAB_MEM=64000) as world:
        jobs = prepare(world, count, "true", 2)
        control = ("--control", world.lab.run / "control.sock")
        world.agent.ask("drain", *control)
        say("they are given to the provider, which takes none yet")
        for job in jobs:
            world.bot.schedule(job, PROVIDER)
        world.chain.call("lab_mode", 1.0)
        world.chain.call("lab_mined")
        slurm = [path for path in (world.lab.lab / "pid").iterdir() if re.fullmatch(r"slurmctld|n\d+", path.name)]
        clock = Clock({
            "node": [world.chain.process.pid], "agent": [world.agent.process.pid],
            "slurm": [int(path.read_text()) for path in slurm], "sbatch": [world.sbatch.process.pid]})
        first, begun = world.grid.chain.height, time.monotonic()
        world.agent.ask("resume", *control)
        ours = wait_for_statuses(world, first, count, 60 + count)
        shares, machine = clock.shares()
        mined = {number: when for when, number in world.chain.call("lab_mined")}
        world.chain.call("lab_mode", 0)
        finish(world, jobs)
    minutes = (mined[max(ours)] - begun) / 60
    blocks = len(set(ours))
    fill, interval = len(ours) / blocks, (mined[max(ours)] - mined[min(ours)]) / max(1, blocks - 1)
    cores, measured = os.cpu_count(), sum(shares.values())
    say(f"{count} jobs, {len(ours)} transactions of one key in {blocks} blocks: {fill:.1f} a block, {interval:.2f} s each")
    parts = ", ".join(f"{NAMES[name]} {share:.0f}" for name, share in shares.items())
    say(f"percent of a core: {parts}, jobs and all others {machine - measured:.0f}; {machine:.0f} of {cores * 100} used")
    if machine > 90 * cores:
        limit = f"this machine's {cores} cores; of what is measured {NAMES[max(NAMES, key=shares.get)]} takes the most"
    elif shares["agent"] > 80:
        limit = "the agent"
    elif shares["node"] > 60:
        limit = NAMES["node"]
    elif fill > 0.8 * in_flight:
        limit = f"{in_flight} transactions in flight with blocks of 1 s"
    else:
        limit = "what each job waits for: blocks, and Slurm's start and end of it"
    say(f"what limits it: {limit}")
    more = {"transactions_per_block": round(fill, 1), "block_interval_s": round(interval, 3)}
    figure("grid.jobs_per_minute", count / minutes, "1/min", **more)
    for name in ("node", "agent", "slurm"):
        figure(f"grid.cpu_share_{name}", shares[name], "%")


if __name__ == "__main__":
    if os.geteuid() != 0:
        sys.exit("grid.py: needs root, for the lab")
    parts = {"idle": idle, "latency": latency, "throughput": throughput}
    for name in sys.argv[1:] or parts:
        say(f"== {name}: {parts[name].__doc__}")
        parts[name]()
