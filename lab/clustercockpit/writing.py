# SPDX-License-Identifier: GPL-3.0-or-later
"""What changes jobs: start_job, stop_job, delete_job, and states of nodes."""

import sqlite3

import gojson
from answers import Answer, Refused, document, error, text
from documents import job_document, resources
from gojson import DecodeError
from releases import NODE_STATES

DAY = 86400
SUCCESS = {"msg": "success"}
NOT_FOUND = "finding job failed: sql: no rows in result set"


def body(request, form, what="parsing request body failed"):
    try:
        return gojson.decode(request.body, form)
    except DecodeError as reason:
        raise Refused(error(400, f"{what}: {reason}")) from None


def _check(backend, job):
    """What is wrong with a job, None when nothing is. In cc-backend's order."""
    wrong = backend.clusters.assign(job)
    if wrong:
        return wrong
    if job["jobState"] not in backend.release.states:
        return f"not a valid job state: {job['jobState']}"
    if not job["resources"] or not job["user"]:
        return "'resources' and 'user' should not be empty"
    if job["numAcc"] < 0 or job["numHwthreads"] < 0 or job["numNodes"] < 1:
        return "'numNodes', 'numAcc' or 'numHWThreads' invalid"
    if len(job["resources"]) != job["numNodes"]:
        return f"len(resources) does not equal numNodes ({len(job['resources'])} vs {job['numNodes']})"
    return None


def _new_job(release, given):
    job = {
        **dict.fromkeys(("cluster", "subCluster", "partition", "project", "user", "jobState"), ""),
        **dict.fromkeys(("arrayJobId", "walltime", "jobId", "startTime", "duration"), 0),
        **dict.fromkeys(("smt", "numAcc", "numHwthreads", "numNodes"), 0),
        "monitoringStatus": 1,
        "resources": [],
        "metaData": None,
        **({"shared": "none"} if release.has_shared else {"exclusive": 1}),
        **({"footprint": None, "energy": 0.0} if release.has_footprint else {}),
        **given,
    }
    for name in ("id", "statistics", "concurrentJobs", "submitTime", "requestedMemory", "energyFootprint"):
        job.pop(name, None)  # taken, and not stored
    if release.has_footprint or not job["jobState"]:
        job["jobState"] = "running"  # whatever was given; 1.2 and 1.3 store what was given
    return job, job.pop("tags", [])


def _writable(backend, caller, scope):
    """Whether the caller may give a tag of that scope."""
    if not backend.release.has_tag_scope:
        return True
    if caller is None:  # authentication is switched off
        return False
    if scope in ("admin", "global"):
        return caller.is_admin or caller.is_api_only or (scope == "global" and "support" in caller.roles)
    return bool(scope) and scope == caller.name


def add_tag(backend, caller, row, tag):
    """-> the tag's id; ValueError with the reason."""
    scope = tag.get("scope") or "global"
    if not _writable(backend, caller, scope):
        raise ValueError("cannot write tag scope with current authorization")
    try:
        return backend.database.add_tag(row, tag.get("type", ""), tag.get("name", ""), scope)
    except sqlite3.IntegrityError as reason:
        raise ValueError(str(reason)) from None


def start_job(backend, request):
    release, database = backend.release, backend.database
    job, tags = _new_job(release, body(request, release.job))
    wrong = _check(backend, job)
    if wrong:
        return error(400, wrong)
    job["resources"] = resources(release, job["resources"])
    with backend.repository:
        for row, start in database.starts(job["jobId"], job["cluster"]):
            # Signed: a start long before one that is stored is a duplicate, too.
            if job["startTime"] - start < DAY:
                same = f"a job with that jobId, cluster and startTime already exists: dbid: {row}, jobid: {job['jobId']}"
                return error(422, same)
        try:
            row = database.insert("job_cache" if release.caches_jobs and not tags else "job", job)
        except sqlite3.IntegrityError as reason:
            return error(500, f"insert into database failed: {reason}")
    for tag in tags:
        try:
            add_tag(backend, request.caller, row, tag)
        except ValueError as reason:
            answer = error(500, f"adding tag to new job {row} failed: {reason}")
            if release.minor < 5:  # both handlers of errors write, the plain one first
                plain = text(500, str(reason))
                answer = Answer(500, plain.headers, plain.body + answer.body)
            return answer
    return document(201, SUCCESS if release.minor >= 4 else {"id": row})


def _stop_refusal(backend, job, state, stop):
    """(status, reason) when a job that was found cannot be stopped so. In cc-backend's order."""
    where = f"jobId {job['jobId']} (id {job['id']}) on {job['cluster']} : "
    running, quoted = job["jobState"] == "running", gojson.encode(state).decode().strip()
    if not backend.release.tells_stops_apart:
        if job["startTime"] >= stop or not running:
            return 400, "stopTime must be larger than startTime and only running jobs can be stopped"
        if state and state not in backend.release.states:
            return 400, f"invalid job state: {quoted}"
        return None
    if not running:
        return 422, f"{where}job has already been stopped (state is: {job['jobState']})"
    if job["startTime"] > stop:
        return 400, f"{where}stopTime {stop} must be larger/equal than startTime {job['startTime']}"
    if state and state not in backend.release.states:
        return 400, f"{where}invalid requested job state: {quoted}"
    return None


def _stop(backend, job, given, cached=False):
    """Stops a job that was found. -> the answer, and whether the job is to be archived"""
    state, stop = given.get("jobState", ""), given.get("stopTime", 0)
    refusal = _stop_refusal(backend, job, state, stop)
    if refusal:
        return error(*refusal), False
    job["jobState"], job["duration"] = state or "completed", stop - job["startTime"]
    if cached:
        old = job["id"]
        try:
            job["id"] = backend.database.transfer(old)
        except sqlite3.IntegrityError as reason:
            where = f"jobId {job['jobId']} (id {old}) on {job['cluster']}"
            what = f"transferring cached job failed: transferring cached job {old} to main table failed: {reason}"
            return error(500, f"{where} : {what}"), False
    backend.database.stop(job["id"], job["jobState"], job["duration"])
    return document(200, job_document(backend.release, job)), bool(job["monitoringStatus"])


def stop_job(backend, request):
    release, database = backend.release, backend.database
    given = body(request, release.stop)
    if "jobId" not in given:
        return error(400, "the field 'jobId' is required")
    key = (given["jobId"], given.get("cluster"), given.get("startTime"))
    # In the real one two stops of a job at the same moment may both find it running.
    with backend.repository:
        cached = database.find(*key, table="job_cache") if release.caches_jobs else None
        job = cached or database.find(*key)
        if not job:
            return error(404 if release.minor >= 5 else 422, NOT_FOUND)
        answer, ended = _stop(backend, job, given, bool(cached))
        # The answer is written before this, but only leaves after it. When the archiver is full, 1.5 waits with the lock that
        # whoever starts or stops a job has to take.
        if ended and release.minor >= 5:
            backend.archive.add(job)
    if ended and release.minor < 5:
        backend.archive.add(job)
    return answer


def stop_job_by_row(backend, request, row):
    """Up to 1.3."""
    given = body(request, backend.release.stop)
    with backend.repository:
        job = backend.database.by_id(path_number(row, "id"))
        if not job:
            return error(422, NOT_FOUND)
        answer, ended = _stop(backend, job, given)
    if ended:
        backend.archive.add(job)
    return answer


def path_number(value, name, what="integer expected in path for "):
    try:
        if not value.lstrip("+-").isdigit():
            raise ValueError
        return int(value)
    except ValueError:
        raise Refused(error(400, f'{what}{name}: strconv.ParseInt: parsing "{value}": invalid syntax')) from None


def delete_job(backend, request):
    given = body(request, backend.release.delete)
    if "jobId" not in given:
        return error(400, "the field 'jobId' is required")
    job = backend.database.find(given["jobId"], given.get("cluster"), given.get("startTime"))
    if not job:
        return error(422, NOT_FOUND)
    backend.database.delete(job["id"])
    return document(200, {"msg": f"Successfully deleted job {job['id']}"})


def delete_job_by_row(backend, _, row):
    backend.database.delete(path_number(row, "id"))
    return document(200, {"msg": f"Successfully deleted job {row}"})


def delete_jobs_before(backend, _, start):
    count = backend.database.delete_before(path_number(start, "ts"))
    return document(200, {"msg": f"Successfully deleted {count} jobs"})


def node_state(states):
    """The one state that is kept of all that are given."""
    found = {state.lower() for state in states}
    if "idle" in found and "down" in found and not found & {"allocated", "reserved"}:
        return "down"
    return next((state for state in ("allocated", "reserved", "idle", "down", "mixed") if state in found), "unknown")


def node_states(backend, request):
    given = body(request, NODE_STATES)
    backend.nodes.add(given.get("cluster", ""), given.get("nodes", []), int(backend.clock()), node_state)
    return Answer(200)
