# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of this host: files, owners, modes, disks and ports."""

import os
import shutil
import socket
import subprocess

from sites import Mount, Site
from table import Fault, together

NOBODY = 65534
NO_CHAIN = {"metascheduler.endpoint.rpc": None, "metascheduler.smart-contract": None, "metascheduler.label": None, "chain.key-file": None, "sbatch.endpoint": None,
            "sbatch.tls.ca": None}


def owner(path, uid):
    return lambda site: os.chown(path(site), uid, -1)


def mode(path, bits):
    return lambda site: path(site).chmod(bits)


def restart(site):
    site.stop()
    site.start()


def with_token(world, name, **more):
    site = Site(world, name, funded=False, more={"admin.token-file": None, **more})
    site.configure(more={"admin.token-file": site.token, "admin.listen": f"127.0.0.1:{site.free_port()}"})
    return site


def modes(table, world):
    site = with_token(world, "modes")
    site.start()
    together(table, site, [
        Fault("mode", "others may write the configuration", "configuration", "others may write it", mode(lambda it: it.config, 0o666)),
        Fault("mode", "others may enter the state folder", "state folder", "others can enter it", mode(lambda it: it.state, 0o755)),
        Fault("mode", "others may write where the sockets are", "socket", "others may write into it", mode(lambda it: it.run, 0o777)),
        Fault("mode", "others may read the key", "key file", "others can read or change it", mode(lambda it: it.key, 0o644)),
        Fault("mode", "others may read the token", "token file", "others can read or change it", mode(lambda it: it.token, 0o644)),
    ])
    site.stop()


def shut(table, world):
    """What an administrator shuts too far."""
    site = with_token(world, "shut")
    site.start()
    together(table, site, [
        Fault("mode", "the state folder is shut to its owner", "state folder", "is shut to its own owner", mode(lambda it: it.state, 0o500)),
        Fault("mode", "the key is shut to its owner", "key file", "is shut to its own owner", mode(lambda it: it.key, 0)),
        Fault("mode", "the token is shut to its owner", "token file", "is shut to its own owner", mode(lambda it: it.token, 0)),
    ])
    site.stop()


def owners(table, world):
    site = with_token(world, "owners")
    site.start()
    together(table, site, [
        Fault("owner", "the configuration is somebody else's", "configuration", "who decides for the agent", owner(lambda it: it.config, NOBODY)),
        Fault("owner", "root made a file of the state folder its own", "state folder", "ledger.sqlite belongs to root", owner(lambda it: it.state / "ledger.sqlite", 0)),
        Fault("owner", "the sockets' folder is somebody else's", "socket", "belongs to nobody", owner(lambda it: it.run, NOBODY)),
        Fault("owner", "the key is root's", "key file", "belongs to root, and the agent", owner(lambda it: it.key, 0)),
        Fault("owner", "the token is somebody else's", "token file", "who can read and change it", owner(lambda it: it.token, NOBODY)),
    ])
    site.stop()


def more_owners(table, world):
    site = with_token(world, "more-owners")
    site.start()
    together(table, site, [
        Fault("owner", "the state folder is root's", "state folder", "belongs to root", owner(lambda it: it.state, 0)),
        Fault("owner", "the key is somebody else's", "key file", "who can read and change it", owner(lambda it: it.key, NOBODY)),
        Fault("owner", "the token is root's", "token file", "belongs to root, and the agent", owner(lambda it: it.token, 0)),
    ])
    site.stop()


def files(table, world):
    site = with_token(world, "files")
    site.start()
    aside = site.base / "aside"
    aside.mkdir()

    def away(path):
        return lambda it: shutil.move(path, aside / path.name)

    def back(path):
        return lambda it: shutil.move(aside / path.name, path)

    together(table, site, [
        Fault("file", "the key is not there", "key file", "is not there", away(site.key), ("put the key back", back(site.key))),
        Fault("file", "the token is not there", "token file", "is not there", away(site.token), ("put it back", back(site.token))),
        Fault("file", "a file of the state folder may only be read", "state folder", "is shut to its own owner", mode(lambda it: it.state / "ledger.sqlite", 0o400)),
    ])
    site.stop()


def secrets(table, world):
    """An address with a password in a file that everybody can read."""
    site = Site(world, "secrets", funded=False)
    site.configure(more={"metascheduler.endpoint.rpc": site.settings["metascheduler.endpoint.rpc"].replace("http://", "http://user:hunter2@")})
    site.config.chmod(0o640)
    os.chown(site.config, 0, site.slurm.pw_gid)
    site.start()

    def chgrp(it):
        it.config.chmod(0o640)
        os.chown(it.config, 0, it.slurm.pw_gid)

    together(table, site, [
        Fault("mode", "everybody can read a password in the configuration", "configuration", "every user of this host can read it", mode(lambda it: it.config, 0o644),
              ("chmod 0640", chgrp), level="warning"),
    ])
    site.stop()


def fill(but):
    def act(site):
        free = os.statvfs(site.state)
        with (site.state / "filler").open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, free.f_bavail * free.f_frsize - but)
    return act


def empty(site):
    for path in site.state.glob("filler*"):
        path.unlink()


def take_files(site):
    try:
        for number in range(1000):
            (site.state / f"filler{number}").touch()
    except OSError:
        pass


def read_only(site):
    # A file system in use for writing is not remounted so; a disk that fails is.
    site.stop()
    subprocess.run(["mount", "-o", "remount,ro", site.state], check=True)


def disk(number, fault):
    """On a small disk of its own."""
    def body(table, world):
        site = Site(world, f"disk{number}", funded=False, more={**NO_CHAIN, "slurm.partition": None})
        mount = Mount(site.state, f"size=140m,nr_inodes=400,mode=0700,uid={site.slurm.pw_uid},gid={site.slurm.pw_gid}")
        try:
            site.start()
            together(table, site, [fault])
        finally:
            site.stop()
            mount.end()
    body.__name__ = f"disk{number}"
    return body


DISKS = [disk(number, fault) for number, fault in enumerate([
    Fault("disk", "the state folder's disk is full", "state folder", "the disk is full", fill(0), ("make room", empty), log="the disk is full"),
    Fault("disk", "it is nearly full", "state folder", "make room before it is full", fill(50 << 20), ("make room", empty), level="warning"),
    Fault("disk", "it can hold no more files", "state folder", "can hold no more files", take_files, ("remove some", empty)),
    Fault("disk", "it is mounted read-only", "state folder", "is mounted read-only", read_only, part=""),
])]


def ports(table, world):
    taken = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    page, bridge = (one.getsockname()[1] for one in taken)
    site = Site(world, "ports", funded=False, more=NO_CHAIN)
    site.configure(more={"admin.listen": f"127.0.0.1:{page}", "admin.token-file": site.token, "bridge.listen": f"127.0.0.1:{bridge}"})

    def free(number):
        def act(it):
            taken[number].close()
        return act

    together(table, site, [
        Fault("port", "another process has the page's port", "admin.listen", "another process has the port", lambda it: None, ("ss -ltnp", free(0)),
              log="the status page cannot be served"),
        Fault("port", "another process has the plugins' port", "bridge.listen", "another process has the port", lambda it: None, ("ss -ltnp", free(1)),
              log="signed messages of compute nodes cannot be taken"),
    ], before=True)
    site.stop()


def addresses(table, world):
    site = Site(world, "addresses", funded=False, more=NO_CHAIN)
    site.configure(more={"admin.listen": "192.0.2.1:6822", "admin.token-file": site.token, "bridge.listen": "192.0.2.1:6821"})

    def another(key):
        def act(it):
            it.configure(more={key: f"127.0.0.1:{it.free_port()}"})
            restart(it)
        return act

    together(table, site, [
        Fault("port", "the page's address is another host's", "admin.listen", "this host has no such address", lambda it: None, ("ip address", another("admin.listen"))),
        Fault("port", "the plugins' address is another host's", "bridge.listen", "this host has no such address", lambda it: None, ("ip address", another("bridge.listen"))),
    ], before=True)
    site.stop()


ALL = [modes, shut, owners, more_owners, files, secrets, *DISKS, ports, addresses]
QUICK = [modes, owners, files, ports]
