/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Calls whose signature differs between releases, under one signature. Return conventions are libslurm's own. */
#ifndef CSLURM_CALLS_H
#define CSLURM_CALLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <slurm/slurm.h>
#include <slurm/slurm_version.h>
#include <slurm/slurmdb.h>

#define CS_SERIES(major, minor) SLURM_VERSION_NUM(major, minor, 0)

#if SLURM_VERSION_NUMBER < CS_SERIES(22, 5)
#error "slurm-grid-agent needs Slurm 22.05 or newer: install that libslurm-dev"
#endif

#if SLURM_VERSION_NUMBER < CS_SERIES(24, 11)
typedef List cs_list_t;
typedef ListIterator cs_list_iterator_t;
#else
typedef list_t *cs_list_t;
typedef list_itr_t *cs_list_iterator_t;
#endif

/* From 26.05 on a job is named by a slurm_step_id_t passed by value; before, by its number. */
#if SLURM_VERSION_NUMBER >= CS_SERIES(26, 5)
static inline slurm_step_id_t cs_job_key(uint32_t job_id) {
    slurm_step_id_t key = SLURM_STEP_ID_INITIALIZER;
    key.job_id = job_id;
    return key;
}
#define CS_JOB_KEY(job_id) cs_job_key(job_id)
#else
#define CS_JOB_KEY(job_id) (job_id)
#endif

static inline int cs_load_job(job_info_msg_t **answer, uint32_t job_id, uint16_t show_flags) {
    return slurm_load_job(answer, CS_JOB_KEY(job_id), show_flags);
}

/*
 * A job's record as scontrol prints it, over several lines; NULL where libslurm has no printer for others (24.11 on). Only for
 * a short-lived process: see cs_job_cores_on_node(). Nothing in slurm.h frees it.
 */
static inline char *cs_job_text(slurm_job_info_t *job) {
#if SLURM_VERSION_NUMBER < CS_SERIES(24, 11)
    return slurm_sprint_job_info(job, 0);
#else
    (void)job;
    return NULL;
#endif
}

static inline int cs_notify_job(uint32_t job_id, char *message) {
    return slurm_notify_job(CS_JOB_KEY(job_id), message);
}

/*
 * Sends `signal` to one step (SIGKILL ends it).
 */
static inline int cs_signal_step(uint32_t job_id, uint32_t step_id, uint16_t signal) {
#if SLURM_VERSION_NUMBER >= CS_SERIES(25, 11)
    slurm_step_id_t key = SLURM_STEP_ID_INITIALIZER;
    key.job_id = job_id;
    key.step_id = step_id;
    return slurm_kill_job_step(&key, signal, 0);
#elif SLURM_VERSION_NUMBER >= CS_SERIES(23, 11)
    return slurm_kill_job_step(job_id, step_id, signal, 0);
#else
    return slurm_kill_job_step(job_id, step_id, signal);
#endif
}

/* Frees the answer of slurm_load_ctl_conf(). */
static inline void cs_free_configuration(slurm_conf_t *configuration) {
#if SLURM_VERSION_NUMBER >= CS_SERIES(26, 5)
    slurm_free_conf(configuration);
#else
    slurm_free_ctl_conf(configuration);
#endif
}

static inline uint32_t cs_submit_response_job_id(const submit_response_msg_t *response) {
#if SLURM_VERSION_NUMBER >= CS_SERIES(25, 11)
    return response->step_id.job_id;
#else
    return response->job_id;
#endif
}

/*
 * The script of a batch job, NUL-terminated, in memory to be freed with free(); NULL with errno set on failure.
 */
char *cs_job_batch_script(uint32_t job_id, size_t *length);

/*
 * How many controllers slurm.conf names (the primary and its backups), for slurm_ping(0 …). Valid after slurm_init().
 */
int cs_controller_count(void);

/*
 * Abstract core indices (socket-major) that the job holds on that node, as a bit range such as "0-3,8", for a job loaded
 * with SHOW_DETAIL. By name, not by place: of a job that ends its node list has only those that are not clean yet.
 * Returns 0 and fills `buffer`, -1 where this release has no public source (23.11 to 25.08) or the job holds nothing.
 * 22.05's function multiplies by threads once slurm_sprint_job_info() has run in the process: never call that one.
 */
int cs_job_cores_on_node(const slurm_job_info_t *job, const char *node, char *buffer, size_t capacity);

/* CPUs (hardware threads) the job holds on that node; -1 when not known. */
int cs_job_cpus_on_node(const slurm_job_info_t *job, const char *node);

/* True when this build can answer cs_job_cores_on_node() at all. */
bool cs_has_core_placement(void);

/* AccountingStorageType of the slurm.conf that slurm_init() read; "" when there is none. */
const char *cs_accounting_storage_type(void);

/* ClusterName of the slurm.conf that slurm_init() read. */
const char *cs_cluster_name(void);

/*
 * slurmdbd's settings as "Name = value" lines, in memory to be freed with free(); NULL with errno set on failure.
 * Leaks on 26.05, whose library does not export the function that frees the answer: for short-lived processes.
 */
char *cs_accounting_settings(void *connection);

/* A condition element that selects one job number, to be freed with free(); NULL when out of memory. */
slurm_selected_step_t *cs_selected_job(uint32_t job_id);

/*
 * The federation this cluster is a member of, into `buffer` (empty: none). Returns 0, or an error of
 * slurm_load_federation().
 */
int cs_federation_name(char *buffer, size_t capacity);

#endif
