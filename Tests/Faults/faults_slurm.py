# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of Slurm's side: slurm.conf, MUNGE, partitions, users; and the cluster's own daemons, which are everybody's."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

from faults_host import NO_CHAIN
from sites import Site
from table import Fault, together
from waiting import eventually

# For the sites that want no other chain and grid than there are.
NODES = r"""NodeName=n1 CPUs=4 RealMemory=4000
NodeName=n2 CPUs=4 RealMemory=4000
NodeName=n3 CPUs=4 RealMemory=4000
NodeName=n4 CPUs=4 RealMemory=4000"""
PARTITIONS = r"""PartitionName=main Nodes=n1,n2 Default=YES DefaultTime=60 MaxTime=7-0
PartitionName=shut Nodes=n1 MaxTime=7-0
PartitionName=ill Nodes=n3 MaxTime=7-0
PartitionName=empty MaxTime=7-0"""


def scontrol(*words):
    return lambda site: site.world.lab.command("scontrol", *words)


def own_conf(site, change):
    """A slurm.conf of its own. -> its path"""
    text = Path(site.world.lab.environment["SLURM_CONF"]).read_text(encoding="utf-8")
    path = site.base / "slurm.conf"
    path.write_text(change(text), encoding="utf-8")
    path.chmod(0o644)
    site.configure(more={"slurm.conf": path})
    return path


def more_lines(*lines):
    """The last word on a key counts."""
    return lambda text: text + "".join(line + "\n" for line in lines)


class Munge:
    """A munged of a site's own: with the cluster's key, unless told otherwise."""

    def __init__(self, site, own_key=False, preload=None):
        self.folder = site.base / "munge"
        self.folder.mkdir(mode=0o755)
        self.folder.chmod(0o755)
        self.socket = self.folder / "socket"
        self.environment = {**os.environ, **({"LD_PRELOAD": str(preload)} if preload else {})}
        self.key = self.folder / "key"
        if own_key:
            self.key.write_bytes(os.urandom(128))
        else:
            shutil.copy(site.world.lab.lab / "munge/key", self.key)
        self.key.chmod(0o400)
        own_conf(site, more_lines(f"AuthInfo=socket={self.socket}"))
        self.process = None
        self.start()

    def start(self):
        words = ["munged", "--foreground", "--force", f"--socket={self.socket}", f"--key-file={self.key}", f"--pid-file={self.folder}/pid", f"--log-file={self.folder}/log",
                 f"--seed-file={self.folder}/seed"]
        self.process = subprocess.Popen(words, env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        eventually("munged answers", lambda: subprocess.run(["munge", "-n", "-S", self.socket], capture_output=True).returncode == 0, 20)

    def stop(self):
        self.process.send_signal(signal.SIGCONT)
        self.process.terminate()
        self.process.wait(30)


def site_of(world, name, **settings):
    return Site(world, name, funded=False, more={**NO_CHAIN, **settings})


# MARK: slurm.conf


def slurm_conf(world):
    original = world.lab.environment["SLURM_CONF"]

    def with_conf(name, fault_name, words, change, remedy, level="failure", subject="slurm.conf"):
        def body(table):
            site = site_of(world, name)
            together(table, site, [Fault("configuration", fault_name, subject, words, lambda it: change(it), remedy, level=level)], before=True)
            site.stop()
        return body

    def here(it):
        it.base.joinpath("slurm.conf").write_text(Path(original).read_text(encoding="utf-8"), encoding="utf-8")
        it.base.joinpath("slurm.conf").chmod(0o644)

    def none(it):
        it.configure(more={"slurm.conf": it.base / "slurm.conf"})

    yield with_conf("conf-none", "slurm.conf is not there", "cannot read", none, ("name the cluster's slurm.conf", here))
    yield with_conf("conf-shut", "slurm.conf may not be read", "cannot read", lambda it: own_conf(it, lambda text: text).chmod(0o600), ("slurm.conf", here))
    yield with_conf("conf-bad", "libslurm does not take slurm.conf", "cannot use", lambda it: own_conf(it, more_lines("NoSuchKey=1")), ("slurm.conf", here))
    yield with_conf("conf-port", "slurm.conf names another port than slurmctld's", "slurmctld does not answer", lambda it: own_conf(it, more_lines("SlurmctldPort=1")),
                    ("scontrol ping", restarted(here)), subject="slurmctld")


def restarted(act):
    def body(site):
        site.stop()
        act(site)
        site.start()
    return body


# MARK: MUNGE


def munge(world):
    def body(table):
        site = site_of(world, "munge")
        own = Munge(site)
        try:
            site.start()
            together(table, site, [Fault(
                "daemon", "munged is stopped", "slurmctld", "authentication", lambda it: own.stop(), ("munged", lambda it: own.start()))])
            together(table, site, [Fault(
                "daemon", "munged hangs", "slurmctld", "the authentication service hangs", lambda it: own.process.send_signal(signal.SIGSTOP),
                ("munge -n", lambda it: own.process.send_signal(signal.SIGCONT)))])
        finally:
            site.stop()
            own.stop()

    yield body

    def other(name, fault_name, words, **options):
        def body(table):
            site = site_of(world, name)
            own = Munge(site, **options)

            def right(it):
                own.stop()
                own_conf(it, lambda text: text)
                it.stop()
                it.start()

            try:
                together(table, site, [Fault(options.get("preload") and "clock" or "key", fault_name, "slurmctld", words, lambda it: None, (words, right))], before=True)
            finally:
                site.stop()
                own.stop()
        return body

    yield other("munge-key", "another MUNGE key than the cluster's", "key", own_key=True)
    yield other("munge-clock", "this host's clock is an hour fast for MUNGE", "clock", preload=late_clock(world))


def late_clock(world):
    """A library with which a process is an hour ahead."""
    source, library = world.lab.base / "clock.c", world.lab.base / "clock.so"
    source.write_text("""
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
time_t time(time_t *where) {
    struct timespec now;
    syscall(SYS_clock_gettime, CLOCK_REALTIME, &now);
    if (where) *where = now.tv_sec + 3600;
    return now.tv_sec + 3600;
}
""")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source], check=True)
    library.chmod(0o755)
    return library


# MARK: partitions and users


def partitions(world):
    def of(name, partition, fault, **settings):
        def body(table):
            site = Site(world, name, more={"slurm.partition": partition, **settings})
            together(table, site, [fault], before=True)
            site.stop()
        return body

    yield of("part-shut", "shut", Fault(
        "partition", "the partition is down", "partition", "jobs wait", scontrol("update", "PartitionName=shut", "State=DOWN"), level="warning"))
    yield of("part-ill", "ill", Fault(
        "partition", "its nodes are drained", "partition", "none of the nodes", scontrol("update", "NodeName=n3", "State=DRAIN", "Reason=test"), level="warning"))

    def another(it):
        it.stop()
        it.configure(more={"slurm.partition": "main"})
        it.start()

    yield of("part-none", "nosuch", Fault("partition", "there is no such partition", "partition", "nosuch", lambda it: None, ("correct slurm.partition", another)))
    yield of("part-empty", "empty", Fault("partition", "it has no nodes", "partition", "has no nodes", lambda it: None, ("set slurm.partition", another)))


def users(world):
    login = world.customers[0].address.lower()

    def mapped(name, fault, user):
        def body(table):
            site = Site(world, name, more={"users.map": f"{world.customers[1].address}={user}"})
            together(table, site, [fault], before=True)
            site.stop()
        return body

    def map_to(user):
        def act(it):
            it.stop()
            it.configure(more={"users.map": f"{world.customers[1].address}={user}"})
            it.start()
        return act

    yield mapped("user-none", Fault(
        "user", "a customer is mapped to a user who is not there", "users.map", "no Unix user of this host", lambda it: None, ("no Unix user of this host", map_to(login))), "nosuchuser")
    yield mapped("user-root", Fault(
        "user", "a customer is mapped to root", "users.map", "no job runs as root", lambda it: None, ("no job runs as root", map_to(login))), "root")

    def unassociated(table):
        site = Site(world, "user-bare", more={"users.map": f"{world.customers[1].address}=games", "policy.minimum-uid": 1})
        together(table, site, [Fault(
            "user", "a customer's user has no association", "associations", "slurmctld takes no jobs of games", lambda it: None,
            ("sacctmgr add user NAME account=ACCOUNT", lambda it: world.lab.command("sacctmgr", "-i", "add", "user", "games", f"account=acct_{login}")))], before=True)
        site.stop()

    yield unassociated


# MARK: the cluster's own daemons


def daemons(table, world):
    """One after the other: they are everybody's."""
    site = site_of(world, "daemons")
    site.start()
    lab = world.lab

    def fault(action, daemon):
        return lambda it: lab.fault(action, daemon)

    def of(daemon, action, back, name, subject, words, remedy, **more):
        return Fault("daemon", name, subject, words, fault(action, daemon), (remedy, fault(back, daemon)), **more)

    together(table, site, [of("slurmctld", "stop", "start", "slurmctld is stopped", "slurmctld", "slurmctld does not answer", "scontrol ping")])
    together(table, site, [of("slurmctld", "pause", "resume", "slurmctld hangs", "slurmctld", "slurmctld", "scontrol ping")])
    site.stop()
    together(table, site, [
        of("slurmdbd", "stop", "start", "slurmdbd is stopped", "slurmdbd", "slurmdbd does not answer", "slurmdbd", level="warning"),
        Fault("mode", "others may write into the plugin's spool", "spool", "chmod go-w", spool_open),
    ], before=True)
    site.stop()
    together(table, site, [of("slurmdbd", "pause", "resume", "slurmdbd hangs", "slurmdbd", "slurmdbd", "slurmdbd", level="warning")], before=True)
    site.stop()
    together(table, site, [of("mariadbd", "stop", "start", "slurmdbd's database is stopped", "slurmdbd", "slurmdbd", "slurmdbd", level="warning")], before=True)
    site.stop()


def spool_open(site):
    folder = site.world.lab.lab / "state/grid-agent"
    folder.mkdir(exist_ok=True)
    os.chown(folder, site.slurm.pw_uid, site.slurm.pw_gid)
    folder.chmod(0o777)


ALL = [slurm_conf, munge, partitions, users]
