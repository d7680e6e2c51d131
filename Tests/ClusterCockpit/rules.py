#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the double of cc-backend answers in each release, where no exchange was recorded: states, duplicates, fields, tables."""

import json
import sqlite3
import unittest

from caller import BEGIN, DELETE, JOBS, RELEASES, START, STOP, DoubleTest, end, job

from clusters import Clusters, NodeList, configuration


class Jobs(DoubleTest):
    def test_answers_of_a_start(self):
        for release in RELEASES:
            backend = self.double(release)
            self.assertEqual(self.started(backend, 7).json, {"msg": "success"} if release >= "1.4" else {"id": 1})

    def test_a_day_between_starts_of_one_id(self):
        for release in RELEASES:
            backend = self.double(release)
            self.started(backend, 7)
            backend.commit()
            self.stopped(backend, 7)
            for later, status in ((0, 422), (86_399, 422), (-86_400 * 30, 422), (86_400, 201)):
                self.started(backend, 7, status, startTime=BEGIN + later)
            # Run 1 is deleted: run 2 may come.
            self.started(backend, 8)
            backend.commit()
            answer = self.call(backend, "DELETE", DELETE, {"jobId": 8, "cluster": "lab", "startTime": BEGIN})
            self.assertEqual((answer.status, answer.json["msg"].split()[:2]), (200, ["Successfully", "deleted"]))
            self.started(backend, 8, startTime=BEGIN + 60)
            answer = self.call(backend, "DELETE", DELETE, {"jobId": 99, "cluster": "lab"})
            self.assertEqual((answer.status, answer.reason), (422, "finding job failed: sql: no rows in result set"))

    def test_the_cache(self):
        backend = self.double()
        self.started(backend, 7)
        columns = "job_cache.job_id, job_cache.cluster, job_cache.start_time"
        wanted = f"insert into database failed: UNIQUE constraint failed: {columns}"
        self.assertEqual(self.started(backend, 7, 500).reason, wanted)
        self.assertEqual(self.call(backend, "GET", JOBS).json["jobs"], [])
        self.assertEqual(self.call(backend, "DELETE", DELETE, {"jobId": 7}).status, 422)
        self.assertEqual(self.call(backend, "GET", JOBS + "1").status, 422)
        self.started(backend, 7, startTime=BEGIN + 60)
        self.started(backend, 8, tags=[{"type": "slurm", "name": "x"}])  # straight to the table
        self.assertEqual([one["jobId"] for one in self.call(backend, "GET", JOBS).json["jobs"]], [8])
        self.started(backend, 8, 422, tags=[{"type": "slurm", "name": "x"}])
        backend.restart()
        self.assertEqual([(one["jobId"], one["cached"]) for one in backend.rows()], [(8, False), (7, True), (7, True)])
        self.stopped(backend, 7)
        self.assertEqual(backend.commit(), 1)
        found = [(one["jobId"], one["jobState"]) for one in backend.rows()]
        self.assertEqual(found, [(8, "running"), (7, "completed"), (7, "running")])

    def test_the_cache_empties_itself(self):
        backend = self.double(commit_seconds=0.01)
        self.started(backend, 7)
        self.eventually(lambda: not backend.rows()[0]["cached"])

    def test_stops_by_release(self):
        old = "stopTime must be larger than startTime and only running jobs can be stopped"
        for release in RELEASES:
            with self.subTest(release=release):
                backend, apart = self.double(release), release >= "1.4"
                self.stopped(backend, 7, 404 if release >= "1.5" else 422)
                self.started(backend, 7)
                answer = self.stopped(backend, 7, 400, stopTime=BEGIN - 1)
                self.assertIn("must be larger/equal than startTime" if apart else old, answer.reason)
                answer = self.stopped(backend, 7, 400, jobState="requeued")
                self.assertIn(f'invalid {"requested " if apart else ""}job state: "requeued"', answer.reason)
                self.stopped(backend, 7, 200 if apart else 400, stopTime=BEGIN)
                if not apart:
                    self.stopped(backend, 7, stopTime=BEGIN + 1)
                answer = self.stopped(backend, 7, 422 if apart else 400)
                self.assertIn("job has already been stopped (state is: completed)" if apart else old, answer.reason)

    def test_states_by_release(self):
        new = {"boot_fail", "deadline", "node_fail", "pending", "suspended"}
        for release in RELEASES:
            backend = self.double(release)
            common = {"timeout", "out_of_memory", "running"}
            for number, state in enumerate(sorted(new | common | {"stopped", "canceled", "COMPLETED"})):
                self.started(backend, number)
                known = state in common | (new if release >= "1.5" else {"stopped"})
                self.stopped(backend, number, 200 if known else 400, jobState=state)

    def test_a_start_keeps_its_state_in_old_releases(self):
        for release in RELEASES:
            backend = self.double(release)
            old = release < "1.4"
            self.started(backend, 1, jobState="completed")
            self.assertEqual(backend.rows()[0]["jobState"], "completed" if old else "running")
            answer = self.started(backend, 2, 400 if old else 201, jobState="bogus")
            if old:
                self.assertEqual(answer.reason, "not a valid job state: bogus")

    def test_fields_by_release(self):
        for release in RELEASES:
            backend = self.double(release)
            for number, (field, value, first, last) in enumerate((
                ("shared", "none", 5, 9),
                ("exclusive", 1, 2, 4),
                ("submitTime", 1, 5, 9),
                ("requestedMemory", 1, 5, 9),
                ("energy", 1.5, 4, 9),
                ("footprint", {"a": 1}, 4, 9),
                ("tags", [{"type": "a", "name": "b", "scope": "global"}], 4, 9),
                ("tags", [{"type": "c", "name": "d"}], 2, 9),
            )):
                taken = first <= int(release.split(".")[1]) <= last
                answer = self.started(backend, number, 201 if taken else 400, **{field: value})
                if not taken:
                    unknown = "scope" if field == "tags" else field
                    self.assertEqual(answer.reason, f'parsing request body failed: json: unknown field "{unknown}"')

    def test_routes_by_release(self):
        probe = {"cluster": "lab", "nodes": []}
        for release in RELEASES:
            backend, new = self.double(release), release >= "1.5"
            self.assertEqual(self.call(backend, "POST", "/api/nodestate/", probe).status, 200 if new else 404)
            self.assertEqual(self.call(backend, "GET", "/api/clusters/").status, 404 if release == "1.2.2" else 200)
            answer = self.call(backend, "POST", START[:-1], job(1))
            self.assertEqual((answer.status, answer.headers["Location"]), (400, None) if new else (301, START))
            self.started(backend, 5)
            for row, status in ((99, 422), (1, 200)):
                answer = self.call(backend, "POST", f"{STOP}{row}", end(5))
                self.assertEqual(answer.status, status if release < "1.4" else 404)
            self.assertEqual(self.call(backend, "GET", START).status, 405 if new else 301 if release >= "1.3" else 404)

    def test_tags(self):
        tag, other = ({"type": "slurm", "name": name, "scope": "global"} for name in ("a", "b"))
        for release in ("1.4.4", "1.5.4"):
            backend = self.double(release)
            self.started(backend, 7, tags=[tag])
            path = "/api/jobs/tag_job/1"
            self.assertEqual([one["name"] for one in self.call(backend, "POST", path, [other]).json["tags"]], ["a", "b"])
            self.assertEqual([one["name"] for one in self.call(backend, "DELETE", path, [tag]).json["tags"]], ["b"])
            self.assertEqual([one["name"] for one in self.call(backend, "GET", JOBS).json["jobs"][0]["tags"]], ["b"])
            answer = self.call(backend, "DELETE", path, [tag])
            self.assertIn("ag does not exist (name, type, scope): a, slurm, global", answer.text)
            self.assertEqual((answer.status, self.call(backend, "POST", "/api/jobs/tag_job/99", [tag]).status), (500, 404))
            private = self.call(backend, "POST", path, [{**tag, "scope": "bob"}])
            self.assertEqual((private.status, "current authorization" in private.text), (500, True))

    def test_a_job_by_its_row(self):
        backend = self.double()
        self.started(backend, 7, tags=[{"type": "slurm", "name": "a"}], metaData={"jobName": "x"})
        self.assertEqual(self.call(backend, "GET", JOBS + "1").json["Meta"]["metaData"], {"jobName": "x"})
        self.assertEqual(self.call(backend, "POST", JOBS + "1", []).json["Meta"]["jobId"], 7)
        wanted = "finding job with db id 9 failed: sql: no rows in result set"
        self.assertEqual(self.call(backend, "POST", JOBS + "9", []).reason, wanted)
        self.assertEqual(self.call(backend, "DELETE", DELETE + "1").json, {"msg": "Successfully deleted job 1"})
        self.started(backend, 7)
        backend.commit()
        answer = self.call(backend, "DELETE", f"/api/jobs/delete_job_before/{BEGIN + 1}")
        self.assertEqual((answer.json["msg"], backend.rows()), ("Successfully deleted 1 jobs", []))

    def test_the_table(self):
        for release in RELEASES:
            backend = self.double(release)
            self.started(backend, 7, arrayJobId=6, walltime=60, metaData={"jobName": "é<&>"})
            backend.commit()
            user, partition = ("user", "partition") if release < "1.4" else ("hpc_user", "cluster_partition")
            other = sqlite3.connect(backend.folder / "var/job.db")
            self.addCleanup(other.close)
            columns = f'job_id, "{user}", "{partition}", array_job_id, walltime, resources, meta_data'
            row = other.execute(f"SELECT {columns} FROM job").fetchone()
            self.assertEqual(row[:5], (7, "alice", "", 6, 60))
            self.assertEqual(json.loads(row[5]), [{"hostname": "n1", "hwthreads": [0, 1]}])
            self.assertEqual(json.loads(row[6]), {"jobName": "é<&>"})
            listed = self.call(backend, "GET", JOBS + "?with-metadata").json["jobs"]
            self.assertEqual(listed[0]["metaData"], {"jobName": "é<&>"})

    def test_an_upgrade_takes_all_rows_along(self):
        backend = self.double("1.3.1")
        for number, exclusive in enumerate((0, 1, 2)):
            self.started(backend, number, exclusive=exclusive, tags=[{"type": "slurm", "name": "t"}])
        self.stopped(backend, 2, jobState="stopped")
        for release in ("1.4.4", "1.5.4"):
            backend.restart(release)
            self.started(backend, 0, 422)
        found = [(one["jobId"], one["shared"], one["jobState"]) for one in backend.rows()]
        self.assertEqual(found, [(0, "multi_user", "running"), (1, "none", "running"), (2, "single_user", "cancelled")])
        self.assertEqual(self.call(backend, "GET", JOBS + "?state=running").json["jobs"][0]["tags"][0]["scope"], "global")
        self.stopped(backend, 0)
        with self.assertRaises(ValueError):
            backend.restart("1.4.4")

    def test_states_of_nodes(self):
        backend = self.double()
        for states, kept in (
            (["ALLOCATED", "down"], "allocated"),
            (["reserved", "idle", "down"], "reserved"),
            (["idle", "down"], "down"),
            (["idle", "drain"], "idle"),
            (["down", "mixed"], "down"),
            (["mixed", "drain"], "mixed"),
            (["drain"], "unknown"),
        ):
            nodes = [{"hostname": "n2", "states": states, "cpusAllocated": 3}, {"hostname": "x", "states": states}]
            answer = self.call(backend, "POST", "/api/nodestate/", {"cluster": "lab", "nodes": nodes})
            self.assertEqual((answer.status, answer.text), (200, ""))
            last = backend.node_rows()[-1]
            self.assertEqual((last["hostname"], last["node_state"], last["cpus_allocated"]), ("n2", kept, 3))
        self.assertEqual(len(backend.node_rows()), 7)


class NodeLists(unittest.TestCase):
    def test_hosts(self):
        nodes = NodeList("n[1-4,6-8],gpu[01-16]b,login-1")
        self.assertTrue(all(host in nodes for host in ("n1", "n4", "n6", "gpu01b", "gpu16b", "login-1")))
        self.assertFalse(any(host in nodes for host in ("n5", "n10", "n01", "gpu1b", "gpu17b", "gpu01", "login", "n1.site")))

    def test_lists_that_keep_the_backend_from_starting(self):
        for bad in ("n[1,3]", "n[1-16]", "n1.site.example", "n[1-2"):
            with self.subTest(bad=bad), self.assertRaises(ValueError):
                Clusters([{**configuration(), "subClusters": [{**configuration()["subClusters"][0], "nodes": bad}]}])


if __name__ == "__main__":
    unittest.main()
