#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documents do what they say. `check(machine)` types every command of the administrator's pages into a booted machine,
page by page, and looks at what comes back.

    docs.py             what needs no machine: docs_static.py
    docs.py --boot      boots a Debian with the packages of `make deb` and Slurm, and types all pages; needs root. SKIP_BOOT=1 goes
                        without

A comment right before a fenced block says what the block is:

    <!-- run: root -->           commands, typed as that user. After semicolons, where needed:
                                   with: USER JOB    these words stand for what the reader has; the machine's own are put in
                                   in: PACKAGES      typed in the folder that this variable names
                                   exits: 0 1        the exit statuses that are right (0)
                                   says: words       they are in the output; may be given again
                                   for: 3            it would go on for ever: ended after so many seconds
    <!-- file: /etc/… -->        the contents of a file, written there; after a semicolon mode: 0600 if it is not 0644
    <!-- append: /etc/… -->      lines to add to a file that is there; those that it has are not added again
    <!-- config -->              a configuration: the agent must take it. It is not put in force
    <!-- build -->               commands in a source tree: the targets exist; CI runs them
    <!-- elsewhere: why -->      commands for a place that no test has
    <!-- shown -->               no commands: what one sees, or what a file looks like
"""

import dataclasses
import json
import os
import re
import shlex
import shutil
import sys
import tempfile
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
DOCS = TOP / "docs"
# In the order in which a reader needs them; the last one removes the packages.
PAGES = ["install", "operate", "security", "troubleshooting", "architecture", "moving-over", "controller-pairs", "upgrade"]
# A Debian package whose program the pages use, beside Slurm's and ours.
NEEDS = "curl"
KINDS = {"run", "file", "append", "config", "build", "elsewhere", "shown"}
OPTIONS = {"with", "in", "exits", "says", "for", "mode"}


class Wrong(Exception):
    """A document does not hold."""


@dataclasses.dataclass
class Block:
    page: str
    line: int
    kind: str
    value: str
    text: str
    words: list = dataclasses.field(default_factory=list)
    folder: str = ""
    statuses: list = dataclasses.field(default_factory=lambda: [0])
    says: list = dataclasses.field(default_factory=list)
    seconds: float = 0
    mode: int = 0o644

    @property
    def place(self):
        return f"{self.page}:{self.line}"

    def filled(self, variables):
        """The text with the machine's own in place of the words that stand for them."""
        text = self.text
        for word in self.words:
            if word not in variables:
                raise Wrong(f"{self.place}: nothing is known for {word}")
            text, count = re.subn(rf"\b{word}\b", str(variables[word]), text)
            if not count:
                raise Wrong(f"{self.place}: {word} does not occur in the block")
        return text


def take_options(block, parts):
    for part in parts:
        name, colon, value = (text.strip() for text in part.partition(":"))
        if not colon or name not in OPTIONS:
            raise Wrong(f"{block.place}: no such option: {part.strip()}")
        if name == "with":
            block.words = value.split()
        elif name == "in":
            block.folder = value
        elif name == "exits":
            block.statuses = [int(word) for word in value.split()]
        elif name == "says":
            block.says.append(value)
        elif name == "for":
            block.seconds = float(value)
        elif name == "mode":
            block.mode = int(value, 8)


def make_block(page, line, marker, text):
    parts = marker.split(";")
    kind, _, value = (word.strip() for word in parts[0].partition(":"))
    if kind not in KINDS:
        raise Wrong(f"{page}:{line}: a block is none of {', '.join(sorted(KINDS))}: {kind!r}")
    if kind in ("run", "file", "append", "elsewhere") and not value:
        raise Wrong(f"{page}:{line}: {kind}: of what?")
    block = Block(page, line, kind, value, text)
    take_options(block, parts[1:])
    return block


def blocks(page, text):
    """Every fenced block of a page, in order."""
    found, marker, fence, begun, lines = [], None, None, 0, []
    for number, line in enumerate(text.split("\n"), 1):
        if fence is None and (opened := re.match(r"( *)(`{3,}|~{3,})", line)):
            if marker is None:
                raise Wrong(f"{page}:{number}: the block has no comment before it that says what it is")
            fence, begun, lines = opened, number, []
        elif fence is not None and line.strip() == fence[2]:
            found.append(make_block(page, begun, marker, "\n".join(lines) + "\n"))
            fence = marker = None
        elif fence is not None:
            lines.append(line.removeprefix(fence[1]))
        elif comment := re.fullmatch(r"\s*<!--(.*)-->\s*", line):
            marker = comment[1].strip()
        elif line.strip():
            marker = None
    if fence is not None:
        raise Wrong(f"{page}:{begun}: the block has no end")
    return found


def pages(folder=DOCS):
    return {f"{name}.md": (folder / f"{name}.md").read_text() for name in PAGES}


# A booted machine


def runner(machine):
    """`run(command, user) -> (status, output)` by a machine's own `run(command, check=False)`, which runs as root and returns the
    output of both streams."""
    def run(command, user):
        shell = f"bash -eo pipefail -c {shlex.quote(command)}"
        if user != "root":
            shell = f"runuser -u {shlex.quote(user)} -- {shell}"
        text = machine.run(f"{shell}; status=$?; echo; echo docs-status=$status", check=False)
        text, _, status = text.rpartition("\ndocs-status=")
        return int(status), text
    return run


def put(run, path, text, mode):
    status, output = run(f"install -D -m {mode:o} /dev/stdin {shlex.quote(path)} <<'END-OF-FILE'\n{text}END-OF-FILE\n", "root")
    if status != 0:
        raise Wrong(f"{path} cannot be written: {output}")


def append(run, block, text):
    status, old = run(f"cat {shlex.quote(block.value)} 2>/dev/null || true", "root")
    there = {line.strip() for line in old.split("\n")}
    missing = [line for line in text.strip().split("\n") if line.split(" #")[0].strip() not in there]
    if missing:
        added = "\n".join(missing) + "\n"
        status, output = run(f"mkdir -p {Path(block.value).parent} && cat >>{shlex.quote(block.value)} <<'END-OF-FILE'\n{added}END-OF-FILE\n", "root")
        if status != 0:
            raise Wrong(f"{block.place}: {block.value}: {output}")


def run_block(run, block, variables):
    command = block.filled(variables)
    if block.folder:
        command = f"cd {shlex.quote(str(variables[block.folder]))}\n{command}"
    if block.seconds:
        # Of a quiet machine; what it is to say must have come by then.
        command = f"timeout {block.seconds * (5 if block.says else 1)} bash -eo pipefail -c {shlex.quote(command)}"
    status, output = run(command, block.value)
    right = [*block.statuses, 124] if block.seconds else block.statuses
    if status not in right:
        raise Wrong(f"{block.place}: exit status {status}, not {' or '.join(map(str, right))}:\n{command}\n{output}")
    for words in block.says:
        if words not in output:
            raise Wrong(f"{block.place}: does not say {words!r}:\n{command}\n{output}")
    return output


def newest_job(run):
    """Slurm's number of the newest job of the ledger."""
    status, output = run("slurm-grid-agent ledger list --json --limit 1", "root")
    jobs = json.loads(output) if status == 0 else []
    if not jobs:
        raise Wrong(f"no job in the ledger stands for JOB: {output}")
    return jobs[0]["job"]


def check(machine, variables, names=PAGES, run=None, say=lambda text: print(text, flush=True)):
    """Types every page into the machine. Slurm runs on it, with slurm.conf and plugstack.conf in /etc/slurm; the packages may be
    installed already or not.

    variables: PACKAGES and NEWER, folders of the machine with our packages, and with later ones; USER, who may run jobs.
    run: in place of the machine's own. Throws Wrong with page and line, the command and what it said."""
    run = run or runner(machine)
    texts = pages()
    for name in names:
        page, count = f"{name}.md", 0
        for block in blocks(page, texts[page]):
            if "JOB" in block.words and "JOB" not in variables:
                variables = {**variables, "JOB": newest_job(run)}
            if block.kind == "run":
                run_block(run, block, variables)
            elif block.kind == "file":
                put(run, block.value, block.filled(variables), block.mode)
            elif block.kind == "append":
                append(run, block, block.filled(variables))
            elif block.kind == "config":
                put(run, "/tmp/docs-config.yaml", block.filled(variables), 0o644)
                run_block(run, dataclasses.replace(block, value="nobody", text="slurm-grid-agent config show --config /tmp/docs-config.yaml\n", words=[]), {})
            else:
                continue
            count += 1
        say(f"{page}: {count} blocks")


def boot():
    from head import DAEMONS, SLURM_CONF, Head
    from machine import base, eventually
    from packages import built, repacked
    debs = built()
    with tempfile.TemporaryDirectory(prefix="sga-debs.") as folder, Head(base(debs.values())) as head:
        for name, files in (("packages", debs.values()), ("newer", [repacked(deb, "+1", folder) for deb in debs.values()])):
            head.run(f"mkdir /root/{name}")
            for file in files:
                shutil.copy(file, f"/proc/{head.leader}/root/root/{name}")
        head.run(f"apt-get -q -y install slurm-wlm munge {NEEDS} && useradd -m alice")
        head.write("/etc/slurm/slurm.conf", SLURM_CONF)
        head.run(f"systemctl restart {' '.join(DAEMONS)}")
        eventually("the node is idle", lambda: head.run("sinfo -h -o %t", check=False).strip() == "idle", 60)
        check(head, {"PACKAGES": "/root/packages", "NEWER": "/root/newer", "USER": "alice"})


if __name__ == "__main__":
    sys.modules["docs"] = sys.modules["__main__"]
    if sys.argv[1:] == ["--boot"]:
        boot() if os.environ.get("SKIP_BOOT") != "1" else print("SKIPPED: no machine was booted (SKIP_BOOT=1)")
    else:
        import docs_static
        sys.exit(docs_static.main())
