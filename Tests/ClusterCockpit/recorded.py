#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Holds the double of cc-backend to exchanges that were recorded with real ones: status, content type and body of each.

    recorded.py [RELEASE]…

Nothing of an answer is left out of the comparison. What a recording does not say is made here:

- tokens stand in it as <token> and <other token>, and a metaData of 1 MB as its first letters;
- the moments at which the backend emptied its cache of jobs and archived a job, which are its own timers;
- its clock, which the duration of a running job shows."""

import http.client
import json
import re
import sys
import tempfile
from pathlib import Path

LAB = Path(__file__).resolve().parents[2] / "lab/clustercockpit"
sys.path.insert(0, str(LAB))
sys.dont_write_bytecode = True

from backend import Backend

# Before these the real one had emptied its cache (1.5), or archived what had ended.
COMMITTED = {"jobs-running", "jobs-page-1", "stop-state-boot_fail"}
ARCHIVED = {"1.5.4": {"edit-meta-stopped"}, "1.4.4": set()}
LONG = re.compile(r"(.)\1*<(\d+) characters>")


def answer_of(connection, request, token):
    words = {"<token>": token, "<other token>": "garbage"}
    headers = {name: words.get(value, value) for name, value in request["headers"].items()}
    body = request["body"]
    if body is not None and not isinstance(body, str):
        body = json.dumps(body)
    if body is not None:
        body = LONG.sub(lambda found: found[1] * int(found[2]), body)
    # Not by request(): that would add headers of its own.
    connection.putrequest(request["method"], request["path"], skip_accept_encoding=True)
    data = (body or "").encode()
    for name, value in headers.items():
        connection.putheader(name, ("Bearer " if name == "Authorization" and value == token else "") + value)
    connection.putheader("Content-Length", str(len(data)))
    connection.endheaders(data)
    response = connection.getresponse()
    text = response.read().decode()
    try:
        body = json.loads(text)
    except ValueError:
        body = text
    kind = ", ".join(response.headers.get_all("Content-Type") or []) or None
    return {"status": response.status, "contentType": kind, "body": body}


def now_of(response):
    """The clock that the durations of a recorded answer were made with, None when it has none."""
    body = response["body"]
    jobs = body.get("jobs") or [body.get("Meta", body)] if isinstance(body, dict) else []
    for job in jobs:
        if job.get("jobState") == "running" and isinstance(job["startTime"], int):
            return job["startTime"] + job["duration"]
    return None


def replay(release):
    """-> how many exchanges there are, and those that differ"""
    exchanges = [json.loads(line) for line in (LAB / f"recorded/{release}.jsonl").read_text().splitlines()]
    assert len({one["name"] for one in exchanges}) == len(exchanges)
    clock, wrong = [1795963287], []
    with tempfile.TemporaryDirectory(prefix="cockpit") as folder:
        backend = Backend(folder, release, commit_seconds=None, clock=lambda: clock[0]).start()
        connection = http.client.HTTPConnection(*backend.listen, timeout=20)
        if not ARCHIVED[release]:
            backend.archive.set(paused=True)
        for one in exchanges:
            if one["name"] in COMMITTED:
                backend.commit()
            if one["name"] in ARCHIVED[release]:
                assert backend.archive.idle()
            clock[0] = now_of(one["response"]) or clock[0]
            got = answer_of(connection, one["request"], backend.token)
            # As text, so that the order of members counts.
            if json.dumps(got) != json.dumps({key: one["response"][key] for key in got}):
                wrong.append((one["name"], one["response"], got))
        connection.close()
        backend.stop()
    return len(exchanges), wrong


def main():
    failed = False
    for release in sys.argv[1:] or ("1.4.4", "1.5.4"):
        count, wrong = replay(release)
        for name, recorded, got in wrong:
            print(f"{release} {name}\n  recorded {json.dumps(recorded)[:2000]}\n  got      {json.dumps(got)[:2000]}")
        print(f"{release}: {count - len(wrong)} of {count} exchanges are answered as recorded", flush=True)
        failed = failed or bool(wrong) or not count
    sys.exit(failed)


if __name__ == "__main__":
    main()
