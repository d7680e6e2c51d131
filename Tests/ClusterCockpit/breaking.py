#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong on purpose at the double of cc-backend, its archiver, and many callers at once."""

import http.client
import json
import threading
import unittest

from caller import BEGIN, JOBS, START, STOP, DoubleTest, end, job

import archive

CUT = (http.client.HTTPException, ConnectionError)


class Background:
    """A request in a thread."""

    def __init__(self, test, *call, **options):
        self.answer = self.failure = None
        self.thread = threading.Thread(target=self._run, args=(test, call, options), daemon=True)
        self.thread.start()

    def _run(self, test, call, options):
        try:
            self.answer = test.call(*call, **options)
        except (OSError, http.client.HTTPException) as failure:
            self.failure = failure

    def join(self):
        self.thread.join(120)
        return self.answer


class Faults(DoubleTest):
    def states(self, backend):
        return [(one["jobId"], one["jobState"]) for one in backend.rows()]

    def test_faults_without_effect(self):
        backend = self.double()
        for kind in ("drop", "hang"):
            backend.fault(kind)
            with self.assertRaises(CUT):
                self.call(backend, "POST", START, job(1))
        for kind, options, status, content in (
            ("error", {}, 500, "application/json"),
            ("error", {"status": 503}, 503, "application/json"),
            ("html", {}, 502, "text/html"),
            ("html", {"status": 200}, 200, "text/html"),
            ("redirect", {"location": "http://127.0.0.1:9/x"}, 302, None),
        ):
            backend.fault(kind, **options)
            answer = self.call(backend, "POST", START, job(1))
            self.assertEqual((answer.status, answer.headers["Content-Type"]), (status, content))
        self.assertEqual(answer.headers["Location"], "http://127.0.0.1:9/x")
        self.assertEqual(self.states(backend), [])
        self.started(backend, 1)

    def test_faults_after_the_effect(self):
        backend = self.double()
        for number, (kind, options) in enumerate((("silent", {}), ("cut", {}), ("cut", {"bytes": 0}))):
            backend.fault(kind, **options)
            with self.assertRaises(CUT):
                self.call(backend, "POST", START, job(number))
        backend.fault("garbage")
        answer = self.call(backend, "POST", START, job(3))
        self.assertEqual(answer.status, 201)
        with self.assertRaises(ValueError):
            answer.json
        self.assertEqual(self.states(backend), [(number, "running") for number in range(4)])

    def test_a_cut_answer_says_how_much_is_missing(self):
        backend = self.double()
        backend.fault("cut", bytes=5)
        with self.assertRaises(http.client.IncompleteRead) as cut:
            self.call(backend, "POST", START, job(1))
        self.assertEqual((cut.exception.partial, cut.exception.expected), (b'{"msg', 13))
        backend.fault("cut", bytes=0)
        with self.assertRaises(http.client.IncompleteRead) as cut:
            self.call(backend, "POST", START, job(2))
        self.assertEqual((cut.exception.partial, cut.exception.expected), (b"", 18))

    def test_a_late_effect_after_the_caller_gave_up(self):
        backend = self.double()
        backend.fault("late", seconds=600)
        caller = http.client.HTTPConnection(*backend.listen, timeout=20)
        caller.request("POST", START, json.dumps(job(1)), {"X-Auth-Token": backend.token})
        self.eventually(lambda: not backend.faults.faults)
        caller.close()
        self.assertEqual(self.states(backend), [])
        backend.fault("clear")  # the 600 s are over
        self.eventually(lambda: self.states(backend) == [(1, "running")])
        self.started(backend, 1, 500)

    def test_a_slow_answer_of_a_quick_effect(self):
        backend = self.double()
        backend.fault("slow", seconds=600)
        waiting = Background(self, backend, "POST", START, job(1))
        self.eventually(lambda: self.states(backend) == [(1, "running")])
        self.assertIsNone(waiting.answer)
        backend.fault("clear")
        self.assertEqual(waiting.join().status, 201)

    def test_which_requests_a_fault_meets(self):
        backend = self.double()
        backend.fault("html", path="stop_job", times=2, skip=1)
        for number in range(4):
            self.started(backend, number)
        self.assertEqual([self.call(backend, "POST", STOP, end(number)).status for number in range(4)], [200, 502, 502, 200])
        backend.fault("error", times=0, method="GET")
        self.assertEqual([self.call(backend, "GET", JOBS).status for _ in range(3)], [500] * 3)
        self.stopped(backend, 1)
        backend.fault("clear")
        self.assertEqual(self.call(backend, "GET", JOBS).status, 200)
        self.assertEqual([one["fault"] for one in backend.requests("stop_job")], [None, "html", "html", None, None])
        with self.assertRaises(ValueError):
            backend.fault("nonsense")

    def test_away_and_back(self):
        backend = self.double()
        kept = http.client.HTTPConnection(*backend.listen, timeout=20)
        kept.request("GET", JOBS, headers={"X-Auth-Token": backend.token})
        self.assertEqual(kept.getresponse().read()[:8], b'{"jobs":')
        backend.away()
        with self.assertRaises(ConnectionRefusedError):
            self.call(backend, "GET", JOBS)
        kept.sock.settimeout(20)
        self.assertEqual(kept.sock.recv(1), b"")  # its connection has ended, too
        kept.close()
        backend.back()
        self.started(backend, 1)

    def test_a_restart_ends_what_is_going_on(self):
        backend = self.double()
        backend.fault("late", seconds=600)
        waiting = Background(self, backend, "POST", START, job(1))
        self.eventually(lambda: not backend.faults.faults)
        port = backend.listen
        backend.restart()
        waiting.join()
        self.assertIsNotNone(waiting.failure)
        self.assertEqual((self.states(backend), backend.listen), ([], port))

    def test_bodies_in_chunks(self):
        backend = self.double()
        connection = http.client.HTTPConnection(*backend.listen, timeout=20)
        text = json.dumps(job(1)).encode()
        headers = {"X-Auth-Token": backend.token, "Transfer-Encoding": "chunked"}
        connection.request("POST", START, iter((text[:10], text[10:])), headers, encode_chunked=True)
        self.assertEqual(connection.getresponse().status, 201)
        connection.close()


class Archiver(DoubleTest):
    def fill(self, backend):
        """One job in work, and 128 behind it."""
        backend.archiver(600)
        count = archive.QUEUE + 1
        for number in range(count):
            self.started(backend, number)
        for number in range(count):
            self.stopped(backend, number)
        self.eventually(lambda: len(backend.archive.waiting) == archive.QUEUE)
        self.started(backend, count)
        waiting = Background(self, backend, "POST", STOP, end(count))
        self.eventually(lambda: [one["jobState"] for one in backend.rows() if one["jobId"] == count] == ["completed"])
        return count, waiting

    def test_a_full_queue_holds_up_stops_and_in_1_5_starts(self):
        for release in ("1.4.4", "1.5.4"):
            backend = self.double(release)
            count, waiting = self.fill(backend)
            self.assertIsNone(waiting.answer)
            if release >= "1.5":
                with self.assertRaises(TimeoutError):
                    self.call(backend, "POST", START, job(5000), timeout=0.3)
            else:
                self.started(backend, 5000)
            self.assertEqual(self.call(backend, "GET", JOBS).status, 200)  # a listing waits for nobody
            backend.restart(archive_seconds=0)
            waiting.join()
            self.stopped(backend, count, 422)  # it was stopped, though nobody was told
            # What was in the queue is not archived: 1 stays for ever.
            self.assertIn(1, {one["monitoringStatus"] for one in backend.rows() if one["jobState"] == "completed"})

    def test_a_quicker_archiver_ends_the_wait(self):
        backend = self.double()
        _, waiting = self.fill(backend)
        backend.archiver(0)
        self.assertEqual(waiting.join().status, 200)
        self.assertTrue(backend.archive.idle())
        self.assertEqual({one["monitoringStatus"] for one in backend.rows() if one["jobState"] == "completed"}, {3})

    def test_metadata_of_a_job_that_is_not_archived_yet(self):
        for release in ("1.3.1", "1.4.4", "1.5.4"):
            backend = self.double(release)
            backend.archive.set(paused=True)
            self.started(backend, 7)
            backend.commit()
            self.stopped(backend, 7)
            change = {"key": "a", "value": "b"}
            answer = self.call(backend, "PATCH", "/api/jobs/edit_meta/1", change)
            self.assertEqual(answer.status, 500)
            self.assertIn(f"open var/job-archive/lab/0/007/{BEGIN}/meta.json: no such file or directory", answer.text)
            backend.archive.set(paused=False)
            self.assertTrue(backend.archive.idle())
            self.assertEqual(self.call(backend, "PATCH", "/api/jobs/edit_meta/1", change).json["metaData"], {"a": "b"})
            self.assertEqual(backend.rows()[0]["monitoringStatus"], 3)
            self.assertEqual(self.call(backend, "GET", JOBS).json["jobs"][0]["statistics"], {})

    def test_a_job_without_monitoring_is_never_archived(self):
        backend = self.double()
        self.started(backend, 7, monitoringStatus=0)
        self.stopped(backend, 7)
        self.assertTrue(backend.archive.idle())
        self.assertEqual(backend.rows()[0]["monitoringStatus"], 0)


class Many(DoubleTest):
    def test_callers_at_once(self):
        """Eight callers start and stop the same jobs: each is stored once, and stopped once."""
        for release in ("1.4.4", "1.5.4"):
            backend = self.double(release, commit_seconds=0.01)
            counts = {}

            def work():
                for number in range(20):
                    for path, body in ((START, job(number)), (STOP, end(number))):
                        status = self.call(backend, "POST", path, body).status
                        counts.setdefault((path, status), []).append(number)

            threads = [threading.Thread(target=work) for _ in range(8)]
            for one in threads:
                one.start()
            for one in threads:
                one.join()
            self.assertEqual(sorted(counts[START, 201]), list(range(20)))
            self.assertEqual(sorted(counts[STOP, 200]), list(range(20)))
            self.assertEqual({status for path, status in counts if path == STOP} - {200, 422}, set())
            self.assertEqual(sorted(one["jobId"] for one in backend.rows()), list(range(20)))


if __name__ == "__main__":
    unittest.main()
