#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What the SPANK plugin says while no agent takes it: kept on the node, sent by slurmd, once an agent is there. Needs no Slurm; as root
it tries more. PLUGIN and HARNESS: what was built."""

import os
import shutil
import subprocess
import time
import unittest
from pathlib import Path

from spank_peer import ACK, Hung, Listener, Munged, event_of, frame_of, unseal
from spank_test import HARNESS, PLUGIN, WATCHES, Case, SLACK

BATCH = ("--step", "0xfffffffb")
LIMIT = 512
BOOT = Path("/proc/sys/kernel/random/boot_id").read_text()[:8]


def since_boot():
    """Microseconds."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000


class SpoolCase(Case):
    def setUp(self):
        super().setUp()
        self.spool = self.folder / "spool"

    def kept(self):
        return sorted(self.spool.glob("*")) if self.spool.exists() else []

    def step(self, cores="0-3", *arguments, **call):
        return self.call(f"socket={self.path}", *arguments, hooks="init_post_opt", options=[*BATCH, "--cores", cores], **call)

    def slurmd(self, *arguments):
        """A slurmd that goes on until the test is over."""
        words = [HARNESS, "--linger", "--context", "4", "--host", "n7", "init", PLUGIN, f"spool={self.spool}", f"socket={self.path}", *arguments]
        process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(self.end, process)
        self.assertEqual(process.stdout.readline().split()[:2], ["init", "0"])
        return process

    def end(self, process):
        _, log = process.communicate("", timeout=60)
        self.assertEqual(process.returncode, 0, log)

    def until(self, condition, seconds=60):
        end = time.monotonic() + seconds
        while not condition() and time.monotonic() < end:
            time.sleep(0.02)
        self.assertTrue(condition())

    def put(self, name, content=b""):
        self.spool.mkdir(mode=0o700, exist_ok=True)
        path = self.spool / name
        path.write_bytes(content)
        path.chmod(0o600)
        return path

    def name(self, age=0, boot=BOOT):
        """Of a file that was kept so many seconds ago."""
        return f"{boot}-{since_boot() - int(age * 1e6):016x}.word"

    def word(self, job=7, kind=2):
        return frame_of(kind, [(1, 2), (3, 5), (5, 1), (11, job), (50, b"n7"), (55, b"0")])


class KeepTests(SpoolCase):
    def test_what_nobody_else_knows_is_kept(self):
        """Cores, GPUs, what a node is made of. Hints that are late are none."""
        call = self.step()
        self.assertIn("no agent listens", call.log[0])
        self.assertEqual(len(self.kept()), 1)
        self.assertEqual((self.spool.stat().st_mode & 0o7777, self.kept()[0].stat().st_mode & 0o7777), (0o700, 0o600))
        event = event_of(self.kept()[0].read_bytes())
        self.assertEqual((event["cores"], event["job"]), ("0-3", 4242))
        self.call(f"socket={self.path}", environment={"SLURM_JOB_GPUS": "0"})
        self.assertEqual([event_of(one.read_bytes()).get("gpus") for one in self.kept()], [None, "0"])
        self.call(f"socket={self.path}", "steps=yes", hooks="job_prolog,job_epilog,init_post_opt,task_exit")
        self.assertEqual(len(self.kept()), 2)
        self.call(f"socket={self.path}", hooks="init", options=["--context", "4", "--host", "n7"], left_open=WATCHES)
        self.assertEqual(event_of(self.kept()[-1].read_bytes())["kind"], "node")

    def test_what_was_taken_is_not_kept(self):
        listener = self.keep(Listener(self.path))
        self.assertEqual(self.step().log, [])
        self.assertEqual((len(listener.wait()), self.kept()), (1, []))

    def test_an_agent_that_is_killed_before_it_has_it(self):
        for answer, words in ((None, "did not take it"), (ACK[:15], "did not take it"), (b"\0" * 16, "did not take it"),
                              (ACK[:7] + b"\4" + ACK[8:], "did not take it")):
            with self.subTest(answer):
                before = len(self.kept())
                listener = Listener(self.path, answer=answer)
                call = self.step()
                listener.close()
                os.unlink(self.path)
                # One that says a part of it and no more takes all the time there is.
                self.assertIn("not reported", call.log[0])
                self.assertEqual(len(self.kept()), before + 1)

    def test_an_agent_that_hangs(self):
        self.keep(Hung(self.path))
        call = self.step("0", "timeout_ms=100", limit=0.1)
        self.assertGreater(self.seconds(call), 0.09)
        self.assertLess(self.seconds(call), 0.1 + SLACK)
        self.assertEqual(len(self.kept()), 1)

    def test_nothing_is_kept_where_it_is_not_wanted(self):
        call = self.call(f"socket={self.path}", "spool=no", hooks="init_post_opt", options=[*BATCH, "--cores", "0"])
        self.assertEqual((self.kept(), len(call.log)), ([], 1))

    def test_bounded(self):
        for number in range(LIMIT + 5):
            self.put(self.name(age=1000 - number), self.word(number + 1))
        self.put(f"00000000-{1 << 60:016x}.word", b"of an earlier boot")
        self.step()
        names = self.kept()
        self.assertEqual(len(names), LIMIT)
        self.assertEqual(event_of(names[-1].read_bytes())["job"], 4242)
        # The oldest have gone, and before them what no boot of now has said.
        self.assertEqual(event_of(names[0].read_bytes())["job"], 7)

    def test_a_directory_that_others_can_write(self):
        self.spool.mkdir()
        self.spool.chmod(0o770)
        call = self.step()
        self.assertIn("others can write to", call.log[0])
        self.assertEqual(self.kept(), [])
        self.spool.chmod(0o700)
        self.folder.chmod(0o777)
        self.assertIn("others can write to", self.step().log[0])
        self.folder.chmod(0o1777)
        self.step()
        self.assertEqual(len(self.kept()), 1)

    def test_a_directory_that_cannot_be_made(self):
        for spool in ("/proc/self/x", f"{self.folder}/a/b"):
            call = self.call(f"socket={self.path}", f"spool={spool}", hooks="init_post_opt", options=[*BATCH, "--cores", "0"])
            self.assertIn("not kept", call.log[0])
        self.spool.write_text("")
        self.assertIn("not kept", self.step().log[0])

    @unittest.skipIf(os.getuid() != 0, "needs root, to have a directory of another user")
    def test_a_directory_of_another_user(self):
        self.spool.mkdir(mode=0o700)
        os.chown(self.spool, 65534, -1)
        self.assertIn("belongs to uid 65534", self.step().log[0])
        self.assertEqual(self.kept(), [])


class SendTests(SpoolCase):
    def test_what_was_kept_is_sent_when_slurmd_starts(self):
        before = time.monotonic()
        self.step("0-1")
        self.step("2")
        time.sleep(0.3)
        listener = self.keep(Listener(self.path))
        self.slurmd()
        events = [event_of(one) for one in listener.wait(3)]
        self.assertEqual([event["kind"] for event in events], ["node", "step start", "step start"])
        self.assertEqual([event.get("cores") for event in events], [None, "0-1", "2"])
        self.assertNotIn("waited", events[0])
        for event in events[1:]:
            self.assertTrue(300 <= event["waited"] <= (time.monotonic() - before) * 1000, event)
        self.until(lambda: not self.kept())
        self.assertEqual(len(listener.wait(4, within=0.3)), 3, "something was sent twice")

    def test_an_agent_that_comes_back(self):
        """Whatever is said meanwhile: before slurmd looked, while it slept, while it waited to try again."""
        self.slurmd()
        self.until(lambda: len(self.kept()) == 1)  # the node's own word
        self.step("1")
        time.sleep(1.5)
        self.step("2")
        listener = self.keep(Listener(self.path))
        events = [event_of(one) for one in listener.wait(3)]
        self.assertEqual([event.get("cores") for event in events], [None, "1", "2"])
        self.until(lambda: not self.kept())
        # And once more, from its sleep.
        listener.close()
        os.unlink(self.path)
        self.step("3")
        again = self.keep(Listener(self.path))
        self.assertEqual(event_of(again.wait()[0])["cores"], "3")
        self.until(lambda: not self.kept())

    def test_one_that_does_not_take_it(self):
        """It is sent again, less and less often."""
        self.put(self.name(), self.word())
        listener = self.keep(Listener(self.path, answer=None))
        self.slurmd()
        messages = listener.wait(3)  # the node's own, and two attempts
        self.assertGreaterEqual(len(messages), 3)
        self.assertGreaterEqual(len(self.kept()), 1)
        listener.answer = ACK
        self.until(lambda: not self.kept())

    def test_a_directory_that_was_removed(self):
        listener = self.keep(Listener(self.path))
        self.slurmd()
        self.until(self.spool.exists)
        shutil.rmtree(self.spool)
        self.until(self.spool.exists)
        listener.answer = None
        self.step("1")
        listener.answer = ACK
        self.until(lambda: not self.kept())
        self.assertEqual(event_of(listener.messages[-1])["cores"], "1")

    def test_several_slurmds_of_a_host(self):
        """None sends what another one sends."""
        for number in range(20):
            self.put(self.name(age=20 - number), self.word(number + 1))
        processes = [self.slurmd() for _ in range(3)]
        listener = self.keep(Listener(self.path))
        self.until(lambda: not self.kept())
        jobs = sorted(event_of(one).get("job", 0) for one in listener.wait(23))
        self.assertEqual(jobs, [0, 0, 0, *range(1, 21)])
        self.assertEqual(len(processes), 3)

    def test_what_has_no_age(self):
        """Of an earlier boot, from the future, too old: nobody can say when it was said."""
        listener = self.keep(Listener(self.path))
        for name in (self.name(boot="00000000" if BOOT != "00000000" else "11111111"), f"{BOOT}-{1 << 60:016x}.word", f"{BOOT}-{0:016x}.word"):
            self.put(name, self.word(99))
        old = since_boot() / 1e6 > 7 * 24 * 3600
        self.put(self.name(), self.word(5))
        self.slurmd()
        self.until(lambda: not self.kept())
        jobs = [event_of(one).get("job") for one in listener.wait(4, within=0.5)]
        # A word of when the host came up is not too old yet.
        self.assertEqual(sorted(jobs[1:]), [5] if old else [5, 99])

    def test_what_is_none_of_ours(self):
        """Nothing of it is sent, nor read where it may hang; other names stay."""
        listener = self.keep(Listener(self.path))
        names = [self.name(age=age) for age in range(1, 14)]
        good = self.word(5)
        contents = (b"", b"x", good[:-1], good + b"\0", b"\xff" * 16, good[:6] + b"\2" + good[7:], self.word(kind=1), self.word(kind=5), b"\0" * (1 << 20))
        for name, content in zip(names, contents):
            self.put(name, content)
        os.mkfifo(self.spool / names[9], 0o600)
        os.symlink("/etc/passwd", self.spool / names[10])
        os.link(self.put("second", good), self.spool / names[11])
        self.put(names[12], good).chmod(0o666)
        others = ("second", "x.word", ".word", BOOT, f"{names[0]}x", f"{names[0][:-6]}.word", "a" * 200)
        for name in others:
            self.put(name, good)
        self.put(self.name(), good)
        self.slurmd()
        self.until(lambda: len(self.kept()) == len(others))
        self.assertEqual([event_of(one).get("job") for one in listener.wait(3, within=0.3)], [None, 5])

    def test_a_word_of_the_greatest_length(self):
        """Field 59 is put to it: the frame has room."""
        listener = self.keep(Listener(self.path))
        frame = frame_of(2, [(1, 2), (3, 5), (11, 5), (50, b"n7"), (55, b"0"), (0x7001, b"x" * (10240 - 16 - 4 * 6 - 4 * 3 - 3))])
        self.assertEqual(len(frame), 10240)
        self.put(self.name(), frame)
        self.slurmd()
        self.assertEqual(len(listener.wait(2)[1]), 10240 + 8)
        self.until(lambda: not self.kept())

    def test_signed_at_each_try(self):
        """By TCP, with a credential of now: the one of then has expired, or was used."""
        munged = self.keep(Munged(self.folder))
        listener = self.keep(Listener(("127.0.0.1", 0)))
        address = listener.address
        listener.close()
        arguments = [f"controller=127.0.0.1:{address[1]}", f"munge_socket={munged.socket}"]
        self.call(*arguments, hooks="init_post_opt", options=[*BATCH, "--cores", "0-1"])
        self.assertEqual(len(self.kept()), 1)
        listener = self.keep(Listener(address))
        words = [HARNESS, "--linger", "--context", "4", "--host", "n7", "init", PLUGIN, f"spool={self.spool}", *arguments]
        process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(self.end, process)
        events = [unseal(one, munged.socket)[0] for one in listener.wait(2)]
        self.assertEqual([event.get("cores") for event in events], [None, "0-1"])
        self.assertIn("waited", events[1])
        self.until(lambda: not self.kept())


if __name__ == "__main__":
    unittest.main()
