#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a queue of 100,000 jobs costs: one JSON object a line on stdout, the rest on stderr. Needs root.

    queue.py [JOBS]

BINARY: the agent, BENCH: SlurmBench, of a release build. PLUGINS: the folder of the built plugins. ../README.md says what the
figures mean."""

import json
import os
import pwd
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "Tests/Events"))
import cluster  # noqa: E402
from cluster import Agent, Lab, eventually  # noqa: E402

cluster.say = lambda text: print(text, file=sys.stderr, flush=True)
BENCH = Path(os.environ.get("BENCH", ROOT / ".build/debug/SlurmBench")).resolve()
TASKS = 8


def figure(name, value, unit, **more):
    print(json.dumps({"name": name, "value": round(value, 3), "unit": unit, **more}), flush=True)


class Bench:
    """SlurmBench as user slurm; answers one command at a time."""

    def __init__(self, lab):
        user = pwd.getpwnam("slurm")
        self.process = subprocess.Popen(
            [BENCH, "labu1"], env=lab.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd="/tmp",
            user=user.pw_uid, group=user.pw_gid, extra_groups=[])

    def ask(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().split()
        if not answer or answer[0] != "ok":
            raise RuntimeError(f"{words}: {' '.join(answer)}")
        return [int(word) for word in answer[1:]]

    def close(self):
        self.process.communicate("quit\n", timeout=60)


def anonymous(pid):
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1024


def main(jobs):
    name = f"{jobs // 1000}k"
    # slurmctld writes no job while it is filled, and the scheduler leaves them alone: they are held.
    extra = f"MaxJobCount={jobs * 3 // 2}\nSchedulerParameters=defer,max_rpc_cnt=0\nMinJobAge=7200"
    with Lab(LAB_NODES=1, LAB_GPUS=1, LAB_CONF_EXTRA=extra) as lab:
        bench = Bench(lab)
        start = time.monotonic()
        bench.ask("throughput", jobs // TASKS * TASKS, TASKS)
        cluster.say(f"{jobs} held jobs in {time.monotonic() - start:.0f} s")
        times = bench.ask("poll", 7)
        cluster.say(f"polls: {[round(one / 1e6) for one in times]} ms")
        figure(f"slurm.poll_{name}.ms", statistics.median(times) / 1e6, "ms", jobs=jobs)
        agent = Agent(lab, **{"poll-interval": "5s"})
        agent.start()
        eventually("all are in the ledger", lambda: agent.query("SELECT count(*) FROM runs")[0][0] >= jobs, 300, 1)
        eventually("all are told", lambda: agent.query("SELECT count(*) FROM deliveries WHERE state <> 1")[0][0] == 0, 300, 1)
        most = 0
        for second in range(60):
            # A change now and then, so that there are lists to load.
            if second % 10 == 0:
                bench.ask("change", 1)
            time.sleep(1)
            most = max(most, anonymous(agent.process.pid))
        time.sleep(10)
        figure(f"agent.idle_{name}_jobs.rss_mib", anonymous(agent.process.pid), "MiB", peak=round(most, 1))
        agent.stop()
        bench.close()


if __name__ == "__main__":
    if os.geteuid() != 0:
        sys.exit("queue.py: needs root, for the lab")
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
