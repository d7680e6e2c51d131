#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Submissions that slurmctld acts on after the agent has given up their answer, because a job_submit plugin takes its time:
each request is one Slurm job that runs once, and ends as it should.

    late_submission.py            the short form, part of `make test-events`
    late_submission.py --all      every case, with delays of up to 25 s (`make test-late`)
    late_submission.py CASE…      some; --list names them

Needs root, for the lab."""

import json
import os
import pwd
import secrets
import shutil
import sys
import time
from pathlib import Path

from cluster import Agent, Lab, eventually, say

PLUGIN = """
function slurm_job_submit(job, partitions, uid)
    os.execute("touch {asked}; sleep {delay}")
    {more}
    return slurm.SUCCESS
end

function slurm_job_modify(job, record, partitions, uid)
    {modify}
    return slurm.SUCCESS
end
"""
PRIORITY = "job.priority = 1000"
REPLACE = 'job.admin_comment = "site policy 7"'
FILL = 'job.admin_comment = job.admin_comment .. "," .. string.rep("x", 980)'
REFUSE = "if job.admin_comment ~= nil then return slurm.ERROR end"
APPEND = 'job.admin_comment = job.admin_comment .. " seen by the site"'


def expect(what, condition):
    if not condition:
        raise AssertionError(what)


class Stage:
    """A cluster with a job_submit plugin, an agent, and orders that are in its ledger when it starts."""

    def __init__(self, lab):
        self.lab = lab
        self.agent = Agent(lab)
        self.agent.start()
        self.agent.stop()
        self.runs = lab.base / "runs"
        self.runs.mkdir()
        self.runs.chmod(0o1777)
        conf = Path(lab.environment["SLURM_CONF"])
        self.script = conf.with_name("job_submit.lua")
        self.asked = self.runs / "asked"
        self.plugin(0)
        with conf.open("a") as file:
            file.write("JobSubmitPlugins=lua\n")
        lab.fault("stop")
        lab.fault("start")

    def plugin(self, delay, *more, modify=""):
        self.script.write_text(PLUGIN.format(asked=self.asked, delay=delay, more="\n    ".join(more), modify=modify))
        time.sleep(1.1)  # slurmctld looks at the file's time, in seconds

    def order(self, count, case):
        """Puts requests of a gateway into the ledger, as `accept` does. -> their names"""
        user = pwd.getpwnam("labu1")
        names = [f"{case}-{number}" for number in range(count)]
        with self.agent.writing() as database:
            for name in names:
                request = {
                    "userID": user.pw_uid, "name": name, "script": f"#!/bin/sh\necho run >>{self.runs}/{name}\nsleep 1\n",
                    "workDirectory": "/tmp", "standardOutput": "/dev/null", "standardInput": "/dev/null", "arguments": [],
                    "environment": {}, "environmentMode": {"minimal": {"limits": {}}}, "umask": 18, "gresPerNode": [],
                    "hold": False, "requeue": False,
                }
                row = database.execute(
                    "INSERT INTO jobs (created_at, gateway, external_id, claim, request, order_phase) VALUES (?, 'test', ?, 1, ?, 'accepted')",
                    (int(time.time() * 1e6), name, json.dumps(request).encode())).lastrowid
                database.execute("UPDATE jobs SET tag = ? WHERE id = ?", (f"sga:{row}-{secrets.token_hex(8)}", row))
            for counter in ("jobs", "open_orders"):  # the agent counts what it adds itself
                database.execute("INSERT INTO counters VALUES (?, '', ?) ON CONFLICT DO UPDATE SET value = value + excluded.value", (counter, len(names)))
        return names

    def row(self, name, columns="order_phase, number, final"):
        return self.agent.query(f"SELECT {columns} FROM jobs WHERE external_id = '{name}'")[0]

    def slurm(self, name):
        """Each Slurm job of that name that there is or was: [number, state]"""
        text = self.lab.command("squeue", "-h", "-a", "-t", "all", "-n", name, "-o", "%i %T", check=False)
        return [line.split() for line in text.splitlines()]

    def clean(self, name):
        """-> its Slurm jobs, or None while slurmctld does not answer or still cleans up after one"""
        jobs = self.slurm(name)
        return jobs if jobs and all(job[1] != "COMPLETING" for job in jobs) else None

    def in_doubt(self, name):
        """slurmctld was asked, and the order's number is not known."""
        eventually(f"{name} is asked for", lambda: self.row(name)[0] == "attempted", 30)

    def wait(self, names, within=150):
        eventually(f"{names} are over", lambda: all(self.row(name)[2] for name in names), within, 0.5)
        self.agent.deliver()

    def check(self, names, state="COMPLETED", runs=1):
        for name in names:
            told = [t for t in self.agent.transitions() if t.get("external_id") == name]
            finals = [t for t in told if t["final"]]
            expect(f"{name} ends once: {finals}", len(finals) == 1 and finals[0]["kind"] == "ended")
            expect(f"{name} is {finals[0].get('state')}, not {state}", finals[0].get("state") == state)
            file = self.runs / name
            ran = len(file.read_text().splitlines()) if file.exists() else 0
            expect(f"{name} ran {ran} times, not {runs}", ran == runs)
            # An end is told while the node is still cleaned up.
            jobs = eventually(f"the nodes of {name} are clean", lambda: self.clean(name))
            own = [job for job in jobs if job[0] == str(self.row(name)[1])]
            others = [job for job in jobs if job not in own]
            expect(f"{name}: its Slurm jobs are {jobs}", [job[1] for job in own] == [state] and not others)
        findings = self.agent.ask("ledger", "verify", "--state-folder", self.lab.state)
        expect(findings, findings.startswith("ok"))

    def stop(self):
        self.agent.stop()


def late(stage, case, count, delay, *more, **others):
    stage.plugin(delay, *more, **others)
    names = stage.order(count, case)
    stage.agent.start()
    stage.wait(names)
    stage.check(names)
    stage.stop()


def eight(stage):
    """8 at once, 2 s each"""
    late(stage, "eight", 8, 2)


def eight_priority(stage):
    """8 at once, 2 s each, with a priority from the plugin"""
    late(stage, "eight-priority", 8, 2, PRIORITY)


def twelve(stage):
    """12 s"""
    late(stage, "twelve", 1, 12)


def twelve_priority(stage):
    """12 s, with a priority from the plugin"""
    late(stage, "twelve-priority", 1, 12, PRIORITY)


def long(stage):
    """3 at once, 25 s each"""
    late(stage, "long", 3, 25)


def long_priority(stage):
    """3 at once, 25 s each, with a priority from the plugin"""
    late(stage, "long-priority", 3, 25, PRIORITY)


def replaced(stage):
    """the plugin replaces the admin comment: told, put back, and the end is the order's"""
    late(stage, "replaced", 1, 0, REPLACE)
    number, tag = stage.row("replaced-0", "number, tag")
    comment = stage.lab.command("scontrol", "show", "job", number)
    expect(comment, f"AdminComment=site policy 7,{tag}" in comment)
    eventually("it is told", lambda: "removed the agent's tag" in stage.agent.log.read_text(), 30)


def appended(stage):
    """the plugin appends to the admin comment after a blank"""
    late(stage, "appended", 1, 0, APPEND)


def unmarkable(stage):
    """the plugin lets nobody change an admin comment: the job is released without the mark of it"""
    late(stage, "unmarkable", 1, 0, modify=REFUSE)


def filled(stage):
    """the plugin fills the admin comment, so that no mark has room: the job is released without it"""
    late(stage, "filled", 1, 0, FILL)


def replaced_late(stage):
    """12 s, the plugin replaces the admin comment, and the agent is killed in the doubt"""
    killed(stage, "replaced-late", REPLACE)


def killed_late(stage):
    """12 s, and the agent is killed in the doubt"""
    killed(stage, "killed")


def killed_priority(stage):
    """12 s, with a priority from the plugin, and the agent is killed in the doubt"""
    killed(stage, "killed-priority", PRIORITY)


def killed(stage, case, *more):
    stage.plugin(12, *more)
    names = stage.order(1, case)
    stage.agent.start()
    stage.in_doubt(names[0])
    time.sleep(3)
    stage.agent.kill()
    stage.agent.start()
    time.sleep(4)
    stage.agent.kill()
    stage.agent.start()
    stage.wait(names)
    stage.check(names)
    stage.stop()


def withdrawn(stage):
    """12 s, and the customer cancels in the doubt"""
    stage.plugin(12)
    names = stage.order(1, "withdrawn")
    stage.agent.start()
    stage.in_doubt(names[0])
    with stage.agent.writing() as database:  # as `withdraw` does
        database.execute("UPDATE jobs SET withdrawn = 'the customer cancelled the job' WHERE external_id = ?", names)
    stage.wait(names)
    stage.check(names, "CANCELLED", runs=0)
    stage.stop()


def scancelled(stage):
    """12 s, and an administrator ends the job before the agent has seen it"""
    stage.plugin(12)
    names = stage.order(1, "scancelled")
    stage.asked.unlink(missing_ok=True)
    stage.agent.start()
    stage.in_doubt(names[0])
    eventually("slurmctld is at it", stage.asked.exists, 30, 0.05)  # the ledger's word is from before it is asked
    stage.agent.pause()
    eventually("it is in Slurm", lambda: stage.slurm(names[0]), 60, 0.5)
    stage.lab.command("scancel", stage.slurm(names[0])[0][0])
    stage.agent.resume()
    stage.wait(names)
    stage.check(names, "CANCELLED", runs=0)
    stage.stop()


def surplus(stage):
    """a second job with an order's tag, long after: ended while it waits, told while it runs, and never the order's"""
    names = stage.order(1, "surplus")
    tag = stage.row(names[0], "tag")[0]
    stage.plugin(0, f'if job.name == "duplicate" then job.admin_comment = "{tag}" end')
    stage.agent.start()
    stage.wait(names)
    waiting = str(stage.lab.submit("-J", "duplicate", "--hold"))
    # One that is seen while it waits is ended.
    stage.agent.pause()
    runs = str(stage.lab.submit("-J", "duplicate", body="sleep 600"))
    eventually("it runs", lambda: [runs, "RUNNING"] in stage.slurm("duplicate"), 60, 0.2)
    stage.agent.resume()
    eventually("the one that waits is ended", lambda: [waiting, "CANCELLED"] in stage.slurm("duplicate"), 60, 0.5)
    eventually("the other is told", lambda: "a job runs a second time" in stage.agent.log.read_text(), 60, 0.5)
    time.sleep(2)
    expect(stage.slurm("duplicate"), [runs, "RUNNING"] in stage.slurm("duplicate"))
    stage.lab.command("scancel", runs)
    stage.check(names)
    stage.stop()


def surplus_untagged(stage):
    """a second job of a request, after the first is over, whose tag the plugin removed: ended, by its second mark"""
    stage.plugin(0, REPLACE)
    names = stage.order(1, "untagged")
    stage.agent.start()
    stage.wait(names)
    stage.stop()
    own = stage.row(names[0], "number, submit_time, part")

    def others():
        return [job for job in stage.slurm(names[0]) if job[0] != str(own[0])]

    # Asked for a second time, by an agent that is killed before it hears of it. Under another tag: it would find the first.
    tag = f"{stage.row(names[0], 'tag')[0].split('-')[0]}-{secrets.token_hex(8)}"
    with stage.agent.writing() as database:
        database.execute(
            "UPDATE jobs SET order_phase = 'accepted', number = NULL, submit_time = NULL, part = NULL, tag = ? WHERE external_id = ?",
            (tag, *names))
    stage.plugin(12, REPLACE)
    stage.asked.unlink(missing_ok=True)
    stage.agent.start()
    stage.in_doubt(names[0])
    eventually("slurmctld is at it", stage.asked.exists, 30, 0.05)  # the ledger's word is from before it is asked
    stage.agent.kill()
    with stage.agent.writing() as database:
        database.execute(
            "UPDATE jobs SET order_phase = 'released', number = ?, submit_time = ?, part = ?, doubt = NULL WHERE external_id = ?",
            (*own, names[0]))
    eventually("the second is in Slurm", others, 60, 0.5)
    expect(f"it waits, and has no tag: {others()}", [job[1] for job in others()] == ["PENDING"])
    comment = stage.lab.command("scontrol", "show", "job", others()[0][0])
    expect(comment, "sga:" not in comment)
    stage.plugin(0)
    stage.agent.start()
    eventually("it is ended", lambda: [job[1] for job in others()] == ["CANCELLED"], 60, 0.5)
    eventually("that is told", lambda: "ended a job that was one too many" in stage.agent.log.read_text(), 30, 0.5)
    expect("the request's own ran once", len((stage.runs / names[0]).read_text().splitlines()) == 1)
    stage.agent.deliver()
    finals = [t for t in stage.agent.transitions() if t.get("external_id") == names[0] and t["final"]]
    expect(f"it ends once: {finals}", [t.get("state") for t in finals] == ["COMPLETED"])
    findings = stage.agent.ask("ledger", "verify", "--state-folder", stage.lab.state)
    expect(findings, findings.startswith("ok"))
    stage.stop()


def job_of(stage, case):
    """An order whose job has been released and waits for a node. -> its number"""
    stage.plugin(0)
    stage.lab.command("scontrol", "update", "NodeName=n1", "State=DRAIN", "Reason=test")
    names = stage.order(1, case)
    stage.agent.start()
    eventually(f"{case} is released", lambda: stage.row(names[0])[0] == "released", 30, 0.1)
    return names, str(stage.row(names[0])[1])


def shown(stage, job):
    return stage.lab.command("scontrol", "-o", "show", "job", job)


def saves(stage, *change):
    """Changes something in slurmctld, and waits until that is in its state on the disk."""
    saved, before = stage.lab.lab / "state/job_state", time.time()
    stage.lab.command("scontrol", *change)
    eventually("slurmctld has saved that", lambda: saved.exists() and saved.stat().st_mtime > before, 60, 0.2)
    return saved


def release_lost(stage):
    """slurmctld is killed before it saves that a job was released: released once more; but not one that its user holds"""
    names, job = job_of(stage, "release-lost")
    expect(shown(stage, job), "sga-released" in shown(stage, job))
    saves(stage, "uhold", job)
    time.sleep(8)  # longer than from one poll to the next
    expect("the user's hold stays", "Reason=JobHeldUser" in shown(stage, job))
    # As its state was before the release.
    stage.agent.pause()
    tag = stage.row(names[0], "tag")[0]
    saves(stage, "update", f"JobId={job}", f"AdminComment={tag}")
    stage.lab.fault("kill")
    stage.lab.fault("start")
    expect(shown(stage, job), "Reason=JobHeldUser" in shown(stage, job) and "sga-released" not in shown(stage, job))
    stage.agent.resume()
    eventually("it is released", lambda: "Priority=0" not in shown(stage, job) and "sga-released" in shown(stage, job), 60, 0.5)
    stage.lab.command("scontrol", "update", "NodeName=n1", "State=RESUME", check=False)
    stage.wait(names)
    stage.check(names)
    stage.stop()


def cancel_lost(stage):
    """slurmctld is killed before it saves that a waiting job was ended: its end has been told, and it is ended once more"""
    names, job = job_of(stage, "cancel-lost")
    saved = saves(stage, "update", f"JobId={job}", "Comment=waits")
    kept = stage.lab.base / "job_state"
    shutil.copy(saved, kept)
    stage.lab.command("scancel", job)
    stage.wait(names)
    stage.lab.fault("kill")
    for name in ("job_state", "job_state.old"):
        shutil.copy(kept, saved.with_name(name))
        shutil.chown(saved.with_name(name), "slurm", "slurm")
    stage.agent.pause()
    stage.lab.fault("start")
    expect(shown(stage, job), "JobState=PENDING" in shown(stage, job))
    stage.agent.resume()
    eventually("it is ended", lambda: "JobState=CANCELLED" in shown(stage, job), 60, 0.5)
    stage.lab.command("scontrol", "update", "NodeName=n1", "State=RESUME", check=False)
    stage.check(names, "CANCELLED", runs=0)
    stage.stop()


SHORT = [eight, replaced, unmarkable, filled, surplus, surplus_untagged, replaced_late, withdrawn, release_lost, cancel_lost]
ALL = [
    eight, eight_priority, twelve, twelve_priority, long, long_priority, replaced, appended, unmarkable, filled, replaced_late, killed_late,
    killed_priority, withdrawn, scancelled, surplus, surplus_untagged,
    release_lost, cancel_lost,
]


def main():
    words = sys.argv[1:]
    if words == ["--list"]:
        return print("\n".join(f"{case.__name__}: {case.__doc__}" for case in ALL))
    known = {case.__name__: case for case in ALL}
    if words and words != ["--all"] and (unknown := set(words) - set(known)):
        sys.exit(f"no such case: {', '.join(sorted(unknown))}; see --list")
    cases = SHORT if not words else ALL if words == ["--all"] else [known[word] for word in words]
    failed = []
    with Lab(LAB_NODES=1, LAB_CPUS=16, spank=False) as lab:
        stage = Stage(lab)
        for case in cases:
            begun = time.monotonic()
            try:
                case(stage)
                said = "ok"
            except (AssertionError, TimeoutError) as problem:
                said = f"FAILED: {problem}"
                failed.append(case.__name__)
                stage.stop()
            say(f"{time.monotonic() - begun:5.1f} s  {case.__doc__}: {said}")
        if failed:
            raise AssertionError(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    if os.geteuid() != 0:
        sys.exit("late_submission.py: needs root, for the lab")
    main()
    say("all as it must be")
