/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "CSlurm.h"

#include <string.h>

/* splitmix64's finaliser over what came before. */
static uint64_t mix(uint64_t digest, uint64_t value) {
    uint64_t mixed = digest ^ (value + UINT64_C(0x9e3779b97f4a7c15) + (digest << 6) + (digest >> 2));
    mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94d049bb133111eb);
    return mixed ^ (mixed >> 31);
}

/* Its length goes in first: two texts do not run into each other. An empty one is as none, as it is to a reader. */
static uint64_t mix_text(uint64_t digest, const char *text) {
    size_t length = text != NULL ? strlen(text) : 0;
    digest = mix(digest, length);
    while (length > 0) {
        uint64_t word = 0;
        size_t part = length < sizeof(word) ? length : sizeof(word);
        memcpy(&word, text, part);
        digest = mix(digest, word);
        text += part;
        length -= part;
    }
    return digest;
}

uint64_t cs_job_digest(const slurm_job_info_t *job, uint64_t seed) {
    uint32_t base = job->job_state & JOB_STATE_BASE;
    uint64_t digest = mix(seed, ((uint64_t) job->job_id << 32) | job->job_state);
    digest = mix(digest, ((uint64_t) job->array_job_id << 32) | job->array_task_id);
    digest = mix(digest, ((uint64_t) job->het_job_id << 32) | job->het_job_offset);
    digest = mix(digest, ((uint64_t) job->user_id << 32) | job->time_limit);
    digest = mix(digest, job->restart_cnt);
    digest = mix(digest, (uint64_t) job->submit_time);
    /* slurmctld's guesses at the start of a pending and the end of a running job change all the time. */
    if (base != JOB_PENDING)
        digest = mix(digest, (uint64_t) job->start_time);
    if (base > JOB_SUSPENDED) {
        digest = mix(digest, (uint64_t) job->end_time);
        digest = mix(digest, (uint64_t) job->suspend_time);
        digest = mix(digest, (uint64_t) job->pre_sus_time);
        digest = mix(digest, job->exit_code);
    }
    digest = mix_text(digest, job->name);
    digest = mix_text(digest, job->user_name);
    digest = mix_text(digest, job->account);
    digest = mix_text(digest, job->partition);
    digest = mix_text(digest, job->nodes);
    digest = mix_text(digest, job->tres_alloc_str);
    digest = mix_text(digest, job->admin_comment);
    return mix_text(digest, job->array_task_str);
}
