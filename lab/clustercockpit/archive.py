# SPDX-License-Identifier: GPL-3.0-or-later
"""The archive of ended jobs: one worker behind a queue of 128 jobs, and a file per job."""

import json
import queue
import threading

QUEUE = 128  # places


class Archive:
    """`var/job-archive` under the backend's folder. `seconds`: how long the worker needs for a job."""

    def __init__(self, folder, database, seconds=0.0):
        self.folder, self.database, self.seconds = folder, database, seconds
        self.queue = queue.Queue(QUEUE)
        self.ended = threading.Event()
        self.released = threading.Event()  # not set: the worker takes nothing on
        self.released.set()
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
        while not self.ended.is_set():
            try:
                return self.queue.put(job, timeout=0.1)
            except queue.Full:
                pass

    def _work(self):
        while not self.ended.is_set():
            try:
                job = self.queue.get(timeout=0.1)
            except queue.Empty:
                continue
            while not self.released.wait(0.1) and not self.ended.is_set():
                pass
            if not self.ended.wait(self.seconds):
                self.store(job, {"jobId": job["jobId"], "metaData": self.database.meta_data(job["id"]), "statistics": {}})
                self.database.archived(job["id"])
            self.queue.task_done()

    def idle(self, timeout=10):
        """Waits until all that was added is archived. -> whether it is"""
        with self.queue.all_tasks_done:
            return self.queue.all_tasks_done.wait_for(lambda: not self.queue.unfinished_tasks, timeout)

    def end(self):
        """What is still in the queue is not archived, and never will be: a killed backend forgets it."""
        self.ended.set()
        self.worker.join()
