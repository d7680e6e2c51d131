# SPDX-License-Identifier: GPL-3.0-or-later
"""The packages that `make deb` has built, or those in the folder DEBS, and later versions of them made by repacking."""

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
BUILT = Path(os.environ.get("DEBS", TOP / ".build/deb"))
AGENT, PLUGINS = "slurm-grid-agent", "slurm-grid-agent-plugins"


def field(deb, name):
    return subprocess.run(["dpkg-deb", "-f", deb, name], capture_output=True, text=True, check=True).stdout.strip()


def built():
    """The packages by name; those of debug symbols are left out."""
    debs = {field(deb, "Package"): deb for deb in sorted(BUILT.glob("*.deb")) if "-dbgsym_" not in deb.name}
    if set(debs) != {AGENT, PLUGINS}:
        raise SystemExit(f"{BUILT} has no packages to test: make deb")
    return debs


def repacked(deb, suffix, target, change=None):
    """A package of a later version: with `suffix` behind the old one, and `change`, which gets the unpacked folder."""
    with tempfile.TemporaryDirectory(prefix="sga-repack.") as folder:
        tree = Path(folder) / "tree"
        subprocess.run(["dpkg-deb", "-R", deb, tree], check=True)
        control = tree / "DEBIAN/control"
        control.write_text(re.sub(r"^(Version: .*)$", rf"\1{suffix}", control.read_text(), flags=re.MULTILINE))
        if change:
            change(tree)
        path = Path(target) / Path(deb).name.replace("_amd64", f"{suffix}_amd64")
        # Quickly: nobody keeps it.
        subprocess.run(["dpkg-deb", "-Zgzip", "-z1", "--root-owner-group", "-b", tree, path], check=True, stdout=subprocess.DEVNULL)
    return path


def with_plugin(plugin):
    """A change that puts another jobcomp plugin into the package."""
    return lambda tree: shutil.copy(plugin, next(tree.glob("usr/lib/*/slurm-wlm/jobcomp_grid_agent.so")))
