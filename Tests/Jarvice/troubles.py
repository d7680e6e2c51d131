# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong around the JARVICE gateway: tokens that are not to be believed, answers that are lost, the agent killed, Slurm away,
clients that take their time."""

import socket
import threading
import time

from cluster import eventually, say
from place import OK, insist
from upstream import AUDIENCE


def tokens(site):
    say("tokens that are not to be believed")
    issuer, now = site.issuer, int(time.time())
    good = issuer.token("labu1")
    head, claims, signature = good.split(".")
    other = issuer.token("labu2").split(".")[1]
    cases = {
        "forged": (issuer.token("labu1", seed=b"x" * 32), "signature is wrong"),
        "other claims": (f"{head}.{other}.{signature}", "signature is wrong"),
        "expired": (issuer.token("labu1", exp=now - 120), "expired"),
        "without expiry": (issuer.token("labu1", exp=None), "no expiry"),
        "not yet": (issuer.token("labu1", nbf=now + 300), "not valid yet"),
        "audience": (issuer.token("labu1", aud="other"), "audience"),
        "issuer": (issuer.token("labu1", iss="https://evil.example.org"), "issuer"),
        "none": (issuer.token("labu1", alg="none"), "not allowed"),
        "confusion": (issuer.token("labu1", alg="HS256"), "not allowed"),
        "other key's algorithm": (issuer.token("labu1", kid="rsa-1"), "signature is wrong"),
        "unknown key": (issuer.token("labu1", kid="nobody"), "key is not"),
        "no token": ("", "three"), "a scheme": ("Bearer x", "three"),
        "unverified address": (issuer.token("labu1", email_verified=False), "not verified"),
        "no address": (issuer.token("labu1", email=None), "no claim email"),
        "nobody": (issuer.token("nobody"), "not in the user map"),
        "case": (issuer.token("labu1", email="LABU1@example.org"), "not in the user map"),
        "root": (issuer.token("root"), "uid below"), "SlurmUser": (issuer.token("slurm"), "may not run jobs"), "system": (issuer.token("daemon"), "uid below"),
    }
    for name, (token, reason) in cases.items():
        site.refused(name, reason, token=token)
    job, _ = site.submit("rsa", token=issuer.token("labu2", alg="RS256"))
    insist("a token by RSA", site.end(job, "rsa")[0] == 0)
    issuer.rotate()
    job, _ = site.submit("rotated", token=issuer.token("labu1", aud=["a", AUDIENCE]))
    site.refused("replayed", "key is not", token=good)
    status, _, _ = site.up.call("GET", "/running", key="slurm-upstream:Pass1235")
    insist("a wrong password", status == 401)
    eventually("the status tells of the newest refusal first", lambda: "key is not" in newest_refusal(site))
    site.users.write_text(site.users.read_text() + "  - {mail: nobody@example.org, mapped_user: labu2}\n")
    eventually("the user map is read again", lambda: attempt(site, "mapped", user="nobody"))
    return job


def newest_refusal(site):
    refusals = ((site.agent.status() or {}).get("jarvice") or {}).get("refusals")
    return refusals[0]["reason"] if refusals else ""


def repeats(site):
    say("submitted again, and while the agent is killed")
    gate, wait = site.gate("again")
    job, shown = site.submit("again", f"{wait}; {OK}")
    insist("the same job", site.submit("again", f"{wait}; {OK}") == (job, shown))
    gate.touch()
    insist("it ends well", site.end(job, "again")[0] == 0)
    insist("the same job when it is over", site.submit("again", f"{wait}; {OK}") == (job, shown))
    insist("another number is another job", site.submit("again", number=2)[0] != job)
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(site.submit("at once")[0])) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    insist("one job of five calls at once", len(set(answers)) == 1 and len(answers) == 5, answers)


def kills(site):
    """Killed as soon as the row is in the ledger, until one of the answers was lost with it."""
    say("killed between the row and the answer")
    lost = 0
    for turn in range(40):
        name = f"killed-{turn}"
        answers = []
        call = threading.Thread(target=lambda: answers.append(attempt(site, name)))
        call.start()
        eventually("the row", lambda: rows(site, name) or not call.is_alive(), every=0)
        site.agent.kill()
        call.join()
        insist("one row", len(rows(site, name)) == 1, rows(site, name))
        site.start()
        job, _ = site.submit(name)
        insist("the answer that was given stays", answers[0] in (None, job), f"{answers} {job}")
        insist("it ends well", site.end(job, name)[0] == 0)
        found = site.lab.command("squeue", "-h", "-t", "all", "-n", f"jarvice_{name}", "-o", "%A").split()
        insist("one Slurm job", found == [str(job)], found)
        ran = site.lab.command("sacct", "-n", "-X", "-o", "jobidraw", "--name", f"jarvice_{name}", "-a").split()
        insist("in slurmdbd too", set(ran) <= {str(job)}, ran)
        lost += answers[0] is None
        if lost >= 3:
            break
    insist("answers were lost", lost > 0, lost)


def rows(site, name):
    return site.agent.query(f"SELECT id FROM jobs WHERE gateway = 'jarvice' AND external_id LIKE '%/{name}'")


def attempt(site, name, **more):
    try:
        return site.submit(name, **more)[0]
    except (OSError, RuntimeError):
        return None


# What needs slurmctld: method, path, and whether it names a job.
NEEDY = [
    ("GET", "/running", False), ("GET", "/queued", False), ("POST", "/runstatus", True), ("POST", "/terminate", True),
    ("POST", "/release", True), ("POST", "/events", True)]


def outage(site):
    gate, wait = site.gate("outage")
    job, _ = site.submit("outage", f"echo begun; {wait}; {OK}")
    done, _ = site.submit("before", OK)
    end = site.end(done, "before")
    eventually("it runs", lambda: job in site.listed("/running"))
    # Its step has been made: srun would wait ever longer for a slurmctld that is away.
    eventually("it has begun", lambda: has_begun(site))
    # What a slurmctld that hangs has been asked, it may do when it goes on: it comes last.
    for words, fault, mend in (("down", "stop", "start"), ("killed", "kill", "start"), ("hung", "pause", "resume")):
        say(f"slurmctld {words}, and back")
        held, _ = site.submit(f"held-{words}", held=True)
        eventually("it is queued", lambda: held in site.listed("/queued"))
        site.lab.fault(fault)
        for method, path, named in NEEDY:
            named = named and {"name": f"held-{words}", "number": 1, "jobid": str(held)}
            unanswered(site, method, path, named or None, job)
        eventually("gc", lambda: site.up.call("GET", "/gc") == (500, "application/json", '{"status":"BAD"}\n'))
        insist("it lives", site.up.call("GET", "/live")[0] == 200)
        insist("what is over is known", site.up.job("exitstatus", done, "before") == end)
        site.refused(words, "slurmctld does not answer")
        site.lab.fault(mend)
        eventually("it answers again", lambda: site.up.call("GET", "/gc")[0] == 200)
        eventually("the list is whole again", lambda: site.listed("/running").get(job) == "outage")
        insist("what was asked in vain is done now", site.end(held, f"held-{words}")[0] == -15)
    insist("nothing was left of the refused ones", not rows(site, "down") + rows(site, "killed") + rows(site, "hung"))
    gate.touch()
    insist("the job lived on", site.end(job, "outage")[0] == 0)
    say("slurmdbd down, and back")
    nobody = {"name": "x", "number": 1, "jobid": "999998"}
    site.lab.fault("stop", "slurmdbd")
    status, _, body = site.up.call("POST", "/exitstatus", nobody)
    insist("a job that slurmdbd may know is not unknown", status == 500, f"{status} {body}")
    insist("what is over is known", site.up.job("exitstatus", done, "before") == end)
    site.lab.fault("start", "slurmdbd")
    eventually("it answers again", lambda: site.up.call("POST", "/exitstatus", nobody)[2] == '[-9,"00:00:00",[]]\n')


def lost(site):
    say("slurmctld is killed before it saves that it has released a job")
    keys = {"JOBOBJ_DEVICES": '["sbatch_begin=now+3600"]'}
    for number in range(5):
        name = f"lost-{number}"
        job, _ = site.submit(name, held=True, keys=keys)
        eventually("it is queued", lambda: job in site.listed("/queued"))
        # slurmctld saves its jobs at a change, but not within 5 s of the last time: the next change is saved, the release not.
        time.sleep(6)
        other, _ = site.submit(f"other-{number}", held=True)
        time.sleep(0.5)
        insist("it is released", site.up.job("release", job, name) is True)
        site.lab.fault("kill")
        site.lab.fault("start")
        eventually("it answers again", lambda: site.up.call("GET", "/gc")[0] == 200)
        eventually("it is held no more", lambda: "Priority=0 " not in site.lab.command("scontrol", "show", "job", str(job)), 120)
        lines = site.agent.log.read_text().splitlines()
        again = any("slurmctld lost what was asked of a job" in line and f"slurm={job}" in line.split() for line in lines)
        for ended in ((job, name), (other, f"other-{number}")):
            insist("it is ended", site.up.job("terminate", *ended) is True)
        if again:
            return
    insist("slurmctld lost a release, and it was asked again", False)


def has_begun(site):
    try:
        return "begun" in site.output("outage").splitlines()
    except FileNotFoundError:  # slurmctld says that a job runs before its output is opened
        return False


def unanswered(site, method, path, args, job):
    """500, as soon as what was heard a moment before is too old; until then that, never less."""
    def failed():
        status, _, body = site.up.call(method, path, args)
        if status == 200 and path == "/running":
            insist("what was heard before", f'"{job}"' in body, body)
        insist(f"{path} is no empty answer", status == 500 or body not in ("[]\n", "[null,null,null,null]\n") or path == "/queued", body)
        return status == 500
    if path in ("/running", "/queued", "/runstatus"):
        eventually(f"{path} is 500", failed)
    else:
        insist(f"{path} is 500", failed())


class SlowClients:
    """Connections that keep a place by sending next to nothing: from the start on, beside all else."""

    def __init__(self, site):
        self.port = site.port
        self.cut = {}
        head = b"POST /submit HTTP/1.1\r\nHost: x\r\nAuthorization: Basic c2x1cm0tdXBzdHJlYW06UGFzczEyMzQ=\r\n"
        body = head + b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 100000\r\n\r\nargs="
        self.threads = [
            threading.Thread(target=self.hold, args=held, daemon=True)
            for held in (("nothing", b"", b""), ("half a head", b"GET /live HT", b""), ("a head by the letter", head, b"X: y\r\n"), ("a body by the letter", body, b"a"))]
        for thread in self.threads:
            thread.start()

    def hold(self, name, first, more):
        end = time.monotonic() + 600
        with socket.create_connection(("127.0.0.1", self.port)) as connection:
            connection.settimeout(0.5)
            try:
                connection.sendall(first)
                while time.monotonic() < end:
                    try:
                        if not connection.recv(4096):
                            break
                    except TimeoutError:
                        connection.sendall(more)
                else:
                    return
            except OSError:
                pass
        self.cut[name] = True

    def end(self):
        say("slow clients")
        for thread in self.threads:
            thread.join(660)
        insist("each was cut", len(self.cut) == len(self.threads), self.cut)
