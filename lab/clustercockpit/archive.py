# SPDX-License-Identifier: GPL-3.0-or-later
"""The archive of ended jobs: one worker behind a queue of 128 jobs, and a file per job."""

import json
import threading
import time
from collections import deque

QUEUE = 128  # places


class Archive:
    """`var/job-archive` under the backend's folder. `seconds`: how long the worker needs for a job. `paused`: it takes none on."""

    def __init__(self, folder, database, seconds=0.0):
        self.folder, self.database, self.seconds = folder, database, seconds
        self.waiting, self.working, self.paused, self.ended = deque(), False, False, False
        self.changed = threading.Condition()
        self.worker = threading.Thread(target=self._work, name="archiver", daemon=True)
        self.worker.start()

    def relative(self, job):
        """A job's file, as the error texts name it."""
        thousands, rest = divmod(abs(job["jobId"]), 1000)
        sign = "-" if job["jobId"] < 0 else ""
        return f"var/job-archive/{job['cluster']}/{sign}{thousands}/{sign}{rest:03d}/{job['startTime']}/meta.json"

    def load(self, job):
        """What the archive holds of a job; OSError with Go's text."""
        try:
            return json.loads((self.folder / self.relative(job)).read_text())
        except FileNotFoundError:
            raise OSError(f"open {self.relative(job)}: no such file or directory") from None

    def store(self, job, content):
        path = self.folder / self.relative(job)
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(".new")
        fresh.write_text(json.dumps(content))
        fresh.replace(path)

    def add(self, job):
        """Waits while the queue is full, as the real one does with the answer of the stop."""
        with self.changed:
            self.changed.wait_for(lambda: self.ended or len(self.waiting) < QUEUE)
            self.waiting.append(job)
            self.changed.notify_all()

    def _work(self):
        while True:
            with self.changed:
                self.working = False
                self.changed.notify_all()
                self.changed.wait_for(lambda: self.ended or (self.waiting and not self.paused))
                if self.ended:
                    return
                job, self.working = self.waiting.popleft(), True
                self.changed.notify_all()
                began = time.monotonic()
                while not self.ended and (left := began + self.seconds - time.monotonic()) > 0:
                    self.changed.wait(left)
                if self.ended:
                    return
            self.store(job, {"jobId": job["jobId"], "metaData": self.database.meta_data(job["id"]), "statistics": {}})
            self.database.archived(job["id"])

    def set(self, *, seconds=None, paused=None):
        with self.changed:
            self.seconds = self.seconds if seconds is None else seconds
            self.paused = self.paused if paused is None else paused
            self.changed.notify_all()

    def idle(self, timeout=60):
        """Waits until all that was added is archived. -> whether it is"""
        with self.changed:
            return self.changed.wait_for(lambda: not self.waiting and not self.working, timeout)

    def end(self):
        """What is still in the queue is not archived, and never will be: a killed backend forgets it."""
        with self.changed:
            self.ended = True
            self.changed.notify_all()
        self.worker.join()
