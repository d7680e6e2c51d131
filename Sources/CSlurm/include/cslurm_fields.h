/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Fields that moved, changed width or came and went between releases, read one way. */
#ifndef CSLURM_FIELDS_H
#define CSLURM_FIELDS_H

#include <stdint.h>

#include <slurm/slurm.h>
#include <slurm/slurm_version.h>
#include <slurm/slurmdb.h>

#include "cslurm_calls.h"

/* 16 bits wide until 24.05. */
static inline uint32_t cs_job_state_reason(const slurm_job_info_t *job) {
    return (uint32_t) job->state_reason;
}

/* The SLUID of a job (26.05 on), 0 where there is none. */
static inline uint64_t cs_job_sluid(const slurm_job_info_t *job) {
#if SLURM_VERSION_NUMBER >= CS_SERIES(26, 5)
    return job->step_id.sluid;
#else
    (void) job;
    return 0;
#endif
}

/* The command line of the submission (25.11 on), NULL where slurmctld does not tell. */
static inline const char *cs_job_submit_line(const slurm_job_info_t *job) {
#if SLURM_VERSION_NUMBER >= CS_SERIES(25, 11)
    return job->submit_line;
#else
    (void) job;
    return NULL;
#endif
}

/*
 * A number that changes with what the job's observation is made of (its names, owner, state, times, nodes, TRES and admin
 * comment), and not with what changes all the time (reasons, guesses at times to come, the scheduler's last look).
 */
uint64_t cs_job_digest(const slurm_job_info_t *job, uint64_t seed);

/* 16 bits wide until 24.05. */
static inline uint32_t cs_partition_flags(const partition_info_t *partition) {
    return (uint32_t) partition->flags;
}

/* slurmdbd's restart count of a job (23.11 on), -1 where there is none. */
static inline int64_t cs_accounting_restart_count(const slurmdb_job_rec_t *job) {
#if SLURM_VERSION_NUMBER >= CS_SERIES(23, 11)
    return (int64_t) job->restart_cnt;
#else
    (void) job;
    return -1;
#endif
}

#endif
