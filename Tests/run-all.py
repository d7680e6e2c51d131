#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs parts of the tests and says how long each took. Parts that stand by themselves run side by side, the longest first; the
packages are built meanwhile, as patiently as it goes.

    Tests/run-all.py TARGET…     of the Makefile, built before: `make test` does it

LANES=2 is how many run at once; LANES=1 runs one after the other. What a part prints is in .build/parts/TARGET.log; it is shown
whole when the part has ended, and as it comes while nothing runs beside it. The first part that fails ends the others, but
for KEEP_GOING=1. The last lines are the table of parts; the exit status is 1 when one failed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOGS = ROOT / ".build/parts"
LAST_LINES = 40
# s, measured alone on two cores; what is not here is taken for short. Only the order comes from it.
SECONDS = {
    "test-grid": 780, "test-events": 650, "test-chain": 240, "test-package": 200, "test-integration": 200, "test-page": 130, "test-lab": 130,
    "test-jarvice": 120, "test-plugins": 115, "test-benchmark": 375, "test-clustercockpit": 165, "test-configuration": 40,
}
# First, and with nothing beside it: it keeps every core busy, and some of it gives a helper process little time.
ALONE = ("test-unit",)
# The packages: built beside the parts, and done before the part that tries them.
PACKAGES, NEEDS_PACKAGES = "deb", "test-package"


class Part:
    """A target of the Makefile, in a process group of its own, its output in a file."""

    def __init__(self, name, make=("make", "-s"), patient=False):
        self.name, self.patient = name, patient
        self.words = [*make, name]
        self.log = LOGS / f"{name}.log"
        self.process, self.began, self.took, self.shown = None, None, None, 0

    def start(self):
        words = ["nice", "-n", "19", *self.words] if self.patient else self.words
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                words, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
                env={**os.environ, "BUILT": "1"} if not self.patient else None)
        self.began = time.monotonic()

    def seconds(self):
        return round((self.took if self.took is not None else time.monotonic() - self.began) if self.began is not None else 0)

    def has_ended(self):
        if self.took is None and self.process.poll() is not None:
            self.took = time.monotonic() - self.began
        return self.took is not None

    def show(self):
        """What the log has got since it was shown last."""
        with self.log.open("rb") as log:
            log.seek(self.shown)
            while data := log.read(1 << 20):
                self.shown += len(data)
                sys.stdout.buffer.write(data)
        sys.stdout.flush()

    def end(self):
        """As Ctrl-C would, so that tests take their clusters down; then harder."""
        for number, patience in ((signal.SIGINT, 90), (signal.SIGTERM, 20), (signal.SIGKILL, 5)):
            try:
                os.killpg(self.process.pid, number)
            except ProcessLookupError:
                break
            end = time.monotonic() + patience
            while self.lives() and time.monotonic() < end:
                time.sleep(0.1)
        self.has_ended()

    def lives(self):
        self.process.poll()
        try:
            os.killpg(self.process.pid, 0)
            return True
        except ProcessLookupError:
            return False


def line(text):
    print(text, flush=True)


class Lanes:
    def __init__(self, names, lanes):
        self.lanes = lanes
        self.parts = [Part(name) for name in names]
        self.packages = Part(PACKAGES, patient=True) if NEEDS_PACKAGES in names and PACKAGES not in names else None
        # Sorted stably: what is of the same length stays in the order in which it was named.
        self.waiting = list(self.parts) if lanes == 1 else sorted(self.parts, key=lambda part: (part.name not in ALONE, -SECONDS.get(part.name, 0)))
        self.running, self.failed = [], []
        self.keep_going = os.environ.get("KEEP_GOING") == "1"
        self.told = time.monotonic()

    def run(self):
        while self.waiting or self.running:
            self.begin()
            self.watch()
            if self.failed and not self.keep_going:
                return
            time.sleep(0.2)

    def begin(self):
        """Starts what may run now."""
        if self.packages and not self.packages.process and not any(part.name in ALONE for part in self.waiting + self.running):
            self.packages.start()
        while len(self.running) < self.lanes:
            part = next((part for part in self.waiting if self.may_run(part)), None)
            if not part:
                return
            self.waiting.remove(part)
            self.running.append(part)
            line(f"=== {part.name}")
            part.start()

    def may_run(self, part):
        if any(one.name in ALONE for one in self.running) or (part.name in ALONE and self.running):
            return False
        if any(one.name in ALONE for one in self.waiting) and part.name not in ALONE and self.lanes > 1:
            return False
        return part.name != NEEDS_PACKAGES or not self.packages or self.packages.has_ended()

    def watch(self):
        packages = self.packages
        if packages and packages not in self.failed and packages.process and packages.has_ended() and packages.process.returncode != 0:
            self.fail(self.packages)
            self.waiting = [part for part in self.waiting if part.name != NEEDS_PACKAGES]
        for part in list(self.running):
            ended = part.has_ended()
            if self.lanes == 1 or part.name in ALONE:
                part.show()
            if not ended:
                continue
            self.running.remove(part)
            if part.shown == 0:
                line(f"=== {part.name}: what it said")
            part.show()
            if part.process.returncode != 0:
                self.fail(part)
            else:
                line(f"=== {part.name} took {part.seconds()} s")
        if time.monotonic() - self.told > 60:
            self.told = time.monotonic()
            under_way = self.running + ([self.packages] if self.packages and self.packages.process and not self.packages.has_ended() else [])
            line(f"--- under way: {', '.join(f'{part.name} ({part.seconds()} s)' for part in under_way)}; {len(self.waiting)} parts to come")

    def fail(self, part):
        self.failed.append(part)
        line(f"=== {part.name} FAILED after {part.seconds()} s: exit status {part.process.returncode}")

    def end(self):
        for part in self.running + ([self.packages] if self.packages and self.packages.process else []):
            if not part.has_ended():
                line(f"--- ends {part.name} after {part.seconds()} s; what it said is in {part.log.relative_to(ROOT)}")
                part.end()

    def table(self):
        line("\npart                     s")
        for part in self.parts + ([self.packages] if self.packages else []):
            status = "  failed" if part in self.failed else "" if part.process and part.process.returncode == 0 else "  not done"
            beside = "  beside the others" if part is self.packages else ""
            line(f"{part.name:20} {part.seconds():5}{beside}{status}")


def main(names):
    lanes = os.environ.get("LANES", "2")
    if not names or not lanes.isdigit() or lanes == "0":
        sys.exit(__doc__)
    LOGS.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    them = Lanes(names, int(lanes))
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        them.run()
    finally:
        them.end()
    them.table()
    if not them.failed:
        line(f"=== all parts took {time.monotonic() - began:.0f} s")
    for part in them.failed:
        line(f"\n=== {part.name} failed after {part.seconds()} s: exit status {part.process.returncode}; {part.log.relative_to(ROOT)} ends with")
        for last in part.log.read_text(errors="replace").splitlines()[-LAST_LINES:]:
            line(f"    {last}")
    return 1 if them.failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
