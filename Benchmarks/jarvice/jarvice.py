#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The JARVICE gateway against a model of the reference's way, in one run on one cluster: a login by ssh on loopback for each command,
and squeue, sbatch and sacct behind it. One JSON object a line on stdout, the rest on stderr. Needs root.

    jarvice.py [NAME…]        calls proxy list (all of these)

BINARY: the agent, a release build. RELAY: RelayBench, one too. PLUGINS: the folder of the built plugins. ../README.md says what the
figures mean."""

import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.dont_write_bytecode = True
sys.path[0] = str(ROOT / "Tests/Jarvice")
sys.path += [str(ROOT / "Tests/Events"), str(ROOT / "Benchmarks/jarvice")]

import cluster  # noqa: E402


def say(text):
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


cluster.say = say

from place import OK, Site  # noqa: E402
from proxy import proxy  # noqa: E402
from upstream import application, submission  # noqa: E402

ROUNDS = int(os.environ.get("ROUNDS", "20"))
QUEUE = int(os.environ.get("QUEUE", "5000"))
IDLE = int(os.environ.get("IDLE", "10000"))
CONF = "MaxJobCount=20000\nSchedulerParameters=batch_sched_delay=0,sched_interval=2,bf_interval=30,default_queue_depth=10"


def figure(name, value, unit, **more):
    print(json.dumps({"name": name, "value": round(value, 3), "unit": unit, **more}), flush=True)


class Shell:
    """An sshd of its own on loopback, and a login for each command, as the reference does it."""

    def __init__(self, lab, user):
        if not (shutil.which("sshd") and shutil.which("ssh")):
            subprocess.run([ROOT / "lab/install.sh", "--ssh"], check=True, stdout=sys.stderr)
        folder = lab.folder("ssh", 0o755)
        for name in ("host", "user"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
        shutil.copy(folder / "user.pub", folder / "authorized_keys")
        # Of the lab's own, behind the gateway's.
        port = int(lab.read_env()["LAB_PORT"]) + 93
        (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {(folder / 'host.pub').read_text()}")
        (folder / "sshd_config").write_text(
            f"ListenAddress 127.0.0.1\nPort {port}\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/authorized_keys\nPidFile none\n"
            f"StrictModes no\nUsePAM yes\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nAllowUsers {user}\nPrintMotd no\nPrintLastLog no\n")
        (folder / "ssh_config").write_text(
            f"Host bench\nHostName 127.0.0.1\nPort {port}\nUser {user}\nIdentityFile {folder}/user\nIdentitiesOnly yes\n"
            f"UserKnownHostsFile {folder}/known_hosts\nStrictHostKeyChecking yes\nBatchMode yes\nControlMaster no\nControlPath none\n")
        self.config = folder / "ssh_config"
        self.made = not Path("/run/sshd").exists()
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        self.environment = f"SLURM_CONF={lab.environment['SLURM_CONF']}"
        self.server = subprocess.Popen(
            [shutil.which("sshd"), "-D", "-e", "-f", folder / "sshd_config"], stderr=(folder / "sshd.log").open("w"))
        cluster.eventually("sshd answers", lambda: subprocess.run(["ssh", "-F", self.config, "bench", "true"], capture_output=True).returncode == 0)

    def run(self, command, text=""):
        return subprocess.run(
            ["ssh", "-F", self.config, "bench", f"env {self.environment} {command}"], input=text, check=True, capture_output=True, text=True).stdout

    def stop(self):
        self.server.terminate()
        self.server.wait()
        if self.made:
            try:
                os.rmdir("/run/sshd")
            except OSError:
                pass


def timed(call, *words):
    begin = time.monotonic()
    found = call(*words)
    return (time.monotonic() - begin) * 1000, found


class Calls:
    """Each call in turns with its model, so that what slows the machine slows both."""

    def __init__(self, site, shell):
        self.site, self.shell, self.number = site, shell, 0
        self.token = site.issuer.token("labu1", exp=int(time.time()) + 3600)
        self.script = application("sleep 0", JOBOBJ_DEVICES='["exclusive=False"]')

    # MARK: ours

    def submit(self):
        self.number += 1
        name = f"bench-{self.number}"
        args = submission(name, self.script, self.token, held=True)
        begin = time.monotonic()
        job, _ = self.site.up.ask("POST", "/submit", args)
        return (time.monotonic() - begin) * 1000, (job, name)

    def running(self):
        return self.site.up.ask("GET", "/running")

    def exitstatus(self, ended):
        """Each job's for the first time: an answer that was told before is only looked up."""
        return self.site.up.job("exitstatus", *ended.pop())

    def tail(self, job, name):
        status, _, text = self.site.up.call("POST", f"/request/{name}/1/{job}/tail", {"qs": {}})
        if status != 200:
            raise RuntimeError(f"tail: {status} {text}")

    # MARK: the reference's

    def ssh_submit(self):
        return self.shell.run(
            "sbatch --parsable --hold --export=NONE -J jarvice_model -o /dev/null -n 1 -N 1", "#!/bin/bash\nsrun true\n")

    def ssh_running(self):
        return self.shell.run("squeue -h -t R,S,CG,SO,ST,SI,RS,RH -o '%j,%A' --noheader")

    def ssh_tail(self):
        return self.shell.run("tail -n 100 .jarvice/bench-end.out")

    def ssh_exitstatus(self, job):
        """Three logins: the state, what it wrote, and its output away."""
        self.shell.run(f"squeue -h -t all -j {job} -o '%t,%M' || sacct -n -X -j {job} -o state,elapsed")
        self.shell.run("tail -n 10000 .jarvice/bench-end.out || true")
        self.shell.run(f"rm -rf .jarvice/jobs/{job} || true")

    def figures(self):
        own, theirs = {}, {}
        done, _ = self.site.submit("bench-end", f"echo text; {OK}")
        self.site.end(done, "bench-end")
        ended = []
        for number in range(ROUNDS):
            name = f"bench-end-{number}"
            ended.append((self.site.submit(name, f"echo text; {OK}", keys={"JOBOBJ_DEVICES": '["exclusive=False"]'})[0], name))
        cluster.eventually(
            "they have ended", lambda: not {job for job, _ in ended} & (set(self.site.listed("/running")) | set(self.site.listed("/queued"))), 300)
        # Upstream asks once the lists have a job no more; it looks at them every few seconds.
        time.sleep(3)
        pairs = {
            "submit": (lambda: self.submit()[0], lambda: timed(self.ssh_submit)[0]),
            "running": (lambda: timed(self.running)[0], lambda: timed(self.ssh_running)[0]),
            "exitstatus": (lambda: timed(self.exitstatus, ended)[0], lambda: timed(self.ssh_exitstatus, done)[0]),
            # Read by the helper, each time.
            "tail": (lambda: timed(self.tail, done, "bench-end")[0], lambda: timed(self.ssh_tail)[0]),
        }
        for name, (ours, model) in pairs.items():
            own[name], theirs[name] = [], []
            for turn in range(ROUNDS):
                for which, call in ((own, ours), (theirs, model))[::1 if turn % 2 else -1]:
                    which[name].append(call())
            ratio = statistics.median(b / a for a, b in zip(own[name], theirs[name]))
            figure(
                f"jarvice.{name}.speedup_vs_ssh", ratio, "ratio", ms=round(statistics.median(own[name]), 2),
                ssh_ms=round(statistics.median(theirs[name]), 1))
        self.site.lab.command("scancel", "--state=PENDING", "--me", user="labu1", check=False)


def rate(site):
    """/running with so many jobs in the queue: calls a second of eight connections that stay open."""
    say(f"{QUEUE} jobs")
    site.lab.command(
        "bash", "-c", f"seq {QUEUE} | xargs -P 4 -I N sbatch -Q --hold -J jarvice_queued-N -o /dev/null --wrap true", user="labu1")
    site.lab.submit("-J", "jarvice_runs", body="sleep 3000")
    cluster.eventually("it is listed", lambda: "runs" in site.listed("/running").values())
    program = ROOT / "Benchmarks/jarvice/callers.py"
    done = subprocess.run(
        [sys.executable, program, str(site.port), site.up.key, "8", "5"], check=True, capture_output=True, text=True).stdout
    figure("jarvice.running_per_s", json.loads(done)["per_s"], "1/s", queue=QUEUE, callers=8)


def main():
    names = sys.argv[1:] or ["calls", "proxy", "list"]
    with cluster.Lab(LAB_DBD=1, LAB_NODES=2, LAB_CPUS=32, LAB_CONF_EXTRA=CONF) as lab:
        site = Site(lab)
        site.start()
        if "calls" in names:
            shell = Shell(lab, "labu1")
            try:
                Calls(site, shell).figures()
            finally:
                shell.stop()
        if "proxy" in names:
            proxy(site, figure, OK, ROUNDS, IDLE)
        if "list" in names:
            rate(site)
        site.agent.stop()


if __name__ == "__main__":
    main()
