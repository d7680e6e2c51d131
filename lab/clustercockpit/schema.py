# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables of each release. Names, types and the spelling of conditions are cc-backend's: SQLite repeats a condition, word
by word, in the error that a caller gets to see. Not here: its indexes, users, configuration."""

_COMMON = {
    "jobId": "job_id",
    "cluster": "cluster",
    "subCluster": "subcluster",
    "startTime": "start_time",
    "user": "hpc_user",
    "project": "project",
    "partition": "cluster_partition",
    "arrayJobId": "array_job_id",
    "duration": "duration",
    "walltime": "walltime",
    "jobState": "job_state",
    "metaData": "meta_data",
    "resources": "resources",
    "numNodes": "num_nodes",
    "numHwthreads": "num_hwthreads",
    "numAcc": "num_acc",
    "smt": "smt",
    "monitoringStatus": "monitoring_status",
}
_OLD = {**_COMMON, "exclusive": "exclusive"}
_FOOTPRINT = {"energy": "energy", "energyFootprint": "energy_footprint", "footprint": "footprint"}

# Name in the API: column. `id` is the same everywhere.
COLUMNS = {
    "1.2.2": {**_OLD, "user": '"user"', "partition": '"partition"'},
    "1.3.1": {**_OLD, "user": '"user"', "partition": '"partition"'},
    "1.4.4": {**_OLD, **_FOOTPRINT},
    "1.5.4": {**_COMMON, "shared": "shared", **_FOOTPRINT},
}
JSON_COLUMNS = {"metaData", "resources", "footprint", "energyFootprint"}

_OLD_JOB = """
CREATE TABLE job (
    id INTEGER PRIMARY KEY,
    job_id BIGINT NOT NULL,
    cluster VARCHAR(255) NOT NULL,
    subcluster VARCHAR(255) NOT NULL,
    start_time BIGINT NOT NULL,
    {user} VARCHAR(255) NOT NULL,
    project VARCHAR(255) NOT NULL,
    {partition} VARCHAR(255),
    array_job_id BIGINT,
    duration INT NOT NULL,
    walltime INT NOT NULL,
    job_state VARCHAR(255) NOT NULL
        CHECK(job_state IN ('running', 'completed', 'failed', 'cancelled', 'stopped', 'timeout', 'preempted', 'out_of_memory')),
    meta_data TEXT,
    resources TEXT NOT NULL,
    num_nodes INT NOT NULL,
    num_hwthreads INT,
    num_acc INT,
    smt TINYINT NOT NULL DEFAULT 1 CHECK(smt               IN (0, 1   )),
    exclusive TINYINT NOT NULL DEFAULT 1 CHECK(exclusive         IN (0, 1, 2)),
    monitoring_status TINYINT NOT NULL DEFAULT 1 CHECK(monitoring_status IN (0, 1, 2, 3)),
{more}    UNIQUE (job_id, cluster, start_time)
);
"""
_MEANS = "mem_used_max flops_any_avg mem_bw_avg load_avg net_bw_avg net_data_vol_total file_bw_avg file_data_vol_total"
_OLD_MEANS = "".join(f"    {name} REAL NOT NULL DEFAULT 0.0,\n" for name in _MEANS.split())
_ENERGY = """\
    energy REAL NOT NULL DEFAULT 0.0,
    energy_footprint TEXT DEFAULT NULL,
    footprint TEXT DEFAULT NULL,
"""

# The table of jobs itself lets any smt pass, so that of two equal requests the one with a tag may be taken.
_NEW_JOB = """
CREATE TABLE {table} (
    id INTEGER PRIMARY KEY,
    job_id BIGINT NOT NULL,
    cluster TEXT NOT NULL,
    subcluster TEXT NOT NULL,
    submit_time BIGINT NOT NULL DEFAULT 0,
    start_time BIGINT NOT NULL DEFAULT 0,
    hpc_user TEXT NOT NULL,
    project TEXT NOT NULL,
    cluster_partition TEXT,
    array_job_id BIGINT,
    duration INT NOT NULL,
    walltime INT NOT NULL,
    job_state TEXT NOT NULL CHECK (job_state IN (
        'boot_fail', 'cancelled', 'completed', 'deadline',
        'failed', 'node_fail', 'out_of_memory', 'pending',
        'preempted', 'running', 'suspended', 'timeout'
    )),
    meta_data TEXT,
    resources TEXT NOT NULL,
    num_nodes INT NOT NULL,
    num_hwthreads INT,
    num_acc INT,
    smt INT NOT NULL DEFAULT 1{smt},
    shared TEXT NOT NULL CHECK (shared IN ("none", "single_user", "multi_user")),
    monitoring_status TINYINT NOT NULL DEFAULT 1 CHECK (monitoring_status IN (0, 1, 2, 3)),
{more}    UNIQUE (job_id, cluster, start_time)
);
"""
_NODES = """
CREATE TABLE node (
    id INTEGER PRIMARY KEY,
    hostname VARCHAR(255) NOT NULL,
    cluster VARCHAR(255) NOT NULL,
    subcluster VARCHAR(255) NOT NULL,
    meta_data TEXT,
    UNIQUE (hostname, cluster)
);
CREATE TABLE node_state (
    id INTEGER PRIMARY KEY,
    time_stamp INTEGER NOT NULL,
    jobs_running INTEGER DEFAULT 0 NOT NULL,
    cpus_allocated INTEGER DEFAULT 0 NOT NULL,
    memory_allocated INTEGER DEFAULT 0 NOT NULL,
    gpus_allocated INTEGER DEFAULT 0 NOT NULL,
    node_state VARCHAR(255) NOT NULL CHECK (node_state IN ('allocated', 'reserved', 'idle', 'mixed', 'down', 'unknown')),
    health_state VARCHAR(255) NOT NULL CHECK (health_state IN ('full', 'partial', 'failed')),
    health_metrics TEXT,
    node_id INTEGER,
    FOREIGN KEY (node_id) REFERENCES node (id)
);
"""
_TAGS = """
CREATE TABLE tag (
    id INTEGER PRIMARY KEY,
    tag_type VARCHAR(255) NOT NULL,
    tag_name VARCHAR(255) NOT NULL{scope},
    UNIQUE (tag_type, tag_name)
);
CREATE TABLE jobtag (
    job_id INTEGER,
    tag_id INTEGER,
    PRIMARY KEY (job_id, tag_id),
    FOREIGN KEY (job_id) REFERENCES job (id) ON DELETE CASCADE,
    FOREIGN KEY (tag_id) REFERENCES tag (id) ON DELETE CASCADE
);
"""


def tables(release):
    """The statements that make a release's tables."""
    names = COLUMNS[release.version]
    if release.caches_jobs:
        check = " CHECK (smt IN (0, 1))"
        jobs = _NEW_JOB.format(table="job", smt="", more=_ENERGY) + _NEW_JOB.format(table="job_cache", smt=check, more=_ENERGY)
    else:
        more = _ENERGY if release.has_footprint else _OLD_MEANS
        jobs = _OLD_JOB.format(user=names["user"], partition=names["partition"], more=more)
    tags = _TAGS.format(scope=",\n    tag_scope TEXT NOT NULL DEFAULT 'global'" if release.has_tag_scope else "")
    return jobs + tags + (_NODES if release.minor >= 5 else "")
