#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the daemon costs its host: how soon it is ready, its memory with all parts on, and its package: one JSON object a line
on stdout, the rest on stderr. Needs root.

    daemon.py [NAME…]        ready idle package (all of these)

BINARY: the agent, a release build. PLUGINS: the folder of the built plugins. ../README.md says what the figures mean."""

import json
import os
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PYTHON = subprocess.run([ROOT / "lab/grid/install.sh"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
sys.dont_write_bytecode = True
if sys.executable != PYTHON:
    # The chain's packages are in the lab's own Python.
    os.execv(PYTHON, [PYTHON, *sys.argv])
sys.path[0] = str(ROOT / "lab/grid")
sys.path += [str(ROOT / part) for part in ("Tests/Events", "Tests/Chain")]

import cluster  # noqa: E402


def say(text):
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


cluster.say = say

from cluster import eventually  # noqa: E402
from world import World  # noqa: E402

STARTS = 20
TOKEN = "a-token-of-the-benchmark"


def figure(name, value, unit, **more):
    print(json.dumps({"name": name, "value": round(value, 3), "unit": unit, **more}), flush=True)


def seal(world):
    """The key as a keystore that takes most of a second to open: the agent is ready before it is."""
    bare, sealed, password = (world.lab.state / name for name in ("key", "sealed", "password"))
    password.write_text("lab\n")
    password.chmod(0o600)
    subprocess.run(
        [world.lab.stage / "slurm-grid-agent", "key", "import", "--file", sealed, "--password-file", password], check=True,
        stdin=bare.open(), stdout=subprocess.DEVNULL, env=world.lab.environment)
    for file in (sealed, password):
        os.chown(file, world.lab.uid, -1)
    return {"chain.key-file": sealed, "chain.key-password-file": password}


def ready():
    """from exec to READY=1, the key in a keystore, chain and slurmctld up"""
    with World() as world:
        world.configure(seal(world))
        world.agent.start()
        world.join()
        path = world.lab.run / "notify"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
            listener.bind(str(path))
            path.chmod(0o777)
            listener.settimeout(30)
            world.agent.lab.environment["NOTIFY_SOCKET"] = str(path)
            times = []
            for _ in range(STARTS):
                world.agent.stop()
                drain(listener)
                start = time.monotonic()
                world.agent.start(wait=False)
                while b"READY=1" not in listener.recv(4096):
                    pass
                times.append((time.monotonic() - start) * 1000)
                eventually("it listens", world.agent.listens, 30)
        figure("agent.start_to_ready_ms", max(times), "ms", median=round(statistics.median(times), 1), starts=STARTS)


def drain(listener):
    listener.setblocking(False)
    try:
        while listener.recv(4096):
            pass
    except BlockingIOError:
        pass
    listener.settimeout(30)


def idle():
    """all parts on, a job done, scraped each 5 s, for a minute and a half"""
    with World() as world:
        port = free_port()
        token = world.lab.state / "token"
        token.write_text(TOKEN + "\n")
        token.chmod(0o600)
        os.chown(token, world.lab.uid, -1)
        world.configure({**seal(world), "admin.listen": f"127.0.0.1:{port}", "admin.token-file": token})
        world.agent.start()
        world.join()
        world.grid.wait(world.request("true", credits=10), ["Finished"])
        request = urllib.request.Request(f"http://127.0.0.1:{port}/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
        for _ in range(18):
            time.sleep(5)
            urllib.request.urlopen(request, timeout=10).read()
        processes = family(world.agent.process.pid)
        figure("agent.idle_all_parts_anon_mib", sum(anonymous(one) for one in processes), "MiB", processes=len(processes))


def family(pid):
    """The process and all below it."""
    children = {int(child) for file in Path(f"/proc/{pid}/task").glob("*/children") for child in file.read_text().split()}
    return [pid, *(one for child in children for one in family(child))]


def anonymous(pid):
    """In MiB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1024


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def package():
    """what `make deb` has built"""
    for file in sorted((ROOT / ".build/deb").glob("*.deb")):
        if not file.name.count("dbgsym"):
            figure("deb." + file.name.split("_")[0].replace("-", "_") + "_mib", file.stat().st_size / 2**20, "MiB")


if __name__ == "__main__":
    if os.geteuid() != 0:
        sys.exit("daemon.py: needs root, for the lab")
    parts = {"ready": ready, "idle": idle, "package": package}
    for name in sys.argv[1:] or parts:
        say(f"== {name}: {parts[name].__doc__}")
        parts[name]()
