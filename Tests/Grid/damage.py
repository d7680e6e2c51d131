# SPDX-License-Identifier: GPL-3.0-or-later
"""Damages one of the agent's state files while it is dead: what a full disk, a restored backup or a mistaken `rm` leave behind."""

import shutil

FILES = ("ledger.sqlite", "chain.sqlite", "deepsquare.sqlite")
WAYS = ("deleted", "emptied", "halved", "without its WAL", "an old copy")


class Damage:
    def __init__(self, state, random):
        """state: the agent's state folder"""
        self.state, self.random = state, random
        self.old, self.spare = {}, {}
        self.done = []
        # Each file in each way, as long as there are kills.
        self.plan = [(name, way) for name in FILES for way in WAYS]
        random.shuffle(self.plan)

    def parts(self, name):
        return [path for path in (self.state / f"{name}{end}" for end in ("", "-wal", "-shm")) if path.exists()]

    def read(self, name):
        return {path: (path.read_bytes(), path.stat()) for path in self.parts(name)}

    def write(self, name, parts):
        for path in self.parts(name):
            path.unlink()
        for path, (content, stat) in parts.items():
            path.write_bytes(content)
            path.chmod(stat.st_mode & 0o7777)
            shutil.chown(path, stat.st_uid, stat.st_gid)

    def strike(self):
        """The agent is dead. -> what was done, or None"""
        now = {name: self.read(name) for name in FILES}
        if not self.old:
            self.old = now
            return None
        name, way = self.plan[len(self.done) % len(self.plan)]
        self.spare = {name: now[name]}
        main = self.state / name
        if way == "deleted":
            self.write(name, {})
        elif way == "emptied":
            self.write(name, {main: (b"", now[name][main][1])})
        elif way == "halved":
            content, stat = now[name][main]
            self.write(name, {main: (content[: len(content) // 2], stat)})
        elif way == "without its WAL":
            self.write(name, {main: now[name][main]})
        else:
            self.write(name, self.old[name])
        self.done.append(f"{name} {way}")
        # Not the same copy each time.
        if self.random.random() < 0.5:
            self.old = now
        return self.done[-1]

    def repair(self):
        """What an administrator with a good backup does when the agent refuses to go on."""
        for name, parts in self.spare.items():
            self.write(name, parts)
        self.spare = {}
