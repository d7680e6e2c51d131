# SPDX-License-Identifier: GPL-3.0-or-later
"""Unix users that are gone for a while, as when sssd is offline: their names are unknown, their numbers are not."""

import contextlib
import ctypes
import os
from pathlib import Path

PASSWD = Path("/etc/passwd")
SUFFIX = "-away"


def rewrite(change):
    """Under the lock that useradd takes."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.lckpwdf() != 0:
        raise OSError(ctypes.get_errno(), "the lock of /etc/passwd")
    try:
        new = PASSWD.with_name("passwd.lab")
        new.write_text("".join(map(change, PASSWD.read_text().splitlines(keepends=True))))
        new.chmod(PASSWD.stat().st_mode & 0o7777)
        os.rename(new, PASSWD)
    finally:
        libc.ulckpwdf()


def rename(old, new):
    rewrite(lambda line: new + line[len(old):] if line.startswith(old + ":") else line)


@contextlib.contextmanager
def hidden(name):
    rename(name, name + SUFFIX)
    try:
        yield
    finally:
        rename(name + SUFFIX, name)
