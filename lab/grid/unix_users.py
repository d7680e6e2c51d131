# SPDX-License-Identifier: GPL-3.0-or-later
"""Unix users with names that useradd refuses (unix_users.py NAME COMMENT makes one), and users that are gone for a while, as
when sssd is offline: their names are unknown, their numbers are not."""

import contextlib
import ctypes
import grp
import os
import pwd
import sys
from pathlib import Path

PASSWD = Path("/etc/passwd")
GROUP = Path("/etc/group")
SUFFIX = "-away"
FIRST_ID = 40_000


@contextlib.contextmanager
def locked():
    """The lock that useradd and userdel take; flock(1) is another one."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.lckpwdf() != 0:
        raise OSError(ctypes.get_errno(), "the lock of /etc/passwd")
    try:
        yield
    finally:
        libc.ulckpwdf()


def replace(path, text):
    new = path.with_name(f"{path.name}.lab")
    new.write_text(text)
    new.chmod(path.stat().st_mode & 0o7777)
    os.rename(new, path)


def rewrite(change):
    with locked():
        replace(PASSWD, "".join(map(change, PASSWD.read_text().splitlines(keepends=True))))


def add(name, comment):
    with locked():
        taken = {entry.pw_uid for entry in pwd.getpwall()} | {entry.gr_gid for entry in grp.getgrall()}
        number = next(number for number in range(FIRST_ID, 60_000) if number not in taken)
        replace(GROUP, GROUP.read_text() + f"{name}:x:{number}:\n")
        replace(PASSWD, PASSWD.read_text() + f"{name}:x:{number}:{number}:{comment}:/home/{name}:/bin/bash\n")
        home = Path("/home") / name
        home.mkdir(mode=0o700, exist_ok=True)
        os.chown(home, number, number)


def rename(old, new):
    rewrite(lambda line: new + line[len(old):] if line.startswith(old + ":") else line)


@contextlib.contextmanager
def hidden(name):
    rename(name, name + SUFFIX)
    try:
        yield
    finally:
        rename(name + SUFFIX, name)


if __name__ == "__main__":
    add(*sys.argv[1:])
