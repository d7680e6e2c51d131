# SPDX-License-Identifier: GPL-3.0-or-later
"""What shows jobs and clusters, and the small changes that answer with a job: edit_meta and tag_job."""

import re
from urllib.parse import parse_qs, urlsplit

import gojson
from answers import Refused, document, error, text
from documents import duration, job_document
from gojson import DecodeError
from releases import EDIT_META, EDIT_META_BY_KEY, TAGS
from writing import NOT_FOUND, add_tag, body, path_number

NO_ROWS = "sql: no rows in result set"


def query(request):
    return parse_qs(urlsplit(request.target).query, keep_blank_values=True)


def _integer(value, function):
    if not re.fullmatch(r"[+-]?\d+", value):
        raise Refused(error(400, f'strconv.{function}: parsing "{value}": invalid syntax'))
    return int(value)


def _page(backend, name, value):
    number = _integer(value, "Atoi")
    if number < 1 and backend.release.minor >= 5:
        raise Refused(error(400, f"{name} must be >= 1"))
    return number


def _between(value):
    ends = value.split("-")
    if len(ends) != 2:
        raise Refused(error(400, "invalid query parameter value: startTime"))
    return "start_time BETWEEN ? AND ?", [_integer(end, "ParseInt") for end in ends]


def list_jobs(backend, request):
    release = backend.release
    conditions, items, page, with_meta = [], 25, 1, False
    for name, values in query(request).items():
        if name == "state":
            if not set(values) <= release.states:
                return error(400, "invalid query parameter value: state")
            conditions.append((f"job_state IN ({', '.join('?' * len(values))})", values))
        elif name == "cluster":
            conditions.append(("cluster = ?", values[:1]))
        elif name == "project" and release.minor >= 5:
            conditions.append(("project = ?", values[:1]))
        elif name == "start-time":
            conditions.append(_between(values[0]))
        elif name == "page":
            page = _page(backend, name, values[0])
        elif name == "items-per-page":
            items = _page(backend, name, values[0])
        elif name == "with-metadata":
            with_meta = True  # whatever its value
        else:
            return error(400, f"invalid query parameter: {name}")
    if page < 1 and items != -1:
        jobs = []  # an offset beyond everything
    else:
        jobs = backend.database.select(conditions, items, (page - 1) * items if items > 0 else 0)
    try:
        shown = [_listed(backend, job, with_meta) for job in jobs]
    except OSError as reason:
        # One archived job whose file is away spoils the whole list.
        return error(500, str(reason))
    return document(200, {"jobs": shown, "items": items, "page": page})


def _listed(backend, job, with_meta):
    statistics = backend.archive.load(job)["statistics"] if job["monitoringStatus"] == 3 else None
    job["duration"] = duration(job, backend.clock())
    meta, tags = job["metaData"] if with_meta else None, backend.database.tags(job["id"])
    return job_document(backend.release, job, listed=True, meta=meta, tag_rows=tags, statistics=statistics)


def _shown(backend, job, **more):
    return document(200, job_document(backend.release, {**job, "duration": duration(job, backend.clock())}, **more))


def get_job(backend, _, row):
    job = backend.database.by_id(path_number(row, "id"))
    if not job:
        which = f" with db id {row}" if backend.release.minor >= 4 else ""
        return error(422, f"finding job{which} failed: {NO_ROWS}")
    job["duration"] = duration(job, backend.clock())
    tags = backend.database.tags(job["id"])
    return document(200, {"Meta": job_document(backend.release, job, meta=job["metaData"], tag_rows=tags), "Data": None})


def get_metrics_of_job(backend, request, row):
    """POST /jobs/{id}: the metrics that the body names. The double has none; the path catches a start_job without its slash."""
    job = backend.database.by_id(path_number(row, "id"))
    if not job:
        which = f" with db id {row}" if backend.release.minor >= 4 else ""
        return error(422, f"finding job{which} failed: {NO_ROWS}")
    body(request, gojson.List(gojson.STRING), "decoding request failed")
    job["duration"] = duration(job, backend.clock())
    return document(200, {"Meta": job_document(backend.release, job, meta=job["metaData"]), "Data": []})


def used_nodes(backend, request):
    given = query(request).get("ts", [""])[0]
    if not given:
        return error(400, "missing required query parameter: ts")
    if not re.fullmatch(r"[+-]?\d+", given):
        return error(400, f'invalid timestamp format: strconv.ParseInt: parsing "{given}": invalid syntax')
    used = {}
    for job in backend.database.select([("start_time < ?", [int(given)]), ("job_state = 'running'", [])]):
        used.setdefault(job["cluster"], set()).update(one["hostname"] for one in job["resources"])
    return document(200, {"usedNodes": {cluster: sorted(hosts) for cluster, hosts in sorted(used.items())}})


def list_clusters(backend, request):
    name = query(request).get("cluster", [None])[0]
    if name is not None and name not in backend.clusters:
        answer = error(400, f"unknown cluster: {name}")
        answer.headers = answer.headers * 2  # set before it is known that there is an error
        return answer
    return document(200, {"clusters": backend.clusters.documents(backend.release, name)})


def _old_body(request, form):
    """Up to 1.4 these handlers refuse in plain text."""
    try:
        return gojson.decode(request.body, form)
    except DecodeError as reason:
        raise Refused(text(400, str(reason))) from None


def _row(backend, row):
    """The job of a path, for edit_meta and tag_job."""
    modern = backend.release.minor >= 5
    if modern:
        number = path_number(row, "failed", "parsing job ID ")
    else:
        number = int(row) if re.fullmatch(r"[+-]?\d+", row) else None
        if number is None:
            raise Refused(text(400, f'strconv.ParseInt: parsing "{row}": invalid syntax'))
    job = backend.database.by_id(number)
    if not job:
        raise Refused(error(404, f"finding job failed: {NO_ROWS}") if modern else text(404, NO_ROWS))
    return job


def _set_meta(backend, job, key, value):
    """The row's metaData, and the archive's once the job has ended; OSError when it is not archived yet."""
    job["metaData"] = {**(job["metaData"] or {}), key: value}
    backend.database.set_meta_data(job["id"], job["metaData"])
    if job["jobState"] != "running":
        content = backend.archive.load(job)
        backend.archive.store(job, {**content, "metaData": {**(content["metaData"] or {}), **job["metaData"]}})


def edit_meta(backend, request, row):
    job = _row(backend, row)
    modern = backend.release.minor >= 5
    given = body(request, EDIT_META, "decoding request failed") if modern else _old_body(request, EDIT_META)
    try:
        _set_meta(backend, job, given.get("key", ""), given.get("value", ""))
    except OSError as reason:
        return error(500, f"updating metadata failed: {reason}") if modern else text(500, str(reason))
    return _shown(backend, job, meta=job["metaData"])


def edit_meta_by_key(backend, request):
    given = body(request, EDIT_META_BY_KEY)
    if "jobId" not in given:
        return error(400, "the field 'jobId' is required")
    job = backend.database.find(given["jobId"], given.get("cluster"), given.get("startTime"))
    if not job:
        return error(422, NOT_FOUND)
    change = given.get("payload", {})
    try:
        _set_meta(backend, job, change.get("key", ""), change.get("value", ""))
    except OSError as reason:
        return text(500, str(reason))
    return _shown(backend, job, meta=job["metaData"])


def _tags_of(backend, request):
    form = TAGS[backend.release.has_tag_scope]
    return body(request, form, "decoding request failed") if backend.release.minor >= 5 else _old_body(request, form)


def tag_job(backend, request, row):
    job = _row(backend, row)
    shown = list(backend.database.tags(job["id"]))
    for tag in _tags_of(backend, request):
        try:
            number = add_tag(backend, request.caller, job["id"], tag)
        except ValueError as reason:
            return error(500, f"adding tag failed: {reason}") if backend.release.minor >= 5 else text(500, str(reason))
        # As given: a tag without a scope is shown without one, though it is stored as a global one.
        scope = (tag.get("scope", ""),) if backend.release.has_tag_scope else ()
        shown.append((number, tag.get("type", ""), tag.get("name", ""), *scope))
    return _shown(backend, job, tag_rows=shown)


def untag_job(backend, request, row):
    job = _row(backend, row)
    for tag in _tags_of(backend, request):
        kind, name, scope = (tag.get(key, "") for key in ("type", "name", "scope"))
        if scope in ("global", "admin") and not backend.database.remove_tag(job["id"], kind, name, scope):
            reason = f"ag does not exist (name, type, scope): {name}, {kind}, {scope}"
            modern = backend.release.minor >= 5
            return error(500, f"removing tag failed: t{reason}") if modern else text(500, f"T{reason}")
    return _shown(backend, job, tag_rows=backend.database.tags(job["id"]))


