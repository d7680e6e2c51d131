# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs and states of nodes by NATS (1.5): lines in InfluxDB's line protocol, with a request of the REST interface in each.

Nobody answers, and nothing is delivered twice: what fails is in the log. Several workers take the messages, so that of two
messages the later one may be handled first; the lines of one message are handled in order."""

import queue
import re
import threading
from types import SimpleNamespace

import writing
from answers import Refused

WORKERS = 8
_KEY = r"(?:\\.|[^,= \\\n])+"
_VALUE = r'(?:"(?:\\["\\]|[^"\\]|\\(?!["\\]))*"|[^," \n]+)'
_LINE = re.compile(
    rf"(?P<name>(?:\\.|[^, \\\n])+)(?P<tags>(?:,{_KEY}={_KEY})*) (?P<fields>{_KEY}={_VALUE}(?:,{_KEY}={_VALUE})*)"
    r"(?: (?P<time>-?\d+))?[ \r]*(?:\n|$)"
)
_FIELD = re.compile(rf"({_KEY})=({_VALUE})")
_TAG = re.compile(rf",({_KEY})=({_KEY})")


def lines(text):
    """(measurement, tags, the field `event` or None) of each line; ValueError at the first that is none."""
    place = 0
    while place < len(text):
        if text[place] == "\n":
            place += 1
            continue
        found = _LINE.match(text, place)
        if not found:
            raise ValueError("failed to decode InfluxDB line protocol message")
        if not int(found["time"] or 0):
            raise ValueError("failed to decode InfluxDB line protocol message: timestamp cannot be zero")
        tags = {key: re.sub(r"\\([,= ])", r"\1", value) for key, value in _TAG.findall(found["tags"])}
        event = dict(_FIELD.findall(found["fields"])).get("event", "")
        yield found["name"], tags, re.sub(r'\\(["\\])', r"\1", event[1:-1]) if event[:1] == '"' else None
        place = found.end()


class Events:
    """`subjects`: of jobs and of nodes."""

    def __init__(self, backend, broker, subjects):
        self.backend, self.broker, self.subjects = backend, broker, subjects
        self.life, self.log = backend.ended, []
        self.queue, self.held, self.lock = queue.Queue(), None, threading.Lock()
        for _ in range(WORKERS):
            threading.Thread(target=self._work, daemon=True).start()
        broker.attach(subjects[0], lambda data: self._take(self._jobs, data))
        broker.attach(subjects[1], lambda data: self._take(self._nodes, data))

    def _take(self, function, data):
        with self.lock:
            if self.held is not None:
                self.held.append((function, data))
            else:
                self.queue.put((function, data))

    def hold(self):
        """From now on no message is handled, until `release`."""
        with self.lock:
            self.held = []

    def release(self, order=list):
        """Handles what came since `hold`, one after the other in the order that `order` makes of it, such as `reversed`."""
        with self.lock:
            held, self.held = self.held, None
        for function, data in order(held):
            function(data)

    def idle(self):
        """Waits until all that came is handled."""
        self.queue.join()

    def end(self):
        for subject in self.subjects:
            self.broker.attach(subject, None)
        for _ in range(WORKERS):
            self.queue.put(None)

    def _work(self):
        while (item := self.queue.get()) is not None:
            function, data = item
            function(data)
            self.queue.task_done()

    def _jobs(self, data):
        try:
            for name, tags, event in lines(data.decode("utf-8", "replace")):
                if event is None or name != "job":
                    continue
                handler = {"start_job": writing.start_job, "stop_job": writing.stop_job}.get(tags.get("function"))
                if handler:
                    self._ask(handler, event)
                else:
                    self.log.append(f"unknown job event function '{tags.get('function', '')}'")
        except ValueError as reason:
            self.log.append(str(reason))

    def _nodes(self, data):
        try:
            for _, _, event in lines(data.decode("utf-8", "replace")):
                if event is not None:
                    self._ask(writing.node_states, event)
        except ValueError as reason:
            self.log.append(str(reason))

    def _ask(self, handler, event):
        # Nobody in particular: without a user no tag can be given.
        request = SimpleNamespace(body=event.encode(), caller=None, life=self.life)
        try:
            answer = self.backend.in_flight(request, lambda: handler(self.backend, request))
        except Refused as refused:
            answer = refused.answer
        if answer and answer.status >= 300:
            self.log.append(answer.body.decode().strip())
