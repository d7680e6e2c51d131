# SPDX-License-Identifier: GPL-3.0-or-later
"""Scenarios of a site that enforces associations: as whom the grid's jobs run, at whose cost, and what an administrator is told."""

import json
import os
import pwd
import signal
import subprocess

import grid as contracts
from jobs_common import (
    Stage, check, customer_reads, ends, events, eventually, facts, known, log, over_here, same, slurm_id, status, stranger, until_told, user,
)

CONF = "AccountingStorageEnforce=associations,limits,qos"
PARTITIONS = r"""PartitionName=grid Nodes=ALL Default=YES DefaultTime=60 MaxTime=7-0
PartitionName=other Nodes=ALL MaxTime=100"""


def sacctmgr(world, *words):
    world.lab.command("sacctmgr", "-i", *words)


def write_map(world, entries, mode=0o640):
    """entries: lines of YAML by customer"""
    path = world.lab.stage / "users.yaml"
    fresh = path.with_suffix(".new")
    fresh.write_text("".join(f'"{world.customers[one].address}": {value}\n' for one, value in entries.items()))
    fresh.chmod(mode)
    os.chown(fresh, 0, pwd.getpwnam("slurm").pw_gid)
    fresh.replace(path)
    return path


def prepare(world):
    sacctmgr(world, "add", "account", "grid", "Description=grid", "Organization=grid")
    sacctmgr(world, "add", "qos", "low")
    sacctmgr(world, "add", "user", user(world, 0), "account=grid")
    sacctmgr(world, "modify", "user", user(world, 0), "set", "qos+=low")
    world.configure({"users.map-file": write_map(world, {0: f"{{user: {user(world, 0)}, account: grid, qos: low, partition: other}}"})})
    world.agent.start()
    world.join()
    ends(world, world.request("true", 10, customer=1), "Finished")


STAGE = Stage(
    "users", [], prepare, customers=3, LAB_DBD=1, LAB_NODES=2, LAB_CPUS=4, LAB_PARTITION_LINES=PARTITIONS, LAB_CONF_EXTRA=CONF,
    settings={"slurm.partition": "grid", "retry-limit": "20s"})


def reload(world):
    """-> what the log says of it"""
    before = len(log(world))
    world.agent.process.send_signal(signal.SIGHUP)
    said = eventually("the configuration is read again", lambda: "the configuration was read again" in log(world)[before:] and log(world)[before:])
    return said


def attempt(world, customer, *options, wanted):
    """provider try -> its answer. wanted: the exit status"""
    done = subprocess.run(
        [world.lab.stage / "slurm-grid-agent", "provider", "try", world.customers[customer].address, *map(str, options), "--json",
         "--control", world.lab.run / "control.sock"], capture_output=True, text=True, env=world.lab.environment)
    same(done.returncode, wanted, f"exit status of provider try ({done.stdout}{done.stderr})")
    return json.loads(done.stdout)


def checked(world, subject):
    """-> what `check` finds of it"""
    slurm = pwd.getpwnam("slurm")
    done = subprocess.run(
        [world.lab.stage / "slurm-grid-agent", "check", "--json", "--config", world.agent.config], capture_output=True, text=True,
        env=world.lab.environment, user=slurm.pw_uid, group=slurm.pw_gid, extra_groups=[], cwd="/tmp")
    return [one for one in json.loads(done.stdout) if one["subject"] == subject]


def slurm_numbers(world):
    """Of the jobs that slurmctld has; it forgets old ones at any time."""
    return set(world.lab.command("squeue", "-h", "-a", "-t", "all", "-o", "%i").split())


@STAGE.alone
def placement_is_the_customers_own(world):
    """Account, QOS and partition of the customer's line; the others' defaults; and a comment that people can read."""
    own, other = world.request("sleep 5", 10), world.request("sleep 5", 10, customer=1)
    number = slurm_id(world, own)
    found = facts(world, number)
    same((found["Account"], found["QOS"], found["Partition"]), ("grid", "low", "other"), "account, QOS, partition")
    comment = world.lab.command("squeue", "-h", "-a", "-t", "all", "-j", number, "-o", "%k").strip()
    short = "0x" + own[2:].lstrip("0")
    same(comment, f"grid job {short} for {user(world, 0)}", "the comment")
    found = facts(world, slurm_id(world, other))
    same((found["Account"], found["Partition"]), (f"acct_{user(world, 1)}", "grid"), "account, partition of another customer")
    for job in (own, other):
        ends(world, job, "Finished")


@STAGE.alone
def comment_decides_nothing(world):
    """A user changes the comment of the job, and gives it to another one."""
    script, end = until_told(world)
    job = world.request(script, 10)
    number = slurm_id(world, job)
    comment = world.lab.command("squeue", "-h", "-a", "-t", "all", "-j", number, "-o", "%k").strip()
    world.lab.command("scontrol", "update", f"jobid={number}", "comment=mine", user=user(world, 0))
    world.lab.submit("--comment", comment, "-A", "grid", body="sleep 1", user=user(world, 0))
    end()
    found = ends(world, job, "Finished")
    same(found["exitCode"], 0, "exit code")
    same(known(world, job)["slurm_job"], int(number), "the Slurm job")


@STAGE.alone
def trial_says_what_slurm_would(world):
    """`provider try` asks Slurm, and makes no job."""
    before, known_before = slurm_numbers(world), len(world.ask("grid", "jobs"))
    found = attempt(world, 0, "--cores", 2, "--minutes", 50, wanted=0)
    same(found["placement"], {"login": user(world, 0), "partition": "other", "account": "grid", "qos": "low"}, "the placement")
    check(found["start"] and found["nodes"], f"no start: {found}")
    found = attempt(world, 0, "--minutes", 5000, wanted=1)
    check("5000" in found["reasons"][0], found)
    found = attempt(world, 1, "--cores", 500, wanted=1)
    check("no node" in found["reasons"][0], found)
    sacctmgr(world, "modify", "user", user(world, 1), "set", "MaxSubmitJobs=0")
    found = eventually("Slurm's limit stands against it", lambda: trial_refused(world, 1))
    check("slurmctld" in found["reasons"][0], found)
    sacctmgr(world, "modify", "user", user(world, 1), "set", "MaxSubmitJobs=-1")
    same((slurm_numbers(world) - before, len(world.ask("grid", "jobs"))), (set(), known_before), "new Slurm jobs, jobs")


def trial_refused(world, customer):
    answer = subprocess.run(
        [world.lab.stage / "slurm-grid-agent", "provider", "try", world.customers[customer].address, "--json", "--control",
         world.lab.run / "control.sock"], capture_output=True, text=True, env=world.lab.environment).stdout
    found = json.loads(answer)
    return found if found["reasons"] else None


@STAGE.alone
def map_is_read_again(world):
    """A reload takes the file of customers over; a broken one changes nothing, and says where it is broken."""
    check("account" not in attempt(world, 2, wanted=0)["placement"], "an account before")
    lines = {0: f"{{user: {user(world, 0)}, account: grid, qos: low, partition: other}}", 2: f"{{user: {user(world, 0)}, account: grid}}"}
    write_map(world, lines)
    check("users.map-file was taken over" in reload(world), "nothing of it in the log")
    found = attempt(world, 2, wanted=0)["placement"]
    same((found["login"], found["account"], found["partition"]), (user(world, 0), "grid", "grid"), "the placement")
    job = world.request("sleep 1", 10, customer=2)
    same(facts(world, slurm_id(world, job))["UserId"].split("(")[0], user(world, 0), "the user")
    ends(world, job, "Finished")
    write_map(world, {**lines, 1: "{usr: nobody}"})
    said = reload(world)
    check("users.yaml:3: " in said and "all stays as it is" in said, said)
    write_map(world, lines, mode=0o666)
    check("others may write it" in reload(world), "a file that everybody may write was taken")
    same(attempt(world, 2, wanted=0)["placement"], found, "the placement after broken files")
    write_map(world, lines)
    reload(world)


@STAGE.alone
def refusals_are_seen(world):
    """A cluster that refuses every job looked healthy."""
    sacctmgr(world, "add", "account", "empty", "Description=empty", "Organization=grid")
    lines = {one: f"{{user: {user(world, 0)}, account: empty}}" for one in range(3)}
    write_map(world, lines)
    reload(world)
    found = checked(world, "associations")
    check(found and found[0]["level"] == "failure" and "in account empty" in found[0]["text"], found)
    check(attempt(world, 0, wanted=1)["reasons"], "it would run")
    jobs = [world.request("true", 10, customer=one) for one in range(3)]
    for job in jobs:
        eventually(f"{job} is refused", lambda: events(world, "JobRefusedEvent", job), 150)
    customer_reads(world, jobs[0], "refused: ")
    counted = eventually("three in a row", lambda: (world.ask("grid")["outcomes"]["in_a_row"] >= 3) and world.ask("grid")["outcomes"])
    check(counted["last_day"]["refused"] >= 3 and counted["newest"]["reason"], counted)
    parts = eventually("status warns", lambda: [
        one for one in world.agent.status()["parts"] if one["name"] == "grid jobs" and one["level"] == "warning"])
    check("provider try" in parts[0]["text"], parts)

    def asked():
        return subprocess.run(
            ["curl", "-fsS", "--unix-socket", world.lab.run / "admin.sock", "http://localhost/metrics"], capture_output=True, text=True, check=True).stdout

    # What is shown may be a second old.
    line = 'grid_agent_part_state{part="grid_jobs",grid_agent_part_state="warning"} 1'
    metrics = eventually("there is a part_state of grid_jobs", lambda: (said := asked()) and line in said and said, 30)
    check('part="slurmctld"' not in metrics and 'grid_agent_parts{level="ok"}' in metrics, "a part that is well has a series")
    eventually("the log warns", lambda: any(
        "no job becomes of a claim" in line and "warning" in line.lower() for line in log(world).splitlines()), 30)
    write_map(world, {})
    reload(world)
    # Offered again, they fail: they were refused before. A new one runs, and that ends the row.
    for job in jobs:
        ends(world, job, "Failed")
    job = world.request("sleep 1", 10, customer=1)
    ends(world, job, "Finished")
    eventually("none was refused in a row", lambda: world.ask("grid")["outcomes"]["in_a_row"] == 0, 30)
    same(status(world, job), "Finished", "its status")


@STAGE.alone
def customer_without_a_user_is_told(world):
    """`check` names the customer of an open job who has no Unix user."""
    who = stranger(world)
    job = who.request(contracts.definition(hash=who.store(b"true")), 10)
    found = eventually("check tells of the customer", lambda: [
        one for one in checked(world, "customers") if one["level"] == "warning" and who.address in one["text"].lower()], 20, 1)
    check("provider try" in found[0]["text"], found)
    ends(world, job, "Failed")
    over_here(world, job)
    check(not [one for one in checked(world, "customers") if one["level"] != "ok"], "it is told for ever")


@STAGE.alone
def missing_names_are_found(world):
    """`check` names an account, a QOS and a partition that are not there, before a job is refused for it."""
    write_map(world, {0: f"{{user: {user(world, 0)}, account: gird, qos: lwo, partition: gpux}}"})
    for subject, word in (("account", "gird"), ("qos", "lwo"), ("users.map", "gpux")):
        found = [one for one in checked(world, subject) if one["level"] == "failure"]
        check(found and word in found[0]["text"], f"{subject}: {found}")
    write_map(world, {})
