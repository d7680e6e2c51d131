#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs of many kinds on a live cluster, told to five doubles of cc-backend, while the agent is killed, slurmdbd is away and the
first backend is away, slow, broken, restarted and given another token. Two of the five answer to nobody until all jobs are over.
Each backend's table must equal slurmdbd's, row by row, with the cores and GPUs that Slurm gave each job. Needs root.

    jobs.py [JOBS [KILLS [SEED]]]

The last line is a verdict in JSON; exit status 1 when a run is lost, doubled or wrong."""

import json
import sys
import tempfile
import threading
import time
from pathlib import Path

from live import Site, backend_of, eventually, lab_of, say

# As many releases as there are; the last two are away, or hang, from the first job to the last.
RELEASES = {"main": "1.5.4", "older": "1.4.4", "oldest": "1.3.1", "gone": "1.5.4", "hangs": "1.5.4"}


class Disturbance(threading.Thread):
    """Everything that may happen between the two, until all of it has."""

    def __init__(self, site, agent, kills):
        super().__init__()
        self.site, self.agent, self.kills = site, agent, kills
        self.stop, self.failure = threading.Event(), None

    def run(self):
        try:
            self.disturb()
        except Exception as failure:  # told by the main thread
            self.failure = failure

    def disturb(self):
        backend, site = self.site.backends["main"], self.site

        def away():
            backend.away()
            self.stop.wait(2)
            backend.back()

        def token():
            backend.new_token()
            self.stop.wait(1)
            site.write_token("main")

        def accounting():
            site.lab.fault("kill", "slurmdbd")
            self.stop.wait(3)
            site.lab.fault("start", "slurmdbd")

        others = [
            away, token, accounting, lambda: backend.restart(), lambda: site.backends["older"].restart(),
            lambda: backend.fault("slow", path="stop_job", times=2, seconds=2), lambda: backend.fault("error", times=3),
            lambda: backend.fault("html", times=3), lambda: backend.fault("silent", path="start_job", times=3),
            lambda: backend.fault("redirect", path="stop_job", times=2), lambda: backend.fault("drop", times=3),
            lambda: site.backends["oldest"].fault("silent", times=5), lambda: backend.fault("garbage", times=2),
        ]
        for number in range(max(self.kills, len(others))):
            if number < len(others) or site.random.random() < 0.3:
                others[number % len(others)]()
            self.stop.wait(0.5)
            if number < self.kills:
                self.agent.kill()
                self.stop.wait(site.random.random())
                self.agent.start()
            self.stop.wait(0.5)
        backend.fault("clear")

    def finish(self):
        self.join()
        if self.failure:
            raise self.failure


def check_report(site, agent):
    """What an administrator reads while two of five are away: those two, and that all is well with the others."""
    def said():
        status = site.status(agent)
        return all(status[name].get("problem") for name in ("gone", "hangs")) and not any(
            status[name].get("problem") for name in ("main", "older", "oldest"))

    eventually("status names the backends that are away, and no other", said, 60, 0.5)


def all_told(site, expected, names):
    """-> by backend its verdict, once there is nothing to complain of, or no hope any more"""
    found = {}

    def told():
        found.update({name: site.compare(expected, name) for name in names})
        return not any(any(verdict.values()) for verdict, _ in found.values())

    try:
        eventually(f"{', '.join(names)} were told of every run", told, 60, 0.5)
    except TimeoutError as failure:
        say(str(failure))
    return found


def run(jobs, kills, seed, folder, lab):
    backends = {name: backend_of(Path(folder) / name, release) for name, release in RELEASES.items()}
    try:
        site = Site(lab, backends, seed)
        backends["gone"].away()
        backends["hangs"].fault("hang", times=0, seconds=600)
        agent = site.agent(**{"clustercockpit.timeout": "10s"})
        agent.start()
        disturbance = Disturbance(site, agent, kills)
        later = site.special()
        disturbance.start()
        try:
            for number in range(jobs):
                site.submit_some(number)
            later()
            eventually("all jobs are over", lambda: not lab.command("squeue", "-h").strip(), 60 + jobs, 0.5)
        finally:
            disturbance.finish()
        say("all jobs are over, and all that was to happen has happened")
        expected = eventually("slurmdbd knows every end", site.slurm, 60, 1)
        found = all_told(site, expected, ("main", "older", "oldest"))
        check_report(site, agent)
        backends["gone"].back()
        backends["hangs"].fault("clear")
        found.update(all_told(site, expected, ("gone", "hangs")))
        return len(expected), found, agent.stop()
    finally:
        for backend in backends.values():
            backend.stop()


def main():
    jobs, kills, seed = (int(word) for word in (sys.argv[1:] + ["24", "4", "1"][len(sys.argv) - 1 :])[:3])
    began = time.time()
    with tempfile.TemporaryDirectory(prefix="cockpit.") as folder, lab_of() as lab:
        runs, found, status = run(jobs, kills, seed, folder, lab)
        counts, looked = {}, {}
        for name, (verdict, asked) in found.items():
            looked[name] = asked
            for kind, complaints in verdict.items():
                counts[kind] = counts.get(kind, 0) + len(complaints)
                for complaint in complaints:
                    say(f"{name}: {kind}: {complaint}")
        ok = not any(counts.values()) and status == 0 and all(looked.values())
        print(json.dumps({
            "ok": ok, "runs": runs, "backends": len(found), "looked_at": looked, **counts, "kills": kills, "seed": seed,
            "agent_exit": status, "seconds": round(time.time() - began),
        }))
        if not ok:
            raise SystemExit(1)


if __name__ == "__main__":
    main()
