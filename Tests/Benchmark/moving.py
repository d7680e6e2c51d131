#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A provider that comes from the supervisor, from nothing to its first job: the supervisor's environment as its chart renders it,
`BENCHMARK_RUN_AS=root` included, and a file with the two keys that it has no name for. The agent starts, says whose the
benchmarks' jobs are, measures, takes what jobs post to `PUBLIC_ADDRESS`, registers with what was measured, is approved and takes a job, which
starts before a benchmark that has waited longer. Real programs. Needs root."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PYTHON = subprocess.run([ROOT / "lab/grid/install.sh"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
sys.dont_write_bytecode = True
if sys.executable != PYTHON:
    # The chain's libraries are in the lab's own Python.
    os.execv(PYTHON, [PYTHON, *sys.argv])
sys.path += [str(ROOT / part) for part in ("lab/grid", "Tests/Chain", "Tests/Events", "Tests/Benchmark")]

from fixture import check  # noqa: E402
from world import KEY, PROVIDER, World, eventually, say  # noqa: E402

from cluster import Agent  # noqa: E402


def environment(world):
    """The supervisor's, with the names and defaults of its help; what is not set is empty."""
    port = int(world.lab.read_env()["LAB_PORT"]) + 95  # of the lab's own, behind its services'
    return {
        "BENCHMARK_DISABLE": "false", "BENCHMARK_HPL_IMAGE": "registry-1.deepsquare.run#library/hpc-benchmarks:23.5",
        "BENCHMARK_HPL_SINGLE_NODE": "false", "BENCHMARK_HPL_BLOCK_SIZE": "32", "BENCHMARK_HPL_MEMORY_PERCENT": "0.005",
        "BENCHMARK_UNRESPONSIVE": "false", "BENCHMARK_IOR_IMAGE": "registry-1.deepsquare.run#library/ior-benchmarks:latest",
        "BENCHMARK_IOR_SINGLE_NODE": "false", "BENCHMARK_OSU_IMAGE": "registry-1.deepsquare.run#library/osu-benchmarks:latest",
        "BENCHMARK_RUN_AS": "root", "BENCHMARK_SPEEDTEST_IMAGE": "registry-1.docker.io#gists/speedtest-cli:1.2.0",
        "BENCHMARK_TIME_LIMIT": "24h0m0s", "BENCHMARK_TRACE": "false", "BENCHMARK_ENV": "OMPI_MCA_mpi_yield_when_idle=1",
        "BENCHMARK_UCX": "false", "BENCHMARK_UCX_AFFINITY": "", "BENCHMARK_UCX_TRANSPORT": "",
        "METASCHEDULER_CPU_PRICE_PER_MIN": "950000000000000000", "METASCHEDULER_GPU_PRICE_PER_MIN": "8500000000000000000",
        "METASCHEDULER_MEM_PRICE_PER_MIN": "80000000000000", "METASCHEDULER_ENDPOINT_RPC": world.chain.url(),
        "METASCHEDULER_ENDPOINT_WS": world.chain.url(scheme="ws"), "METASCHEDULER_LABELS": "zone=lab,name=moved,os=",
        "METASCHEDULER_SMART_CONTRACT": world.grid.meta.address, "ETH_PRIVATE_KEY": KEY, "NVIDIA_SMI_PATH": "nvidia-smi", "TRACE": "false",
        "LISTEN_ADDRESS": f"127.0.0.1:{port}", "PUBLIC_ADDRESS": f"localhost:{port}", "SBATCH_ENDPOINT": f"localhost:{world.sbatch.port}",
        "SBATCH_TLS_ENABLE": "true", "SBATCH_CA": str(world.lab.stage / "grid-ca.pem"), "SBATCH_TLS_INSECURE": "false",
        "TLS_ENABLE": "true", "TLS_CERT": "", "TLS_KEY": "", "SLURM_SBATCH_PATH": "/usr/bin/sbatch", "SLURM_SCANCEL_PATH": "/usr/bin/scancel",
        "SLURM_SCONTROL_PATH": "/usr/bin/scontrol", "SLURM_SINFO_PATH": "/usr/bin/sinfo", "SLURM_SQUEUE_PATH": "/usr/bin/squeue",
        "SLURM_PARTITION": "main", "SLURM_SSH_ADDRESS": "localhost:22", "SLURM_SSH_ADMIN_USER": "root", "SLURM_SSH_PRIVATE_KEY": "",
    }


class Moving:
    def __init__(self, world):
        self.world, self.lab = world, world.lab
        self.user = world.customers[0].address.lower()
        self.results = self.lab.base / "results"
        self.results.mkdir(mode=0o755)
        shutil.chown(self.results, self.user)

    def start(self):
        world = self.world
        world.agent = Agent(self.lab, **{
            "benchmark.fallback-user": self.user,
            "benchmark.storage": f"scratch={self.results}", "benchmark.storage-size": 4, "vanish-after": "2s"})
        plain, self.lab.environment = self.lab.environment, {**self.lab.environment, **environment(world)}
        try:
            world.agent.start()
        finally:
            self.lab.environment = plain
        eventually("it registers", lambda: world.grid.providers.call("isWaitingForApproval", PROVIDER), 60)
        log = world.agent.log.read_text()
        check("benchmark.run-as is root" in log and f"its jobs are those of {self.user}" in log, "it is not told:", log[:3000])

    def measure(self):
        """-> the labels as programs printed them, as far as they are checked here"""
        world = self.world
        world.ask("benchmark", "run")
        eventually("it is measured", lambda: world.ask("benchmark", "history", "--limit", 1)["runs"][0].get("ended_at"), 300, 1)
        parts = {part["part"]: part for part in world.ask("benchmark", "show")["runs"][0]["parts"]}
        for name in ("machine", "compute", "network", "storage"):
            check(parts[name]["state"] == "done", parts[name])
        jobs = self.lab.command("scontrol", "--oneliner", "show", "jobs")
        check(jobs.count(f"UserId={self.user}(") == 5 and "UserId=root" not in jobs, jobs)
        hpcc = next(one["content"] for one in world.ask("benchmark", "results") if one["name"] == "hpcc" and one["part"] == "compute")
        printed = dict(line.split("=", 1) for line in hpcc.splitlines() if line.count("=") == 1)
        return {"compute.gflops": f"{float(printed['HPL_Tflops']) * 1000:.2f}", "zone": "lab", "name": "moved", "os": "linux"}

    def register(self, printed):
        world = self.world
        shown = world.ask("benchmark", "show")["labels"]
        check("sent" in world.ask("provider", "register"), "not sent")
        wanted = {"zone": "lab", "name": "moved"} | {key: label["value"] for key, label in shown.items()}

        def waiting():
            entry = world.ask("provider", "show").get("waiting")
            return entry and {one["key"]: one["value"] for one in entry["labels"]} == wanted

        eventually("the chain has what was measured", waiting)
        check(all(wanted[key] == value for key, value in printed.items()), wanted, printed)
        labels = world.ask("provider", "labels")
        check(set(labels["measured_at"]) == set(shown) and time.time() - labels["measured_at"]["compute.gflops"] < 3600, labels)
        world.approve()
        world.give_jobs()
        eventually("nothing differs", lambda: not world.ask("provider", "show")["differences"])
        return wanted

    def state(self, job):
        return self.lab.command("squeue", "-h", "-a", "-t", "all", "-j", job, "-o", "%T", check=False).strip()

    def work(self):
        """A job of the grid starts before a benchmark that waits for the same node, and is paid for."""
        world, gate = self.world, self.lab.stage / "gate"
        wait = f"until [ -e {gate} ]; do sleep 0.2; done"
        other = self.lab.submit("-w", "n2", body="sleep 600", user=self.user)
        blocker = self.lab.submit("-w", "n1", body=wait, user=self.user)
        eventually("both nodes are taken", lambda: {self.state(job) for job in (blocker, other)} == {"RUNNING"})
        world.ask("benchmark", "run", "--part", "machine")
        newest = lambda: world.ask("benchmark", "history", "--limit", 1)["runs"][0]
        benchmark = eventually("the benchmark waits", lambda: newest()["parts"][0].get("job"))
        job = world.request("#!/bin/bash\necho it works\nsleep 5\n", credits=10)
        number = int(eventually("the grid's job waits behind it", lambda: world.slurm_jobs(job), 60)[0][0])
        check(number > benchmark and self.state(number) == self.state(benchmark) == "PENDING", number, benchmark)
        gate.touch()
        eventually("it starts", lambda: self.state(number) == "RUNNING")
        check(self.state(benchmark) == "PENDING", "the benchmark was first:", self.state(benchmark))
        world.grid.wait(job, ["Finished"], 120)
        eventually("the benchmark has its turn", lambda: newest().get("ended_at"), 60)
        check(newest()["parts"][0]["state"] == "done", newest())
        self.lab.command("scancel", other)


def main():
    began = time.monotonic()
    # One CPU: nodes of one machine with several processes each would take one another's for neighbours in shared memory.
    with World(LAB_NODES=2, LAB_CPUS=1, LAB_GPUS=0, LAB_MIN_JOB_AGE=86400) as world:
        moving = Moving(world)
        moving.start()
        wanted = moving.register(moving.measure())
        moving.work()
        say(f"{len(wanted)} labels on the chain, such as compute.gflops {wanted['compute.gflops']}; a job is finished: right, "
            f"{time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
