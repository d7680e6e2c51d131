# SPDX-License-Identifier: GPL-3.0-or-later
"""Interactive jobs: a desktop inside a job, opened through the proxy by its user, and by nobody else."""

import hashlib
import http.client
import os
import shutil
import socket
import ssl
import subprocess
import urllib.parse
from pathlib import Path

from cluster import eventually, say
from desktop import masked, read_frame
from place import OK, certificate, insist

SOURCE = Path(__file__).with_name("desktop.py")


class Browser:
    """Of one user: follows the URL that upstream was told, whatever its name resolves to."""

    def __init__(self, site, url):
        parts = urllib.parse.urlsplit(url)
        self.site, self.host, self.path = site, parts.netloc, parts.path
        self.secret = parts.path.strip("/").split("/")[-1]
        self.authority = site.jobs_chain
        site.secrets.add(self.secret)
        insist("the page is below the job's secret", parts.scheme == "https" and len(self.secret) == 32, url)

    def connect(self):
        context = ssl.create_default_context(cafile=self.authority)
        plain = socket.create_connection(("127.0.0.1", self.site.jobs_port), timeout=30)
        return context.wrap_socket(plain, server_hostname=self.host.split(":")[0])

    def get(self, path="", body=None, base=None):
        connection = http.client.HTTPConnection("127.0.0.1")
        connection.sock = self.connect()
        try:
            connection.request("GET" if body is None else "PUT", (self.path if base is None else base) + path, body, {"Host": self.host})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def open(self):
        """A WebSocket, as a file for reading and its socket."""
        wire = self.connect()
        wire.sendall(
            f"GET {self.path}ws HTTP/1.1\r\nHost: {self.host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: text, binary\r\n\r\n".encode())
        file = wire.makefile("rb")
        head = b"".join(iter(file.readline, b"\r\n")).decode()
        insist("it is upgraded", head.startswith("HTTP/1.1 101 ") and "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head, head)
        insist("to the protocol that both know", "Sec-WebSocket-Protocol: binary" in head, head)
        return file, wire


def pages(site):
    say("interactive jobs")
    keys = {"JOBOBJ_INTERACTIVE": "True", "JOBOBJ_DEVICES": '["exclusive=False"]'}
    program = site.lab.stage / "desktop.py"
    shutil.copy(SOURCE, program)

    def info(job, name):
        return site.up.ask("POST", f"/request/{name}/1/{job}/info", {"qs": {}})["url"]

    gate, wait = site.gate("pages")
    # Its first node's, whichever others it has.
    command = f'[ "$PROCESS_PROCID" = 0 ] || exec sleep 3000; {wait}; python3 {program} $SINGULARITYENV_JARVICE_SERVICE_PORT "alice\'s $SLURM_JOB_ID" & {OK}; wait $!'
    job, shown = site.submit("desktop", command, keys=keys, nodes=2)
    eventually("it runs", lambda: job in site.listed("/running"))
    insist("it has its nodes for itself", "OverSubscribe=NO" in site.up.job("events", job, "desktop"))
    url = eventually("upstream is told its URL", lambda: info(job, "desktop"))
    browser = Browser(site, url)
    insist("the host names the job", browser.host == f"job{job}.jobs.example.org", url)
    secret = browser.secret
    insist("only info tells the secret", secret not in shown)
    status, _ = browser.get()
    insist("before it listens there is nothing", status == 502, status)
    gate.touch()
    status, text = eventually("its page", lambda: (found := browser.get("a?b=c"))[0] == 200 and found)
    insist("is the job's own", f"<h1>alice's {job}</h1> /a?b=c /{secret} 127.0.0.1 0 " in text, text)
    large = os.urandom(1 << 20) * 24
    status, text = browser.get("up", large)
    insist("a large upload", status == 200 and f" {len(large)} {hashlib.sha256(large).hexdigest()}" in text, text)
    for what, base in (("another secret", f"/{'0' * 32}/"), ("none", "/"), ("a cut one", f"/{secret[:-1]}/")):
        insist(f"with {what} there is nothing", browser.get(base=base)[0] == 404)
    batch, _ = site.submit("batch", "sleep 3000", keys={"JOBOBJ_DEVICES": '["exclusive=False"]'})
    foreign = site.lab.submit("-J", "jarvice_foreign2", body="sleep 3000", user="labu2")
    eventually("they run", lambda: {batch, foreign} <= set(site.listed("/running")))
    for other in (batch, foreign, 999999):
        insist("it has no page", info(other, "x") == "" and Browser(site, url.replace(f"job{job}.", f"job{other}.")).get()[0] == 404)
    site.lab.command("scancel", batch, foreign)

    file, wire = browser.open()
    for size in (0, 5, 300, 1 << 20):
        data = os.urandom(size)
        wire.sendall(masked(2, data))
        insist(f"{size} bytes come back", read_frame(file) == (2, data))
    idle = [browser.open() for _ in range(50)]
    left = idle.pop()
    left[1].sendall(b"\x82\xff half a frame")
    left[1].close()
    wire.sendall(masked(1, b"still here"))
    insist("others are not disturbed by one that leaves", read_frame(file) == (1, b"still here"))

    renewed(site, browser)
    wire.sendall(masked(1, b"and here"))
    insist("connections from before stay", read_frame(file) == (1, b"and here"))

    insist("shutdown", site.up.call("POST", f"/request/desktop/1/{job}/shutdown", {"qs": {}})[0] == 200)
    insist("its end cuts every connection", read_frame(file) is None and all(read_frame(other[0]) is None for other in idle))
    insist("it is ended", site.end(job, "desktop")[0] == -15)
    eventually("then there is no page any more", lambda: browser.get()[0] == 404 and info(job, "desktop") == "")
    log = site.agent.log.read_text()
    insist("the log has no secret", secret not in log)


def paths(site):
    """One name for all jobs, which are told apart by the path."""
    say("interactive jobs below one name")
    name = "portal.jobs.example.org"
    text = site.agent.config.read_text()
    changed = text.replace('jobs.domain: "jobs.example.org"', f'jobs.domain: "{name}/job$"')
    insist("the key is there", changed != text)
    site.agent.stop()
    site.agent.config.write_text(changed)
    site.start()
    keys = {"JOBOBJ_INTERACTIVE": "True"}
    job, _ = site.submit("below", f'exec python3 {site.lab.stage / "desktop.py"} $SINGULARITYENV_JARVICE_SERVICE_PORT "below $SLURM_JOB_ID"', keys=keys)
    url = eventually("upstream is told its URL", lambda: site.up.ask("POST", f"/request/below/1/{job}/info", {"qs": {}})["url"])
    browser = Browser(site, url)
    insist("the path names the job", (browser.host, browser.path) == (name, f"/job{job}/{browser.secret}/"), url)
    status, body = eventually("its page", lambda: (found := browser.get("a?b=c"))[0] == 200 and found)
    insist("is the job's own", f"<h1>below {job}</h1> /a?b=c /job{job}/{browser.secret} 127.0.0.1 0 " in body, body)
    file, wire = browser.open()
    wire.sendall(masked(2, b"through the path"))
    insist("a WebSocket", read_frame(file) == (2, b"through the path"))
    for base in (f"/job{job + 1}/{browser.secret}/", f"/{browser.secret}/", f"/job{job}/", f"/job{job}/{'0' * 32}/", f"/job{job}/../job{job}/{browser.secret}/"):
        insist(f"{base} is nothing", browser.get(base=base)[0] in (400, 404), base)
    insist("it is ended", site.up.job("terminate", job, "below") is True and read_frame(file) is None)
    wire.close()
    site.agent.stop()
    site.agent.config.write_text(text)
    site.start()


def renewed(site, browser):
    """The wildcard's certificate is read again when its files change; what cannot be read changes nothing, and is told."""
    def troubles():
        return [part["text"] for part in site.agent.status()["parts"] if part["name"] == "jarvice jobs certificate" and part["level"] == "failure"]

    before = Browser(site, f"https://{browser.host}{browser.path}")
    before.authority = site.lab.stage / "before.crt"
    shutil.copy(site.jobs_chain, before.authority)
    insist("nothing is told of it", troubles() == [], troubles())
    site.jobs_chain.write_text("-----BEGIN CERTIFICATE-----\nhalf of it\n")
    told = eventually("a broken one is told", troubles, 60)[0]
    insist("by its key", "jarvice.jobs.tls" in told, told)
    insist("the one from before is shown", verified(before))
    chain, key = certificate(site.lab.stage, "jobs.example.org")
    insist("a new one, in the same files", (chain, key) == (site.jobs_chain, site.jobs_key))
    # Verified against the new one alone.
    eventually("it is taken", lambda: verified(browser), 60)
    insist("the one from before is not shown any more", not verified(before))
    eventually("nothing is told any more", lambda: troubles() == [])


def verified(browser):
    try:
        return browser.get()[0] == 200
    except ssl.SSLError:
        return False


def kept(site):
    """What the node says when the job is over, is not the job's: a server that outlives it is not reached."""
    say("a server that outlives its job")
    own = subprocess.Popen(["python3", SOURCE, str(site.service_port), "somebody else's"], stdout=subprocess.PIPE)
    try:
        own.stdout.readline()
        job, _ = site.submit("outlived", f"sleep 3000; {OK}", keys={"JOBOBJ_INTERACTIVE": "True"})
        url = eventually("it runs", lambda: site.up.ask("POST", f"/request/outlived/1/{job}/info", {"qs": {}})["url"])
        browser = Browser(site, url)
        eventually("while it runs, its node's port is shown", lambda: "somebody else's" in browser.get()[1])
        file, wire = browser.open()
        site.lab.command("scancel", job)
        insist("its end cuts", read_frame(file) is None)
        eventually("and nothing is shown", lambda: browser.get()[0] == 404)
        wire.close()
    finally:
        own.terminate()
        own.wait()
