# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests of running programs say, and how they wait."""

import time


def say(text):
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def eventually(what, condition, within=120, every=0.1):
    """Looks again and again until the condition is true; returns its value."""
    end = time.monotonic() + within
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise TimeoutError(f"not within {within} s: {what}")
        time.sleep(every)
