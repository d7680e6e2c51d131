# SPDX-License-Identifier: GPL-3.0-or-later
"""A caller of the double, for its tests."""

import http.client
import json
import ssl
import sys
import tempfile
import time
import unittest
from pathlib import Path

LAB = Path(__file__).resolve().parents[2] / "lab/clustercockpit"
sys.path.insert(0, str(LAB))
sys.dont_write_bytecode = True

from backend import Backend

START, STOP, DELETE, JOBS = "/api/jobs/start_job/", "/api/jobs/stop_job/", "/api/jobs/delete_job/", "/api/jobs/"
RELEASES = ("1.2.2", "1.3.1", "1.4.4", "1.5.4")
BEGIN = 1_795_959_281


def job(number, **more):
    return {
        "jobId": number, "cluster": "lab", "user": "alice", "project": "p", "numNodes": 1, "startTime": BEGIN,
        "resources": [{"hostname": "n1", "hwthreads": [0, 1]}], **more,
    }


def end(number, **more):
    return {"jobId": number, "cluster": "lab", "startTime": BEGIN, "jobState": "completed", "stopTime": BEGIN + 60, **more}


class Answered:
    def __init__(self, response):
        self.status, self.headers, self.text = response.status, response.headers, response.read().decode("utf-8", "replace")

    @property
    def json(self):
        return json.loads(self.text)

    @property
    def reason(self):
        return self.json["error"]


class DoubleTest(unittest.TestCase):
    """Makes doubles that end with the test."""

    def double(self, release="1.5.4", **options):
        folder = tempfile.TemporaryDirectory(prefix="cockpit")
        self.addCleanup(folder.cleanup)
        backend = Backend(folder.name, release, **{"commit_seconds": None, "clock": lambda: BEGIN + 1000, **options}).start()
        self.addCleanup(backend.stop)
        return backend

    def call(self, backend, method, path, body=None, headers=None, timeout=20, trust=None):
        """One request on a connection of its own; `headers` in place of the good token's."""
        if trust:
            context = ssl.create_default_context(cafile=trust)
            connection = http.client.HTTPSConnection(*backend.listen, timeout=timeout, context=context)
        else:
            connection = http.client.HTTPConnection(*backend.listen, timeout=timeout)
        try:
            data = body if body is None or isinstance(body, (bytes, str)) else json.dumps(body)
            connection.request(method, path, data, {"X-Auth-Token": backend.token} if headers is None else headers)
            return Answered(connection.getresponse())
        finally:
            connection.close()

    def started(self, backend, number, status=201, **more):
        answer = self.call(backend, "POST", START, job(number, **more))
        self.assertEqual(answer.status, status, answer.text)
        return answer

    def stopped(self, backend, number, status=200, **more):
        answer = self.call(backend, "POST", STOP, end(number, **more))
        self.assertEqual(answer.status, status, answer.text)
        return answer

    def eventually(self, condition, seconds=60):
        limit = time.monotonic() + seconds
        while not condition():
            self.assertLess(time.monotonic(), limit, "did not come true")
            time.sleep(0.005)
