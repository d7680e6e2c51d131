# SPDX-License-Identifier: GPL-3.0-or-later
"""Holds the agent's ledger and journal against slurmdbd."""

import re

ENDED = {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "PREEMPTED", "BOOT_FAIL", "DEADLINE", "OUT_OF_MEMORY", "REQUEUED"}
ORDER = {"submitted": 0, "pending": 1, "running": 2, "suspended": 3, "resumed": 3, "requeued": 4, "ended": 4, "vanished": 4, "refused": 4,
         "corrected": 5}
# Begins a run's transitions again: slurmctld lost that it had put the run back.
RESTORED = "restored"


class Verdict:
    def __init__(self):
        self.lost, self.duplicated, self.wrong, self.vanished, self.rewritten = [], [], [], 0, 0

    @property
    def ok(self):
        return not (self.lost or self.duplicated or self.wrong)

    def complaints(self):
        return [f"{kind}: {text}" for kind in ("lost", "duplicated", "wrong") for text in getattr(self, kind)]


def compare(rows, runs, transitions, findings, recovered=frozenset(), unended=frozenset()):
    """rows: of slurmdbd; runs: of the ledger; transitions: of the journal; findings: of `ledger verify`.

    recovered: numbers of jobs that a new slurmctld took from its saved state. It tells slurmdbd of them again, and after a
    kill runs some a second time, so what slurmdbd has now is not what was told when the run ended. That it ended, and
    was told once, is held against them as against all others.

    unended: ids of jobs that slurmctld still says are completing: there is no end to tell, whatever slurmdbd had of a slurmctld
    that was killed."""
    verdict = Verdict()
    verdict.wrong += findings
    check_journal(transitions, verdict)
    ends = {}
    for transition in transitions:
        if transition["kind"] == RESTORED:
            ends.pop((transition["job"], transition["submit_time"]), None)  # the requeue does not count
        elif ORDER[transition["kind"]] == 4 and transition.get("submit_time"):
            ends.setdefault((transition["job"], transition["submit_time"]), []).append(transition)
    for key, told in ends.items():
        if len(told) > 1:
            verdict.duplicated.append(f"{key} ended {len(told)} times")
    for transition in transitions:
        key = (transition["job"], transition.get("submit_time"))
        if transition["kind"] != "corrected":
            continue
        # The run that vanished may be the one after it, which never was.
        had = [told["kind"] for told in ends.get(key, [])]
        later = [told for (job, submitted), all_told in ends.items() if job == key[0] and submitted > key[1] for told in all_told]
        undone = had == ["requeued"] and any(told["kind"] == "vanished" and told["ledger_job"] == transition["ledger_job"] for told in later)
        if not (had == ["vanished"] or undone) or transition["final"]:
            verdict.wrong.append(f"{key}: corrected, though it did not vanish, or as a final end")
        elif undone:
            ends[key] = [transition]  # compared below
        elif key in rows and rows[key]["state"] in ENDED:
            check_end(key, rows[key], transition, verdict, key[0].split("_")[0] in recovered)
    verdict.vanished = sum(1 for told in ends.values() if told[-1]["kind"] == "vanished")
    for key, row in rows.items():
        if row["state"] not in ENDED:
            continue
        run, told = runs.get(key), ends.get(key)
        if run is None:
            verdict.lost.append(f"{key} {row['state']}: not in the ledger")
        elif not told and told_as_a_task(key, row, run, ends):
            continue
        elif not told and run["phase"] == "closing" and run["job_id"] in unended:
            continue
        elif not told:
            verdict.lost.append(f"{key} {row['state']}: {run['phase']} in the ledger, no end in the journal")
        elif told[-1]["kind"] == "vanished" and row["state"] != "REQUEUED":
            verdict.wrong.append(f"{key} vanished: slurmdbd has an end: {row['state']}")
        else:
            check_end(key, row, told[-1], verdict, key[0].split("_")[0] in recovered)
    return verdict


def told_as_a_task(key, row, run, ends):
    """The rest of an array that was cancelled when one task was left: slurmctld calls it by that task, which has the array's
    number, while slurmdbd may not have heard yet that the others had started, and has the end of them all together."""
    if run["phase"] != "dispersed" or not key[0].endswith("_[]"):
        return False
    array = key[0].removesuffix("_[]")
    return any(job.startswith(array + "_") and submitted == key[1] and told[-1].get("job_id") == int(array)
               and (told[-1].get("state"), told[-1].get("end_time")) == (row["state"], row["end"]) for (job, submitted), told in ends.items())


def check_journal(transitions, verdict):
    sequences = [transition["sequence"] for transition in transitions]
    if sequences != sorted(set(sequences)):
        verdict.duplicated.append("the journal's numbers do not grow")
    finals, runs = {}, {}
    for transition in transitions:
        if transition["final"]:
            finals[transition["ledger_job"]] = finals.get(transition["ledger_job"], 0) + 1
        if transition.get("submit_time"):
            runs.setdefault((transition["job"], transition["submit_time"]), []).append(transition["kind"])
    # Names from every source; an amount that is none (NO_VAL64) is left out.
    numbered = [t for t in transitions if re.search(r"(^|,)\d|=1844674407370955161", t.get("details", {}).get("tres") or "")]
    verdict.wrong += [f"{t['job']}: tres {t['details']['tres']} (from {t.get('source')})" for t in numbered]
    verdict.duplicated += [f"job {job} has {count} final transitions" for job, count in finals.items() if count > 1]
    for key, kinds in runs.items():
        if RESTORED in kinds and not all(before == "requeued" for before, kind in zip(["", *kinds], kinds) if kind == RESTORED):
            verdict.wrong.append(f"{key}: restored, though it had not been put back: {kinds}")
        ranks, base = [], 0
        for kind in kinds:
            # After a requeue that was taken back the run goes on.
            base += 10 if kind == RESTORED else 0
            ranks.append(base + (0 if kind == RESTORED else ORDER[kind]))
        # A start that nobody told of comes with the end, and so after the word that the run vanished.
        if ranks != sorted(ranks) and not ("corrected" in kinds and "running" in kinds[kinds.index("vanished"):]):
            verdict.wrong.append(f"{key}: order {kinds}")
        if kinds.count("pending") > 1 or kinds.count("running") > 1:
            verdict.duplicated.append(f"{key}: {kinds}")


def shown(status):
    """A wait status as sacct prints it: 128 is taken off greater exit codes, and slurmdbd takes a 1 for exit code 1
    (as_mysql_job.c), as slurmctld gives it to a job that its node has lost."""
    if status == 1:
        return 256
    if status is None or status >> 8 < 128:
        return status
    return status - (128 << 8)


def check_end(key, row, told, verdict, recovered):
    requeued = row["state"] == "REQUEUED"
    if recovered or told["kind"] == "vanished":
        verdict.rewritten += 1
        return
    if requeued and told["kind"] not in ("requeued", "corrected"):
        verdict.wrong.append(f"{key}: REQUEUED in slurmdbd, {told['kind']} here")
    if not requeued and told.get("state") != row["state"] and told["kind"] != "requeued":
        verdict.wrong.append(f"{key}: {row['state']} in slurmdbd, {told.get('state')} here")
    # slurmctld tells slurmdbd of a cancelled job at once, and hears how its script ended a little later: whoever asks it
    # then is told another exit code than slurmdbd was.
    compares = not requeued and row["state"] != "CANCELLED"
    if compares and shown(told.get("exit_status")) != row["exit"]:
        verdict.wrong.append(f"{key}: exit {row['exit']} in slurmdbd, {told.get('exit_status')} here")
    for field in ("start", "end"):
        if row[field] is not None and told.get(f"{field}_time") != row[field]:
            verdict.wrong.append(f"{key}: {field} {row[field]} in slurmdbd, {told.get(f'{field}_time')} here ({told.get('source')})")
    # What never ran was never allocated: slurmctld sets its start to its end, or leaves it away.
    put_back = requeued or told["kind"] == "requeued"
    if row["start"] is None and told.get("start_time") not in (None, told.get("end_time")) and not put_back:
        verdict.wrong.append(f"{key}: no start in slurmdbd, {told.get('start_time')} here ({told.get('source')})")
    # A run that was put back within a second may be in slurmdbd without its start (time_start 0), and so without a duration.
    lacks_start = put_back and row["start"] is None and told.get("start_time") is not None
    if told.get("elapsed") != row["elapsed"] and not lacks_start:
        verdict.wrong.append(f"{key}: {row['elapsed']} s in slurmdbd, {told.get('elapsed')} here ({told.get('source')})")
