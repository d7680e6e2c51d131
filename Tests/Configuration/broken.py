#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every broken configuration of broken/cases.json, given to the real binary ($BINARY): one line on standard error that names
file and line, exit code 78, no secret, no trace. And files that cannot be read, and several faults at once. As root it runs
`run` and `check` as another user, who may not read what is root's; otherwise as whoever calls it, without that one case."""

import json
import os
import pwd
import re
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("BINARY", TOP / ".build/debug/slurm-grid-agent")).resolve()
IS_ROOT = os.geteuid() == 0
USER = pwd.getpwnam("nobody") if IS_ROOT else pwd.getpwuid(os.geteuid())
NOISE = re.compile(r"Fatal|Swift|Yams|Backtrace|\bError\(|Optional\(|Domain=|Thread \d")


def ask(binary, *words, environment=None):
    """What a user who is not root gets."""
    return subprocess.run(
        [str(binary), *map(str, words)], capture_output=True, timeout=60, cwd="/",
        env={"PATH": os.environ["PATH"], **(environment or {})},
        **({"user": USER.pw_uid, "group": USER.pw_gid, "extra_groups": []} if IS_ROOT else {}))


def lines_of(done, what):
    """The lines on standard error of a refusal."""
    text = done.stderr.decode()
    assert done.returncode == 78, f"{what}: exit code {done.returncode}: {text}"
    assert not done.stdout, f"{what}: {done.stdout}"
    assert text.endswith("\n") and not NOISE.search(text), f"{what}: {text}"
    lines = text.splitlines()
    assert all(line.startswith("slurm-grid-agent: ") for line in lines), f"{what}: {text}"
    return [line.removeprefix("slurm-grid-agent: ") for line in lines]


def content(case):
    return ("\n".join(case["text"]) + "\n").encode(case.get("encoding", "utf-8"))


def table(binary, folder, cases):
    """each broken configuration is one line with its place"""
    for number, case in enumerate(cases):
        file = folder / f"{number}.yaml"
        file.write_bytes(content(case))
        told = set()
        for words in (("run",), ("check",), ("config", "show"), ("config", "show", "--json")):
            what = f"{case['name']}: {' '.join(words)}"
            lines = lines_of(ask(binary, *words, "--config", file), what)
            assert len(lines) == 1, f"{what}: {lines}"
            told.add(lines[0])
        assert len(told) == 1, f"{case['name']}: {told}"
        line = told.pop()
        assert line.startswith(f"{file}:{case['line']}: "), f"{case['name']}: {line}"
        for words in case["words"]:
            assert words in line, f"{case['name']}: {words!r} is not in: {line}"
        for words in case.get("hides", []):
            assert words not in line, f"{case['name']}: {words!r} is in: {line}"
        print(f"  {line.removeprefix(str(folder) + '/')}")


def unreadable(binary, folder):
    """a file that cannot be read is one line that says why"""
    large, closed, loop, pipe, unix, folded = (folder / name for name in ("large", "closed", "loop", "pipe", "unix", "folder"))
    large.write_bytes(b"# x\n" * (1 << 18) + b"#")
    closed.write_text("log-level: info\n")
    closed.chmod(0)
    loop.symlink_to(loop)
    os.mkfifo(pipe)
    os.chmod(pipe, 0o666)
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(unix))
    unix.chmod(0o777)
    folded.mkdir()
    rows = [
        (folder / "none", "is not there"), (folded, "is a folder"), (large, "is larger than 1 MiB"), (loop, "symbolic link"),
        (pipe, "a pipe or a device"), (unix, "cannot be read"), (closed / "x", "is not there"), ("/dev/zero", "is larger than 1 MiB"),
        (closed, "may not be read by this user"),
    ]
    for path, words in rows:
        for command in (("run",), ("check",), ("config", "show")):
            lines = lines_of(ask(binary, *command, "--config", path), str(path))
            assert len(lines) == 1 and lines[0].startswith(f"{path}: ") and words in lines[0], lines
        print(f"  {lines[0].removeprefix(str(folder) + '/')}")


def several(binary, folder):
    """several faults are all told, the file's first; what comes from a variable or a flag names it"""
    file = folder / "several.yaml"
    file.write_text("log-level: loud\nbridge:\n  sockets: /x\n  mode: 0666\nchain.key-file: /k\n")
    lines = lines_of(
        ask(binary, "check", "--config", file, "--poll-interval", "x", environment={"BENCHMARK_RUN_AS": "0", "SLURM_GRID_AGENT_RETENTION": "1s"}),
        "several")
    places = [f"{file}:1: log-level: ", f"{file}:3: ", f"{file}:4: bridge.mode: ", "environment variable SLURM_GRID_AGENT_RETENTION: retention: ",
              "environment variable BENCHMARK_RUN_AS: benchmark.run-as: ", "--poll-interval: "]
    assert len(lines) == len(places) and all(line.startswith(place) for line, place in zip(lines, places)), lines
    file.write_text("".join(f"key{number}: 1\n" for number in range(100)))
    lines = lines_of(ask(binary, "config", "show", "--config", file), "a hundred faults")
    assert len(lines) == 21 and lines[-1] == "… and 80 more", lines


def show(binary, folder):
    """what is in force, where from, and no secret"""
    file = folder / "good.yaml"
    file.write_text("log-level: debug\nbenchmark:\n  env: {TOKEN: hunter2}\nmetascheduler.endpoint.rpc: http://127.0.0.1:1/secret-path\n")
    environment = {"ETH_PRIVATE_KEY": "ab" * 32, "SBATCH_ENDPOINT": "h:1", "METASCHEDULER_LABELS": "os=linux"}
    words = ("config", "show", "--config", file, "-l", "zone=a", "--trace=false", "--retention", "2d")
    done = ask(binary, *words, "--json", environment=environment)
    assert done.returncode == 0 and not done.stderr, done
    document = json.loads(done.stdout)
    settings = {one["key"]: one for one in document["settings"]}
    wanted = {
        "log-level": ("debug", "file", f"{file}:1"), "benchmark.env": ("TOKEN", "file", f"{file}:3"),
        "sbatch.endpoint": ("h:1", "environment", "SBATCH_ENDPOINT"), "metascheduler.label": ("zone=a", "flag", "--l"),
        "retention": ("2d", "flag", "--retention"), "poll-interval": ("5s", "default", None),
        "metascheduler.private-key": ("set, not shown", "environment", "ETH_PRIVATE_KEY"),
    }
    for key, (value, source, place) in wanted.items():
        assert (settings[key]["value"], settings[key]["source"], settings[key].get("place")) == (value, source, place), settings[key]
    text = ask(binary, *words, environment=environment)
    assert text.returncode == 0 and f"{file}:1".encode() in text.stdout, text
    for secret in (b"hunter2", b"secret-path", b"abab"):
        assert secret not in done.stdout + text.stdout, secret


def reference(binary, folder):
    """the example configuration says the same as none; the manual's section is well-formed"""
    file = folder / "example.yaml"
    file.write_bytes(ask(binary, "config", "reference", "--format", "yaml").stdout)
    assert len(file.read_text().splitlines()) > 100
    shown = [json.loads(ask(binary, "config", "show", "--json", *words).stdout)["settings"] for words in (("--config", file), ("--config", "/dev/null"))]
    assert shown[0] == shown[1]
    manual = folder / "manual.7"
    manual.write_bytes(b".TH TEST 7\n" + ask(binary, "config", "reference", "--format", "man").stdout)
    if shutil.which("groff"):
        done = subprocess.run(["groff", "-man", "-Tutf8", "-Kutf8", "-ww", str(manual)], capture_output=True, check=True)
        text = re.sub(rb".\x08", b"", done.stdout)  # bold is written twice
        assert not done.stderr and b"bridge.socket PATH" in text, done.stderr


def found(binary, *words):
    """What `check` found, by subject."""
    done = ask(binary, "check", "--json", *words)
    assert done.returncode in (0, 1), done.stderr
    by_subject = {}
    for finding in json.loads(done.stdout):
        by_subject.setdefault(finding["subject"], []).append((finding["level"], finding["text"]))
    return by_subject


def unseen(binary, folder):
    """what this user may not see is neither well nor amiss"""
    if not IS_ROOT:
        return print("  (left out: it needs root)")
    private, file = folder / "private", folder / "unseen.yaml"
    (private / "state").mkdir(parents=True, mode=0o700)
    (private / "state/ledger.sqlite").touch()
    base = f"slurm.conf: /none\nbridge.socket: {folder}/b.sock\ncontrol.socket: {folder}/c.sock\n"
    file.write_text(f"{base}state-folder: {private}/state\nadmin.socket: {private}/state/a.sock\n")
    for mode in (0o700, 0o755):  # the folder above it, or only itself
        private.chmod(mode)
        subjects = found(binary, "--config", file)
        (level, text), = subjects["ledger"]
        assert level == "unknown" and "cannot be seen by this user" in text, (level, text)
        (level, text), = subjects["state folder"]
        if mode == 0o700:
            assert level == "unknown" and "cannot be seen" in text, (level, text)
            assert any("a.sock" not in text and "cannot be seen" in text for _, text in subjects["socket"]), subjects["socket"]
        else:
            assert level == "failure" and "belongs to root" in text and "run this as root" in text, (level, text)
    file.write_text(f"{base}state-folder: {folder}/none\nadmin.socket: {folder}/a.sock\n")
    subjects = found(binary, "--config", file)
    assert subjects["ledger"] == [("ok", "none yet: the first start makes it")], subjects["ledger"]
    assert "is not there" in subjects["state folder"][0][1]


def secrets(binary, folder):
    """a file that everybody can read is told of when an address in it has a key or password"""
    file = folder / "secret.yaml"
    base = f"slurm.conf: /none\nstate-folder: {folder}/none\nchain.key-file: {folder}/none\n"
    for address, told in (("http://127.0.0.1:1/v3/0123456789abcdef0123456789abcdef", True), ("http://127.0.0.1:1/?key=x", True), ("http://127.0.0.1:1", False)):
        file.write_text(f"{base}metascheduler.endpoint.rpc: \"{address}\"\n")
        for mode, readable in ((0o644, True), (0o640, False)):
            file.chmod(mode)
            os.chown(file, USER.pw_uid, USER.pw_gid)
            texts = [text for level, text in found(binary, "--config", file)["configuration"] if level == "warning"]
            expected = [f"{file}: every user of this host can read it, and metascheduler.endpoint.rpc has a key"] if told and readable else []
            assert len(texts) == len(expected) and all(a.startswith(b) for a, b in zip(texts, expected)), (address, mode, texts)
            assert not any("0123456789" in text for text in texts)


def supervisor(binary, _):
    """a supervisor's environment with its example values starts, with a note"""
    done = ask(binary, "config", "show", "--config", "/dev/null", environment={"BENCHMARK_DISABLE": "false", "BENCHMARK_RUN_AS": "root"})
    assert done.returncode == 0 and b"runs no benchmark" in done.stdout + done.stderr, (done.returncode, done.stdout[-300:], done.stderr)


def main():
    cases = json.loads((Path(__file__).parent / "broken/cases.json").read_text())
    assert len(cases) >= 60 and len({case["name"] for case in cases}) == len(cases)
    folder = Path(tempfile.mkdtemp(prefix="sga-broken.", dir="/tmp"))
    try:
        folder.chmod(0o755)
        # Where it was built others may not look.
        binary = Path(shutil.copy(BINARY, folder / "slurm-grid-agent"))
        print(table.__doc__)
        table(binary, folder, cases)
        for part in (unreadable, several, show, reference, unseen, secrets, supervisor):
            print(part.__doc__)
            part(binary, folder)
        print(f"ok: {len(cases)} broken configurations")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
