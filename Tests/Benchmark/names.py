#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The agent's table of micro-architectures against the archspec of PyPI: the same names, each with the same parents, vendor, features
and part. names.py [TABLE]: the Swift file with the table (default: the tree's)."""

import json
import re
import sys
from pathlib import Path

import archspec.cpu
import archspec.cpu.detect

TOP = Path(__file__).resolve().parents[2]
TABLE = TOP / "Sources/ClusterBenchmarks/Hardware/Microarchitecture+Table.swift"


def rows(path):
    """The table: name -> (parents, vendor, all features, part)."""
    found = {}
    text = re.sub(r"\s+", " ", path.read_text())
    pattern = r'Row\( ?"([^"]+)", (\[[^\]]*\]), "([^"]*)", "([^"]*)"(?:, generation: (\d+))?(?:, part: "([^"]*)")?'
    for name, parents, vendor, features, _, part in re.findall(pattern, text):
        parents = json.loads(parents)
        inherited = set().union(*(found[parent][2] for parent in parents)) if parents else set()
        features = inherited | set(features.split())
        # As both do: Linux does not list it.
        found[name] = (parents, vendor, features | ({"sse3"} if "ssse3" in features else set()), part)
    return found


def main():
    ours, theirs = rows(Path(sys.argv[1]) if len(sys.argv) > 1 else TABLE), archspec.cpu.TARGETS
    assert len(ours) > 50, f"the table cannot be read: {len(ours)} rows"
    wrong = []
    for name, target in theirs.items():
        roots = {"x86_64", "aarch64", "ppc64le"}
        if target.vendor == "Apple" or not roots & ({name} | {str(one) for one in target.ancestors}):
            continue
        if name not in ours:
            wrong.append(f"{name} is missing")
            continue
        parents, vendor, features, part = ours[name]
        if (sorted(parents), vendor, features) != (sorted(str(one) for one in target.parents), target.vendor, set(target.features)):
            wrong.append(f"{name} differs: {sorted(features ^ set(target.features))}")
        if part != target.cpu_part:
            wrong.append(f"{name}: part {part}, not {target.cpu_part}")
    wrong += [f"{name} is not archspec's" for name in ours if name not in theirs]
    assert not wrong, "; ".join(wrong)
    print(f"{len(ours)} names are archspec's; this machine is {archspec.cpu.host()}")


main()
