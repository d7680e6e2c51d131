# SPDX-License-Identifier: GPL-3.0-or-later
"""A fault, what `check`, `status`, the log and the exit status say of it, what is typed as they say, and whether that heals it."""

import re
import subprocess
import threading
import time
from dataclasses import dataclass, field
from typing import Callable

from sites import typed
from waiting import PATIENCE

ROUND = 45  # s: the running agent looks every 30, and every 10 while something fails
RANK = {"off": 0, "ok": 0, "unknown": 1, "warning": 2, "failure": 3}


@dataclass
class Fault:
    """Made while the agent runs, or right before its start. remedy: what is done where the message has no command to type, as
    the words of it that name it and a function; else the command of the message is typed."""

    kind: str
    name: str
    subject: str
    words: str
    make: Callable
    remedy: tuple | None = None
    level: str = "failure"
    # The part of `status` that shows it; None: the subject's; "": none, and why.
    part: str | None = None
    log: str = ""
    root: bool = False
    row: dict = field(default_factory=dict)


@dataclass
class Start:
    """With it the agent does not start."""

    kind: str
    name: str
    exit: int
    words: str
    make: Callable
    remedy: tuple | None = None
    # (subject, words), or words that stand in what `check` complains of; None: `check` is no judge of it
    check: tuple | str | None = None
    command: tuple = ()
    root: bool = False
    row: dict = field(default_factory=dict)


class Wrong(Exception):
    pass


class Table:
    def __init__(self):
        self.rows, self.wrong, self.lock, self.begun = [], [], threading.Lock(), time.monotonic()

    def add(self, fault, site, problem=None):
        with self.lock:
            self.rows.append((fault, site.name if site else "", problem))
            if problem:
                self.wrong.append((fault, problem))
            verdict = f"WRONG: {problem}" if problem else "ok"
            print(f"{time.monotonic() - self.begun:6.1f} s  {fault.kind}: {fault.name}: {verdict}", flush=True)

    def markdown(self, folder):
        def cell(text):
            text = str(text or "–").replace(folder, "…").replace("|", "\\|").replace("\n", " ")
            return re.sub(r"0x[0-9a-fA-F]{36}([0-9a-fA-F]{4})", r"0x…\1", text)

        heads = ["fault", "`check` (exit status)", "`status` (exit status)", "log, or the start's words (exit status)", "done", "healed"]
        lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
        for fault, _, problem in sorted(self.rows, key=lambda one: one[0].kind):
            row = fault.row
            cells = [f"{fault.kind}: {fault.name}"] + [cell(row.get(name)) for name in ("check", "status", "log", "done")]
            lines.append("| " + " | ".join([*cells, f"**no**: {cell(problem)}" if problem else "yes"]) + " |")
        return "\n".join(lines)


# MARK: while it runs


def worst(findings, subject):
    """The worst finding of a subject, or None."""
    found = [one for one in findings if one.get("subject", one.get("name")) == subject]
    return max(found, key=lambda one: RANK.get(one["level"], 1), default=None)


def fits(fault, findings, subject):
    found = [one for one in findings if one.get("subject", one.get("name")) == subject and one["level"] == fault.level]
    return next((one for one in found if fault.words in one["text"]), None)


def is_well(findings, subject, before):
    """No worse than before the fault: the machine that tests run on may have its own troubles."""
    one = worst(findings, subject)
    least = worst(before, subject)
    return one is None or RANK.get(one["level"], 1) <= (RANK.get(least["level"], 1) if least else 0)


def until(condition, within):
    end = time.monotonic() + within * PATIENCE
    while True:
        if value := condition():
            return value
        if time.monotonic() > end:
            return None
        time.sleep(0.5)


def heal(fault, site, text):
    """Does what the message says."""
    if fault.remedy is None:
        command = typed(text)
        if not command:
            raise Wrong(f"no command in: {text}")
        done = subprocess.run(["sh", "-c", command], env=site.world.lab.environment, capture_output=True, text=True)
        if done.returncode:
            raise Wrong(f"`{command}`: {done.returncode}: {done.stderr.strip()}")
        fault.row["done"] = f"`{command}`"
        return
    words, act = fault.remedy
    if words not in text:
        raise Wrong(f"{words!r} is not in: {text}")
    act(site)
    fault.row["done"] = words


def together(table, site, faults, before=False):
    """Faults of different parts at one site, made while the agent runs; before: right before its start. Of one that does not run
    `check` alone is asked."""
    baseline = [] if before else site.check(root=faults[0].root)[0]
    log = len(site.log_text())
    problems = {}
    for fault in faults:
        fault.make(site)
    if before:
        site.start()
    try:
        findings, code, errors = site.check(root=faults[0].root)
        for fault in faults:
            found = fits(fault, findings, fault.subject)
            if not found:
                problems[fault.name] = f"check: {worst(findings, fault.subject) or errors or 'nothing'}, not {fault.level} with {fault.words!r}"
                continue
            fault.row.update(text=found["text"], check=f"{found['level']} {fault.subject}: {found['text']} ({code})")
        show(site, faults, problems)
        told(site, faults, problems, log)
        for fault in faults:
            if fault.name not in problems:
                try:
                    heal(fault, site, fault.row["text"])
                except (Wrong, OSError, subprocess.SubprocessError) as problem:
                    problems[fault.name] = str(problem)
        healed(site, faults, problems, baseline)
    except Exception as problem:  # of the site: its faults are judged by it
        for fault in faults:
            problems.setdefault(fault.name, f"{type(problem).__name__}: {problem}")
    for fault in faults:
        table.add(fault, site, problems.get(fault.name))


def show(site, faults, problems):
    """The running agent's status."""
    waiting = [fault for fault in faults if fault.part != ""]

    def shown():
        status = site.ask() or {"parts": [], "exit": 69, "health": "none", "summary": ""}
        for fault in waiting:
            found = fits(fault, status["parts"], fault.part or fault.subject)
            if found and "status" not in fault.row:
                fault.row["status"] = f"{found['level']} {found['name']}: {found['text']} ({status['exit']})"
                if fault.level == "failure" and status["exit"] != 1:
                    problems[fault.name] = f"status shows it and ends with {status['exit']}"
        return all("status" in fault.row for fault in waiting)

    if not until(shown, ROUND):
        status = site.ask()
        for fault in waiting:
            if "status" not in fault.row:
                problems.setdefault(fault.name, f"status: {worst(status['parts'], fault.part or fault.subject) if status else 'no answer'}")


def told(site, faults, problems, start):
    for fault in faults:
        if not fault.log:
            continue
        line = until(lambda fault=fault: next((one for one in site.log_text()[start:].splitlines() if fault.log in one), None), 20)
        if line:
            fault.row["log"] = line
        else:
            problems.setdefault(fault.name, f"the log has no {fault.log!r}")


def healed(site, faults, problems, baseline):
    def checked():
        findings = site.check(root=faults[0].root)[0]
        return all(is_well(findings, fault.subject, baseline) for fault in faults if fault.name not in problems) and findings

    findings = until(checked, 20)
    if not findings:
        findings = site.check(root=faults[0].root)[0]
        for fault in faults:
            if not is_well(findings, fault.subject, baseline):
                problems.setdefault(fault.name, f"not healed by {fault.row.get('done')}: {worst(findings, fault.subject)}")
    waiting = [fault for fault in faults if fault.part != "" and fault.name not in problems]

    def shown():
        status = site.ask()
        return status and all(is_well(status["parts"], fault.part or fault.subject, baseline) for fault in waiting)

    if not until(shown, ROUND):
        status = site.ask()
        for fault in waiting:
            found = worst(status["parts"], fault.part or fault.subject) if status else None
            if not status or not is_well(status["parts"], fault.part or fault.subject, baseline):
                problems.setdefault(fault.name, f"status still says {found}")


# MARK: with which it does not start


def starts(table, site, faults):
    """One after the other, at a site whose agent does not run."""
    for fault in faults:
        problem = None
        try:
            start(fault, site)
        except Exception as error:  # the next one is told of all the same
            problem = str(error) if isinstance(error, Wrong) else f"{type(error).__name__}: {error}"
        table.add(fault, site, problem)


def start(fault, site):
    fault.make(site)
    words = fault.command(site) if callable(fault.command) else fault.command
    code, text = site.run_once(*words, root=fault.root)
    line = next((one for one in text.splitlines() if fault.words in one), None)
    if code != fault.exit or not line:
        raise Wrong(f"run: {code}: {text.strip()[-600:]}; not {fault.exit} with {fault.words!r}")
    fault.row.update(text=line, log=f"{line} ({code})")
    if fault.check is not None:
        findings, code, errors = site.check(root=False)
        if isinstance(fault.check, str):
            if code != 78 or fault.check not in errors:
                raise Wrong(f"check: {code}: {errors}; not 78 with {fault.check!r}")
            fault.row["check"] = f"{errors} ({code})"
        else:
            subject, wanted = fault.check
            found = next((one for one in findings if one["subject"] == subject and wanted in one["text"] and one["level"] != "ok"), None)
            if not found:
                raise Wrong(f"check: {worst(findings, subject)}; not {wanted!r}")
            fault.row["check"] = f"{found['level']} {subject}: {found['text']} ({code})"
    heal(fault, site, line)
    site.start()
    site.stop()
