#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The SPANK plugin in real Slurms: on one host by the Unix socket, and from other hosts by TCP with a credential.
Starts labs of its own and takes them down. Needs root. PLUGIN: what was built."""

import json
import os
import pwd
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

from spank_peer import EVENT, SEALED, Hung, Listener, event_of, frame_of

HERE = Path(__file__).resolve().parent
TOP = HERE.parents[1]
PLUGIN = os.environ.get("PLUGIN", str(HERE.parent / "build/spank_grid_agent.so"))
AGENT = Path(os.environ.get("BINARY", TOP / ".build/debug/slurm-grid-agent"))
USER = "labu1"
CONTROLLER = "10.97.0.1"
PORT = 6821


class Lab:
    """A cluster whose plugstack.conf holds one line for the plugin; in `arguments`, BASE stands for the folder."""

    def __init__(self, kind, arguments, **knobs):
        self.base = Path(tempfile.mkdtemp(prefix="sga-spank.", dir="/tmp"))
        self.base.chmod(0o755)
        self.kind = kind
        shutil.copy(PLUGIN, self.base / "spank_grid_agent.so")
        plugstack = self.base / "plugstack.conf"
        plugstack.write_text(f"optional {self.base}/spank_grid_agent.so spool={self.base}/spool {arguments.replace('BASE', str(self.base))}\n")
        self.environment = {**os.environ, "LAB": str(self.base / "lab"), "LAB_PLUGSTACK": str(plugstack), **knobs}

    def __enter__(self):
        self.run(TOP / f"lab/{self.kind}-up.sh")
        return self

    def __exit__(self, *_):
        self.run(TOP / f"lab/{self.kind}-down.sh")
        shutil.rmtree(self.base)

    def run(self, *words, check=True):
        done = subprocess.run([str(word) for word in words], env=self.environment, text=True, capture_output=True, cwd="/tmp", check=False)
        if check and done.returncode != 0:
            raise RuntimeError(f"{words}: {done.returncode}: {done.stdout}{done.stderr}")
        return done.stdout

    def variable(self, name):
        return self.run("bash", "-c", f". {self.base}/lab/lab.env && echo ${name}").strip()

    def slurm(self, *words, user=USER):
        if self.kind == "hosts":
            return self.run(TOP / "lab/on-host.sh", "--user", user, "ctl", *words)
        account = pwd.getpwnam(user)
        conf = self.variable("SLURM_CONF")
        user = ["setpriv", f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--init-groups"]
        return self.run(*user, "env", f"SLURM_CONF={conf}", *words)

    def job(self, *options, body="srun true"):
        """Runs a job to its end; its number."""
        return int(self.slurm("sbatch", "--parsable", "--wait", "-D", "/tmp", "-o", "/dev/null", *options, "--wrap", body).split(";")[0])

    def kept(self):
        """What nobody has taken."""
        return list((self.base / "spool").glob("*.word"))

    def forget(self):
        """As if slurmds had said nothing when they started."""
        nodes = self.variable("LAB_NODE_NAMES").split() if self.kind == "slurm" else ["c1", "c2"]
        end = time.monotonic() + 60
        while len(self.kept()) < len(nodes) and time.monotonic() < end:
            time.sleep(0.05)
        for word in self.kept():
            word.unlink()

    def log(self, node):
        return (self.base / f"lab/log/slurmd.{node}.log").read_text(errors="replace")


class SingleHost(unittest.TestCase):
    def test_a_job_and_its_steps(self):
        """What arrives by the Unix socket, from whom, for a job with a step of two tasks, one of which fails."""
        with Lab("slurm", "socket=BASE/events.sock steps=yes nonsense") as lab:
            lab.forget()
            listener = Listener(str(lab.base / "events.sock"))
            self.addCleanup(listener.close)
            os.chmod(listener.address, 0o666)  # whoever reports, it is to be seen
            job = lab.job("-n2", "-w", "n3", body="srun sh -c 'exit $((3 * SLURM_PROCID))'; true")
            # prolog, epilog; the batch step's start and end; the step's start and two ends
            events = [event_of(message) for message in listener.wait(7)]
            uid, gid = pwd.getpwnam(USER)[2:4]
            for event in events:
                self.assertEqual((event["job"], event["source"], event["uid"], event["node"]), (job, 2, uid, "n3"), event)
                self.assertEqual(event["gid"], gid)
                self.assertLess(abs(time.time() - event["observed"] / 1e6), 30)
            self.assertEqual([event["kind"] for event in events].count("prolog"), 1)
            self.assertEqual(events[0]["kind"], "prolog")
            self.assertEqual(events[-1]["kind"], "epilog")
            batch, step = 0xFFFFFFFB, 0
            self.assertEqual(sorted(e["step"] for e in events if e["kind"] == "step start"), [step, batch])
            ends = {(e["step"], e["task"]): e["status"] for e in events if e["kind"] == "task exit"}
            self.assertEqual(ends, {(step, 0): 0, (step, 1): 0x300, (batch, 0): 0})
            self.assertEqual(listener.users, {0}, "steps too must be reported as root: the agent believes nobody else")
            self.assertIn("unknown argument nonsense", lab.log("n3"))

    def test_what_nodes_say_when_slurmd_starts(self):
        """Each once, by its own name, without a job; whoever hangs then."""
        with Lab("slurm", "socket=BASE/events.sock") as lab:
            lab.forget()
            listener = Listener(str(lab.base / "events.sock"))
            self.addCleanup(listener.close)
            os.chmod(listener.address, 0o666)
            nodes = lab.variable("LAB_NODE_NAMES").split()
            lab.run(TOP / "lab/fault.sh", "restart", "slurmd")
            listener.wait(len(nodes))
            events = [event_of(message) for message in listener.wait(len(nodes) + 1, within=2)]  # and no more
            self.assertEqual(sorted((event["kind"], event["node"]) for event in events), [("node", node) for node in sorted(nodes)])
            for event in events:
                self.assertEqual(len(set(re.split("[,;/]", event["hardware"]))), os.sysconf("SC_NPROCESSORS_ONLN"))
            self.assertEqual(listener.users, {0})
            listener.close()
            os.unlink(lab.base / "events.sock")
            hung = Hung(str(lab.base / "events.sock"), full=True)
            self.addCleanup(hung.close)
            os.chmod(hung.address, 0o666)
            lab.run(TOP / "lab/fault.sh", "restart", "n3")
            self.assertTrue(lab.job("-w", "n3", body="true"))

    def test_nobody_listens(self):
        with Lab("slurm", "socket=BASE/absent.sock timeout_ms=1000") as lab:
            job = lab.job()
            # The job's end is told while its node is still cleaned up.
            end = time.monotonic() + 60
            while (states := lab.slurm("sinfo", "-h", "-o", "%T").split()) != ["idle"] and time.monotonic() < end:
                time.sleep(0.2)
            self.assertEqual(states, ["idle"])
            self.assertTrue(job)


class OtherHosts(unittest.TestCase):
    """Hosts ctl, c1 and c2, each with its own network and its own munged, all mungeds with one key."""

    def setUp(self):
        arguments = f"controller={CONTROLLER}:{PORT} munge_socket=BASE/lab/run/munge.socket timeout_ms=1000"
        self.lab = self.enterContext(Lab("hosts", arguments))
        self.lab.forget()
        self.munge_socket = f"{self.lab.base}/lab/run/munge.socket"  # another one on each host, at one path

    def on(self, host, *words, user=None, stdin=b""):
        prefix = [TOP / "lab/on-host.sh", *(["--user", user] if user else []), host]
        return subprocess.run([*prefix, *words], env=self.lab.environment, input=stdin, capture_output=True, check=True, cwd="/tmp").stdout

    def start(self, *words, user=None):
        """A process on ctl for as long as the test."""
        prefix = [TOP / "lab/on-host.sh", *(["--user", user] if user else []), "ctl"]
        log = (self.lab.base / "process.log").open("wb")
        process = subprocess.Popen([*prefix, *words], env=self.lab.environment, stdout=subprocess.PIPE, stderr=log, text=True, cwd="/tmp")

        def stop():
            process.kill()
            process.communicate()
            log.close()

        self.addCleanup(stop)
        return process

    def start_agent(self):
        """-> what reads its counters, and what waits for one of them"""
        slurm = pwd.getpwnam("slurm")
        home = self.lab.base / "agent"
        home.mkdir()
        os.chown(home, slurm.pw_uid, slurm.pw_gid)
        agent = self.lab.base / "slurm-grid-agent"
        shutil.copy(AGENT, agent)
        config = self.lab.base / "config.yaml"
        control = home / "control.sock"
        config.write_text(
            f"state-folder: {home}/state\nbridge:\n  socket: {home}/events.sock\n  listen: {CONTROLLER}:{PORT}\n"
            f"  munge-socket: {self.munge_socket}\ncontrol:\n  socket: {control}\n"
            f"admin:\n  socket: {home}/admin.sock\n")
        process = self.start(agent, "run", "--config", config, user="slurm")

        def bridge():
            done = subprocess.run([agent, "plugins", "status", "--json", "--control", control], capture_output=True, text=True, check=False)
            if process.poll() is not None:
                self.fail((self.lab.base / "process.log").read_text())
            return json.loads(done.stdout)["bridge"] if done.returncode == 0 else None

        def await_count(name, wanted):
            end = time.monotonic() + 60
            while not (counters := bridge()) or counters[name] < wanted:
                self.assertLess(time.monotonic(), end, f"{name} stays below {wanted}: {counters}")
                time.sleep(0.05)
            self.assertEqual(counters[name], wanted)

        await_count("connections", 0)
        # Its doors open in any order.
        end = time.monotonic() + 60
        while f"{CONTROLLER}:{PORT} ".encode() not in self.on("ctl", "ss", "-Hltn"):
            self.assertLess(time.monotonic(), end, "nobody listens to signed messages")
            time.sleep(0.1)
        return bridge, await_count

    def test_signed_messages_by_tcp(self):
        process = self.start(sys.executable, "-B", HERE / "spank_peer.py", "listen", CONTROLLER, str(PORT), self.munge_socket)
        self.assertIn("listening", json.loads(process.stdout.readline()))
        job = self.lab.job("-N2")
        arrived = [json.loads(process.stdout.readline()) for _ in range(7)]
        self.assertEqual({message["signer"]["uid"] for message in arrived}, {0})
        self.assertEqual({message["event"]["job"] for message in arrived}, {job})
        seen = sorted((message["event"]["node"], message["event"]["kind"]) for message in arrived)
        wanted = [(node, kind) for node in ("c1", "c2") for kind in ("epilog", "prolog")]
        # Of the batch script, and of srun's first step on both.
        self.assertEqual(seen, sorted(wanted + [("c1", "step start")] * 2 + [("c2", "step start")]))
        self.assertEqual({message["event"]["kind"] for message in arrived if "cores" in message["event"]}, {"step start"})
        self.assertTrue(all("cores" in message["event"] for message in arrived if message["event"]["kind"] == "step start"))

    @unittest.skipUnless(AGENT.exists(), "no agent is built")
    def test_an_agent_that_was_away(self):
        """What it has missed it gets, signed again, and acknowledges it: the nodes keep nothing any more."""
        self.lab.job("-N2")
        kept = len(self.lab.kept())
        self.assertEqual(kept, 3)  # of the batch script, and of srun's first step on both
        _, await_count = self.start_agent()
        await_count("events", kept)
        await_count("credentials_opened", kept)
        end = time.monotonic() + 60
        while self.lab.kept() and time.monotonic() < end:
            time.sleep(0.1)
        self.assertEqual(self.lab.kept(), [])

    @unittest.skipUnless(AGENT.exists(), "no agent is built")
    def test_the_agent_believes_root_only_and_once(self):
        bridge, await_count = self.start_agent()
        self.lab.job("-N2")
        await_count("credentials_opened", 7)
        await_count("events", 7)
        event = frame_of(EVENT, [(1, 2), (3, 3), (11, 4242), (50, b"c1")])
        record = frame_of(EVENT, [(1, 1), (2, bytes(16)), (3, 2), (11, 4242)])

        def seal(payload, user=None):
            return frame_of(SEALED, [(60, self.on("c1", "munge", "-S", self.munge_socket, user=user, stdin=payload).strip())])

        def post(frame):
            self.on("c1", sys.executable, "-B", HERE / "spank_peer.py", "send", CONTROLLER, str(PORT), stdin=frame)

        good = seal(event)
        for frame, counter, wanted in (
            (good, "credentials_opened", 8),
            (good, "credentials_replayed", 1),
            (seal(event, USER), "credentials_wrong_user", 1),
            (frame_of(SEALED, [(60, b"MUNGE:nonsense:")]), "credentials_invalid", 1),
            (seal(record), "forged", 1),
            (event, "refused_frames", 1),
            (b"GET / HTTP/1.1\r\n\r\n", "broken_streams", 1),
        ):
            with self.subTest(counter):
                post(frame)
                await_count(counter, wanted)
        self.assertEqual(bridge()["events"], 8, "of all these only one counts")


if __name__ == "__main__":
    unittest.main()
