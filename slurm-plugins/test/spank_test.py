#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Tests of the SPANK plugin with listeners and mungeds that are well, away or hang. Needs munge; no Slurm, no root.
PLUGIN and HARNESS: what was built."""

import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

from spank_peer import Hung, Listener, Munged, event_of, fields_of, unseal

HERE = Path(__file__).resolve().parent
PLUGIN = os.environ.get("PLUGIN", str(HERE.parent / "build/spank_grid_agent.so"))
HARNESS = os.environ.get("HARNESS", str(HERE.parent / "build/spank_harness"))
# What the hooks may take at most, whatever the limit is: machines that run tests are busy. spank_bench.py measures.
SLACK = 3.0
# Descriptors of the thread that slurmd has from then on: of inotify, the directory and what it reads there.
WATCHES = 8


class Call:
    """What one process told: of each hook, and in the log."""

    def __init__(self, stdout, stderr, status):
        self.hooks = [line.split() for line in stdout.splitlines()]
        self.log = stderr.splitlines()
        self.status = status


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="sga-spank."))
        self.addCleanup(shutil.rmtree, self.folder)
        self.path = str(self.folder / "events.sock")

    def keep(self, thing):
        self.addCleanup(thing.close)
        return thing

    def call(self, *arguments, hooks="job_prolog", options=(), limit=0.2, left_open=0, environment=None):
        """Calls the hooks, each of which must return success in time."""
        words = [HARNESS, *options, hooks, PLUGIN, f"spool={self.folder}/spool", *arguments]
        done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False, env={**os.environ, **(environment or {})})
        call = Call(done.stdout, done.stderr, done.returncode)
        self.check(call, hooks, limit, left_open)
        return call

    def check(self, call, hooks, limit, left_open=0):
        self.assertEqual(call.status, 0, call.log)
        self.assertEqual([hook[0] for hook in call.hooks], hooks.split(","), call.log)
        for name, outcome, took, opened, signals in call.hooks:
            self.assertEqual(outcome, "0", name)
            self.assertLess(int(took) / 1e6, limit + SLACK, name)
            self.assertLessEqual(int(opened), left_open, f"{name} left descriptors open")
            self.assertEqual(signals, "0", "a thread of the plugin took a signal")

    def seconds(self, call):
        return int(call.hooks[0][2]) / 1e6

    def events(self, listener, count=1):
        messages = listener.wait(count)
        self.assertEqual(len(messages), count)
        return [event_of(message) for message in messages]


class LocalTests(Case):
    def test_what_a_message_says(self):
        listener = self.keep(Listener(self.path))
        before = time.time()
        self.call(f"socket={self.path}", hooks="job_prolog,job_epilog", environment={"SLURMD_NODENAME": "n7"})
        for event, kind in zip(self.events(listener, 2), ("prolog", "epilog")):
            self.assertTrue(before - 1 <= event.pop("observed") / 1e6 <= time.time() + 1)
            self.assertEqual(event, {"source": 2, "kind": kind, "job": 4242, "uid": 1001, "gid": 1002, "node": "n7"})

    def test_what_slurm_does_not_know_is_left_out(self):
        listener = self.keep(Listener(self.path))
        self.call(f"socket={self.path}", options=["--without", "uid", "--without", "gid"])
        event = self.events(listener)[0]
        self.assertEqual(set(event), {"source", "kind", "job", "node", "observed"})

    def test_without_a_job_nothing_is_sent(self):
        listener = self.keep(Listener(self.path))
        self.call(f"socket={self.path}", options=["--without", "job"])
        self.assertEqual(listener.wait(1, within=0.3), [])

    def test_the_nodes_name(self):
        listener = self.keep(Listener(self.path))
        with_variable = {**os.environ, "SLURMD_NODENAME": "from-slurmd"}
        plain = {key: value for key, value in os.environ.items() if key != "SLURMD_NODENAME"}
        for environment in (with_variable, plain):
            subprocess.run([HARNESS, "job_prolog", PLUGIN, f"socket={self.path}"], env=environment, check=True, capture_output=True)
        self.assertEqual([event["node"] for event in self.events(listener, 2)], ["from-slurmd", socket.gethostname()])

    def test_a_name_too_long_for_a_node_does_no_harm(self):
        listener = self.keep(Listener(self.path))
        self.call(f"socket={self.path}", environment={"SLURMD_NODENAME": "n" * 5000})
        self.assertLess(len(self.events(listener)[0]["node"]), 256)

    def test_a_kernel_that_takes_a_byte_at_a_time(self):
        listener = self.keep(Listener(self.path))
        self.call(f"socket={self.path}", options=["--short-sends"])
        self.assertEqual(self.events(listener)[0]["job"], 4242)

    def test_nobody_listens(self):
        stale = socket.socket(socket.AF_UNIX)
        stale.bind(str(self.folder / "stale"))
        stale.close()
        (self.folder / "file").write_text("")
        for name in ("absent", "stale", "file"):
            with self.subTest(name):
                calls = [self.call(f"socket={self.folder}/{name}") for _ in range(5)]
                for call in calls:
                    self.assertEqual(call.log, ["debug: grid_agent: job 4242 not reported: no agent listens"])
                # One that waits does so each time.
                self.assertLess(min(map(self.seconds, calls)), 0.1)

    def test_an_agent_that_hangs(self):
        self.keep(Hung(self.path))
        self.assertEqual(self.call(f"socket={self.path}").log, [])

    def test_an_agent_whose_queue_is_full(self):
        self.keep(Hung(self.path, full=True))
        call = self.call(f"socket={self.path}")
        self.assertIn("not reported", call.log[0])
        # It waits for room, as long as it may.
        self.assertGreater(self.seconds(call), 0.15)
        self.assertLess(self.seconds(call), 0.2 + SLACK)


@unittest.skipIf(os.getuid() != 0, "needs root, to listen as another user")
class SquatterTests(Case):
    STRANGER = 65534

    def test_another_user_hears_nothing(self):
        listener = self.keep(Listener(self.path, uid=self.STRANGER))
        for mode in (0o700, 0o1777):
            self.folder.chmod(mode)
            call = self.call(f"socket={self.path}")
            self.assertEqual(call.log, ["debug: grid_agent: job 4242 not reported: another user listens at its socket"])
        listener.wait(2)
        self.assertEqual(listener.wait(3, within=0.3), [b""] * 2)

    def test_the_owner_of_the_folder_does(self):
        listener = self.keep(Listener(self.path, uid=self.STRANGER))
        os.chown(self.folder, self.STRANGER, -1)
        self.call(f"socket={self.path}")
        self.assertEqual(self.events(listener)[0]["job"], 4242)
        # Not when others can put something there.
        self.folder.chmod(0o777)
        call = self.call(f"socket={self.path}")
        self.assertEqual(call.log, ["debug: grid_agent: job 4242 not reported: another user listens at its socket"])


class StepTests(Case):
    HOOKS = "init_post_opt,task_exit"

    def test_off_by_default(self):
        listener = self.keep(Listener(self.path))
        for arguments in ([], ["steps=no"]):
            self.call(f"socket={self.path}", *arguments, hooks=self.HOOKS)
        self.assertEqual(listener.wait(1, within=0.3), [])

    def test_on(self):
        listener = self.keep(Listener(self.path))
        self.call(f"socket={self.path}", "steps=yes", hooks=self.HOOKS, options=["--node", "n7"])
        start, end = self.events(listener, 2)
        self.assertEqual((start["kind"], start["job"], start["step"]), ("step start", 4242, 7))
        self.assertEqual((end["kind"], end["step"], end["task"], end["status"]), ("task exit", 7, 3, 0x300))
        self.assertNotIn("task", start)

    def test_not_where_jobs_are_submitted(self):
        listener = self.keep(Listener(self.path))
        call = self.call(f"socket={self.path}", "steps=yes", "nonsense", hooks="init_post_opt", options=["--remote", "0"])
        self.assertEqual(listener.wait(1, within=0.3), [])
        self.assertEqual(call.log, [], "who submits a job is not told of the administrator's mistakes")


class PlacementTests(Case):
    BATCH = ("--step", "0xfffffffb")

    def events_of(self, listener, within=0.3, **call):
        self.call(f"socket={self.path}", hooks="init_post_opt", **call)
        return [event_of(one) for one in listener.wait(1, within)]

    def test_the_first_step_tells_the_cores(self):
        """Also where steps are not reported, with what this node is made of."""
        listener = self.keep(Listener(self.path))
        event, = self.events_of(listener, within=60, options=[*self.BATCH, "--cores", "0-3,8"])
        self.assertEqual((event["kind"], event["job"], event["step"], event["cores"]), ("step start", 4242, 0xFFFFFFFB, "0-3,8"))
        threads = re.split("[,;/]", event["hardware"])
        self.assertEqual(len(set(threads)), os.sysconf("SC_NPROCESSORS_ONLN"))
        self.assertGreater(event["memory"], 100)

    def test_which_steps(self):
        listener = self.keep(Listener(self.path))
        for step, count in (("0xfffffffb", 1), ("0xfffffffc", 2), ("0xfffffffa", 3), ("0", 4), ("1", 4), ("7", 4), ("0xfffffffd", 4)):
            self.call(f"socket={self.path}", hooks="init_post_opt", options=["--step", step, "--cores", "1"])
            self.assertEqual(len(listener.wait(count, within=60 if count != 4 or step == "0" else 0.2)), count, step)

    def test_the_nodes_name_is_slurmstepds(self):
        """The step's environment is the user's: a node that it names is not this one."""
        listener = self.keep(Listener(self.path))
        lie = ["--node", "elsewhere", "--cores", "1", *self.BATCH]
        host = socket.gethostname()
        sockets = (("n7_4242.4294967291", "n7"), ("a_b_4242.4294967291", "a_b"), ("n7_4242.4294967291.1", "n7"), ("n7_42.4294967291", host),
                   ("n7_4242.42949672911", host), ("_4242.4294967291", host), ("x", host))
        for count, (name, node) in enumerate(sockets, 1):
            self.call(f"socket={self.path}", hooks="init_post_opt", options=[*lie, "--stepd", f"{self.folder}/{name}"],
                      environment={"SLURMD_NODENAME": "elsewhere"})
            self.assertEqual(event_of(listener.wait(count)[-1])["node"], node, name)

    def test_only_what_is_a_list(self):
        listener = self.keep(Listener(self.path))
        for cores in ("", "x", "0-", "3-1", "0,0", "5000", "0-3;", " 1", "1,1", "0x1", "9" * 5000):
            self.assertEqual(self.events_of(listener, options=[*self.BATCH, "--cores", cores]), [], cores)
        self.assertEqual(self.events_of(listener, options=self.BATCH), [])
        # Not where jobs are submitted, whatever stands there.
        self.assertEqual(self.events_of(listener, options=[*self.BATCH, "--cores", "1", "--remote", "0"]), [])

    def test_the_prolog_tells_the_gpus(self):
        listener = self.keep(Listener(self.path))
        for count, (gpus, told) in enumerate((("0,2-3", "0,2-3"), ("10", "10"), ("", None), ("0;1", None), ("1,0", None), ("a100", None)), 1):
            self.call(f"socket={self.path}", environment={"SLURM_JOB_GPUS": gpus})
            self.assertEqual(event_of(listener.wait(count)[-1]).get("gpus"), told, gpus)

    def test_a_steps_environment_tells_nothing(self):
        listener = self.keep(Listener(self.path))
        self.call(
            f"socket={self.path}", "steps=yes", hooks="init_post_opt,task_exit", options=self.BATCH,
            environment={"SLURM_JOB_GPUS": "0", "SLURM_JOB_CORES": "0", "CUDA_VISIBLE_DEVICES": "1"})
        for event in self.events(listener, 2):
            self.assertLess(event.keys(), {"source", "kind", "observed", "job", "uid", "gid", "node", "step", "task", "status", "x"})

    def test_in_time(self):
        """Reading has a part of the limit, not one of its own."""
        self.keep(Hung(self.path, full=True))
        call = self.call(f"socket={self.path}", "timeout_ms=100", hooks="init_post_opt", options=[*self.BATCH, "--cores", "1"], limit=0.1)
        self.assertIn("not reported", call.log[0])


class NodeTests(Case):
    """What slurmd tells when it starts. The harness's own command line stands for slurmd's: its words come before the hook."""

    SLURMD = ("--context", "4")

    def told(self, *options, listener=None, **call):
        listener = listener or self.keep(Listener(self.path))
        self.call(f"socket={self.path}", hooks="init", options=[*self.SLURMD, *options], left_open=WATCHES, **call)
        return [event_of(one) for one in listener.wait(1)]

    def test_what_it_is_made_of(self):
        before = time.time()
        event, = self.told("--host", "n7")
        self.assertTrue(before - 1 <= event.pop("observed") / 1e6 <= time.time() + 1)
        self.assertEqual((event["kind"], event["source"], event["node"]), ("node", 2, "n7"))
        threads = re.split("[,;/]", event["hardware"])
        self.assertEqual(len(set(threads)), os.sysconf("SC_NPROCESSORS_ONLN"))
        self.assertGreater(event["memory"], 100)
        self.assertLess(event.keys(), {"kind", "source", "node", "hardware", "memory", "addresses"})

    def test_the_nodes_name(self):
        """As slurmd finds it: the host's, one of its aliases'. Nothing in the environment counts."""
        short = socket.gethostname().split(".")[0]
        lie = {"SLURMD_NODENAME": "elsewhere"}
        for options, name in ((("--host", "n1", "--alias", "n2"), "n1"), (("--alias", "n2"), "n2"), ((), short), (("--host", "n" * 300), short)):
            with self.subTest(options):
                listener = Listener(self.path)
                self.assertEqual(self.told(*options, listener=listener, environment=lie)[0]["node"], name)
                listener.close()
                os.unlink(self.path)

    def test_the_name_that_slurmd_was_given(self):
        """`slurmd -N`: as getopt reads it, whatever else stands there."""
        listener = self.keep(Listener(self.path))
        given = (
            (["-N", "n3"], "n3"), (["-Nn3"], "n3"), (["-DvN", "n3"], "n3"), (["-DNn3"], "n3"), (["-N", "n3", "-N", "n4"], "n4"),
            (["-f", "-N", "-D"], "n1"), (["-L", "-Nx", "-Nn3"], "n3"), (["-FNx"], "n1"), (["-F", "-Nn3"], "n3"), (["--conf", "-Nx"], "n1"),
            (["--conf=-Nx", "-Nn3"], "n3"), (["--conf-server", "-Nx"], "n1"), (["-n", "-5", "-Nn3"], "n3"), (["--", "-Nx"], "n1"),
            (["x", "-Nn3"], "n3"), (["-N"], "n1"), (["-N", ""], "n1"), (["-N", "n" * 300], "n1"), (["-d-N", "-D"], "n1"), ([""], "n1"),
        )
        for count, (words, name) in enumerate(given, 1):
            done = subprocess.run(
                [HARNESS, *self.SLURMD, "--host", "n1", "--slurmd", "\n".join(words), "init", PLUGIN, f"socket={self.path}", "spool=no"],
                capture_output=True, text=True, timeout=30, check=False)
            self.check(Call(done.stdout, done.stderr, done.returncode), "init", 0.2)
            messages = listener.wait(count)
            self.assertEqual((len(messages), event_of(messages[-1])["node"]), (count, name), words)

    def test_slurmd_starts_whoever_listens(self):
        self.assertEqual(self.call(f"socket={self.folder}/absent", hooks="init", options=self.SLURMD, left_open=WATCHES).log,
                         ["debug: grid_agent: this node not reported: no agent listens"])
        self.keep(Hung(self.path, full=True))
        call = self.call(f"socket={self.path}", "timeout_ms=100", hooks="init", options=self.SLURMD, limit=0.1, left_open=WATCHES)
        self.assertIn("not reported", call.log[0])

    def test_nowhere_else(self):
        """srun, sbatch, slurmstepd and the process of a prolog load the plugin too."""
        listener = self.keep(Listener(self.path))
        for context in (0, 1, 2, 3, 5, 99):
            call = self.call(f"socket={self.path}", "nonsense", hooks="init", options=["--context", str(context)])
            self.assertEqual(call.log, [], context)
        self.assertEqual(listener.wait(1, within=0.3), [])

    def test_a_mistake_is_told_once(self):
        call = self.call("nonsense", f"socket={self.folder}/absent", hooks="init,job_prolog", options=self.SLURMD, left_open=WATCHES)
        self.assertEqual(len([line for line in call.log if line.startswith("error")]), 1, call.log)


class RemoteTests(Case):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.mkdtemp(prefix="sga-spank-munge.")
        cls.addClassCleanup(shutil.rmtree, folder)
        cls.munged = Munged(folder)
        cls.addClassCleanup(cls.munged.close)
        cls.by = f"munge_socket={cls.munged.socket}"

    def listen(self, host="127.0.0.1"):
        listener = self.keep(Listener((host, 0)))
        text = f"[{host}]" if ":" in host else host
        return listener, f"controller={text}:{listener.address[1]}"

    def arrived(self, listener):
        messages = listener.wait()
        self.assertEqual(len(messages), 1)
        event, signer = unseal(messages[0], self.munged.socket)
        self.assertEqual(signer["uid"], os.getuid())
        return event

    def test_signed_by_tcp(self):
        for host in ("127.0.0.1", "::1"):
            with self.subTest(host):
                try:
                    listener, controller = self.listen(host)
                except OSError as problem:
                    self.skipTest(str(problem))
                self.assertEqual(self.call(controller, self.by).log, [])
                event = self.arrived(listener)
                self.assertEqual((event["kind"], event["job"], event["uid"]), ("prolog", 4242, 1001))

    def test_a_kernel_that_takes_a_byte_at_a_time(self):
        listener, controller = self.listen()
        self.call(controller, self.by, options=["--short-sends"])
        self.assertEqual(self.arrived(listener)["job"], 4242)

    def test_a_credential_counts_once(self):
        listener, controller = self.listen()
        self.call(controller, self.by)
        self.arrived(listener)
        self.assertEqual(unseal(listener.messages[0], self.munged.socket)[0], None)

    def test_cores_are_signed_too(self):
        listener, controller = self.listen()
        self.call(controller, self.by, hooks="init_post_opt", options=[*PlacementTests.BATCH, "--cores", "0-1"])
        self.assertEqual(self.arrived(listener)["cores"], "0-1")

    def test_nodes_are_signed_too(self):
        listener, controller = self.listen()
        self.call(controller, self.by, hooks="init", options=[*NodeTests.SLURMD, "--host", "n7"], left_open=WATCHES)
        event = self.arrived(listener)
        self.assertEqual((event["kind"], event["node"]), ("node", "n7"))

    def test_slurmd_starts_where_munged_hangs(self):
        hung = self.keep(Hung(str(self.folder / "hung")))
        _, controller = self.listen()
        call = self.call(controller, f"munge_socket={hung.address}", hooks="init", options=NodeTests.SLURMD, left_open=1 + WATCHES)
        self.assertIn("this node not reported: the time limit was reached", call.log[0])

    def test_steps_are_signed_too(self):
        listener, controller = self.listen()
        self.call(controller, self.by, "steps=yes", hooks="init_post_opt")
        self.assertEqual(self.arrived(listener)["kind"], "step start")

    def test_nobody_listens(self):
        listener, controller = self.listen()
        listener.close()
        self.assertIn("does not listen", self.call(controller, self.by).log[0])

    def test_a_controller_that_hangs(self):
        hung = self.keep(Hung(("127.0.0.1", 0)))
        self.assertEqual(self.call(f"controller=127.0.0.1:{hung.address[1]}", self.by).log, [])

    def test_a_controller_that_does_not_answer(self):
        """The queue is full, so the kernel drops the SYN: as a firewall does."""
        hung = self.keep(Hung(("127.0.0.1", 0), full=True))
        for limit in (50, 200, 900):
            with self.subTest(limit):
                # The thread may be about to close its descriptor: it has the same limit as the hook.
                call = self.call(
                    f"controller=127.0.0.1:{hung.address[1]}", self.by, f"timeout_ms={limit}", limit=limit / 1000, left_open=1)
                self.assertIn("the time limit was reached", call.log[0])
                self.assertGreater(self.seconds(call), limit / 1000 - 0.02)

    def test_munged_is_away(self):
        listener, controller = self.listen()
        call = self.call(controller, f"munge_socket={self.folder}/absent")
        self.assertIn("munged does not sign", call.log[0])
        self.assertEqual(listener.wait(1, within=0.3), [])

    def test_no_libmunge_and_no_threads(self):
        listener, controller = self.listen()
        for option, words in (("--no-munge", "libmunge.so.2 is not there"), ("--no-threads", "no thread can be started")):
            with self.subTest(option):
                self.assertIn(words, self.call(controller, self.by, options=[option]).log[0])
        self.assertEqual(listener.wait(1, within=0.3), [])

    def test_a_munged_that_never_answers(self):
        hung = self.keep(Hung(str(self.folder / "hung")))
        listener, controller = self.listen()
        done = subprocess.run(
            [HARNESS, "job_prolog,job_epilog", PLUGIN, controller, f"munge_socket={hung.address}"],
            capture_output=True, text=True, timeout=30, check=False)
        call = Call(done.stdout, done.stderr, done.returncode)
        self.check(call, "job_prolog,job_epilog", 0.2, left_open=1)  # libmunge's, of the thread that hangs
        self.assertGreater(self.seconds(call), 0.18)
        self.assertEqual(listener.wait(1, within=0.3), [])

    def test_a_munged_that_wakes_too_late(self):
        """The hook has given up and the plugin been unloaded: the thread ends by itself, and sends nothing."""
        listener, controller = self.listen()
        self.munged.pause()
        try:
            process = subprocess.Popen(
                [HARNESS, "--linger", "job_prolog", PLUGIN, controller, self.by], text=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            first, second = process.stdout.readline(), process.stdout.readline()
        finally:
            self.munged.resume()
        self.assertEqual((first.split()[:2], second), (["job_prolog", "0"], "unloaded\n"))
        threads = Path(f"/proc/{process.pid}/task")
        end = time.monotonic() + 60
        while len(list(threads.iterdir())) > 1 and time.monotonic() < end:
            time.sleep(0.01)
        self.assertEqual(len(list(threads.iterdir())), 1, "the thread has not ended")
        rest, log = process.communicate("", timeout=60)
        self.assertEqual(process.returncode, 0, log)
        self.assertEqual(rest.split(), ["signals", "0"])
        self.assertIn("the time limit was reached", log)
        self.assertEqual(listener.wait(1, within=0.3), [])

    def test_which_way(self):
        """A local agent first, the controller when there is none; one limit for both."""
        listener, controller = self.listen()
        local = self.keep(Listener(self.path))
        self.call(f"socket={self.path}", controller, self.by)
        self.assertEqual(self.events(local)[0]["job"], 4242)
        self.assertEqual(listener.wait(1, within=0.3), [])
        self.call(f"socket={self.folder}/absent", controller, self.by)
        self.assertEqual(self.arrived(listener)["job"], 4242)


class ArgumentTests(Case):
    LONG = "/" + "x" * 107
    # Argument, and what the log must say of it.
    MISTAKES = (
        ("nonsense", "unknown argument nonsense"),
        ("nonsense=1", "unknown argument nonsense=1"),
        ("", "unknown argument"),
        ("=", "unknown argument"),
        ("socke=/x", "unknown argument"),
        ("socket", "unknown argument"),
        ("steps", "unknown argument"),
        ("steps=maybe", "unknown argument"),
        ("%s%n%d", "unknown argument %s%n%d"),
        ("x" * 10000, "unknown argument"),
        ("socket=relative", "no absolute path"),
        ("socket=", "no absolute path"),
        (f"socket={LONG}", "no absolute path of less than 108"),
        ("munge_socket=relative", "no absolute path"),
        (f"munge_socket={LONG}", "no absolute path"),
        ("spool=relative", "no absolute path of less than 256"),
        ("spool=", "no absolute path"),
        ("spool=/" + "x" * 255, "no absolute path"),
        ("timeout_ms=9", "not between 10 and 1000; using 200"),
        ("timeout_ms=1001", "not between 10 and 1000"),
        ("timeout_ms=-50", "not between 10 and 1000"),
        ("timeout_ms=50ms", "not between 10 and 1000"),
        ("timeout_ms=", "not between 10 and 1000"),
        ("timeout_ms=99999999999999999999", "not between 10 and 1000"),
        *((f"controller={text}", "no numeric ADDRESS[:PORT]") for text in (
            "ctl", "ctl.example.org:6821", "localhost", "", ":6821", "10.0.0.1:", "10.0.0.1:0", "10.0.0.1:65536", "10.0.0.1:+1",
            "10.0.0.1: 1", "10.0.0.1:-18446744073709551615", "10.0.0.1:1x", "10.0.0", "10.0.0.256", "0x7f000001", "127.1", "[fd00::1",
            "[fd00::1]x", "[fd00::1]:", "[]:6821", "fe80::1%eth0", "1" * 70, "[" + "1" * 70 + "]")),
    )

    def test_a_mistake_is_told_and_changes_nothing_else(self):
        listener = self.keep(Listener(self.path))
        for count, (argument, words) in enumerate(self.MISTAKES, 1):
            with self.subTest(argument[:40]):
                call = self.call(f"socket={self.path}", argument)
                self.assertEqual(len(call.log), 1, call.log)
                self.assertIn(words, call.log[0])
                self.assertTrue(call.log[0].startswith("error: grid_agent:"))
                self.assertEqual(len(listener.wait(count)), count)

    def test_told_once_a_process(self):
        call = self.call("nonsense", f"socket={self.folder}/absent", hooks="job_prolog,job_epilog")
        self.assertEqual(len([line for line in call.log if line.startswith("error")]), 1, call.log)

    def test_limits_of_values(self):
        listener = self.keep(Listener(self.path))
        good = ("timeout_ms=10", "timeout_ms=1000", "steps=yes", "steps=no", "spool=no", "spool=/x", "munge_socket=/x", "controller=10.0.0.1",
                "controller=10.0.0.1:1", "controller=10.0.0.1:65535", "controller=fd00::1", "controller=[fd00::1]", "controller=[::1]:6821")
        for argument in good:
            with self.subTest(argument):
                self.assertEqual(self.call(f"socket={self.path}", argument).log, [])
        self.assertEqual(len(listener.wait(len(good))), len(good))

    def test_a_bad_controller_after_a_good_one(self):
        """The last one counts: it may be that the first is no more."""
        listener = self.keep(Listener(("127.0.0.1", 0)))
        call = self.call(f"controller=127.0.0.1:{listener.address[1]}", "controller=ctl", f"socket={self.folder}/absent")
        self.assertIn("no agent listens", call.log[-1])
        self.assertEqual(listener.wait(1, within=0.3), [])

    def test_the_default_socket(self):
        # Where an agent runs here, the message arrives there and nothing is logged.
        for line in self.call().log:
            self.assertRegex(line, re.escape("not reported: no agent listens"))

    def test_numbers_are_as_wide_as_the_format_allows(self):
        listener = self.keep(Listener(self.path))
        self.call(f"socket={self.path}")
        kind, fields = fields_of(listener.wait()[0])
        self.assertEqual((kind, {len(fields[tag]) for tag in (1, 3, 5, 11, 20, 21)} - {1, 2, 4, 8}), (2, set()))


if __name__ == "__main__":
    unittest.main()
