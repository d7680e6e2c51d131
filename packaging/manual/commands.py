#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes slurm-grid-agent(1) from what the program says of its commands, so that none is left out.

commands.py BINARY DATE >slurm-grid-agent.1      DATE: of the page, as 2026-11-20
"""

import json
import re
import subprocess
import sys

HEAD = r""".\" SPDX-License-Identifier: GPL-3.0-or-later
.\" Made of the program's own help.
.TH SLURM-GRID-AGENT 1 {date} "slurm-grid-agent {version}" "Slurm"
.SH NAME
slurm\-grid\-agent \- {abstract}
.SH SYNOPSIS
.B slurm\-grid\-agent
.I COMMAND
.RI [ OPTION ]...
"""

TAIL = r""".SH FILES
.TP
.I /etc/slurm\-grid\-agent/config.yaml
the configuration of the daemon: slurm\-grid\-agent.yaml(5)
.TP
.I /etc/slurm\-grid\-agent/credentials
each file is handed to the daemon as a credential; for root alone
.TP
.I /etc/default/slurm\-grid\-agent
environment variables of the service
.TP
.I /var/lib/slurm\-grid\-agent
the ledger
.TP
.I /run/slurm\-grid\-agent
sockets: of the plugins, of the commands, of the status page
.SH SEE ALSO
.BR slurm\-grid\-agent.yaml (5),
.BR slurm\-grid\-agent\-plugins (8),
.BR slurmctld (8),
.BR systemctl (1)
"""


def roff(text):
    """Plain text, safe in a line of roff."""
    text = text.replace("\\", r"\e").replace("-", r"\-").replace("'", r"\(aq").replace("`", r"\(ga")
    return re.sub(r"^\.", r"\\&.", text)


def is_heading(line):
    return re.fullmatch(r"[A-Z][A-Z ]+", line) is not None


def body(text):
    """Paragraphs, headings in capitals, and indented lines, which stay as they are; those of two columns become a list."""
    lines, table = [], False
    for line in text.split("\n"):
        row = re.match(r"  (\S+(?: \S+)*?)  +(\S.*)", line)
        if not line.strip():
            lines.append(".PP")
        elif is_heading(line):
            lines += [".PP", f".B {roff(line)}", ".br"]
        elif row:
            lines += [".TP", f".B {roff(row[1])}", roff(row[2])]
        elif line.startswith(" "):
            lines += [".br", roff(line.strip())]
        else:
            if table:
                lines.append(".PP")
            lines.append(roff(line))
        table = bool(row)
    return lines


def sections(text):
    """What stands before the first heading in capitals, and the text under each."""
    parts, name = {"": []}, ""
    for line in text.split("\n"):
        if is_heading(line):
            name = line
            parts[name] = []
        else:
            parts[name].append(line)
    return {name: "\n".join(lines).strip("\n") for name, lines in parts.items()}


def option(argument):
    names = [("-" if name["kind"] == "short" else "--") + name["name"] for name in argument["names"]]
    value = f" \\fI{roff(argument['valueName'])}\\fR" if argument["kind"] == "option" else ""
    text = argument.get("abstract", "")
    if argument.get("defaultValue") and "default" not in text:
        text += f" Default: {argument['defaultValue']}."
    return [".TP", ", ".join(f"\\fB{roff(name)}\\fR" for name in names) + value, roff(text) if text else r"\&"]


def positional(argument):
    return [".TP", f"\\fI{roff(argument['valueName'])}\\fR", roff(argument["abstract"])]


def usage(binary, path):
    text = subprocess.run([binary, "help", *path[1:]], capture_output=True, text=True, check=True).stdout
    return " ".join(re.search(r"^USAGE: (.*?)\n\n", text + "\n\n", re.DOTALL | re.MULTILINE)[1].split())


def command(binary, entry, path):
    """The section of one command; of one that only groups others, theirs."""
    path = [*path, entry["commandName"]]
    lines = []
    children = [child for child in entry.get("subcommands", []) if child["commandName"] != "help" and child.get("shouldDisplay", True)]
    if len(path) > 1 and (not children or "discussion" in entry):
        lines += [f".SS {roff(' '.join(path[1:]))}"]
        if not children:
            lines += [roff(usage(binary, path)), ".PP"]
        lines += [roff(entry["abstract"])]
        if "discussion" in entry:
            lines += [".PP", *body(entry["discussion"])]
        for argument in entry.get("arguments", []):
            if not argument.get("shouldDisplay", True) or argument["valueName"] in ("help", "version"):
                continue
            if argument["kind"] == "positional":
                lines += positional(argument) if argument.get("abstract") else []
            else:
                lines += option(argument)
    for child in children:
        lines += command(binary, child, path)
    return lines


def main(binary, date):
    top = json.loads(subprocess.run([binary, "--experimental-dump-help"], capture_output=True, check=True).stdout)["command"]
    version = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True).stdout.split()[1]
    parts = sections(top["discussion"])
    abstract = top["abstract"].rstrip(".")
    lines = [HEAD.format(date=date, version=version, abstract=roff(abstract[0].lower() + abstract[1:])).rstrip("\n")]
    lines += [".SH DESCRIPTION", *body(parts.pop(""))]
    lines += [".SH COMMANDS", *command(binary, top, [])]
    for name, text in parts.items():
        lines += [f".SH {roff(name)}", *body(text)]
    print("\n".join(lines) + "\n" + TAIL, end="")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2])
