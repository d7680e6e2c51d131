#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs on a live cluster, told by Debian's nats-server to doubles of cc-backend 1.5, one of them by TLS, while the agent, the NATS
server and the backends are killed: what is lost is found missing in the backend's list, and published again. Each backend's table must equal
slurmdbd's. Needs root.

    publishing.py [JOBS [SEED]]

The last line is a verdict in JSON; exit status 1 when a run is lost, doubled or wrong."""

import json
import shutil
import sys
import tempfile
import threading
import time
from pathlib import Path

from live import MACHINE, Site, eventually, lab_of, say

from backend import Backend
from clusters import configuration
from natsserver import NatsServer, certificate

USER = ("agent", 'pass "word"')


def backend_of(folder, server):
    return Backend(folder, "1.5.4", [configuration(subclusters=[("main", "n[1-4]", MACHINE)])], commit_seconds=3, broker=server).start()


class Disturbance(threading.Thread):
    """Everything that may happen on the way, some of it twice."""

    def __init__(self, site, agent, servers):
        super().__init__()
        self.site, self.agent, self.servers = site, agent, servers
        self.failure = None

    def run(self):
        try:
            self.disturb()
        except Exception as failure:  # told by the main thread
            self.failure = failure

    def disturb(self):
        main, secure = self.site.backends["main"], self.site.backends["secure"]
        for number in range(2):
            time.sleep(2)
            self.servers["main"].kill()
            time.sleep(1 + number)
            self.servers["main"].start()
            time.sleep(1)
            # What comes meanwhile is lost.
            main.stop()
            time.sleep(3)
            main.start()
            self.agent.kill()
            time.sleep(0.5)
            self.agent.start()
            # Of two messages the later one is handled first.
            secure.events.hold()
            time.sleep(2)
            secure.events.release(reversed)
            secure.restart()

    def finish(self):
        self.join()
        if self.failure:
            raise self.failure


def secret(site, text=USER[1]):
    path = site.lab.run / "nats.secret"
    path.write_text(text + "\n")
    path.chmod(0o600)
    shutil.chown(path, "slurm", "slurm")
    return path


def all_told(site, expected):
    found = {}

    def told():
        found.update({name: site.compare(expected, name) for name in site.backends})
        return not any(any(verdict.values()) for verdict, _ in found.values())

    try:
        eventually("every backend was told of every run", told, 120, 0.5)
    except TimeoutError as failure:
        say(str(failure))
    return found


def checked(agent):
    return agent.ask("check", "--config", agent.config, check=False)


def refused(site, settings, authority):
    """-> what `check` does not say of a certificate that nobody trusts, and of a wrong password"""
    untrusted = checked(site.agent(**settings))
    secret(site, "another")
    wrong = checked(site.agent(**settings, **authority))
    secret(site)
    said = (("its TLS certificate cannot be verified", untrusted), ("the NATS server refuses: Authorization Violation", wrong))
    return [words for words, text in said if words not in text]


def run(jobs, seed, lab, servers, backends, authority):
    site = Site(lab, backends, seed)
    settings = {
        "clustercockpit.nats": ",".join(f"{name}={server.url}" for name, server in servers.items()),
        "clustercockpit.nats-users": f"secure={USER[0]}", "clustercockpit.nats-secret-files": f"secure={secret(site)}",
        "clustercockpit.nats-confirm-after": "6s",
    }
    authority = {"clustercockpit.certificate-authority": authority}
    unsaid = refused(site, settings, authority)
    agent = site.agent(**settings, **authority)
    agent.start()
    disturbance = Disturbance(site, agent, servers)
    later = site.special()
    disturbance.start()
    try:
        for number in range(jobs):
            site.submit_some(number)
        later()
        eventually("all jobs are over", lambda: not lab.command("squeue", "-h").strip(), 120 + jobs, 0.5)
    finally:
        disturbance.finish()
    expected = eventually("slurmdbd knows every end", site.slurm, 60, 1)
    found = all_told(site, expected)
    # By HTTP there is no such call, and it was not tried.
    tried = [one for backend in backends.values() for one in backend.requests("/stop_job/")]
    eventually("nothing is in doubt any more", lambda: all(not one["unconfirmed"] for one in site.status(agent).values()), 60, 0.5)
    if checked(agent).count("its NATS server answers") != len(servers):
        unsaid.append("its NATS server answers")
    return len(expected), found, len(tried), unsaid, agent.stop()


def main():
    jobs, seed = (int(word) for word in (sys.argv[1:] + ["16", "1"][len(sys.argv) - 1 :])[:2])
    began = time.time()
    servers, backends = {}, {}
    with tempfile.TemporaryDirectory(prefix="cockpit.") as folder, lab_of() as lab:
        top = Path(folder)
        top.chmod(0o755)
        try:
            for name in ("main", "secure"):
                (top / name).mkdir()
            authority = certificate(top / "secure")
            servers["main"] = NatsServer(top / "main")
            servers["secure"] = NatsServer(top / "secure", user=USER, tls=authority)
            for name, server in servers.items():
                backends[name] = backend_of(top / name / "backend", server)
            runs, found, tried, unsaid, status = run(jobs, seed, lab, servers, backends, authority[0])
        finally:
            for one in backends.values():
                one.stop()
            for one in servers.values():
                one.close()
    counts = {}
    for name, (verdict, _) in found.items():
        for kind, complaints in verdict.items():
            counts[kind] = counts.get(kind, 0) + len(complaints)
            for complaint in complaints:
                say(f"{name}: {kind}: {complaint}")
    ok = not any(counts.values()) and status == 0 and not tried and not unsaid and all(looked for _, looked in found.values())
    print(json.dumps({"ok": ok, "runs": runs, **counts, "stops_by_http": tried, "unsaid": unsaid, "seed": seed, "agent_exit": status, "seconds": round(time.time() - began)}))
    if not ok:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
