# SPDX-License-Identifier: GPL-3.0-or-later
"""Proves of each job that the agent reports as vanished that nobody knows its end: slurmdbd has none, slurmctld does not have
the job, and slurmctld's log shows that it was killed before it saved it."""

import datetime
import re

from compare import ENDED

LINE = re.compile(r"\[(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+)\] (.*)")
# A job that slurmctld ended this long before it was killed was handed to the plugin, which had time to send or to spool it: it
# waits a second for the agent before it does (jobcomp_thread.c).
TIME_TO_TELL = 2.0


class Life:
    """One process of slurmctld, as its log shows it."""

    def __init__(self, start):
        self.start = self.end = start
        self.was_stopped = False
        self.recovered = set()  # job numbers
        self.mentioned = set()  # names of array tasks and records: "7_3", "7_[]"
        self.ended = {}  # job number -> when


def lives(log):
    """Of slurmctld's log."""
    found = [Life(0)]
    for line in log.splitlines():
        if not (match := LINE.match(line)):
            continue
        when, message = datetime.datetime.fromisoformat(match[1]).timestamp(), match[2]
        if " started on cluster " in message:
            found.append(Life(when))
        life = found[-1]
        life.end = when
        life.mentioned |= {f"{array}_{index}" if index.isdigit() else f"{array}_[]" for array, index in re.findall(r"JobId=(\d+)_(\d+|\[|\*)", message)}
        if message.startswith("Terminate signal"):
            life.was_stopped = True
        elif message.startswith("Recovered JobId="):
            life.recovered |= numbers(message)
        elif message.startswith("_job_complete: JobId=") and message.endswith(" done"):
            for number in numbers(message):
                life.ended[number] = when
    return found[1:]


def numbers(message):
    """Of "JobId=7", "7_[1-3](7)", "7_2(9)", "7+1(8)": a task's and a component's own number too."""
    name = re.search(r"JobId=(\S+)", message)[1]
    return {int(number) for number in re.findall(r"^\d+|(?<=\()\d+", name)}


def covers(shown, task):
    """Whether slurmdbd's name of an array record, such as "7_[1-3,5%4]", holds the task."""
    array, _, ranges = shown.partition("_[")
    name, _, index = task.partition("_")
    if not ranges or name != array or not index.isdigit():
        return False
    for part in ranges.rstrip("]").split("%")[0].split(","):
        first, _, last = part.split(":")[0].partition("-")
        if first.isdigit() and int(first) <= int(index) <= int(last or first):
            return True
    return False


def known_end(told, rows, runs):
    """What slurmdbd knows of the end of that run under another name or submit time, or None: compare.py knows its own. A number is used again after slurmctld was killed: a row that is
    another run of the ledger is not this one."""
    for (job, submit), row in rows.items():
        if row["state"] not in ENDED or row["state"] == "REQUEUED":
            continue
        # A task that had started and was taken back is cancelled with its array record: that is the end of another run.
        taken_back = told.get("start_time") and row["start"] in (None, row["end"])
        same = job == told["job"] or (covers(row["shown"], told["job"]) and not taken_back)
        if same and (job, submit) != (told["job"], told["submit_time"]) and (submit == told["submit_time"] or (job, submit) not in runs):
            return f"{row['state']} of {row['shown']}, submitted {submit}, ended {row['end']}"
        # The run before ended after this one had come: slurmctld had lost that it put the job back, and this one never was.
        if job == told["job"] and told.get("restarts") and submit < told["submit_time"] < (row["end"] or 0):
            return f"{row['state']} of the run before, submitted {submit}, ended {row['end']}"
    return None


def fate(told, found):
    """-> None when slurmctld took the job with it, otherwise why that is not so."""
    submit, number = told["submit_time"], told["job_id"]
    # A task has the array's submit time; its number is given later.
    index = max((place for place, life in enumerate(found) if told["job"] in life.mentioned), default=None)
    if index is None:
        index = max((place for place, life in enumerate(found) if int(life.start) <= submit), default=None)
    # A job that was recovered lives on in the next process.
    while index is not None and index + 1 < len(found):
        life, after = found[index], found[index + 1]
        if number in after.recovered:
            index += 1
            continue
        if life.was_stopped:
            return "slurmctld was stopped, not killed, and had to save it"
        if number in life.ended and life.end - life.ended[number] > TIME_TO_TELL:
            return f"slurmctld ended it {life.end - life.ended[number]:.1f} s before it was killed: its plugin had to tell that"
        return None
    return "slurmctld was not killed after it had the job"


def prove(transitions, rows, runs, log, alive):
    """alive: (job number, submit time) of what slurmctld has. -> (jobs known to nobody, complaints)"""
    unknown, wrong, found = 0, [], lives(log)
    for told in transitions:
        if told["kind"] != "vanished":
            continue
        name = f"({told['job']}, {told['submit_time']})"
        if end := known_end(told, rows, runs):
            wrong.append(f"{name} vanished: slurmdbd has an end: {end}")
        elif (told["job_id"], told["submit_time"]) in alive:
            wrong.append(f"{name} vanished: slurmctld has the job")
        elif why := fate(told, found):
            wrong.append(f"{name} vanished: {why}")
        else:
            unknown += 1
    return unknown, wrong
