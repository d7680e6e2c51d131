# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests of running programs say, and how they wait."""

import time

# The limits were set on a quiet machine. A wait that comes to its end is no matter of seconds: only a failure takes longer.
PATIENCE = 3


def say(text):
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def eventually(what, condition, within=120, every=0.1):
    """Looks again and again until the condition is true; returns its value. within: seconds on a quiet machine."""
    within *= PATIENCE
    end = time.monotonic() + within
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise TimeoutError(f"not within {within} s: {what}")
        time.sleep(every)
