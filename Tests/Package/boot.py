#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an administrator does with the packages, on a Debian 12 that boots with systemd in a container: installs them, looks,
makes mistakes, starts Slurm, runs jobs, updates under them, removes and purges. `make deb` comes first. Needs root and
systemd-nspawn; where that cannot run the test fails, unless SKIP_BOOT=1. KEEP=1 keeps what the machine has changed."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from head import DAEMONS, JOURNAL, PLUGIN_LINES, PLUGSTACK, SLURM_CONF, Head
from machine import base, eventually, say
from packages import AGENT, PLUGINS, TOP, built, repacked, with_plugin

CONFIG = "/etc/slurm-grid-agent/config.yaml"


def expect(what, condition):
    if not condition:
        raise AssertionError(what)


def copy_in(head, *debs):
    for deb in debs:
        shutil.copy(deb, f"/proc/{head.leader}/root/root/")
    return " ".join(f"./{Path(deb).name}" for deb in debs)


def installs(head, debs):
    """apt install: active, idle, and it says what to do next"""
    users = head.run("cut -d: -f1 /etc/passwd").split()
    head.run(f"apt-get -q -y install {copy_in(head, *debs.values())}")
    expect("no user but Slurm's is made", set(head.run("cut -d: -f1 /etc/passwd").split()) - set(users) == {"slurm"})
    eventually("it is active", head.is_active, 60)
    eventually(f"it says what to do: {head.status()}", lambda: head.status().startswith("idle: ") and "slurm.conf" in head.status())
    expect("it is enabled, by both names", head.run("systemctl is-enabled slurm-grid-agent agent", check=False).split() == ["enabled", "alias"])
    for path, mode in {"/var/lib/slurm-grid-agent": "700 slurm", "/run/slurm-grid-agent": "755 slurm", "/etc/slurm-grid-agent/credentials": "700 root",
                       CONFIG: "644 root", "/etc/default/slurm-grid-agent": "600 root"}.items():
        expect(f"{path} is {mode}", head.run(f"stat -c '%a %U' {path}").strip() == mode)
    expect("the sandbox is as tight as it is said to be", "OK" in head.run("systemd-analyze security --threshold=16 slurm-grid-agent | tail -1"))
    log = head.run("journalctl -b -o cat -u slurm-grid-agent")
    expect(f"systemd and the run-time library have nothing to complain of: {log}", "ignoring" not in log and "Failed" not in log)
    page = head.run("man -P cat agent 2>&1; man -P cat slurm-grid-agent 2>&1; man -P cat slurm-grid-agent.yaml jobcomp_grid_agent 2>&1", check=False)
    expect("the manual pages are there", all(f"{name}({section})" in page for name, section in
                                             [("SLURM-GRID-AGENT", 1), ("SLURM-GRID-AGENT.YAML", 5), ("SLURM-GRID-AGENT-PLUGINS", 8)]))


def mistaken(head):
    """a mistake in the configuration: one clear line, exit status 78, no restart"""
    shipped = head.read(CONFIG)
    head.write(CONFIG, shipped + "poll-intervall: 5s\n")
    line = head.read(CONFIG).count("\n")
    head.refused("systemctl restart agent")
    state, result, restarts = head.unit("agent", "ActiveState", "ExecMainStatus", "NRestarts")
    expect(f"failed with 78, once: {state} {result} {restarts}", (state, result, restarts) == ("failed", "78", "0"))
    text = head.run("systemctl status agent", check=False)
    expect(f"systemctl status names file, line and key: {text}", f"{CONFIG}:{line}" in text and "poll-intervall" in text)
    head.write(CONFIG, shipped)
    head.run("systemctl restart agent")


def without_secrets(head):
    """credentials: handed over by name; neither a missing key nor a missing folder keeps it from running"""
    shipped = head.read(CONFIG)
    head.write("/etc/slurm-grid-agent/credentials/other", "secret", 0o600)
    head.run("systemctl restart agent")
    expect("a file is a credential", head.run("cat /run/credentials/slurm-grid-agent.service/agent_other") == "secret")
    head.run("rm -r /etc/slurm-grid-agent/credentials")
    head.write(CONFIG, shipped + "metascheduler.endpoint.rpc: http://127.0.0.1:9\nchain.key-credential: chain-key\n")
    head.run("systemctl restart agent")
    pid = head.pid()
    eventually("it says what it lacks", lambda: 'no credential "chain-key"' in head.run("journalctl -b -o cat -u slurm-grid-agent"))
    expect("it runs without", head.is_active() and head.pid() == pid)
    head.write(CONFIG, shipped)
    head.run("systemd-tmpfiles --create slurm-grid-agent.conf && systemctl restart agent")
    expect("the folder is made again", head.run("stat -c '%a %U' /etc/slurm-grid-agent/credentials").strip() == "700 root")


def checked(head):
    """check as root is the service: its user, its credentials, its DAEMON_OPTS; what cannot be tried is unknown"""
    shipped, defaults, key = head.read(CONFIG), head.read("/etc/default/slurm-grid-agent"), "/etc/slurm-grid-agent/credentials/chain-key"

    def found(command, *statuses):
        text = head.run(f"{command}; echo status=$?", check=False)
        body, _, status = text.rpartition("status=")
        expect(f"{command} ends with one of {statuses}: {text}", int(status) in statuses)
        return {one["subject"]: (one["level"], one["text"]) for one in json.loads(body)}

    address = head.run(f"slurm-grid-agent key new --file {key}").strip().splitlines()[-1]
    head.write(CONFIG, shipped + "metascheduler.endpoint.rpc: http://127.0.0.1:9\nchain.key-credential: chain-key\n")
    said = found("slurm-grid-agent check --json", 1)  # nobody answers at the node
    expect(f"it has the service's key and user: {said}", said["key"] == ("ok", address) and "as slurm" in said["user"][1])
    expect(f"what needs the node is unknown: {said}", said["chain"][0] == "failure" and said["balance"][0] == "unknown")
    expect(f"root looks into the folder: {said}", said["credentials"][0] == "ok" and "chain-key" in said["credentials"][1])
    head.run(f"chmod 644 {key}")
    said = found("slurm-grid-agent check --json", 1)
    expect(f"a key that others can read: {said}", said["credentials"][0] == "failure" and f"chmod 0600 {key}" in said["credentials"][1])
    head.run(f"chmod 600 {key}")
    # The service has a /tmp of its own: what it will not see is not seen, but a configuration can be tried from there.
    head.run("cp /etc/ssl/certs/ca-certificates.crt /tmp/ca.pem")
    head.write("/tmp/try.yaml", head.read(CONFIG) + "sbatch.tls.ca: /tmp/ca.pem\n")
    text = head.run("slurm-grid-agent check --config /tmp/try.yaml 2>&1; echo status=$?", check=False)
    expect(f"a file in /tmp is not the service's: {text}", "/tmp/try.yaml:" in text and "a /tmp of its own" in text and "status=78" in text)
    head.run("cp /tmp/ca.pem /etc/slurm-grid-agent/ca.pem; sed -i s,/tmp/ca.pem,/etc/slurm-grid-agent/ca.pem, /tmp/try.yaml")
    said = found("slurm-grid-agent check --config /tmp/try.yaml --json", 1)
    expect(f"the configuration is: {said}", said["configuration"] == ("ok", "/tmp/try.yaml"))
    head.run("rm /tmp/try.yaml /tmp/ca.pem /etc/slurm-grid-agent/ca.pem")
    head.run("systemctl stop agent")
    said = found("runuser -u slurm -- slurm-grid-agent check --json", 0, 1)
    expect(f"another user has no key, and that is no failure: {said}", said["key"][0] == "unknown" and said["chain"][0] == "failure")
    head.write("/etc/default/slurm-grid-agent", 'DAEMON_OPTS="--poll-intervall 3s"\n', 0o600)
    text = head.run("slurm-grid-agent check 2>&1; echo status=$?", check=False)
    expect(f"a mistake in DAEMON_OPTS is seen: {text}", "poll-intervall" in text and "status=64" in text)
    head.write("/etc/default/slurm-grid-agent", defaults, 0o600)
    head.write(CONFIG, shipped)
    head.run(f"rm {key}; systemctl restart agent")


def other_user(head):
    """SlurmUser of another name: the package says what to write, and with that it runs so"""
    head.run("useradd --system hpc; mkdir -p /etc/slurm")
    head.write("/etc/slurm/slurm.conf", "ClusterName=x SlurmctldHost=nobody # comment\ninclude user.conf\n")
    head.write("/etc/slurm/user.conf", "SLURMUSER = hpc\n")
    again = f"DPKG_MAINTSCRIPT_NAME=postinst DPKG_MAINTSCRIPT_PACKAGE={AGENT} /var/lib/dpkg/info/{AGENT}.postinst configure 0"
    said = head.run(again)
    expect(f"the drop-in is told: {said}", "[Service]\nUser=hpc\nGroup=hpc\n" in said)
    head.run("mkdir -p /etc/systemd/system/slurm-grid-agent.service.d")
    head.write("/etc/systemd/system/slurm-grid-agent.service.d/override.conf", "[Service]\nUser=hpc\nGroup=hpc\n")
    expect("and not told any more", "User=" not in head.run(again))
    head.run("systemctl daemon-reload && systemctl restart agent")
    expect("it runs so", head.run(f"stat -c %U /proc/{head.pid()} /var/lib/slurm-grid-agent").split() == ["hpc", "hpc"])
    head.run("rm -r /etc/systemd/system/slurm-grid-agent.service.d /etc/slurm && systemctl daemon-reload && systemctl restart agent")


def runs_jobs(head):
    """Slurm with the plugin lines: the agent sees it without a restart, and a job runs through"""
    head.write(CONFIG, head.read(CONFIG) + f"journal.file: {JOURNAL}\n")
    head.run("systemctl restart agent")
    pid = head.pid()
    head.start_slurm()
    eventually(f"it is no more idle: {head.status()}", lambda: head.status() and not head.status().startswith("idle"))
    good, bad = head.submit("good", "sleep 1"), head.submit("bad", "exit 3")
    expect(f"{head.told(good)}", head.ended(good)["state"] == "COMPLETED")
    end = head.ended(bad)
    expect(f"{end}", (end["state"], end["exit_status"]) == ("FAILED", 3 << 8))
    expect("the ledger has both", all(name in head.run("slurm-grid-agent ledger list") for name in ("good", "bad")))
    eventually("both plugins are heard, records are rich", lambda: hears_both(head.plugins()))
    expect("the agent is the same process as before", head.pid() == pid)
    head.run("slurm-grid-agent events --since 0 --json >/root/events & for i in $(seq 120); do ! grep -q good /root/events || break; sleep 0.5; done; kill $!; grep -q good /root/events")
    return [good, bad]


def hears_both(heard):
    return heard["nodes"] and heard["jobcomp"] and heard["jobcomp"][0].get("hello", {}).get("mode") == "rich"


def comes_back(head):
    """kill -9 and hanging: systemd brings it back; a reload is no restart"""
    pid = head.pid()
    head.run(f"kill -9 {pid}")
    eventually("it is back", lambda: head.is_active() and head.pid() not in (0, pid), 60)
    expect("counted", head.unit("agent", "NRestarts")[0] == "1")
    # Sooner than in two minutes, and gone sooner than in one.
    folder = "/run/systemd/system/slurm-grid-agent.service.d"
    head.run(f"mkdir -p {folder}")
    head.write(f"{folder}/test.conf", "[Service]\nWatchdogSec=10s\nTimeoutAbortSec=1s\n")
    head.run("systemctl daemon-reload && systemctl restart agent")
    pid = head.pid()
    head.run("systemctl reload agent")
    time.sleep(21)
    expect("it feeds the watchdog, and a reload is no restart", head.is_active() and head.pid() == pid)
    head.run(f"kill -STOP {pid}")
    eventually("it is killed and back", lambda: head.is_active() and head.pid() not in (0, pid), 60)
    expect("by the watchdog", "watchdog" in head.run("journalctl -b -o cat -u slurm-grid-agent").lower())
    head.run(f"rm -r {folder} && systemctl daemon-reload && systemctl restart agent")


def looks_up_users(head):
    """a user whom only nscd, sssd or nslcd knows is found from inside the unit's sandbox"""
    unit = head.run("cat /lib/systemd/system/slurm-grid-agent.service")
    lines = [line for line in unit.splitlines() if not line.startswith(("Alias", "Watchdog", "Restart", "RuntimeDir", "StateDir", "LogsDir", "Configuration", "NotifyAccess"))]
    text = "\n".join("Type=oneshot" if line.startswith("Type=") else "ExecStart=/usr/bin/getent passwd ghost" if line.startswith("ExecStart=") else line for line in lines)
    head.write("/etc/systemd/system/probe.service", text)
    head.run("systemctl daemon-reload; cp /etc/nsswitch.conf /root/")
    for service, source in ((nscd, "files"), (sssd, "files sss"), (nslcd, "files ldap")):
        units = service(head)
        head.run(f"sed -i 's/^passwd:.*/passwd: {source}/' /etc/nsswitch.conf")
        eventually(f"{service.__name__} knows the user", lambda: "ghost" in head.run("getent passwd ghost", check=False), 60)
        head.run("systemctl start probe")
        head.run(f"systemctl stop {units}")
        head.refused("systemctl start probe")
    head.run("cp /root/nsswitch.conf /etc/; rm /etc/systemd/system/probe.service; systemctl daemon-reload; systemctl reset-failed")


def nscd(head):
    """Knows a user who is gone from the files. Returns the units to stop."""
    head.run("apt-get -q -y install nscd && sed -i 's/^\tcheck-files.*passwd.*/\tcheck-files passwd no/' /etc/nscd.conf && systemctl restart nscd")
    head.run("useradd --system ghost && getent passwd ghost && sed -i /^ghost:/d /etc/passwd")
    return "nscd"


def sssd(head):
    """Has its users from a file that only it reads, and no cache that others may map."""
    head.run("apt-get -q -y install sssd-common sssd-proxy libnss-sss libnss-extrausers; mkdir -p /var/lib/extrausers")
    head.write("/var/lib/extrausers/passwd", "ghost:x:2001:2001::/nonexistent:/usr/sbin/nologin\n")
    head.write("/var/lib/extrausers/group", "ghost:x:2001:\n")
    head.write(
        "/etc/sssd/sssd.conf",
        "[sssd]\nservices = nss\ndomains = files\n[nss]\nmemcache_timeout = 0\n"
        "[domain/files]\nid_provider = proxy\nauth_provider = none\nproxy_lib_name = extrausers\n", 0o600)
    head.run("systemctl restart sssd")
    return "sssd-nss.socket sssd"


def nslcd(head):
    """Has its users from an LDAP server."""
    head.run("apt-get -q -y install slapd nslcd libnss-ldapd")
    entry = {
        "dn": "uid=ghost,dc=nodomain", "objectClass": "account\nobjectClass: posixAccount", "uid": "ghost", "cn": "ghost", "uidNumber": 2002,
        "gidNumber": 2002, "homeDirectory": "/nonexistent",
    }
    head.write("/root/ghost.ldif", "".join(f"{name}: {value}\n" for name, value in entry.items()))
    head.run("systemctl stop slapd; slapadd -b dc=nodomain -l /root/ghost.ldif && chown -R openldap: /var/lib/ldap && systemctl start slapd")
    head.write("/etc/nslcd.conf", "uid nslcd\ngid nslcd\nuri ldap://127.0.0.1/\nbase dc=nodomain\n", 0o640)
    head.run("systemctl restart nslcd")
    return "nslcd"


def upgrades(head, debs, folder):
    """an upgrade while jobs run and end: the agent is another one, each job is told once, the configuration stays"""
    job = head.submit("through", "while [ ! -e /tmp/go ]; do sleep 0.2; done; exit 7")
    others = [head.submit(f"during{i}", f"while [ ! -e /tmp/begin ]; do sleep 0.2; done; sleep {i}; exit 5") for i in range(2, 14, 2)]
    eventually("they run", lambda: all(any(line["state"] == "RUNNING" for line in head.told(one)) for one in [job, *others]))
    pid, config, slurm = head.pid(), head.read(CONFIG), head.pids()
    later = [repacked(deb, "+1", folder) for deb in debs.values()]
    head.run(f"touch /tmp/begin && apt-get -q -y install {copy_in(head, *later)}")
    eventually("it is active", head.is_active, 60)
    expect("it is the new one", head.pid() not in (0, pid) and head.run("dpkg-query -W -f '${Version}' slurm-grid-agent").endswith("+1"))
    expect("the configuration is as it was", head.read(CONFIG) == config)
    head.run("touch /tmp/go")
    end = head.ended(job)
    expect(f"{end}", (end["state"], end["exit_status"]) == ("FAILED", 7 << 8))
    for other in others:
        end = head.ended(other)
        expect(f"{end}", (end["state"], end["exit_status"]) == ("FAILED", 5 << 8))
    expect("no daemon of Slurm was restarted", head.pids() == slurm)
    return [job, *others]


def micro_update(head, debs, folder):
    """Slurm of another micro release than the plugin was built for: slurmctld starts, records are lean"""
    plugin = TOP / "slurm-plugins/build/micro/jobcomp_grid_agent.so"
    later = repacked(debs[PLUGINS], "+2", folder, with_plugin(plugin))
    slurm = head.pids()
    head.run(f"apt-get -q -y install {copy_in(head, later)}")
    expect("no daemon of Slurm was restarted", head.pids() == slurm)
    head.run("systemctl restart slurmctld")
    job = eventually("slurmctld takes jobs", lambda: head.run("sinfo -h -o %t", check=False).strip() == "idle" and head.submit("lean", "exit 4"))
    end = head.ended(job)
    expect(f"{end}", (end["state"], end["exit_status"]) == ("FAILED", 4 << 8))
    text = eventually("the mode is told", lambda: next((line for line in head.run("slurm-grid-agent plugins status").splitlines() if " lean" in line), None))
    expect(text, "built for Slurm" in text)
    return [job]


def is_removed(head, debs, jobs):
    """removal: refused while Slurm's files name the plugins; state stays until the purge, then only what policy says"""
    head.write("/etc/slurm-grid-agent/credentials/chain-key", "money", 0o600)
    with_open_work(head)
    slurm, remove = head.pids(), f"apt-get -q -y remove {PLUGINS}"
    files = {"/etc/slurm/slurm.conf": SLURM_CONF + PLUGIN_LINES, "/etc/slurm/plugstack.conf": PLUGSTACK}
    expect("Slurm's files are as they were", all(head.read(path) == text for path, text in files.items()))
    said = head.refused(remove)
    expect(f"slurm.conf keeps it: {said}", "/etc/slurm/slurm.conf says JobCompType=jobcomp/grid_agent" in said)
    head.write("/etc/slurm/slurm.conf", SLURM_CONF)
    said = head.refused(remove)
    expect(f"plugstack.conf keeps it: {said}", f"/etc/slurm/plugstack.conf:1: {PLUGSTACK.strip()}" in said)
    head.write("/etc/slurm/plugstack.conf", "include plugstack.conf.d/*.conf\n")
    head.run("mkdir /etc/slurm/plugstack.conf.d")
    head.write("/etc/slurm/plugstack.conf.d/slurm-grid-agent.conf", PLUGSTACK.replace("optional", "required"))
    said = head.refused(remove)
    expect(f"a file that it includes keeps it: {said}", "/etc/slurm/plugstack.conf.d/slurm-grid-agent.conf:1: required spank_grid_agent.so" in said)
    head.run("rm -r /etc/slurm/plugstack.conf.d")
    expect("it is installed all the while", head.run(f"dpkg-query -W -f '${{Status}}' {PLUGINS}") == "install ok installed")
    expect("an upgrade is no removal", "upgraded" in head.run(f"apt-get -q -y --allow-downgrades install ./{debs[PLUGINS].name}"))
    for path, text in files.items():
        head.write(path, text)
    head.run("touch /run/slurm-grid-agent.allow-plugin-removal")
    head.run(remove)
    expect("allowed once", "No such" in head.run("ls /run/slurm-grid-agent.allow-plugin-removal", check=False))

    expect("each job was told once", all(len([line for line in head.told(job) if line["final"]]) == 1 for job in jobs))
    said = head.run(f"SLURM_GRID_AGENT_ALLOW_REMOVAL=1 apt-get -q -y purge {AGENT} {PLUGINS}")
    expect(f"a key outlives a purge, and that is said: {said}", "credentials still holds" in said and head.read("/etc/slurm-grid-agent/credentials/chain-key") == "money")
    head.run("rm -r /etc/slurm-grid-agent")
    # What the test brought, what the plugin may have left for slurmctld in its own state, and man-db's cache.
    others = " ".join(f"-not -path '{path}'" for path in ("/.slurm-grid-agent-root", "/root/*", "/var/lib/slurm/slurmctld/*", "/var/cache/man/*"))
    left = head.run(f"find / -xdev \\( -name '*grid?agent*' -o -name agent.service \\) {others}")
    expect(f"nothing else is left: {left}", left == "")
    expect("systemd has no file of it", "grid-agent" not in head.run("systemctl list-unit-files"))
    # Without control groups, as in a container, systemd never knows that a unit's is empty, and keeps its name.
    units = [line for line in head.run("systemctl list-units --all").splitlines() if "grid-agent" in line]
    expect(f"nothing of systemd's either: {units}", all("not-found inactive dead" in line for line in units))
    expect("no daemon of Slurm was restarted", head.pids() == slurm)
    expect("Slurm's files are as they were", all(head.read(path) == text for path, text in files.items()))


def with_open_work(head):
    """neither removed nor purged while a report is not sent, unless it is told so"""
    shipped, allowed, work = head.read(CONFIG), "/run/slurm-grid-agent.allow-removal", "/usr/libexec/slurm-grid-agent/open-work"
    # A report counts as sent a moment after it was written.
    eventually("nothing is open", lambda: head.run(work) == "", 30)
    head.write(CONFIG, shipped.replace(JOURNAL, "/var/log/slurm-grid-agent/none/journal.jsonl"))
    head.run("systemctl restart agent")
    head.submit("unreported", "true")
    eventually("a report waits", lambda: "reports that are not sent yet" in head.run(work, check=False), 60)
    said = head.refused(f"apt-get -q -y remove {AGENT}")
    expect(f"it is said what is open, and how to remove it all the same: {said}", "not removed" in said and "reports that are not sent yet" in said and allowed in said)
    expect("it runs all the while", head.is_active() and head.run(f"dpkg-query -W -f '${{Status}}' {AGENT}") == "install ok installed")
    head.run("systemctl stop agent")
    head.run("touch /var/lib/slurm-grid-agent/deepsquare.sqlite")  # as of a grid's agent
    said = head.refused(f"apt-get -q -y remove {AGENT}")
    expect(f"who cannot be asked may have something to report: {said}", "cannot be told" in said and "no agent listens" in said)
    head.run("rm /var/lib/slurm-grid-agent/deepsquare.sqlite; systemctl start agent")
    eventually("it runs again", lambda: "reports that are not sent yet" in head.run(work, check=False), 60)
    head.run(f"touch {allowed} && apt-get -q -y remove {AGENT} && rm {allowed}")
    expect("the ledger outlives a removal", head.run(f"ls /var/lib/slurm-grid-agent/ledger.sqlite {CONFIG}"))
    said = head.refused(f"apt-get -q -y purge {AGENT}")
    expect(f"what it knew is not purged unasked: {said}", "not purged" in said and "reports that are not sent yet" in said)
    expect("and is there", head.run("ls /var/lib/slurm-grid-agent/ledger.sqlite"))


def main():
    if os.environ.get("SKIP_BOOT") == "1":
        say("SKIPPED: no machine was booted (SKIP_BOOT=1)")
        return
    if os.geteuid() != 0 or not shutil.which("systemd-nspawn"):
        sys.exit("boot.py: needs root and systemd-nspawn (packaging/install-build-deps.sh boot); SKIP_BOOT=1 goes without")
    debs = built()
    subprocess.run(["make", "-s", "-C", TOP / "slurm-plugins", "OUT=build/micro", "EXTRA=-DGRID_AGENT_TEST_OTHER_MICRO", "jobcomp"], check=True, stdout=subprocess.DEVNULL)
    with tempfile.TemporaryDirectory(prefix="sga-debs.") as folder, Head(base(debs.values())) as head:
        jobs = []
        for step, arguments in ((installs, [debs]), (mistaken, []), (without_secrets, []), (checked, []), (other_user, []), (runs_jobs, []), (comes_back, []),
                                (looks_up_users, []), (upgrades, [debs, folder]), (micro_update, [debs, folder])):
            say(step.__doc__)
            jobs += step(head, *arguments) or []
        say(is_removed.__doc__)
        is_removed(head, debs, jobs)
    say("all as it must be")


if __name__ == "__main__":
    main()
