# SPDX-License-Identifier: GPL-3.0-or-later
"""What differs between the four releases of cc-backend that the double knows, and the fields of their requests."""

from dataclasses import dataclass

from gojson import FLOAT, INT, INT32, INT64, STRING, List, Map, Struct, Word

OLD_STATES = frozenset("running completed failed cancelled stopped timeout preempted out_of_memory".split())
NEW_STATES = frozenset(
    "boot_fail cancelled completed deadline failed node_fail out_of_memory pending preempted running suspended timeout".split()
)


@dataclass(frozen=True)
class Release:
    version: str
    minor: int
    states: frozenset  # that a stop may name, and a listing may ask for
    job: Struct  # body of start_job
    stop: Struct
    delete: Struct
    named_jwt_errors: bool  # the token library says what kind of error it is before it says which
    checks_issued_at: bool  # a token that is issued in the future is refused

    @property
    def caches_jobs(self):
        """A start without tags waits in the table job_cache."""
        return self.minor >= 5

    @property
    def chi(self):
        """The router of 1.5: no redirects, 405 for a wrong method."""
        return self.minor >= 5

    @property
    def has_shared(self):
        """The word `shared`, where older ones have the number `exclusive`."""
        return self.minor >= 5

    @property
    def has_footprint(self):
        return self.minor >= 4

    @property
    def has_tag_scope(self):
        return self.minor >= 4

    @property
    def strict_roles(self):
        """Roles and address are looked at before anything else; older ones look for `api` in each handler."""
        return self.minor >= 4

    @property
    def tells_stops_apart(self):
        """A stop of a stopped job has an answer of its own. Since 1.4.3."""
        return self.minor >= 4


def _tag(minor):
    scope = {"scope": STRING} if minor >= 4 else {}
    return Struct("schema.Tag", {"type": STRING, "name": STRING, **scope, "id": INT64})


def _job(minor):
    unit = Struct("schema.Unit", {"base": STRING, "prefix": STRING})
    statistics = Struct("schema.JobStatistics", {"unit": unit, "avg": FLOAT, "min": FLOAT, "max": FLOAT})
    link = Struct("schema.JobLink", {"id": INT64, "jobId": INT64})
    links = Struct("schema.JobLinkResultList", {"items": List(link, pointer=True), "count": INT})
    resource = Struct(
        "schema.Resource",
        {"hostname": STRING, "configuration": STRING, "hwthreads": List(INT), "accelerators": List(STRING)},
    )
    fields = {
        **dict.fromkeys(("cluster", "subCluster", "partition", "project", "user"), STRING),
        "jobState": Word("schema.JobState"),
        "tags": List(_tag(minor), pointer=True),
        "resources": List(resource, pointer=True),
        "metaData": Map(STRING),
        "concurrentJobs": links,
        **dict.fromkeys(("arrayJobId", "walltime", "jobId", "startTime", "id"), INT64),
        **dict.fromkeys(("duration", "smt", "monitoringStatus", "numAcc", "numHwthreads", "numNodes"), INT32),
        "statistics": Map(statistics),
    }
    if minor >= 4:
        fields |= {"energyFootprint": Map(FLOAT), "footprint": Map(FLOAT), "energy": FLOAT}
    if minor >= 5:
        fields |= {"shared": STRING, "submitTime": INT64, "requestedMemory": INT64}
    else:
        fields |= {"exclusive": INT32}
    return Struct("schema.Job" if minor >= 5 else "schema.JobMeta", fields)


def _release(version, states, **rest):
    minor = int(version.split(".")[1])
    api = "API" if minor >= 5 else "Api"
    key = {"jobId": INT64, "cluster": STRING, "startTime": INT64}
    stop = {**key, "stopTime": INT64, "jobState": Word("schema.JobState")}
    return Release(
        version,
        minor,
        states,
        job=_job(minor),
        stop=Struct(f"api.StopJob{api}Request", stop),
        delete=Struct(f"api.DeleteJob{api}Request", key),
        **rest,
    )


RELEASES = {
    release.version: release
    for release in (
        _release("1.2.2", OLD_STATES, named_jwt_errors=False, checks_issued_at=True),
        _release("1.3.1", OLD_STATES, named_jwt_errors=True, checks_issued_at=False),
        _release("1.4.4", OLD_STATES, named_jwt_errors=True, checks_issued_at=False),
        _release("1.5.4", NEW_STATES, named_jwt_errors=True, checks_issued_at=False),
    )
}

META = {"key": STRING, "value": STRING}
EDIT_META = Struct("api.EditMetaRequest", META)
EDIT_META_BY_KEY = Struct(
    "api.JobMetaRequest",
    {"jobId": INT64, "cluster": STRING, "startTime": INT64, "payload": Struct("api.EditMetaRequest", META)},
)
TAGS = {
    scope: List(Struct("api.APITag", {"type": STRING, "name": STRING, **({"scope": STRING} if scope else {})}), pointer=True)
    for scope in (False, True)
}
NODE_STATES = Struct(
    "api.UpdateNodeStatesRequest",
    {
        "nodes": List(
            Struct(
                "schema.NodePayload",
                {
                    "hostname": STRING,
                    "states": List(STRING),
                    **dict.fromkeys(("cpusAllocated", "gpusAllocated", "jobsRunning"), INT),
                    "memoryAllocated": INT64,
                },
            )
        ),
        "cluster": STRING,
    },
)
