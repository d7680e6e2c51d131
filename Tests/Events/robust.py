#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must not stop slurmctld nor lose a job: a plugin built for another micro release or for another record layout, a
spool that cannot be written or was left by a later version, a chained plugin that works, and one that is not there; and crowds,
squatters and strangers at the doors of the agent. robust.py [NAME…]: all, or some. Needs root. PLUGINS: what `make -C slurm-plugins check` has built."""

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import zlib
from pathlib import Path

from cluster import PLUGINS, Agent, Lab, eventually, say
from compare import Verdict, check_journal

DOORS = ("events.sock", "control.sock", "admin.sock")
JOBS = {"ok": ("true", 0, "COMPLETED"), "exit3": ("exit 3", 768, "FAILED")}


def expect(what, condition):
    if not condition:
        raise AssertionError(what)


def run_jobs(lab):
    for name, (body, _, _) in JOBS.items():
        lab.submit("-J", name, body=body)


def arrived(agent):
    finals = {t["details"].get("name"): t for t in agent.transitions() if t["final"]}
    return finals if set(JOBS) <= set(finals) else None


def check_jobs(agent):
    finals = eventually("both jobs are told", lambda: arrived(agent), 60)
    for name, (_, status, state) in JOBS.items():
        expect(f"{name}: {finals[name]}", finals[name]["exit_status"] == status and finals[name]["state"] == state)


def hello(agent):
    heard = eventually("a plugin is heard", lambda: [p["hello"] for p in agent.plugins()["plugins"]["jobcomp"] if p["hello"].get("mode")], 30)
    return heard[0]


def variant(name):
    """A folder with that build of the job completion plugin, and the other one."""
    folder = Path(tempfile.mkdtemp(prefix="sga-variant."))
    shutil.copy(PLUGINS / name / "jobcomp_grid_agent.so", folder)
    shutil.copy(PLUGINS / "spank_grid_agent.so", folder)
    return folder


def lean(name, words):
    folder = variant(name)
    with Lab(LAB_NODES=1, plugins=folder) as lab:
        agent = Agent(lab)
        agent.start()
        run_jobs(lab)
        check_jobs(agent)
        said = hello(agent)
        expect(f"{said}", said["mode"] == "lean" and words in said["mode_reason"])
        agent.stop()
    shutil.rmtree(folder)


def other_micro():
    """a plugin built for another micro release"""
    lean("micro", "built for Slurm")


def garbage():
    """records laid out in another way than the plugin believes"""
    lean("garbage", "layout")


def no_spool():
    """a spool that cannot be written, while the agent is away"""
    with Lab(LAB_NODES=1, parameters="grid_agent_spool=/proc/none/spool") as lab:
        run_jobs(lab)
        eventually("they are over", lambda: not lab.command("squeue", "-h").strip())
        # It tries its spool after a second without the agent.
        log = lab.lab / "log/slurmctld.log"
        eventually("the plugin has tried its spool", lambda: re.search("grid_agent: spool: .*/proc/none", log.read_text(errors="replace")), 30)
        agent = Agent(lab)
        agent.start()
        check_jobs(agent)
        said = hello(agent)
        expect(f"{said}", said["mode"] == "rich" and "/proc/none" in said.get("spool_trouble", ""))
        agent.stop()


def later_spool():
    """a spool of a later version, and one of a slurmctld that was killed"""
    with Lab(LAB_NODES=1, LAB_MIN_JOB_AGE=2) as lab:
        run_jobs(lab)
        spool = lab.lab / "state/grid-agent"
        eventually("they are spooled", lambda: list(spool.glob("*.spool")), 30)
        eventually("slurmctld forgets them", lambda: "JobId" not in lab.command("scontrol", "show", "job", check=False), 120, 1)
        lab.fault("kill")
        later = spool / "elsewhere.1.00.spool"
        later.write_bytes(b"SGSPOOL\0" + (2).to_bytes(4, "little") + bytes(4) + b"what a later release writes")
        shutil.chown(later, "slurm")
        lab.fault("start")
        agent = Agent(lab)
        agent.start()
        lab.submit("-J", "next")  # the plugin begins with the first record
        check_jobs(agent)
        eventually("a file is set aside", lambda: hello(agent).get("spool_refused") == 1, 60)
        expect("set aside", later.with_name(later.name + ".refused").exists() and not later.exists())
        # Two from the spool of the killed slurmctld, which the new one's plugin has taken over.
        eventually("the spool is replayed", lambda: agent.plugins()["bridge"]["events"] >= 3)
        eventually("and removed", lambda: not list(spool.glob("*.spool")))
        agent.stop()


def planted_spool():
    """a record that another user planted, in a spool folder that others can write, and then in one that only SlurmUser can"""
    frame = (PLUGINS.parent / "fixtures/v1/rich-end.bin").read_bytes()
    with Lab(LAB_NODES=1) as lab:
        spool = lab.lab / "state/grid-agent"
        spool.mkdir()
        spool.chmod(0o777)
        planted = spool / "elsewhere.1.00.spool"
        planted.write_bytes(b"SGSPOOL\0" + (1).to_bytes(4, "little") + bytes(4) + frame + zlib.crc32(frame).to_bytes(4, "little"))
        shutil.chown(planted, "nobody")
        agent = Agent(lab)
        agent.start()
        run_jobs(lab)
        check_jobs(agent)
        eventually("the folder is complained of", lambda: "grid_agent_spool: others can write to" in hello(agent).get("spool_trouble", ""), 30)
        shutil.chown(spool, "slurm")
        spool.chmod(0o700)
        eventually("the file is set aside", lambda: planted.with_name(planted.name + ".refused").exists() and not planted.exists(), 60)
        eventually("that is told", lambda: "another user" in hello(agent).get("spool_trouble", "") and hello(agent)["spool_refused"] == 1, 30)
        expect("nobody believed it", not agent.query("SELECT count(*) FROM runs WHERE job_id = 4711")[0][0])
        agent.stop()


def chain():
    """a chained plugin: jobcomp/filetxt keeps its file"""
    text = Path(tempfile.mkdtemp(prefix="sga-chain.")) / "jobcomp.txt"
    shutil.chown(text.parent, "slurm")
    with Lab(LAB_NODES=1, parameters="grid_agent_chain=jobcomp/filetxt", LAB_CONF_EXTRA=f"JobCompLoc={text}") as lab:
        agent = Agent(lab)
        agent.start()
        run_jobs(lab)
        check_jobs(agent)
        expect(text.read_text(), all(f"Name={name} " in text.read_text() for name in JOBS))
        said = hello(agent)
        expect(f"{said}", said["mode"] == "rich" and said["chain"] == "jobcomp/filetxt" and said["chain_state"] == "loaded" and said["chain_errors"] == 0)
        agent.stop()
    shutil.rmtree(text.parent)


def no_chain():
    """a chained plugin that is not there"""
    with Lab(LAB_NODES=1, parameters="grid_agent_chain=jobcomp/nothere,grid_agent_nonsense=1") as lab:
        agent = Agent(lab)
        agent.start()
        run_jobs(lab)
        check_jobs(agent)
        said = hello(agent)
        expect(f"{said}", "none of the folders" in said["chain_state"])
        agent.stop()


def slurm_comes_later():
    """an agent that starts before there is a slurm.conf, and goes on when there is one"""
    with Lab(LAB_NODES=1) as lab:
        conf = Path(lab.environment["SLURM_CONF"])
        aside = conf.rename(conf.with_suffix(".aside"))
        agent = Agent(lab)
        agent.start(wait=False)
        status = eventually("it says what it waits for", lambda: idle_without_conf(agent), 30)
        expect(status, not status["is_ready"])
        aside.rename(conf)
        eventually("it listens", agent.listens, 60)
        run_jobs(lab)
        check_jobs(agent)
        eventually("it is ready", lambda: (said := agent.status()) and said["is_ready"] and said["cluster"], 30)
        agent.stop()


def idle_without_conf(agent):
    said = agent.status()
    waits = said and any(part["name"] == "slurm.conf" and part["level"] == "failure" for part in said["parts"])
    return said if waits and said["summary"].startswith("idle: ") else None


def end_without_submission():
    """slurmctld is killed when slurmdbd knows the end of a job that never ran, and not yet its submission"""
    # Without a spool the plugin takes what it knows with it.
    with Lab(LAB_NODES=1, LAB_DBD=1, LAB_MIN_JOB_AGE=2, parameters="grid_agent_spool=/proc/none/spool") as lab:
        agent = Agent(lab, **{"accounting-interval": "2s"})
        agent.start()
        eventually("slurmdbd was asked once", lambda: agent.query("SELECT count(*) FROM meta WHERE name = 'accounting_until'")[0][0] > 0)
        half = []
        for _ in range(15):  # slurmctld may have told of all submissions right before it was killed
            half = half or ends_after_a_kill(lab, agent)
        expect("slurmdbd has the submissions of all jobs: slurmctld was always killed too late", half)
        for transition in half:
            expect(transition, transition["details"] == {"user": "labu1", "account": "acct_labu1"})
        agent.stop()


def ends_after_a_kill(lab, agent):
    """-> the ends that slurmdbd told of jobs of which it has no more"""
    # The agent is away, so that nothing but slurmdbd can tell it; slurmctld, too, forgets what it had not saved.
    agent.kill()
    for _ in range(4):
        lab.command("scancel", lab.submit("-J", "held", "--hold"))
    lab.fault("kill")
    lab.fault("start")
    agent.start()
    # The recovered slurmctld tells of what it had saved; of the last end slurmdbd may not have heard, as nobody has then.
    rows = eventually("slurmdbd knows of ends", lambda: {key: row for key, row in lab.accounting().items() if row["end"]}, 10)
    # A job that slurmctld had saved before its end waits again, whatever slurmdbd says of it.
    # By number and submit time: a number that a killed slurmctld forgot is used again.
    again = {(job, int(submitted)) for job, submitted in map(str.split, lab.command("squeue", "-h", "-o", "%A %V").splitlines())}
    (told,) = eventually("they are told", lambda: cancelled(agent, [key for key in rows if key not in again]), 60, 0.5)
    expect((again, told), not again & set(told))
    for job, _ in again:
        lab.command("scancel", job)
    (told,) = eventually("those that waited again are told, too", lambda: cancelled(agent, rows), 60, 0.5)
    half = [told[key] for key, row in lab.accounting().items() if key in rows and row["name"] == "allocation"]
    # The recovered slurmctld's plugin tells all of those that it ended once more.
    return [transition for transition in half if transition["source"] == "accounting"]


def cancelled(agent, wanted):
    """-> a tuple of what was told of cancelled jobs, which may be nothing if nothing is wanted; None while some are missing"""
    told = {(t["job"], t["submit_time"]): t for t in agent.transitions() if t["final"] and t.get("state") == "CANCELLED"}
    return (told,) if set(wanted) <= set(told) else None


def array_taken_back():
    """slurmctld is killed right after the last task of an array has ended, and takes all of them back: that they are cancelled
    is told"""
    with Lab(LAB_NODES=1, LAB_DBD=1) as lab:
        agent = Agent(lab, **{"accounting-interval": "2s"})
        agent.start()
        for seen_waiting in (True, False):  # by the agent, before they are cancelled
            cancelled_again(lab, agent, seen_waiting)
        expect("verify", agent.ask("ledger", "verify", "--state-folder", lab.state).startswith("ok"))
        agent.stop()


def cancelled_again(lab, agent, seen_waiting):
    time.sleep(6)  # slurmctld saves at once after five quiet seconds, and then not for five
    array = lab.submit("-J", "array", "--array=1-2", "--hold")
    saved = lab.lab / "state/job_state"
    before = time.time() - 1
    eventually("slurmctld has saved it", lambda: saved.exists() and saved.stat().st_mtime > before, 30, 0.02)
    kept = lab.base / "job_state"
    shutil.copy(saved, kept)
    ended = "SELECT count(*) FROM runs WHERE number = %d AND part >= 0 AND phase = 'ended'" % array
    time.sleep(1.1)  # what comes within the second of a save is saved at once, too
    lab.command("scontrol", "release", array)
    eventually("both tasks are over", lambda: agent.query(ended)[0][0] == 2, 30, 0.02)
    lab.fault("kill")
    put_back(kept, saved)  # it may have saved their end: the machine was slow
    if not seen_waiting:
        agent.pause()
    lab.fault("start")
    waits = eventually("slurmctld has taken it back", lambda: lab.command("squeue", "-h", "-j", array, "-o", "%i %T", check=False).strip(), 30)
    expect(waits, "PENDING" in waits and "[" in waits)
    rest = f"SELECT phase FROM runs WHERE number = {array} AND part = -2"
    if seen_waiting:
        eventually("the agent has seen that it waits", lambda: agent.query(rest) == [("pending",)], 30)
        time.sleep(5)  # slurmdbd is asked again for what has ended
        expect("slurmdbd's rows ended it", agent.query(rest) == [("pending",)])
    lab.command("scancel", array)
    if not seen_waiting:
        agent.resume()
    told = eventually("its end is told", lambda: [t for t in agent.transitions() if t["job"] == f"{array}_[]" and t["final"]], 30)
    expect(told, len(told) == 1 and told[0]["kind"] == "ended" and told[0]["state"] == "CANCELLED")


def put_back(kept, saved):
    """As if slurmctld had been killed before it saved anything since."""
    for name in ("job_state", "job_state.old"):
        shutil.copy(kept, saved.with_name(name))
        shutil.chown(saved.with_name(name), "slurm", "slurm")


def requeue_lost():
    """slurmctld loses that it put a job back: the run goes on, its end is told once, with slurmdbd's times"""
    with Lab(LAB_NODES=1, LAB_DBD=1) as lab:
        agent = Agent(lab, **{"accounting-interval": "2s", "vanish-after": "5s"})
        agent.start()
        for seen_running in (True, False):  # by the agent, before it is cancelled
            requeued_and_killed(lab, agent, seen_running)
        expect("verify", agent.ask("ledger", "verify", "--state-folder", lab.state).startswith("ok"))
        agent.stop()


def requeued_and_killed(lab, agent, seen_running):
    job = lab.submit("--requeue", body="trap '' TERM; sleep 600")
    phases = f"SELECT phase FROM runs WHERE number = {job} ORDER BY submit_time"
    eventually("it runs", lambda: agent.query(phases) == [("running",)], 30)
    saved, kept, before = lab.lab / "state/job_state", lab.base / "job_state", time.time()
    lab.command("scontrol", "update", f"JobId={job}", "Comment=running")  # it saves what changes
    eventually("slurmctld has saved that", lambda: saved.exists() and saved.stat().st_mtime > before, 60)
    shutil.copy(saved, kept)
    lab.command("scontrol", "requeue", job)
    eventually("the requeue is told", lambda: agent.query(phases) == [("requeued",), ("pending",)], 60, 0.02)
    lab.fault("kill")
    put_back(kept, saved)
    if not seen_running:
        agent.pause()
    lab.fault("start")
    state = eventually("slurmctld has it again", lambda: lab.command("squeue", "-h", "-j", job, "-o", "%T", check=False).strip(), 30)
    expect(state, state == "RUNNING")
    if seen_running:
        eventually("the agent has understood", lambda: agent.query(phases) == [("running",), ("undone",)], 30)
    lab.command("scancel", job)
    if not seen_running:
        eventually("it is over", lambda: "RUNNING" not in lab.command("squeue", "-h", "-j", job, "-o", "%T", check=False), 60)
        agent.resume()
    told = eventually("its end is told", lambda: [t for t in agent.transitions() if t["job"] == str(job) and t["final"]] and
                      [t for t in agent.transitions() if t["job"] == str(job)], 60)
    kinds = [t["kind"] for t in told]
    expect(kinds, kinds[-4:] == ["requeued", "pending", "restored", "ended"] and kinds.count("ended") == 1)
    submitted = told[-1]["submit_time"]
    row = eventually("slurmdbd has its end", lambda: (row := lab.accounting().get((str(job), submitted))) and row["state"] == "CANCELLED" and row, 30)
    sums = {"requeued": 1, "restored": -1, "ended": 1}
    total = sum(sums.get(t["kind"], 0) * t["elapsed"] for t in told if t["kind"] in sums)
    expect((told, row), told[-1]["state"] == "CANCELLED" and told[-1]["end_time"] == row["end"] and total == row["elapsed"])
    verdict = Verdict()
    check_journal(agent.transitions(), verdict)
    expect(verdict.complaints(), verdict.ok)


def no_page():
    """a status page that cannot be served: jobs are followed all the same, and the status says so"""
    with Lab(LAB_NODES=1) as lab:
        agent = Agent(lab, **{"admin.socket": "/nonexistent/admin.sock"})
        agent.start()
        run_jobs(lab)
        check_jobs(agent)
        eventually("the log tells of it", lambda: "the status page cannot be served; it is tried again" in agent.log.read_text(), 30)
        eventually("so does the status", lambda: any(
            part["level"] == "failure" and "/nonexistent is gone" in part["text"] for part in (agent.status() or {"parts": []})["parts"]), 30)
        agent.stop()


def part(agent, name):
    said = agent.status()
    return next((one for one in said["parts"] if one["name"] == name), None) if said else None


def taken_port():
    """somebody has the port of signed messages when the agent starts: told, the rest works; taken over when it is free"""
    squatter = socket.create_server(("127.0.0.1", 0))
    port = squatter.getsockname()[1]
    with Lab(LAB_NODES=1) as lab:
        agent = Agent(lab, **{"bridge.listen": f"127.0.0.1:{port}"})
        agent.start()
        found = eventually("the status tells of it", lambda: part(agent, "bridge.listen"), 30)
        expect(found, found["level"] == "failure" and f"127.0.0.1:{port}" in found["text"])
        eventually("it fails, and is ready", lambda: (said := agent.status()) and said["health"] == "failure" and said["is_ready"], 30)
        expect(agent.log.read_text(), "signed messages of compute nodes cannot be taken; it is tried again" in agent.log.read_text())
        run_jobs(lab)
        check_jobs(agent)
        squatter.close()
        eventually("it is well again", lambda: not part(agent, "bridge.listen"), 30)
        with socket.create_connection(("127.0.0.1", port), 60) as client:
            said = b""
            with contextlib.suppress(ConnectionError):  # what it had not read yet when it closed makes that a reset
                client.sendall(b"GET / HTTP/1.1\r\n\r\n")
                said = client.recv(10)
            expect("a stranger is turned away", said == b"")
        agent.stop()


def disk_fills():
    """a full disk is a failure in status, its exit status, health and metrics until there is room; a stop is no fault of the disk"""
    with Lab(LAB_NODES=1) as lab:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m,mode=0700", "tmpfs", lab.state], check=True)
        try:
            shutil.chown(lab.state, "slurm", "slurm")
            agent = Agent(lab)
            agent.start(wait=False)
            control = ("--control", lab.run / "control.sock")
            seen = set()

            def is_up():
                done = subprocess.run([lab.stage / "slurm-grid-agent", "status", "--json", *control], capture_output=True, text=True)
                if done.returncode == 75:
                    seen.add(json.loads(done.stdout)["summary"].split(":")[0])
                return done.returncode == 0

            eventually("it is well", is_up, 60)
            expect(f"before that it was starting: {seen}", seen <= {"starting"})
            ballast = lab.state / "ballast"
            with ballast.open("wb", buffering=0) as file:
                with contextlib.suppress(OSError):
                    while True:
                        file.write(bytes(1 << 20))

            def fails():
                done = subprocess.run([lab.stage / "slurm-grid-agent", "status", "--json", *control], capture_output=True, text=True)
                said = json.loads(done.stdout) if done.stdout else {"parts": []}
                return done.returncode == 1 and any("the disk is full" in one["text"] for one in said["parts"])

            eventually("it fails, and the status's exit status is 1", fails, 30)
            wanted = ('grid_agent_health{grid_agent_health="failure"} 1', 'grid_agent_part_state{part="state_folder",grid_agent_part_state="failure"} 1')
            # What the page shows may be a second old.
            eventually("health and part are failures", lambda: all(line in metrics(lab) for line in wanted), 30)
            ballast.unlink()
            eventually("it is well again", is_up, 30)
            before = agent.log.read_text()
            expect("it ends well", agent.stop() == 0)
            end = agent.log.read_text()[len(before):]
            expect(f"a stop is no fault of the disk: {end}", not re.search(r"disk|alarm|Cancellation|cannot be written|error:", end))
        finally:
            subprocess.run(["umount", "-l", lab.state], check=True)


def metrics(lab):
    words = ["curl", "-fsS", "--unix-socket", lab.run / "admin.sock", "http://localhost/metrics"]
    return subprocess.run(words, capture_output=True, text=True).stdout


def open_doors(agent, descriptors=None):
    """Starts the agent. Its doors open in any order, and a crowd is to stand at each: waits for all."""
    agent.start(descriptors=descriptors)
    eventually("all doors are open", lambda: all(opens(agent.lab.run / name) for name in DOORS), 30)


def opens(path):
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            return True
    except OSError:
        return False


def crowding(path, words):
    """-> a client that is in, and has said this"""
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(5)
    while True:
        try:
            client.connect(str(path))
            client.sendall(words)
        except BlockingIOError:
            time.sleep(0.005)  # the backlog is full
            continue
        except OSError:
            pass  # it had to go for a later one
        return client


def few_descriptors():
    """crowds at all doors of an agent that may have few descriptors: no door closes, jobs are told, commands answered"""
    with Lab(LAB_NODES=1) as lab:
        agent = Agent(lab)
        open_doors(agent, descriptors=256)
        crowd = []
        for name in DOORS:
            for _ in range(150):
                client = socket.socket(socket.AF_UNIX)
                client.setblocking(False)
                try:
                    client.connect(str(lab.run / name))
                except BlockingIOError:
                    pass  # the backlog is full
                crowd.append(client)
        run_jobs(lab)
        # libdispatch opens a file each second, and ends the process when it cannot.
        for _ in range(30):
            time.sleep(0.1)
            expect("the agent lives", agent.process.poll() is None)
            taken = len(os.listdir(f"/proc/{agent.process.pid}/fd"))
            expect(f"some descriptors are kept from the crowds: {taken} of 256 are taken", taken <= 240)
        eventually("a crowd was noticed", lambda: "too many files are open (RLIMIT_NOFILE)" in agent.log.read_text(), 30)
        for client in crowd:
            client.close()
        check_jobs(agent)
        eventually("it answers", agent.status, 30)
        eventually("the crowd has gone", lambda: agent.plugins()["bridge"]["open_connections"] < 40, 30)
        expect("it ends well", agent.stop() == 0)
        agent.start(wait=False, descriptors=200)
        expect("it does not start with fewer", agent.process.wait(120) == 78)
        expect("it says what to do", "LimitNOFILE=" in agent.log.read_text())


def silent_crowd():
    """crowds that say nothing, say half a frame or never read, at all doors: honest plugins and commands go before them"""
    with Lab(LAB_NODES=1) as lab:
        agent = Agent(lab)
        open_doors(agent)
        crowd = []
        for name, words in (("events.sock", b""), ("events.sock", b"\x20\0\0\0SG"), ("events.sock", b""), ("control.sock", b"{"), ("admin.sock", b"GET / HT"),
                            ("control.sock", b'{"command":"events","since":0}\n')):
            for _ in range(60 if words.startswith(b'{"') else 300):
                crowd.append(crowding(lab.run / name, words))
        run_jobs(lab)
        check_jobs(agent)
        said = eventually("commands are answered", agent.status, 30) and agent.plugins()["bridge"]
        expect(said, said["replaced_connections"] > 0)
        for client in crowd:
            client.close()
        expect("it ends well", agent.stop() == 0)


def open_spool():
    """a spool that others can write, and files in it that are not slurmctld's: `check` names each"""
    with Lab(LAB_NODES=1) as lab:
        agent = Agent(lab)
        spool = lab.lab / "state/grid-agent"

        def found():
            said = json.loads(agent.ask("check", "--json", "--config", agent.config, check=False))
            return next(one for one in said if one["subject"] == "spool")

        run_jobs(lab)
        eventually("they are spooled", lambda: list(spool.glob("*.spool")), 30)
        expect(found(), found()["level"] == "ok")
        # By no name of a spool's file: the plugin, which looks every 30 s, would set it aside.
        planted = spool / "planted"
        planted.write_bytes(b"SGSPOOL")
        for change, words in (
            (lambda: os.chown(planted, 12345, 12345), "belongs to uid 12345"),
            (lambda: (shutil.chown(planted, "slurm"), planted.chmod(0o622)), "others may write it"),
            (lambda: (planted.chmod(0o600), os.link(planted, lab.base / "second")), "2 names"),
            (lambda: ((lab.base / "second").unlink(), spool.chmod(0o777)), "others may write it"),
        ):
            change()
            said = found()
            expect(said, said["level"] == "failure" and words in said["text"] and str(spool) in said["text"])


if __name__ == "__main__":
    if os.geteuid() != 0:
        sys.exit("robust.py: needs root, for the lab")
    tests = (
        other_micro, garbage, no_spool, later_spool, planted_spool, chain, no_chain, slurm_comes_later,
        end_without_submission, array_taken_back, requeue_lost, no_page, taken_port, disk_fills, few_descriptors, silent_crowd, open_spool,
    )
    for test in [one for one in tests if not sys.argv[1:] or one.__name__ in sys.argv[1:]]:
        say(test.__doc__)
        test()
    say("all as it must be")
