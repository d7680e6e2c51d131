# SPDX-License-Identifier: GPL-3.0-or-later
"""What upstream is shown of a job's output: read as the job's user, and nothing else."""

import json
import os
import pwd
from pathlib import Path

from cluster import eventually, say
from place import OK, insist


def outputs(site):
    say("output")
    job, _ = site.submit("output", f"for n in 1 2 3; do echo line $n; done; printf 'bad \\xff byte\\n'; {OK}")
    shown = site.end(job, "output")[2][0]
    lines = shown.splitlines()
    insist("all of it", lines[1:5] == ["Entering parallel region", "line 1", "line 2", "line 3"] and lines[-1] == "JARVICE Job completed OK", shown)
    insist("what is no UTF-8 is shown all the same", "bad \ufffd byte" in shown, shown)
    insist("as often as it is asked for", site.end(job, "output")[2][0] == shown)
    insist("its last lines", tail(site, job, "2") == (200, "\n".join(lines[-2:])), tail(site, job, "2"))
    insist("one line is a hundred", tail(site, job, "1") == (200, shown))
    # A name selects nothing.
    insist("by another name", tail(site, job, "2", "else") == (200, "\n".join(lines[-2:])))
    own, other = home("labu1") / ".jarvice/output.out", home("labu2") / "secret"
    other.write_text("the other's\n")
    os.chown(other, pwd.getpwnam("labu2").pw_uid, pwd.getpwnam("labu2").pw_gid)
    other.chmod(0o600)

    def put(*words):
        own.unlink(missing_ok=True)
        site.lab.command(*words, user="labu1")

    for what, words in (
            ("a link", ("ln", "-s", other, own)), ("a link to its own", ("ln", "-s", home("labu1") / ".bashrc", own)), ("a pipe", ("mkfifo", own)),
            ("a folder", ("mkdir", own)), ("nothing", ("true",))):
        put(*words)
        insist(f"{what} is not read", site.end(job, "output")[2][0] == "" and tail(site, job, "2") == (404, ""), tail(site, job, "2"))
        if own.is_dir():
            own.rmdir()
    put("cp", "/dev/null", own)
    other.rename(own)
    insist("a file of another user", site.end(job, "output")[2][0] == "")
    put("truncate", "-s", "10G", own)
    with own.open("a") as file:
        file.write("\nthe end\n")
    insist("10 GB", tail(site, job, "2")[1].endswith("\nthe end"))
    own.unlink()
    request = json.dumps({"user_id": pwd.getpwnam("labu1").pw_uid, "path": str(own), "lines": 1, "bytes": 1})
    insist("root may not ask", "uid 0 may not ask" in site.reader.ask(request + "\n"))
    site.reader.stop()
    status, _, body = site.up.call("POST", "/exitstatus", {"name": "output", "number": 1, "jobid": str(job)})
    insist("without the reader there is no answer", status == 500 and "cannot be read now" in body, f"{status} {body}")
    site.reader.start()
    eventually("with it there is", lambda: site.end(job, "output")[0] == 0)


def tail(site, job, lines, name="output"):
    status, _, body = site.up.patiently("POST", f"/request/{name}/1/{job}/tail", {"qs": {"lines": [lines]}})
    return status, body


def home(user):
    return Path(pwd.getpwnam(user).pw_dir)
