#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs unit tests that are built, as `swift test --skip-build` does, and ends a run that hangs.

    Tests/run-unit.py [--skip PATTERN | --filter PATTERN]…

When no test has begun or ended for SILENCE seconds (300), or when the run ends without a verdict, the tests that were under way are
named, and a hanging run's threads shown. Exit status: that of `swift test`, 1 for a run that hangs or says nothing of how it ended."""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

SILENCE = int(os.environ.get("SILENCE", "300"))  # s
# Shown of a thread; what is below them is the runtime's.
FRAMES = 25
EVENT = re.compile(
    r"^. Test (?!case passing |run )(?P<name>.+?)(?: with \d+ test cases?)? (?P<how>started|passed after [\d.]+ seconds|failed after .*)\.$")
VERDICT = re.compile(r"^. Test run with .* (passed|failed) after ")


class Story:
    """What the run has said."""

    def __init__(self):
        self.under_way, self.verdict, self.heard = {}, False, time.monotonic()

    def take(self, line):
        self.heard = time.monotonic()
        self.verdict = self.verdict or bool(VERDICT.match(line))
        event = EVENT.match(line)
        if event:
            count = self.under_way.get(event["name"], 0) + (1 if event["how"] == "started" else -1)
            self.under_way[event["name"]] = count

    def unfinished(self):
        return sorted(name for name, count in self.under_way.items() if count > 0)


def children(pid):
    """Of a process, and theirs."""
    found = []
    try:
        tasks = os.listdir(f"/proc/{pid}/task")
    except FileNotFoundError:
        return found
    for task in tasks:
        try:
            with open(f"/proc/{pid}/task/{task}/children") as file:
                found += [int(child) for child in file.read().split()]
        except (FileNotFoundError, ProcessLookupError):
            pass
    return [one for child in found for one in (child, *children(child))]


def show_threads(pids):
    """Of the program that runs the tests; with whichever debugger there is."""
    debugger = shutil.which("lldb") or shutil.which("gdb")
    for pid in pids:
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                words = file.read().replace(b"\0", b" ").decode(errors="replace")
        except FileNotFoundError:
            continue
        print(f"=== process {pid}: {words[:200]}", flush=True)
        if not debugger or ".xctest" not in words:
            continue
        command = (
            [debugger, "--batch", "-p", str(pid), "-o", f"thread backtrace all --count {FRAMES}"] if debugger.endswith("lldb")
            else [debugger, "-batch", "-p", str(pid), "-ex", f"thread apply all bt {FRAMES}"])
        try:
            subprocess.run(command, stdin=subprocess.DEVNULL, stderr=subprocess.STDOUT, timeout=120)
        except subprocess.TimeoutExpired:
            print("(the debugger does not come back)", flush=True)


def end(process):
    pids = [process.pid, *children(process.pid)]
    for number in (signal.SIGTERM, signal.SIGKILL):
        for pid in pids:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass
        time.sleep(1)
    process.wait()


def main(arguments):
    environment = {**os.environ, "SWIFT_BACKTRACE": os.environ.get("SWIFT_BACKTRACE", "enable=yes,interactive=no,color=no")}
    process = subprocess.Popen(
        [os.environ.get("SWIFT", "swift"), "test", "--skip-build", *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, env=environment)
    story = Story()

    def read():
        for line in process.stdout:
            sys.stdout.buffer.write(line)
            sys.stdout.buffer.flush()
            story.take(line.decode(errors="replace").rstrip())

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    hangs = False
    while process.poll() is None and not hangs:
        time.sleep(0.1)
        hangs = time.monotonic() - story.heard > SILENCE
    if hangs:
        print(f"=== the tests hang: none has begun or ended for {SILENCE} s", flush=True)
        show_threads([process.pid, *children(process.pid)])
        end(process)
    # What a test left running may hold the pipe.
    reader.join(10)
    status = process.returncode
    if not hangs and story.verdict:
        return status if status >= 0 else 1
    print(f"=== the tests {'hang' if hangs else f'ended without a verdict (exit status {status})'}; under way were")
    for name in story.unfinished() or ["none"]:
        print(f"    {name}")
    return 1


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
