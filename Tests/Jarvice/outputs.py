# SPDX-License-Identifier: GPL-3.0-or-later
"""What upstream is shown of a job's output: read as the job's user, and nothing else."""

import json
import os
import pwd
import shutil
import sqlite3
from pathlib import Path

from cluster import eventually, say
from place import OK, insist
from upstream import SLOW


def outputs(site):
    say("output")
    job, _ = site.submit("output", f"for n in 1 2 3; do echo line $n; done; printf 'bad \\xff byte\\n'; {OK}")
    shown = site.end(job, "output")[2][0]
    lines = shown.splitlines()
    insist("all of it", lines[1:5] == ["Entering parallel region", "line 1", "line 2", "line 3"] and lines[-1] == "JARVICE Job completed OK", shown)
    insist("what is no UTF-8 is shown all the same", "bad \ufffd byte" in shown, shown)
    insist("as often as it is asked for", site.end(job, "output")[2][0] == shown)
    fresh, _ = site.submit("fresh", f"echo fresh; {OK}")
    site.end(fresh, "fresh")
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
        insist(f"{what} is not read", tail(site, job, "2") == (404, ""), tail(site, job, "2"))
        insist("what was told stays as it was", site.end(job, "output")[2][0] == shown)
        if own.is_dir():
            own.rmdir()
    put("cp", "/dev/null", own)
    other.rename(own)
    insist("a file of another user", tail(site, job, "2") == (404, ""))
    put("truncate", "-s", "10G", own)
    with own.open("a") as file:
        file.write("\nthe end\n")
    insist("10 GB", tail(site, job, "2")[1].endswith("\nthe end"))
    own.unlink()
    request = json.dumps({"user_id": pwd.getpwnam("labu1").pw_uid, "path": str(own), "lines": 1, "bytes": 1})
    insist("root may not ask", "uid 0 may not ask" in site.reader.ask(request + "\n"))
    # It was asked for at once, while its node may not have been done with it.
    eventually("what was told is kept", lambda: kept(site, fresh))
    site.reader.stop()
    late, _ = site.submit("late", f"echo late; {OK}")
    eventually("it has ended", lambda: late not in {**site.listed("/queued"), **site.listed("/running")})
    def asked():
        return site.up.call("POST", "/exitstatus", {"name": "late", "number": 1, "jobid": str(late)})
    def final(found):
        return found if "cannot be read now" in found[2] or not any(words in found[2] for words in ("not over", *SLOW)) else None
    status, _, body = eventually("its end is known", lambda: final(asked()))
    insist("without the reader there is no answer", status == 500 and "cannot be read now" in body, f"{status} {body}")
    # Of what was told, or read ahead, there is, also from the next agent.
    site.agent.kill()
    site.start()
    insist("what was kept is told", site.end(job, "output")[2][0] == shown)
    insist("and what was told once", "fresh" in site.end(fresh, "fresh")[2][0])
    site.reader.start()
    eventually("with it there is", lambda: site.end(late, "late")[2][0].splitlines()[2] == "late")


def kept(site, job):
    file = sqlite3.connect(f"file:{site.lab.state}/jarvice.sqlite?mode=ro", uri=True, timeout=20)
    try:
        return file.execute("SELECT 1 FROM answers WHERE job LIKE ?", (f"%/{job}",)).fetchone()
    finally:
        file.close()


ASK = """
import socket, sys
with socket.socket(socket.AF_UNIX) as connection:
    connection.connect(sys.argv[1])
    connection.sendall(sys.argv[2].encode() + bytes([10]))
    print(b"".join(iter(lambda: connection.recv(65536), b"")).decode())
"""


def removal(site):
    """What the helper takes away as a user: asked as the agent asks it."""
    say("removal")

    def ask(action, path, user="labu1", **more):
        request = {"user_id": pwd.getpwnam(user).pw_uid, "path": str(path), "action": action, "lines": 1, "bytes": 1, "before": 1 << 40, **more}
        return json.loads(site.lab.command("python3", "-c", ASK, site.reader.path, json.dumps(request), user="slurm").splitlines()[0])["kind"]

    base, other = home("labu1") / ".jarvice", home("labu2") / "kept"

    def clean():
        """Homes outlive a lab."""
        (base / "away").unlink(missing_ok=True)
        for path in (other, base / "jobs", base / "roots", base / "pv", base / "mine.out"):
            if path.is_dir():
                shutil.rmtree(path)
            path.unlink(missing_ok=True)

    clean()
    site.lab.command("mkdir", "-p", base / "jobs/7/a/b", other, user="root")
    for path in (base, base / "jobs", base / "jobs/7", base / "jobs/7/a", base / "jobs/7/a/b"):
        os.chown(path, pwd.getpwnam("labu1").pw_uid, -1)
    (other / "file").write_text("kept")
    for path in (other, other / "file"):
        os.chown(path, pwd.getpwnam("labu2").pw_uid, -1)
        path.chmod(0o777)
    site.lab.command("ln", "-s", other, base / "jobs/7/link", user="labu1")
    site.lab.command("ln", "-s", other, base / "away", user="labu1")
    site.lab.command("cp", "/etc/hostname", base / "mine.out", user="labu1")
    roots = base / "roots"
    roots.mkdir(mode=0o755)
    (roots / "file").write_text("kept")
    for what, action, path, kind in (
            ("another user's file", "remove", other / "file", "refused"), ("by a link", "remove", base / "away/file", "nothing"),
            ("a link", "remove", base / "away", "refused"), ("a folder by a link", "remove_folder", base / "away", "refused"),
            ("another user's folder", "remove_folder", other, "refused"), ("what only root may", "remove", roots / "file", "nothing"),
            ("root's folder", "remove_folder", roots, "nothing"), ("its own folder", "remove_folder", base / "jobs/7", "text"),
            ("its own file", "remove", base / "mine.out", "text"), ("once more", "remove", base / "mine.out", "nothing")):
        found = ask(action, path)
        insist(what, found == kind, f"{found} {path}")
    insist("as root", ask("remove", roots / "file", user="root") == "refused")
    insist("as SlurmUser", ask("remove", roots / "file", user="slurm") == "refused")
    insist("what is not its own stays", (other / "file").exists() and (roots / "file").exists())
    insist("what is its own has gone", not (base / "jobs/7").exists() and not (base / "mine.out").exists())
    say("pvcls")

    def listed(path, **qs):
        return site.up.call("POST", "/request/pvcls", {"qs": {"path": [str(path)], **qs}})[::2]

    site.lab.command("mkdir", "-p", base / "pv/sub", user="labu1")
    site.lab.command("cp", "/etc/hostname", base / "pv/f1", user="labu1")
    insist("a folder", listed(base / "pv") == (200, f"/data{base}/pv/\n/data{base}/pv/sub/\n/data{base}/pv/f1"), listed(base / "pv"))
    size = (base / "pv/f1").stat()
    insist("with details", listed(base / "pv/f1", details=["true"]) == (200, f"{int(size.st_mtime)} {size.st_size} /data{base}/pv/f1"))
    insist("nothing there", listed(base / "no") == (401, f"/usr/bin/find: '{base}/no': No such file or directory"), listed(base / "no"))
    for path in (other, "/etc", "/", base / "away"):
        insist(f"{path} is not shown", listed(path) == (401, ""), listed(path))
    status, body = site.up.call("POST", "/request/pvcls", {"qs": {"path": [str(home("labu2"))]}, "bearer": site.issuer.token("labu2")})[::2]
    insist("as the token's user", status == 200 and body.startswith(f"/data{home('labu2')}/"), body)
    clean()


def tail(site, job, lines, name="output"):
    status, _, body = site.up.patiently("POST", f"/request/{name}/1/{job}/tail", {"qs": {"lines": [lines]}})
    return status, body


def home(user):
    return Path(pwd.getpwnam(user).pw_dir)
