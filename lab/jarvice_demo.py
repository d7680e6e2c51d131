#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""JARVICE from nothing: a Slurm cluster, the agent as its downstream, and a double of an upstream with an issuer of tokens. One job
of each ending, a submission that is refused, and an interactive session that headless Chromium opens through the agent's proxy. Prints
what upstream sees as it sees it, a table in the end, and whether all of it is as it must be (exit status 0) or not (1). Needs root.

    jarvice_demo.py [--short]      without the job that runs into its time limit, a minute less

BINARY names slurm-grid-agent. `make demo-jarvice` builds what this needs; the picture lies in .build/screenshots."""

import base64
import hashlib
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.dont_write_bytecode = True
sys.path[:0] = [str(ROOT / "Tests" / name) for name in ("Jarvice", "Events", "Page")]

from browser import Browser  # noqa: E402
from cluster import Lab, eventually  # noqa: E402
from place import OK, Site  # noqa: E402

CONF = "KillWait=1\nOverTimeLimit=0\nSchedulerParameters=batch_sched_delay=0,sched_min_interval=0,sched_interval=2,bf_interval=2"
PICTURE = ROOT / ".build/screenshots/jarvice.png"
PRIMES = 'echo "there are $(seq 2 1000 | factor | awk \'NF == 2\' | wc -l) primes below 1000, says $(id -un)"'
PATIENCE = 300  # s for all jobs


class Job:
    def __init__(self, name, story, command, code, state, last, **more):
        self.name, self.story, self.command, self.code, self.state, self.last = name, story, command, code, state, last
        self.more = more
        self.upstream_name = f"demo-{name}"
        self.id, self.seen, self.nodes, self.answer, self.is_done_to = 0, [], "-", None, False


def make_jobs(desktop, is_short):
    shared = {"keys": {"JOBOBJ_DEVICES": '["exclusive=False"]'}}
    failed, done = "JARVICE Job failed, investigate logs", "JARVICE Job completed OK"
    jobs = [
        Job("succeeds", "counts primes on 2 nodes", f"sleep 2; {PRIMES}; {OK}", 0, "CD", done, nodes=2),
        Job("fails", "ends without the success word", "sleep 2; echo 'no such file: input.dat'; exit 3", 1, "F", failed, **shared),
        Job("is cancelled", "terminated while it runs", "sleep 600", -15, "CA", None, **shared),
        Job("is held", "released when it is seen queued", f"echo released; {OK}", 0, "CD", done, held=True, **shared),
        Job("desktop", "interactive: opened, then shut down", f'exec python3 {desktop} $SINGULARITYENV_JARVICE_SERVICE_PORT "desktop $SLURM_JOB_ID"',
            -15, "CA", None, keys={"JOBOBJ_INTERACTIVE": "True"}),
    ]
    limit = {"JOBOBJ_WALLTIME": "00:01:00", "JOBOBJ_DEVICES": '["exclusive=False"]'}
    return jobs if is_short else [*jobs, Job("takes too long", "1 minute is its limit", "sleep 600", -9, "TO", None, keys=limit)]


class Demo:
    def __init__(self, site, is_short):
        self.site, self.began, self.wrong, self.checks = site, time.monotonic(), [], 0
        desktop = site.lab.stage / "desktop.py"
        shutil.copy(ROOT / "Tests/Jarvice/desktop.py", desktop)
        self.jobs = make_jobs(desktop, is_short)

    def tell(self, who, what):
        print(f"{time.strftime('%H:%M:%S')} {time.monotonic() - self.began:6.1f}  {who:12} {what}", flush=True)

    def expect(self, what, found, wanted):
        self.checks += 1
        if found != wanted:
            self.wrong.append(f"{what}: {found!r}, not {wanted!r}")

    def submit(self):
        for job in self.jobs:
            # Outputs are named by their jobs, in homes that other labs use too.
            job.id, script = self.site.submit(job.upstream_name, job.command, **job.more)
            self.tell("upstream", f"submits \"{job.name}\" ({job.story}): job {job.id}, a script of {len(script.splitlines())} lines")
        status, _, body = self.site.up.call("POST", "/submit", {
            "name": "forged", "number": 1, "nodes": 1, "hpc_script": {"singularity": ""}, "bearer": "x"})
        self.expect("a submission without a script", status, 500)
        try:
            self.site.refused("forged", "signature is wrong", token=self.site.issuer.token("labu1", seed=b"x" * 32))
            self.tell("upstream", "submits \"forged\": refused, its token's signature is wrong")
        except AssertionError as error:
            self.expect("a forged token", str(error), "")

    # MARK: while they run

    def see(self, job, where):
        if job.seen[-1:] != [where]:
            job.seen.append(where)
            self.tell("upstream", f"sees \"{job.name}\" {where}")

    def follow(self):
        end = time.monotonic() + PATIENCE
        while left := [job for job in self.jobs if job.answer is None]:
            if time.monotonic() > end:
                return self.expect("jobs without an end", [job.name for job in left], [])
            queued, running = self.site.listed("/queued"), self.site.listed("/running")
            for job in left:
                if job.id in queued:
                    self.see(job, "queued")
                elif job.id in running:
                    self.see(job, "running")
                    job.nodes = ",".join(self.site.up.job("runstatus", job.id, job.upstream_name)[0] or []) or job.nodes
                elif job.seen or self.is_over(job):
                    self.end(job)
                self.act(job)
            time.sleep(0.5)

    def act(self, job):
        """Once, what is done to it."""
        if job.is_done_to or not job.seen:
            return
        if job.name == "is held" and job.seen[-1] == "queued":
            job.is_done_to = self.site.up.job("release", job.id, job.upstream_name)
            self.tell("upstream", f"releases \"{job.name}\"")
        elif job.name == "is cancelled" and job.seen[-1] == "running":
            job.is_done_to = self.site.up.job("terminate", job.id, job.upstream_name)
            self.tell("upstream", f"terminates \"{job.name}\"")
        elif job.name == "desktop" and job.seen[-1] == "running":
            job.is_done_to = True
            self.session(job)

    def session(self, job):
        url = eventually("its URL", lambda: self.site.up.ask("POST", f"/request/demo-desktop/1/{job.id}/info", {"qs": {}})["url"])
        self.tell("upstream", f"is told its page: https://job{job.id}.jobs.example.org/…")
        # The name is this host's, and its certificate the one of the proxy: nothing else is believed.
        public = subprocess.run(["openssl", "x509", "-in", self.site.jobs_chain, "-noout", "-pubkey"], check=True, capture_output=True).stdout
        der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "DER"], input=public, check=True, capture_output=True).stdout
        pin = base64.b64encode(hashlib.sha256(der).digest()).decode()
        browser = Browser(
            f"--host-resolver-rules=MAP *.jobs.example.org 127.0.0.1:{self.site.jobs_port}", f"--ignore-certificate-errors-spki-list={pin}")
        try:
            page = browser.page(width=800, height=400)
            deadline = time.monotonic() + 60
            while True:  # The application takes a moment to listen.
                page.open(url + "desktop")
                if page.evaluate("!!document.querySelector('#echo')") or time.monotonic() > deadline:
                    break
                time.sleep(0.5)
            said = page.eventually("the WebSocket's echo", "document.querySelector('#echo')?.textContent")
            self.expect("what comes back to the browser", said, "typed in the browser")
            self.expect("the page's heading", page.evaluate("document.querySelector('h1').textContent"), f"desktop {job.id}")
            PICTURE.parent.mkdir(parents=True, exist_ok=True)
            page.picture(PICTURE)
            page.close()
        finally:
            browser.close()
        self.tell("the user", f"opens it in Chromium; what is typed goes to the job and back: {PICTURE.relative_to(ROOT)}")
        status = self.site.up.call("POST", f"/request/demo-desktop/1/{job.id}/shutdown", {"qs": {}})[0]
        self.expect("shutdown of the desktop", status, 200)
        self.tell("upstream", f"shuts \"{job.name}\" down")

    def is_over(self, job):
        """Of one that ended before it was seen anywhere."""
        answer = self.site.up.call("POST", "/exitstatus", {"name": job.upstream_name, "number": 1, "jobid": str(job.id)})
        return answer[0] == 200

    def end(self, job):
        job.answer = self.site.end(job.id, job.upstream_name)
        code, elapsed, texts = job.answer
        self.tell("upstream", f"is told the end of \"{job.name}\": {code}, {elapsed}, {texts[1]}")

    # MARK: the end

    def last(self, job):
        lines = job.answer[2][0].splitlines()
        return lines[-1] if lines else ""

    def table(self):
        rows = [["JOB", "WHAT IT DID", "SEEN", "NODES", "CODE", "ELAPSED", "STATE", "LAST LINE OF ITS OUTPUT"]]
        for job in self.jobs:
            if job.answer is None:
                continue
            code, elapsed, texts = job.answer
            rows.append([
                f"{job.id} {job.name}", job.story, ">".join(job.seen), job.nodes, str(code), elapsed, texts[1].split()[3], self.last(job)[:50]])
        print("\nWhat upstream saw:\n")
        widths = [max(map(len, column)) for column in zip(*rows)]
        for row in rows:
            print("  " + "  ".join(text.ljust(width) for text, width in zip(row, widths)).rstrip())
        print()

    def judge(self):
        for job in self.jobs:
            if job.answer is None:
                continue
            code, _, texts = job.answer
            self.expect(f"the code of \"{job.name}\"", code, job.code)
            self.expect(f"the state of \"{job.name}\"", texts[1].split()[3], job.state)
            if job.last is not None:
                self.expect(f"the last line of \"{job.name}\"", self.last(job), job.last)
            self.expect(f"the answer about \"{job.name}\", asked for again", self.site.up.job("exitstatus", job.id, job.upstream_name), job.answer)
        primes = next(job for job in self.jobs if job.name == "succeeds")
        count = (primes.answer or [0, "", [""]])[2][0].count("there are 168 primes below 1000, says labu1")
        self.expect("what both nodes counted", count, 2)

    def run(self):
        self.submit()
        self.follow()
        self.table()
        self.judge()
        print(f"  {self.checks - len(self.wrong)} of {self.checks} expectations hold; it took {time.monotonic() - self.began:.0f} s.")
        for what in self.wrong:
            print(f"  WRONG: {what}")
        return not self.wrong


def main():
    is_short = "--short" in sys.argv[1:]
    print("JARVICE: a cluster of 6 nodes, its agent, an upstream and an issuer of tokens", flush=True)
    with Lab(LAB_NODES=6, LAB_CPUS=8, LAB_CONF_EXTRA=CONF) as lab:
        site = Site(lab)
        site.start()
        is_right = Demo(site, is_short).run()
        site.agent.stop()
    sys.exit(0 if is_right else 1)


if __name__ == "__main__":
    main()
