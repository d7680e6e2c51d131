#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A double of cc-backend, ClusterCockpit's server: its REST calls for jobs, clusters and nodes, answered as a release of it does.

    backend.py --release 1.5.4 --folder DIR [--listen 127.0.0.1:0] …

DIR then holds `url`, where it listens, `token`, a good token, and `var/job.db`, the table of jobs. It runs until SIGTERM.
`control.py DIR` asks and breaks it while it runs. In a test: `Backend(folder).start()`. What it holds to: README.md."""

import argparse
import json
import signal
import ssl
import sys
import threading
import time
from collections import deque
from pathlib import Path

import tokens
from answers import Refused, error
from archive import Archive
from broker import Broker
from clusters import Clusters, configuration
from control import Control
from database import Database
from events import Events
from faults import Faults
from nodes import Nodes
from releases import RELEASES
from routes import Routes
from server import Server

NOTED = 20_000  # requests that are remembered


class Backend:
    """`clusters`: contents of cluster.json files; the lab's without. `tls`: (certificate, key). `clock`: seconds since 1970.
    `broker`: a Broker (broker.py) that jobs and states of nodes come from, under these `subjects`; jobs do not come by HTTP then.
    `commit_seconds`: how long starts may stay in the cache; None commits only when told (`commit()`)."""

    def __init__(
        self,
        folder,
        release="1.5.4",
        clusters=None,
        listen=("127.0.0.1", 0),
        tls=None,
        authentication=True,
        allowed=("*",),
        broker=None,
        subjects=("jobs", "nodes"),
        commit_seconds=120.0,
        archive_seconds=0.0,
        clock=time.time,
    ):
        self.folder, self.release, self.listen, self.tls = Path(folder).resolve(), RELEASES[release], listen, tls
        self.authentication, self.allowed = authentication, allowed
        self.broker, self.subjects = broker, subjects
        self.commit_seconds, self.archive_seconds, self.clock = commit_seconds, archive_seconds, clock
        self.clusters = Clusters(clusters or [configuration()])
        self.folder.mkdir(parents=True, exist_ok=True)
        self.faults, self.server, self.noted = Faults(), None, deque(maxlen=NOTED)
        self.changing = threading.RLock()  # held while it goes up or down
        self.flights, self.landed = 0, threading.Condition()  # requests that are being answered
        self.keys = tokens.Keys(self.folder)
        self.running = False

    # Up and down

    def start(self):
        with self.changing:
            self.repository = threading.Lock()  # held by whoever starts or stops a job
            nats = bool(self.broker) and self.release.minor >= 5
            self.routes = Routes(self.release, nats)
            self.database = Database(self.folder / "var/job.db", self.release)
            self.nodes = Nodes(self.database, self.clusters)
            self.archive = Archive(self.folder, self.database, self.archive_seconds)
            self.ended = threading.Event()
            if self.release.caches_jobs and self.commit_seconds:
                threading.Thread(target=self._commit_each, args=(self.ended, self.commit_seconds), daemon=True).start()
            self.running = True
            self.events = Events(self, self.broker, self.subjects) if nats else None
            self.back()
        return self

    def stop(self):
        """As if it was killed: what is in memory is lost, such as the archiver's queue; the cache of jobs is not."""
        with self.changing:
            if self.running:
                with self.landed:
                    self.running = False  # a request that comes late, or waits in a fault, does nothing any more
                self.ended.set()
                self.faults.clear()
                if self.events:
                    self.events.end()
                self.away()
                self.archive.end()
                with self.landed:
                    self.landed.wait_for(lambda: not self.flights)
                with self.repository:
                    self.database.close()

    def restart(self, release=None, archive_seconds=None):
        """`release`: the one that it is upgraded to; the table of jobs goes along."""
        with self.changing:
            self.stop()
            self.release = RELEASES[release] if release else self.release
            self.archive_seconds = self.archive_seconds if archive_seconds is None else archive_seconds
            self.start()

    def away(self):
        """Nobody listens, and the connections that are open end; what is going on goes on."""
        with self.changing:
            if self.server:
                self.server.close()
                self.server = None

    def back(self):
        """Listens again, at the same address."""
        with self.changing:
            if not self.server and self.running:
                self.server = Server(self.listen, self, self.tls)
                self.listen = self.server.server_address
                (self.folder / "url").write_text(self.url + "\n")

    # What it is asked

    @property
    def url(self):
        return f"{'https' if self.tls else 'http'}://{self.listen[0]}:{self.listen[1]}"

    @property
    def token(self):
        return self.keys.token_file.read_text().strip()

    def answer(self, request):
        """The answer to a request; None when the backend went down while it was on its way."""
        return self.in_flight(request, lambda: self._answer(request))

    def in_flight(self, request, function):
        """What `function` gives, None without calling it when the backend that the request came to is gone. It goes only after."""
        with self.landed:
            if not self.running or request.life is not self.ended:
                return None
            self.flights += 1
        try:
            return function()
        finally:
            with self.landed:
                self.flights -= 1
                self.landed.notify_all()

    def _answer(self, request):
        handler, arguments = self.routes.find(request.method, request.target)
        if handler is None:
            return arguments
        if self.authentication:
            request.caller, refusal = tokens.admit(
                request.headers, request.peer, self.keys, self.release, self.allowed, self.clock()
            )
            if refusal:
                return refusal
        try:
            return handler(self, request, *arguments)
        except Refused as refused:
            return refused.answer
        except Exception as failure:  # the caller has to see that the double is at fault, not cc-backend
            print(f"backend.py: {request.method} {request.target}: {failure!r}", file=sys.stderr, flush=True)
            return error(500, f"the double failed: {failure!r}")

    def note(self, request, answer, fault, seconds):
        self.noted.append({
            "time": time.time(), "seconds": round(seconds, 6), "method": request.method, "target": request.target,
            "body": request.body.decode("utf-8", "replace"), "status": answer.status if answer else None,
            "fault": fault.kind if fault else None,
        })

    # What a test does with it

    def fault(self, kind, **options):
        """Makes the next requests fail: kinds and options in faults.py. `fault("clear")` ends all of them."""
        return self.faults.clear() if kind == "clear" else self.faults.add(kind, **options)

    def rows(self):
        """All jobs, by row; those that are still in the cache come last and have `cached`."""
        rows = [{**job, "cached": False} for job in self.database.all()]
        if self.release.caches_jobs:
            rows += [{**job, "cached": True} for job in self.database.all("job_cache")]
        return rows

    def node_rows(self):
        return self.nodes.rows() if self.release.minor >= 5 else []

    def requests(self, part=""):
        """The requests that came, the oldest first, whose target has `part` in it."""
        return [one for one in list(self.noted) if part in one["target"]]

    def commit(self):
        """Empties the cache now. -> how many jobs were in it"""
        with self.repository:
            return self.database.commit_cache() if self.release.caches_jobs else 0

    def archiver(self, seconds):
        """How long the archiver needs for a job from now on; it works on one at a time, and 128 may wait."""
        self.archive_seconds = seconds
        self.archive.set(seconds=seconds)

    def new_token(self):
        """A new key pair; tokens of the old one are refused. -> the new token"""
        return self.keys.renew(self.clock())

    def _commit_each(self, ended, seconds):
        while not ended.wait(seconds):
            with self.repository:
                if not ended.is_set():
                    self.database.commit_cache()


def _address(value):
    host, _, port = value.rpartition(":")
    return host or "127.0.0.1", int(port)


def _options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    option = parser.add_argument
    option("--folder", type=Path, required=True, help="for its files; what is there of an older run goes on")
    option("--release", choices=RELEASES, default="1.5.4", help="whose answers it gives (default: %(default)s)")
    option("--listen", type=_address, default=("127.0.0.1", 0), metavar="HOST:PORT", help="port 0: any (default: 127.0.0.1:0)")
    option("--cluster", type=Path, action="append", metavar="FILE", help="a cluster.json; again for more (default: `lab`, n[1-4])")
    option("--tls-cert", type=Path, metavar="FILE", help="certificate: HTTPS in place of HTTP")
    option("--tls-key", type=Path, metavar="FILE", help="its key")
    option("--no-authentication", action="store_true", help="lets everybody in, as `disable-authentication` does")
    option("--allowed-ips", default="*", metavar="LIST", help="addresses, by commas; '': no such key (default: %(default)s)")
    option("--nats", type=_address, metavar="HOST:PORT", help="a NATS broker here, for jobs in place of HTTP (1.5 only)")
    option("--nats-user", metavar="USER:PASSWORD", help="who may use it (default: everybody)")
    option("--nats-subjects", default="jobs,nodes", metavar="JOBS,NODES", help="(default: %(default)s)")
    option("--commit-seconds", type=float, default=120, metavar="S", help="how often the cache of jobs is emptied; 0: when told")
    option("--archive-seconds", type=float, default=0, metavar="S", help="how long the archiver needs for a job")
    options = parser.parse_args()
    if bool(options.tls_cert) != bool(options.tls_key):
        parser.error("--tls-cert and --tls-key go together")
    if options.nats and RELEASES[options.release].minor < 5:
        parser.error(f"{options.release} knows no NATS")
    return parser, options


def main():
    parser, options = _options()
    try:
        user = tuple(options.nats_user.split(":", 1)) if options.nats_user else None
        broker = Broker(options.nats, user) if options.nats else None
        clusters = [json.loads(path.read_text()) for path in options.cluster or ()]
        backend = Backend(
            options.folder,
            options.release,
            clusters,
            options.listen,
            tls=(options.tls_cert, options.tls_key) if options.tls_cert else None,
            authentication=not options.no_authentication,
            allowed=[one for one in options.allowed_ips.split(",") if one],
            broker=broker,
            subjects=options.nats_subjects.split(","),
            commit_seconds=options.commit_seconds or None,
            archive_seconds=options.archive_seconds,
        ).start()
    except (OSError, ValueError, KeyError, ssl.SSLError) as failure:
        parser.exit(1, f"backend.py: {failure}\n")
    control = Control(backend)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    if broker:
        (backend.folder / "nats").write_text(broker.url + "\n")
    print(f"cc-backend's double {backend.release.version}: {backend.url}, token in {backend.keys.token_file}", flush=True)
    ended.wait()
    control.close()
    backend.stop()


if __name__ == "__main__":
    main()
