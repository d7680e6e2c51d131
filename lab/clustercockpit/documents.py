# SPDX-License-Identifier: GPL-3.0-or-later
"""A job as each release shows it: the order of its members, which are left out when empty, and how the start is written."""

from datetime import datetime, timezone

from gojson import ordered

# `?`: left out when empty or 0. `…`: the members that both kinds of document share.
_NEW = (
    "cluster subCluster partition? project user shared jobState tags? resources energyFootprint footprint metaData concurrentJobs"
    " energy arrayJobId? walltime? requestedMemory? jobId duration smt? monitoringStatus? numAcc? numHwthreads? numNodes statistics"
    " id submitTime? startTime"
)
_SINCE_1_4 = (
    "cluster subCluster partition? project user jobState tags? resources energyFootprint footprint metaData concurrentJobs"
    " energy arrayJobId? walltime? jobId duration smt? monitoringStatus? exclusive numAcc? numHwthreads? numNodes"
)
_OLD = (
    "jobId user project cluster subCluster partition? arrayJobId? numNodes numHwthreads? numAcc? exclusive monitoringStatus? smt?"
    " jobState duration walltime? tags? resources metaData concurrentJobs"
)
# (a job by itself, a job in a list)
_ORDERS = {
    "1.2.2": (f"id {_OLD} startTime", f"id {_OLD} startTime statistics"),
    "1.3.1": (f"id {_OLD} startTime memUsedMax flopsAnyAvg memBwAvg loadAvg", f"id {_OLD} startTime statistics"),
    "1.4.4": (f"startTime {_SINCE_1_4} id", f"id statistics {_SINCE_1_4} startTime"),
    "1.5.4": (_NEW, _NEW),
}
_MEANS = dict.fromkeys(("memUsedMax", "flopsAnyAvg", "memBwAvg", "loadAvg"), 0)
_RESOURCE = {
    "1.2.2": ("hostname", "hwthreads", "accelerators", "configuration"),
    "1.3.1": ("hostname", "hwthreads", "accelerators", "configuration"),
    "1.4.4": ("hostname", "configuration", "hwthreads", "accelerators"),
    "1.5.4": ("hostname", "configuration", "hwthreads", "accelerators"),
}


def resources(release, given):
    """As they are stored and shown: a host that has no list has no member for it."""
    order = _RESOURCE[release.version]
    return [{key: one.get(key, "") for key in order if one.get(key) or key == "hostname"} for one in given]


def duration(job, now):
    """That of a running job is made when it is looked at, in 32 bits."""
    if job["jobState"] != "running":
        return job["duration"]
    return (int(now) - job["startTime"] + 2**31) % 2**32 - 2**31


def tags(release, rows):
    if not release.has_tag_scope:
        return [{"id": row, "type": kind, "name": name} for row, kind, name in rows]
    return [{"type": kind, "name": name, "scope": scope, "id": row} for row, kind, name, scope in rows]


def job_document(release, job, *, listed=False, meta=None, tag_rows=(), statistics=None):
    """`job`: a row, with the duration that is to be shown. `meta`: metaData, which is null unless it was asked for."""
    start = job["startTime"]
    if not (listed or release.minor >= 5):
        start = datetime.fromtimestamp(start, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    values = {
        **job,
        **_MEANS,
        "startTime": start,
        "tags": tags(release, tag_rows),
        "resources": resources(release, job["resources"]),
        "energyFootprint": None,
        "footprint": ordered(job.get("footprint")),
        "metaData": ordered(meta),
        "concurrentJobs": {"items": None, "count": 0},
        "statistics": statistics,
    }
    result = {}
    for name in _ORDERS[release.version][listed].split():
        optional, name = name.endswith("?"), name.rstrip("?")
        if not optional or values.get(name):
            result[name] = values[name]
    return result
