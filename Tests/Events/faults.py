# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong while the soak's jobs run."""

import random
import shutil
import signal
import subprocess
import time

from cluster import eventually, say

MIN_JOB_AGE = 5
# Longer than MessageTimeout: who submitted is told that nobody answered, and the job is made all the same.
LATE = 12


class Faults:
    """One fault after the other, most of them an end of the agent, every other one by SIGTERM."""

    def __init__(self, lab, agent, kills, seed, restarts=True):
        self.lab, self.agent, self.kills, self.random = lab, agent, kills, random.Random(seed + 1)
        self.killed = self.terminated = 0
        self.bad_ends = []
        self.jobs = None  # who submits
        others = [self.late, self.pause, self.spool_fails, self.full_disk, self.vanish, self.stay_away, self.pause_agent]
        if restarts:
            others = [self.restart, self.kill_controller, *others]
        # Each of the others at least once, evenly among the kills, and again when there are many.
        others *= max(1, kills // (3 * (len(others) + 1)))
        self.plan = {(index + 1) * max(1, kills // (len(others) + 1)): fault for index, fault in enumerate(others)}

    def step(self):
        """One end of the agent, and what else is due with it."""
        time.sleep(self.random.random() * 0.8)
        if self.killed % 2:
            self.terminate()
        else:
            self.agent.kill()
        self.killed += 1
        time.sleep(self.random.choice([0, 0, 0.2, 1.0]))
        self.agent.start(wait=False)
        fault = self.plan.pop(self.killed, None)
        if fault:
            say(f"after {self.killed} kills: {fault.__doc__}")
            fault()

    def finish(self):
        for fault in self.plan.values():
            say(f"at last: {fault.__doc__}")
            fault()

    def terminate(self):
        self.terminated += 1
        try:
            code = self.agent.stop()
        except subprocess.TimeoutExpired:
            code = "none within 60 s"
            self.agent.kill()
        # A process that has only just been started dies of it, as any would.
        if code not in (0, -signal.SIGTERM):
            self.bad_ends.append(code)
            say(f"the agent was sent SIGTERM and ended with {code}")

    def flag(self, name, text):
        """Tells slurmctld's preloaded library, or its job_submit.lua, what goes wrong now (lab/README.md)."""
        new = self.lab.lab / "faults/new"
        new.write_text(text)
        shutil.chown(new, "slurm")
        new.rename(new.with_name(name))

    def late(self):
        """a submission is late"""
        self.flag("late", str(LATE))
        eventually("a job was submitted", lambda: not (self.lab.lab / "faults/late").exists() or not self.any_jobs(), 60)
        time.sleep(LATE)

    def any_jobs(self):
        return self.jobs is None or self.jobs.is_alive()

    def spool_fails(self):
        """the spool's file system fails for 3 s, while events are written there and while they are read again"""
        self.agent.kill()
        time.sleep(1.5)  # what comes now goes to the spool
        self.flag("files", f"{self.lab.lab}/state/grid-agent")
        time.sleep(1.5)
        self.agent.start(wait=False)
        time.sleep(1.5)
        (self.lab.lab / "faults/files").unlink()

    def restart(self):
        """slurmctld is restarted"""
        self.lab.fault("restart")

    def kill_controller(self):
        """slurmctld is killed"""
        self.lab.fault("kill")
        time.sleep(1)
        self.lab.fault("start")

    def pause(self):
        """slurmctld hangs for 4 s"""
        self.lab.fault("pause")
        time.sleep(4)
        self.lab.fault("resume")

    def full_disk(self):
        """the ledger's disk is full for 3 s"""
        ballast = self.lab.state / "ballast"
        # Without a buffer: what is left in one when the disk is full is written again when the file is closed.
        with ballast.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(1 << 20))
            except OSError:
                pass
        time.sleep(3)
        ballast.unlink()

    def vanish(self):
        """the folder of the agent's sockets vanishes"""
        shutil.rmtree(self.lab.run)
        time.sleep(2)

    def stay_away(self):
        """the agent stays away for longer than slurmctld remembers"""
        self.agent.kill()
        time.sleep(MIN_JOB_AGE * 2 + 3)
        self.agent.start(wait=False)

    def pause_agent(self):
        """the agent hangs for 7 s"""
        self.agent.pause()
        time.sleep(7)
        self.agent.resume()
