#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs one test of any kind, and builds first what it needs. Live tests need root, for the lab.

    make one TEST=NAME           or Tests/run-one.py NAME [WORD…]; the words are for a script
    make one TEST=--list         every name, a line each: its kind, the name, where it is
    BUILT=1 make one TEST=NAME   nothing is built first

NAME is
    a unit test, its suite or its module      firstGas, TransactionManagerTests, EthereumTests, or a title in quotes
    a test on a live cluster, or its suite    munged, Faults
    a script of live tests                    robust, Events/robust, Tests/Events/robust.py
    one of its scenarios                      taken_port, way_of_a_job
    a part of `make test`                     test-page

Where several have the name, they are printed: Events/jobs or MODULE.NAME says which is meant. Exit status: the test's own, 64 for
a name that is none."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TESTS = ROOT / "Tests"
# Scripts that take names of scenarios, where those are, and what their functions have before them.
SCENARIOS = {
    "Events/boots": (("Events/boots",), None), "Events/lanes": (("Events/lanes",), None), "Events/robust": (("Events/robust",), None),
    "Events/late_submission": (("Events/late_submission",), None),
    "Grid/jobs": (("Grid/jobs_live", "Grid/jobs_late", "Grid/jobs_moving", "Grid/jobs_outage", "Grid/jobs_timeline", "Grid/jobs_users"), r"@\w+\.(?:scenario|alone)\n"),
    "Benchmark/live": (("Benchmark/live",), None), "Benchmark/faults": (("Benchmark/faults",), None),
}
# What a script needs beyond a built agent, plugins and what test-tools makes.
PACKAGED = ("Package",)


class Test:
    def __init__(self, kind, name, place, *commands):
        self.kind, self.name, self.place, self.commands = kind, name, place, commands


def relative(path):
    return str(path.relative_to(ROOT))


def scripts():
    for path in sorted(TESTS.glob("*/*.py")):
        folder = path.parent.name
        text = path.read_text()
        if not text.startswith("#!"):
            continue  # a module of the others
        name = f"{folder}/{path.stem}"
        needed = ["build-tests", "plugins", "test-tools", *(["deb"] if folder in PACKAGED else [])]
        python = "$(Tests/Benchmark/install.sh)" if name == "Benchmark/names" else "python3"
        make, run = f"make -s {' '.join(needed)}", f"{python} {relative(path)}"
        yield Test("script", name, relative(path), make, run)
        files, mark = SCENARIOS.get(name, ((), None))
        for file in files:
            body = (TESTS / f"{file}.py").read_text()
            listed = set(re.findall(r"\w+", "".join(re.findall(r"(?:tests = \(|TESTS = \[|SHORT = |LONG = |ALL = |one for one in \()[^])]*", body))))
            for found in re.finditer(rf"^{mark or ''}def (\w+)\(", body, re.MULTILINE):
                if mark or found[1] in listed:
                    yield Test("scenario", found[1], f"Tests/{file}.py", make, f"{run} {found[1]}")


def swift_tests():
    for path in sorted([*TESTS.glob("*Tests/**/*.swift"), *TESTS.glob("Integration/*.swift")]):
        folder = path.relative_to(TESTS).parts[0]
        text = path.read_text()
        module = "IntegrationTests" if folder == "Integration" else folder
        suite, live = None, None
        pattern = r"@(?P<kind>Suite|Test)\b(?P<words>(?:\((?:[^()\"]|\"(?:[^\"\\]|\\.)*\"|\((?:[^()\"]|\"(?:[^\"\\]|\\.)*\"|\([^()]*\))*\))*\))?)|(?P<indent>^|\s)(?:final )?(?:struct|class|enum|extension|actor) (?P<type>\w+)|\bfunc (?P<func>`[^`]+`|\w+)"
        pending = None
        for found in re.finditer(pattern, text, re.MULTILINE):
            if found["kind"]:
                title = re.search(r"\"((?:[^\"\\]|\\.)*)\"", found["words"])
                pending = (found["kind"], title[1] if title else None)
                if where := re.search(r"Lab\.runs\(\"(\w+)\"\)", found["words"]):
                    live = where[1]
            elif found["type"] and (not found["indent"] or pending):
                suite = found["type"]
                if pending and pending[0] == "Suite":
                    yield swift(module, suite, None, pending[1], path, live)
                pending = None
            elif pending and pending[0] == "Test":
                # Outside of every type, when its line begins with no blank.
                start = text.rfind("\n", 0, found.start()) + 1
                yield swift(module, suite if text[start].isspace() else None, found["func"], pending[1], path, live)
                pending = None


def swift(module, suite, function, title, path, live):
    name = f"{module}." + "/".join(part for part in (suite, function) if part)
    if live:
        commands = ["make -s build-tests && lab/install.sh --dbd", f"FILTER='^{re.escape(name)}\\b' Tests/run-integration.sh {live}"]
    else:
        commands = ["make -s build-tests", f"swift test --skip-build --filter '^{re.escape(name)}\\b'"]
    test = Test("live" if live else "unit", name, relative(path), *commands)
    test.title = title
    return test


def every_test():
    makefile = (ROOT / "Makefile").read_text()
    for name in re.findall(r"^(test-[a-z-]+):", makefile, re.MULTILINE):
        if name != "test-tools":
            yield Test("part", name, "Makefile", f"make -s {name}")
    units = sorted({path.parts[-2] for path in TESTS.glob("*Tests/*.swift")})
    for name in units:
        yield Test("module", name, f"Tests/{name}", "make -s build-tests", f"swift test --skip-build --filter '^{name}\\.'")
    for name in re.findall(r"^    (\w+)\)$", (TESTS / "run-integration.sh").read_text(), re.MULTILINE):
        yield Test("live", name, "Tests/run-integration.sh", "make -s build-tests && lab/install.sh --dbd", f"Tests/run-integration.sh {name}")
    yield from scripts()
    yield from swift_tests()


def has_name(test, name):
    plain = name.removeprefix("Tests/").removesuffix(".py")
    if name in (test.name, getattr(test, "title", None)) or plain == test.name:
        return True
    if test.kind == "script":
        return plain == test.name.split("/")[1]
    return test.kind in ("unit", "live") and name in (test.name.split(".", 1)[-1], test.name.split("/")[-1], test.name.split(".")[-1].split("/")[0] if "/" not in test.name else None)


def find(name, tests):
    """-> those of that name: the whole name before a part of it"""
    return [test for test in tests if test.name == name] or [test for test in tests if has_name(test, name)]


def main(words):
    if not words or words[0] in ("-h", "--help"):
        sys.exit(__doc__)
    tests = list(every_test())
    if words[0] == "--list":
        for test in tests:
            print(f"{test.kind:8} {test.name:60} {test.place}")
        return 0
    found = find(words[0], tests)
    if len(found) != 1:
        print(f"run-one: no test is called {words[0]!r}; --list has their names" if not found else f"run-one: {words[0]!r} is the name of several:", file=sys.stderr)
        for test in found:
            print(f"    {test.name:60} {test.place}", file=sys.stderr)
        return 64
    *before, last = found[0].commands
    for command in (*before, " ".join([last, *words[1:]])):
        print(f"$ {command}", flush=True)
        if status := subprocess.run(["bash", "-c", command], cwd=ROOT).returncode:
            return status
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
