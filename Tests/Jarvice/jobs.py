#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The JARVICE gateway on a live cluster, called by a double of an upstream: whole lives of jobs, each kind of ending, tokens that
are not to be believed, slurmctld down and back, the agent killed between a submission and its answer. Needs root. Exit status 1
with what differs."""

import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "Events"))
from cluster import Lab, eventually, say  # noqa: E402
import troubles  # noqa: E402
from outputs import outputs, removal  # noqa: E402
import pages  # noqa: E402
from place import OK, Site, insist  # noqa: E402
from upstream import application, submission  # noqa: E402

CONF = "KillWait=1\nOverTimeLimit=0\nSchedulerParameters=batch_sched_delay=0,sched_min_interval=0,sched_interval=2,bf_interval=2"


def lives(site):
    say("whole lives")
    name = "20261130-AB1CD-tool-alice_s1"
    gate, wait = site.gate("lives")
    job, shown = site.submit(name, f'echo "$JARVICE_APP_IMAGE $JOB_NNODES $JARVICE_CMD"; {OK}; {wait}', nodes=2)
    insist("a script is shown", shown.startswith("#!/bin/bash\n") and "DOCKER_PASSWORD" not in shown and shown.endswith("\n"), shown[:80])
    insist("it is listed", job in site.listed("/queued") or job in site.listed("/running"))
    eventually("it runs", lambda: site.listed("/running").get(job) == name)
    insist("it is in one list", job not in site.listed("/queued"))
    nodes, elapsed, names, nothing = site.up.job("runstatus", job, name)
    insist("its status", len(nodes) == 2 and elapsed.count(":") == 2 and names == f"{name}/1/{job}" and nothing is None, f"{nodes} {elapsed} {names}")
    events = site.up.job("events", job, name)
    insist("its events", f"JobId={job} JobName=jarvice_{name}" in events and "\n" in events, events[:200])
    gate.touch()
    code, elapsed, texts = site.end(job, name)
    insist("its end", code == 0 and texts[1] == "<< termination state: CD -- see STDOUT for job errors >>", f"{code} {texts}")
    insist("an answer that was lost can be asked for again", site.up.job("exitstatus", job, name) == [code, elapsed, texts])
    text = site.output(name)
    insist("its output", text.splitlines()[1] == "Entering parallel region" and text.endswith("JARVICE Job completed OK\n"), text)
    insist("its parameters", text.count("docker://us.example/jarvice/app:1 2 run it") == 2, text)
    owner = eventually("slurmdbd has it", lambda: site.lab.command("sacct", "-n", "-X", "-o", "user%20", "-j", job).strip())
    insist("it was the token's user's", owner == "labu1", owner)


def endings(site):
    say("each kind of ending")
    jobs = {
        "failed": site.submit("failed", "echo no")[0],
        "timeout": site.submit("timeout", "sleep 3000", keys={"JOBOBJ_WALLTIME": "00:01:00", "JOBOBJ_DEVICES": '["sbatch_comment=x"]'})[0],
        "cancelled": site.submit("cancelled", "sleep 3000")[0],
        "held": site.submit("held", held=True)[0],
    }
    status, _, body = site.up.patiently("POST", "/exitstatus", {"name": "cancelled", "number": 1, "jobid": str(jobs["cancelled"])}, because="not over")
    insist("the end of a job that is not over", status == 500 and "not over" in body, f"{status} {body}")
    insist("a held job is queued", jobs["held"] in site.listed("/queued"))
    insist("it has no nodes", site.up.job("runstatus", jobs["held"], "held")[0] == [""])
    insist("it is released", site.up.job("release", jobs["held"], "held") is True)
    insist("it runs then", site.end(jobs["held"], "held")[0] == 0)
    status, _, _ = site.up.call("POST", "/release", {"name": "held", "number": 1, "jobid": str(jobs["held"])})
    insist("a finished job cannot be released", status == 500)
    eventually("cancelled runs", lambda: jobs["cancelled"] in site.listed("/running"))
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
    answer = site.up.ask("POST", "/submit", submission("old", application(OK, JOBOBJ_APPDEFVERSION="1"), "no token"))
    insist("an old application", answer == ["Appdef V2+ is required for this downstream", 400], answer)
    insist("nothing was made of them", not Path("/tmp/never").exists())


def foreign(site):
    say("jobs of others")
    job = site.lab.submit("-J", "jarvice_foreign", body="sleep 3000", user="labu2")
    eventually("it is listed", lambda: site.listed("/running").get(job) == "foreign")
    insist("its status is unknown", site.up.job("runstatus", job, "foreign") == [None] * 4)
    insist("ending it is a word only", site.up.job("terminate", job, "foreign") is True)
    for call in ("release", "events", "exitstatus"):
        status, _, _ = site.up.call("POST", f"/{call}", {"name": "foreign", "number": 1, "jobid": str(job)})
        insist(f"{call} of it", status == 500, status)
    insist("it still runs", job in site.listed("/running"))
    site.lab.command("scancel", job)
    nobody = {"name": "x", "number": 1, "jobid": "999999"}
    eventually("nobody knows", lambda: site.up.call("POST", "/exitstatus", nobody)[2] == '[-9,"00:00:00",[]]\n')
    insist("no number", site.up.job("exitstatus", "x1", "x") == [-9, "00:00:00", []])


def bodies(site):
    say("requests")
    eventually("it is ready", lambda: site.up.call("GET", "/ready")[0] == 200, 60)
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


def checks(site):
    say("check")
    said = site.lab.command(site.lab.stage / "slurm-grid-agent", "check", "--json", "--config", site.agent.config, user="slurm", check=False)
    levels = {row["subject"]: row["level"] for row in json.loads(said) if row["subject"].startswith("jarvice")}
    wanted = {f"jarvice {what}": "ok" for what in ("users", "tokens", "files", "key file", "resources")}
    wanted["jarvice dialogue"] = "warning"
    insist("its rows", levels == {**wanted, "jarvice.listen": "ok", "jarvice.jobs.listen": "ok", "jarvice jobs TLS key": "ok"}, said)
    said = site.agent.ask("jarvice", "status", "--control", site.lab.run / "control.sock")
    insist("its command", "verified" in said and "submitted" in said, said)


def settled(path):
    """What is in a file when the last calls are in it: they are written a moment after they were answered."""
    text = path.read_text()
    for _ in range(30):
        time.sleep(2)
        before, text = text, path.read_text()
        if text == before:
            break
    return text


def recorded(site, dialogue):
    """Calls and answers are in the file, for its owner alone, without anything that is secret; it can be sent again."""
    say("what was recorded")
    insist("for its owner alone", dialogue.stat().st_mode & 0o777 == 0o600)
    text = settled(dialogue)
    lines = [json.loads(line) for line in text.splitlines() if not line.startswith("#")]
    paths = {line["path"] for line in lines}
    insist("all kinds of calls", {"/running", "/submit", "/runstatus", "/exitstatus", "/terminate", "/release", "/events"} <= paths, paths)
    insist("pages and outputs too", any(path.endswith("/info") for path in paths) and any(path.endswith("/tail") for path in paths), paths)
    insist("only what is answered to", "/live/" not in paths and "/request/" not in paths, paths)
    insist("there are secrets to look for", len(site.secrets) >= 3)
    # The password, tokens, what submissions bring, what jobs print, keys of pages.
    for secret in ("Pass1234", "eyJ", "JOBOBJ", "JARVICE Job completed OK", "Entering parallel region", *site.secrets):
        insist("no secret", secret not in text, secret)
    submits = [line for line in lines if line["path"] == "/submit" and line["status"] == 200]
    insist("what a submission brought is named", all({"bearer", "hpc_script"} <= set(line["left_out"]) and "body" not in line for line in submits))
    insist("and its job", any(line["note"].startswith("job ") for line in submits), submits[:1])
    ends = [line["note"] for line in lines if line["path"] == "/exitstatus" and "termination state: CD" in line.get("note", "")]
    insist("an end without its output", any(json.loads(note)[0] == 0 for note in ends), ends)
    key = site.lab.stage.parent / "agent/secret/server.key"
    said = site.lab.command(
        site.lab.stage / "slurm-grid-agent", "jarvice", "dialogue", dialogue, "--to", f"http://127.0.0.1:{site.port}", "--key-file", key,
        user="slurm", check=False)
    insist("it is sent again", f"{len(lines)} requests: " in said and " 0 without an answer" in said and "of it was not recorded" in said, said[-2000:])


def main():
    with Lab(LAB_DBD=1, LAB_NODES=4, LAB_CPUS=16, LAB_CONF_EXTRA=CONF) as lab:
        dialogue = lab.state / "dialogue.jsonl"
        site = Site(lab, **{"jarvice.dialogue-file": dialogue})
        site.start()
        slow = troubles.SlowClients(site)
        bodies(site)
        checks(site)
        timeout = endings(site)
        lives(site)
        words(site)
        outputs(site)
        removal(site)
        pages.pages(site)
        pages.kept(site)
        pages.paths(site)
        rotated = troubles.tokens(site)
        foreign(site)
        insist("rotated", site.end(rotated, "rotated")[0] == 0)
        slow.end()
        troubles.repeats(site)
        troubles.kills(site)
        troubles.outage(site)
        troubles.lost(site)
        code, elapsed, texts = site.end(timeout, "timeout")
        insist("timeout", code == -9 and " TO " in texts[1], f"{code} {elapsed} {texts}")
        recorded(site, dialogue)
        site.agent.stop()
        log = site.agent.log.read_text()
        insist("the log has no secrets", "Pass1234" not in log and "eyJ" not in log)
        insist("the log tells that the gateway takes jobs", "the gateway takes jobs" in log)
    say("all as it should be")


if __name__ == "__main__":
    main()
