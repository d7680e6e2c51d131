# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults with which the agent does not start: the exit status, its words, and what heals them."""

import os
import shutil
import socket
import sqlite3

from faults_host import NO_CHAIN, NOBODY, mode, owner
from sites import Site
from table import Start, starts
from waiting import eventually


def set_key(**more):
    return lambda site: site.configure(more={key.replace("__", ".").replace("_", "-"): value for key, value in more.items()})


def configuration(table, world):
    site = Site(world, "configuration", funded=False, more=NO_CHAIN)
    good = site.config

    def append(text):
        def act(it):
            with it.config.open("a") as file:
                file.write(text)
        return act

    def right(it):
        it.configure()

    def away(it):
        it.config.rename(it.base / "away.yaml")

    def back(it):
        (it.base / "away.yaml").rename(it.config)

    def both(_):
        return "run", "--config", good, "--poll-intervall", "3s"

    starts(table, site, [
        Start("configuration", "a key that is misspelt", 78, "poll-interval", append("poll-intervall: 3s\n"), ("did you mean", right), "did you mean"),
        Start("configuration", "a value that is none", 78, "log-level", append("log-level: loud\n"), ("log-level: ", right), "log-level"),
        Start("configuration", "a number out of its range", 78, "is out of range", append("sweep-interval: 1ns\n"), ("sweep-interval", right), "sweep-interval"),
        Start("configuration", "a tab", 78, "a tab indents", append("bridge:\n\tmode: 0660\n"), ("spaces", right), "a tab indents"),
        Start("configuration", "a file that is not there", 78, "is not there", away, ("is not there", back), "is not there"),
        Start("configuration", "a file that the agent may not read", 78, "may not be read by this user", mode(lambda it: it.config, 0o600),
              ("may not be read", lambda it: it.config.chmod(0o644)), "may not be read by this user"),
        Start("configuration", "a chain without a key", 78, "metascheduler.endpoint.rpc", append("metascheduler.endpoint.rpc: http://127.0.0.1:1\n"), ("chain.key-file", right),
              "chain.key-file"),
        Start("configuration", "a flag that is misspelt", 64, "poll-intervall", lambda it: None, ("did you mean", lambda it: None), command=both),
        Start("user", "it is started as root", 77, "not as root", lambda it: None, ("sudo -u slurm", lambda it: None), root=True),
    ])


def folders(table, world):
    site = Site(world, "folders", funded=False, more=NO_CHAIN)
    beside = site.base / "beside"

    def no_folder(it):
        shutil.rmtree(it.state)

    def a_file(it):
        shutil.rmtree(it.state)
        it.state.write_text("")

    def moved_away(it):
        it.state.unlink()
        it.folder("state", 0o700)

    def another(it):
        beside.mkdir(exist_ok=True)
        os.chown(beside, it.slurm.pw_uid, it.slurm.pw_gid)
        file = it.base / "another.yaml"
        file.write_text(it.config.read_text().replace(str(it.run), str(beside)))
        with (it.base / "another.log").open("wb") as log:
            it.other = it.spawn("run", "--config", file, stdout=log, stderr=log)
        eventually("the other agent listens", lambda: (beside / "control.sock").exists(), 30)

    def stopped(it):
        it.other.terminate()
        it.other.wait(60)

    def listening(it):
        path = it.run / "events.sock"
        path.unlink(missing_ok=True)
        it.listener = socket.socket(socket.AF_UNIX)
        it.listener.bind(str(path))
        it.listener.listen()

    def listening_open(it):
        listening(it)
        (it.run / "events.sock").chmod(0o777)

    def closed(it):
        it.listener.close()

    def closed_and_removed(it):
        it.listener.close()
        (it.run / "events.sock").unlink()

    def plain(it):
        (it.run / "events.sock").unlink(missing_ok=True)
        (it.run / "events.sock").write_text("")

    def removed(it):
        (it.run / "events.sock").unlink()

    def no_run(it):
        shutil.rmtree(it.run)

    def lock(it):
        (it.state / "lock").touch()
        os.chown(it.state / "lock", 0, 0)
        (it.state / "lock").chmod(0o600)

    starts(table, site, [
        Start("file", "the state folder is not there", 73, "cannot be made", no_folder, check=("state folder", "is not there")),
        Start("file", "the state folder is a file", 73, "is not a folder", a_file, ("move it away", moved_away), ("state folder", "is not a folder")),
        Start("owner", "the state folder is somebody else's", 73, "belongs to uid", owner(lambda it: it.state, NOBODY), check=("state folder", "belongs to nobody")),
        Start("mode", "others may enter the state folder at the start", 73, "others can enter it", mode(lambda it: it.state, 0o711), check=("state folder", "others can enter it")),
        Start("owner", "the lock is root's", 73, "lock:", lock, check=("state folder", "lock belongs to root")),
        Start("daemon", "another agent has the state folder", 75, "another agent uses it", another, ("stop that one first", stopped)),
        Start("file", "another program has the plugins' socket", 73, "another process listens there", listening_open, ("stop it first", closed)),
        Start("owner", "a socket of somebody else is where the plugins' is to be", 73, "whether it is in use", listening, ("ss -xlp says whose it is", closed_and_removed)),
        Start("file", "a file is where the plugins' socket is to be", 73, "is there and is not a socket", plain, ("move it away", removed), ("socket", "is not a socket")),
        Start("file", "the sockets' folder is not there", 73, "install -d", no_run),
        Start("owner", "the sockets' folder is somebody else's at the start", 73, "who could replace the socket", owner(lambda it: it.run, NOBODY), check=("socket", "belongs to nobody")),
    ])


def state(table, world):
    """Files of the state that cannot be used."""
    site = Site(world, "state", funded=False, more=NO_CHAIN)
    site.start()
    site.stop()
    ledger, kept = site.state / "ledger.sqlite", site.base / "kept"
    shutil.copytree(site.state, kept)

    def later(it):
        with sqlite3.connect(ledger) as file:
            file.execute("PRAGMA user_version = 99")
        for path in it.state.iterdir():
            os.chown(path, it.slurm.pw_uid, it.slurm.pw_gid)

    def again(it):
        shutil.rmtree(it.state)
        shutil.copytree(kept, it.state)
        for path in (it.state, *it.state.iterdir()):
            os.chown(path, it.slurm.pw_uid, it.slurm.pw_gid)
        it.state.chmod(0o700)

    def elsewhere(it):
        text = open(world.lab.environment["SLURM_CONF"], encoding="utf-8").read()
        other = it.base / "slurm.conf"
        other.write_text(text.replace("ClusterName=lab", "ClusterName=elsewhere"))
        it.configure(more={"slurm.conf": other})

    def here(it):
        it.configure(more={"slurm.conf": world.lab.environment["SLURM_CONF"]})

    starts(table, site, [
        Start("state", "the ledger is of a later release", 78, "this release knows formats up to", later, ("formats up to", again), ("ledger", "format")),
        Start("state", "slurm.conf is another cluster's", 78, "the ledger belongs to cluster", elsewhere, ("a state folder of its own", here)),
    ])


def tokens(table, world):
    site = Site(world, "tokens", funded=False, more=NO_CHAIN)
    site.configure(more={"admin.listen": f"127.0.0.1:{site.free_port()}", "admin.token-file": site.token})
    text = site.token.read_text()

    def content(words):
        return lambda it: it.token.write_text(words)

    def right(it):
        it.secret("token", text)

    starts(table, site, [
        Start("file", "the token's file is not there at the start", 78, "make it", lambda it: it.token.unlink(), ("make it", right), ("token file", "is not there")),
        Start("file", "the token is too short", 78, "a token has at least", content("short\n"), ("a token has at least", right)),
        Start("file", "the token's file is empty", 78, "is empty", content(""), ("write a token into it", right)),
        Start("mode", "others may read the token at the start", 78, "others can read or change it", mode(lambda it: it.token, 0o644), check=("token file", "others can read")),
    ])


ALL = [configuration, folders, state, tokens]
QUICK = [configuration, folders]
