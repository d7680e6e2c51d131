#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs by NATS at the double of cc-backend: the broker, lines, order, and what is lost."""

import json
import socket
import unittest

from caller import BEGIN, JOBS, START, DoubleTest, end, job

from broker import Broker, matches
from events import lines


def line(function, content, time=BEGIN * 10**9):
    text = json.dumps(content).replace("\\", "\\\\").replace('"', '\\"')
    return f'job,function={function},hostname=ctl event="{text}" {time}\n'


class Client:
    def __init__(self, test, broker, **options):
        self.socket = socket.create_connection(broker.listen, 20)
        self.file = self.socket.makefile("rb")
        test.addCleanup(self.socket.close)
        test.addCleanup(self.file.close)
        self.info = json.loads(self.file.readline().removeprefix(b"INFO "))
        self.say("CONNECT " + json.dumps({"verbose": False, **options}))

    def say(self, text, data=None):
        self.socket.sendall(text.encode() + b"\r\n" + (data + b"\r\n" if data is not None else b""))

    def publish(self, text, subject="jobs"):
        data = text if isinstance(text, bytes) else text.encode()
        self.say(f"PUB {subject} {len(data)}", data)

    def round(self):
        """All that was said has been taken."""
        self.say("PING")
        return self.file.readline()


class Nats(DoubleTest):
    def setUp(self):
        self.broker = Broker()
        self.addCleanup(self.broker.close)
        self.backend = self.double(broker=self.broker)
        self.client = Client(self, self.broker)

    def send(self, *texts, subject="jobs"):
        for text in texts:
            self.client.publish(text, subject)
        self.assertEqual(self.client.round(), b"PONG\r\n")
        self.backend.events.idle()

    def states(self):
        return sorted((one["jobId"], one["jobState"]) for one in self.backend.rows())

    def test_start_and_stop_in_one_message(self):
        self.send(*(line("start_job", job(number)) + line("stop_job", end(number)) for number in range(50)))
        self.assertEqual(self.states(), [(number, "completed") for number in range(50)])
        self.assertEqual(self.backend.events.log, [])

    def test_a_stop_that_is_handled_before_its_start_is_lost(self):
        self.backend.events.hold()
        self.send(line("start_job", job(1)), line("stop_job", end(1)))
        self.assertEqual(self.states(), [])
        self.backend.events.release(reversed)
        self.assertEqual(self.states(), [(1, "running")])
        self.assertIn("finding job failed", self.backend.events.log[0])

    def test_http_has_no_starts_then(self):
        self.assertEqual(self.call(self.backend, "POST", START, job(1)).status, 404)
        self.assertEqual(self.call(self.backend, "GET", JOBS).json["jobs"], [])

    def test_lines_that_fail(self):
        good = line("start_job", job(2))
        for text, reason, taken in (
            (line("start_job", job(1), time=0) + good, "timestamp cannot be zero", False),
            (line("start_job", job(1)).replace(f" {BEGIN * 10**9}", "") + good, "timestamp cannot be zero", False),
            ("nonsense\n" + good, "failed to decode", False),
            (line("start_job", {**job(1), "exclusive": 1}) + good, 'unknown field \\"exclusive\\"', True),
            (line("pause_job", job(1)) + good, "unknown job event function 'pause_job'", True),
            (line("start_job", {**job(1), "cluster": "x"}) + good, "no such cluster", True),
        ):
            self.backend.events.log.clear()
            self.send(text)
            self.assertIn(reason, self.backend.events.log[0])
            self.assertEqual(self.states(), [(2, "running")] if taken else [])
            self.backend.commit()
            self.backend.database.delete_before(BEGIN + 1)

    def test_a_tag_cannot_be_given(self):
        self.send(line("start_job", job(1, tags=[{"type": "a", "name": "b", "scope": "global"}])))
        self.assertEqual(self.states(), [(1, "running")])
        self.assertEqual(self.backend.database.tags(1), [])
        self.assertIn("adding tag to new job 1 failed", self.backend.events.log[0])

    def test_texts_survive(self):
        script = '#!/bin/bash\necho "a\\b" \\\n\t\'é\' ,= \\\\n\n'
        self.send(line("start_job", job(1, metaData={"jobScript": script})))
        self.assertEqual(self.backend.rows()[0]["metaData"], {"jobScript": script})

    def test_states_of_nodes(self):
        content = json.dumps({"cluster": "lab", "nodes": [{"hostname": "n1", "states": ["idle"]}]}).replace('"', '\\"')
        self.send(f'nodestate event="{content}" 1\n', subject="nodes")
        self.assertEqual([(one["hostname"], one["node_state"]) for one in self.backend.node_rows()], [("n1", "idle")])

    def test_what_comes_while_the_backend_is_down_is_lost(self):
        self.backend.stop()
        self.client.publish(line("start_job", job(1)))
        self.assertEqual(self.client.round(), b"PONG\r\n")
        self.backend.start()
        self.send(line("start_job", job(2)))
        self.assertEqual(self.states(), [(2, "running")])


class BrokerTest(DoubleTest):
    def broker(self, **options):
        broker = Broker(**options)
        self.addCleanup(broker.close)
        return broker

    def test_subjects(self):
        for pattern, subject, wanted in (
            ("a.b", "a.b", True),
            ("a.*", "a.b", True),
            ("*", "a.b", False),
            ("a.>", "a.b.c", True),
            ("a.>", "a", False),
            (">", "a.b", True),
        ):
            self.assertEqual(matches(pattern, subject), wanted, (pattern, subject))

    def test_messages_reach_subscribers(self):
        broker = self.broker()
        reader, writer = Client(self, broker), Client(self, broker, verbose=True)
        reader.say("SUB jobs.* 7")
        reader.round()
        self.assertEqual(writer.file.readline(), b"+OK\r\n")
        writer.publish("x y", "jobs.a")
        writer.say("HPUB jobs.b 12 14", b"NATS/1.0\r\n\r\nhi")
        wanted = [b"MSG jobs.a 7 3\r\n", b"x y\r\n", b"MSG jobs.b 7 2\r\n", b"hi\r\n"]
        self.assertEqual([reader.file.readline() for _ in wanted], wanted)

    def test_who_may(self):
        broker = self.broker(user=("u", "p"))
        good, bad = Client(self, broker, user="u", **{"pass": "p"}), Client(self, broker, user="u", **{"pass": "x"})
        self.assertTrue(good.info["auth_required"])
        self.assertEqual(good.round(), b"PONG\r\n")
        self.assertEqual((bad.file.readline(), bad.file.read()), (b"-ERR 'Authorization Violation'\r\n", b""))

    def test_too_long_a_message(self):
        client = Client(self, self.broker(max_payload=100))
        self.assertEqual(client.info["max_payload"], 100)
        client.say("PUB jobs 101")
        self.assertEqual((client.file.readline(), client.file.read()), (b"-ERR 'Maximum Payload Violation'\r\n", b""))

    def test_lines(self):
        text = 'job,function=start_job,x=a\\ b n=1i,event="{\\"a\\":\\"b,c\\"}" 5\n\nnode value=1 6'
        self.assertEqual(list(lines(text)), [("job", {"function": "start_job", "x": "a b"}, '{"a":"b,c"}'), ("node", {}, None)])


if __name__ == "__main__":
    unittest.main()
