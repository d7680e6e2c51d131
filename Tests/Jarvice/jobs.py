#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The JARVICE gateway on a live cluster, called by a double of an upstream: whole lives of jobs, each kind of ending, tokens that
are not to be believed, slurmctld down and back, the agent killed between a submission and its answer. Needs root. Exit status 1
with what differs."""

import json
import os
import pwd
import socket
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "Events"))
from cluster import Agent, Lab, eventually, say  # noqa: E402
from upstream import AUDIENCE, ISSUER, Issuer, Upstream, application, submission  # noqa: E402

OK = "echo JARVICE_CMD_SUCCESS"
CONF = "KillWait=1\nOverTimeLimit=0\nSchedulerParameters=batch_sched_delay=0,sched_min_interval=0,sched_interval=2,bf_interval=2"


def insist(what, condition, detail=""):
    if not condition:
        raise AssertionError(f"{what}: {detail}")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Site:
    def __init__(self, lab):
        self.lab = lab
        keys = lab.stage / "keys.json"
        self.issuer = Issuer(lab.stage, keys)
        users = lab.stage / "users_id_mapping_configuration.yaml"
        entries = "".join(
            f"  - user: u{n}\n    jarvice_user: j{n}\n    mail: {name}@example.org\n    mapped_user: {name}\n    ssh_private_key_b64: \"\"\n"
            for n, name in enumerate(("labu1", "labu2", "slurm", "root", "daemon")))
        users.write_text(f"users_id_mapping:\n{entries}")
        secret = lab.folder("agent/secret", 0o700) / "server.key"
        secret.write_text("slurm-upstream:Pass1234\n")
        secret.chmod(0o400)
        slurm = pwd.getpwnam("slurm")
        os.chown(secret, slurm.pw_uid, slurm.pw_gid)
        self.port = free_port()
        self.agent = Agent(lab, **{
            "jarvice.listen": f"127.0.0.1:{self.port}", "jarvice.server-key-file": secret, "jarvice.token.keys": keys,
            "jarvice.token.issuer": ISSUER, "jarvice.token.audience": AUDIENCE, "jarvice.users.map-file": users,
            "jarvice.registry.system": "us-docker.pkg.dev", "jarvice.registry.system-base": "jarvice-system/images",
            "sweep-interval": "5s"})
        self.up = Upstream(self.port)

    def start(self):
        self.agent.start()
        eventually("the gateway answers", self.answers, 30)

    def answers(self):
        try:
            return self.up.call("GET", "/live")[0] == 200
        except OSError:
            return False

    def submit(self, name, command=OK, user="labu1", **more):
        script = more.pop("script", None) or application(command, **more.pop("keys", {}))
        job, shown = self.up.ask("POST", "/submit", submission(name, script, more.pop("token", None) or self.issuer.token(user), **more))
        return int(job), shown

    def refused(self, name, reason, command=OK, **more):
        script = more.pop("script", None) or application(command, **more.pop("keys", {}))
        token = more.pop("token", None)
        token = self.issuer.token("labu1") if token is None else token
        status, _, body = self.up.call("POST", "/submit", submission(name, script, token, **more))
        insist(f"{name} is refused", status == 500 and reason in body, f"{status} {body[-400:]}")

    def end(self, job, name):
        """Waits for the end that upstream is told."""
        def told():
            status, _, body = self.up.call("POST", "/exitstatus", {"name": name, "number": 1, "jobid": str(job)})
            return json.loads(body) if status == 200 else None
        return eventually(f"the end of {name}", told, 40)

    def output(self, name, user="labu1"):
        return (Path(pwd.getpwnam(user).pw_dir) / ".jarvice" / f"{name}.out").read_text()

    def listed(self, path):
        return {int(job): name for name, job in self.up.ask("GET", path)}


def lives(site):
    say("whole lives")
    name = "20261130-AB1CD-tool-alice_s1"
    job, shown = site.submit(name, 'echo "$JARVICE_APP_IMAGE $JOB_NNODES $JARVICE_CMD"; ' + OK + "; sleep 2", nodes=2)
    insist("a script is shown", shown.startswith("#!/bin/bash\n") and "DOCKER_PASSWORD" not in shown and shown.endswith("\n"), shown[:80])
    insist("it is listed", job in site.listed("/queued") or job in site.listed("/running"))
    eventually("it runs", lambda: site.listed("/running").get(job) == name, 30)
    nodes, elapsed, names, nothing = site.up.job("runstatus", job, name)
    insist("its status", len(nodes) == 2 and elapsed.count(":") == 2 and names == f"{name}/1/{job}" and nothing is None, f"{nodes} {elapsed} {names}")
    events = site.up.job("events", job, name)
    insist("its events", f"JobId={job} JobName=jarvice_{name}" in events and "\n" in events, events[:200])
    code, elapsed, texts = site.end(job, name)
    insist("its end", code == 0 and texts[1] == "<< termination state: CD -- see STDOUT for job errors >>", f"{code} {texts}")
    insist("an answer that was lost can be asked for again", site.up.job("exitstatus", job, name) == [code, elapsed, texts])
    text = site.output(name)
    insist("its output", text.splitlines()[1] == "Entering parallel region" and text.endswith("JARVICE Job completed OK\n"), text)
    insist("its parameters", text.count("docker://us.example/jarvice/app:1 2 run it") == 2, text)
    owner = site.lab.command("sacct", "-n", "-X", "-o", "user%20", "-j", job).strip()
    insist("it was the token's user's", owner == "labu1", owner)


def endings(site):
    say("each kind of ending")
    jobs = {
        "failed": site.submit("failed", "echo no")[0],
        "timeout": site.submit("timeout", "sleep 300", keys={"JOBOBJ_WALLTIME": "00:01:00", "JOBOBJ_DEVICES": '["sbatch_comment=x"]'})[0],
        "cancelled": site.submit("cancelled", "sleep 300")[0],
        "held": site.submit("held", held=True)[0],
    }
    status, _, body = site.up.call("POST", "/exitstatus", {"name": "cancelled", "number": 1, "jobid": str(jobs["cancelled"])})
    insist("the end of a job that is not over", status == 500 and "not over" in body, f"{status} {body}")
    insist("a held job is queued", jobs["held"] in site.listed("/queued"))
    insist("it has no nodes", site.up.job("runstatus", jobs["held"], "held")[0] == [""])
    insist("it is released", site.up.job("release", jobs["held"], "held") is True)
    insist("it runs then", site.end(jobs["held"], "held")[0] == 0)
    status, _, _ = site.up.call("POST", "/release", {"name": "held", "number": 1, "jobid": str(jobs["held"])})
    insist("a finished job cannot be released", status == 500)
    eventually("cancelled runs", lambda: jobs["cancelled"] in site.listed("/running"), 30)
    insist("it is ended", site.up.job("terminate", jobs["cancelled"], "cancelled") is True)
    ends = {name: site.end(job, name) for name, job in jobs.items() if name not in ("held", "timeout")}
    insist("failed", ends["failed"][0] == 1 and " F " in ends["failed"][2][1], ends["failed"])
    insist("cancelled", ends["cancelled"][0] == -15 and " CA " in ends["cancelled"][2][1], ends["cancelled"])
    insist("ended twice", site.up.job("terminate", jobs["cancelled"], "cancelled") is True)
    return jobs["timeout"]


def words(site):
    """Nothing of them is read by a shell, or it is refused."""
    say("names and values that shells would read")
    evil = "a'b\"c$(id)`id`;|&<>*?[x]{{}}~#!\\ %j"
    job, _ = site.submit(evil, "echo \"it's fine\"; " + OK, keys={"JOBOBJ_REPO": "us.example/$(touch x)/a'b;c"})
    insist("a name of many kinds of letters", site.end(job, evil)[0] == 0)
    text = site.output(evil)
    insist("is taken literally", "it's fine" in text, text)
    value = "$(touch /tmp/never)`id`;'\"|& >x"
    job, _ = site.submit("literal", keys={"JOBOBJ_DEVICES": json.dumps([f"sbatch_comment={value}", "exclusive=False"])})
    shown = site.lab.command("squeue", "-h", "-t", "all", "-j", job, "-o", "%k").strip()
    insist("a value is taken literally", shown == value, shown)
    insist("and runs", site.end(job, "literal")[0] == 0)
    for name, reason in (("a\nb", "control character"), ("../x", "a /"), ("", "empty"), ("a\0b", "control character"), ("x" * 241, "240 bytes")):
        site.refused(name, reason)
    site.refused("comment", "control character", keys={"JOBOBJ_DEVICES": '["sbatch_comment=a\\nb"]'})
    site.refused("uid", "user is the one of the token", keys={"JOBOBJ_DEVICES": '["sbatch_uid=0"]'})
    site.refused("brace", "no template", script=application("echo ${HOME}"))
    site.refused("interactive", "interactive", keys={"JOBOBJ_INTERACTIVE": "True"})
    answer = site.up.ask("POST", "/submit", submission("old", application(OK, JOBOBJ_APPDEFVERSION="1"), "no token"))
    insist("an old application", answer == ["Appdef V2+ is required for this downstream", 400], answer)
    insist("nothing was made of them", not Path("/tmp/never").exists())


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
    refusals = eventually("the status tells of refusals", lambda: (site.agent.status() or {}).get("jarvice", {}).get("refusals"), 30)
    insist("the newest first", "key is not" in refusals[0]["reason"], refusals[0])
    return job


def foreign(site):
    say("jobs of others")
    job = site.lab.submit("-J", "jarvice_foreign", body="sleep 30", user="labu2")
    eventually("it is listed", lambda: site.listed("/running").get(job) == "foreign", 30)
    insist("its status is unknown", site.up.job("runstatus", job, "foreign") == [None] * 4)
    insist("ending it is a word only", site.up.job("terminate", job, "foreign") is True)
    for call in ("release", "events", "exitstatus"):
        status, _, _ = site.up.call("POST", f"/{call}", {"name": "foreign", "number": 1, "jobid": str(job)})
        insist(f"{call} of it", status == 500, status)
    insist("it still runs", job in site.listed("/running"))
    site.lab.command("scancel", job)
    eventually("nobody knows", lambda: site.up.call("POST", "/exitstatus", {"name": "x", "number": 1, "jobid": "999999"})[2] == '[-9,"00:00:00",[]]\n', 20)
    insist("no number", site.up.job("exitstatus", "x1", "x") == [-9, "00:00:00", []])


def repeats(site):
    say("submitted again, and while the agent is killed")
    job, shown = site.submit("again", "sleep 2; " + OK)
    insist("the same job", site.submit("again", "sleep 2; " + OK) == (job, shown))
    insist("another number is another job", site.submit("again", number=2)[0] != job)
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(site.submit("at once")[0])) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    insist("one job of five calls at once", len(set(answers)) == 1 and len(answers) == 5, answers)
    for turn in range(4):
        name = f"killed-{turn}"
        call = threading.Thread(target=lambda: attempt(site, name))
        call.start()
        time.sleep(0.02 * turn)
        site.agent.kill()
        call.join()
        site.start()
        job = eventually("it is taken again", lambda: attempt(site, name), 60)
        insist("it ends well", site.end(job, name)[0] == 0)
        found = site.lab.command("squeue", "-h", "-t", "all", "-n", f"jarvice_{name}", "-o", "%A").split()
        insist("one Slurm job", found == [str(job)], found)


def attempt(site, name):
    try:
        return site.submit(name)[0]
    except (OSError, RuntimeError):
        return None


def outage(site):
    say("slurmctld down, and back")
    job, _ = site.submit("outage", "sleep 5; " + OK)
    done, _ = site.submit("before", OK)
    end = site.end(done, "before")
    site.lab.fault("stop")
    for method, path, args in (
            ("GET", "/running", None), ("GET", "/queued", None),
            ("POST", "/runstatus", "outage"), ("POST", "/terminate", "outage"), ("POST", "/release", "outage"), ("POST", "/events", "outage")):
        args = args and {"name": args, "number": 1, "jobid": str(job)}
        began = time.monotonic()
        status, _, body = site.up.call(method, path, args)
        say(f"{path}: {status} after {time.monotonic() - began:.2f} s")
        insist(f"{path} while it is down", status == 500, f"{status} {body}")
    status, kind, body = site.up.call("GET", "/gc")
    insist("gc", (status, kind, body) == (500, "application/json", '{"status":"BAD"}\n'), body)
    insist("what is over is known", site.up.job("exitstatus", done, "before") == end)
    site.refused("down", "slurmctld does not answer")
    site.lab.fault("start")
    eventually("it answers again", lambda: site.up.call("GET", "/gc")[0] == 200, 30)
    insist("the job lived on", site.end(job, "outage")[0] == 0)
    insist("nothing was left of the refused one", "jarvice_down" not in site.lab.command("squeue", "-h", "-t", "all", "-o", "%j"))


def bodies(site):
    say("requests")
    for method, path, status, kind, body in (
            ("GET", "/live", 200, "application/json", '{"status":"OK"}\n'), ("GET", "/ready", 200, "application/json", '{"status":"OK"}\n'),
            ("GET", "/nodes", 200, "text/html; charset=utf-8", "true"), ("POST", "/online", 200, "application/json", "true\n"),
            ("POST", "/request/a/b/c/ping", 500, "text/html; charset=utf-8", None), ("GET", "/live/", 404, "text/html; charset=utf-8", None)):
        found = site.up.call(method, path)
        insist(f"{method} {path}", found[:2] == (status, kind) and body in (None, found[2]), found)
    qs = {"qs": {}}
    insist("ping", site.up.call("POST", "/request/a/b/1/ping", qs)[::2] == (200, ""))
    insist("five parts", site.up.call("POST", "/request/a/b/1/ping/", qs)[::2] == (400, ""))
    insist("info", site.up.ask("POST", "/request/a/b/1/info", qs) == {"about": "", "actions": {}, "help": "", "url": ""})
    part = '--b\r\nContent-Disposition: form-data; name="args"\r\n\r\n' + "a" * 500_001 + "\r\n--b--\r\n"
    status, _, _ = site.up.call("POST", "/submit", body=part, content="multipart/form-data; boundary=b")
    insist("a field that is too large", status == 413, status)


def main():
    with Lab(LAB_DBD=1, LAB_NODES=4, LAB_CPUS=16, LAB_CONF_EXTRA=CONF) as lab:
        site = Site(lab)
        site.start()
        bodies(site)
        timeout = endings(site)
        lives(site)
        words(site)
        rotated = tokens(site)
        foreign(site)
        insist("rotated", site.end(rotated, "rotated")[0] == 0)
        repeats(site)
        outage(site)
        code, elapsed, texts = site.end(timeout, "timeout")
        insist("timeout", code == -9 and " TO " in texts[1], f"{code} {elapsed} {texts}")
        site.agent.stop()
        log = site.agent.log.read_text()
        insist("the log has no secrets", "Pass1234" not in log and "eyJ" not in log)
        insist("the log tells that the gateway takes jobs", "the gateway takes jobs" in log)
    say("all as it should be")


if __name__ == "__main__":
    main()
