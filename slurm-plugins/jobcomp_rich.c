// SPDX-License-Identifier: GPL-2.0-or-later
// The one file that knows job_record_t: built with the private headers of exactly one Slurm release, fetched at build
// time (fetch-slurm-headers.sh). Without them (GRID_AGENT_LEAN) every record is lean.
#ifndef GRID_AGENT_LEAN
#include <slurm/slurm_version.h>
#if SLURM_VERSION_NUMBER >= 0x180500
#include "src/common/job_record.h"
#else
#include "src/slurmctld/slurmctld.h"
#endif
#endif

#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "jobcomp_record.h"
#include "jobcomp_settings.h"

#ifdef GRID_AGENT_LEAN

bool rich_is_possible(char *reason, size_t size)
{
    snprintf(reason, size, "built without Slurm's private headers");
    return false;
}

bool rich_is_proven(const void *job, char *reason, size_t size)
{
    (void)job;
    return rich_is_possible(reason, size);
}

bool rich_put(struct event_writer *writer, const void *job)
{
    (void)writer;
    (void)job;
    return false;
}

#else

// A layout that is none of ours, for the test of the proof.
#ifdef GRID_AGENT_TEST_GARBAGE
#define RECORD(job) ((const job_record_t *)((const char *)(job) + 8))
#else
#define RECORD(job) ((const job_record_t *)(job))
#endif

bool rich_is_possible(char *reason, size_t size)
{
    char built[16], running[16];
    version_text(built_version(), built, sizeof(built));
    version_text(running_version(), running, sizeof(running));
    if (running_version() == 0) {
        snprintf(reason, size, "Slurm's release could not be told");
    } else if (running_version() != built_version()) {
        snprintf(reason, size, "built for Slurm %s, running in %s", built, running);
    } else if (!dlsym(RTLD_DEFAULT, "job_common_env_vars")) {
        snprintf(reason, size, "slurmctld has no job_common_env_vars to compare with");
    } else {
        return true;
    }
    return false;
}

// Reads memory that may not be there; the kernel says so instead of killing us.
static bool peek(void *to, const void *from, size_t size)
{
    struct iovec local = {to, size}, remote = {(void *)(uintptr_t)from, size};
    return process_vm_readv(getpid(), &local, 1, &remote, 1, 0) == (ssize_t)size;
}

static bool peek_text(const char *from, char *text, size_t size)
{
    for (size_t i = 0; i + 1 < size; i++) {
        if (!peek(text + i, from + i, 1))
            return false;
        if (!text[i])
            return true;
    }
    text[size - 1] = '\0';
    return true;
}

static const char *value_of(char **environment, const char *name)
{
    size_t length = strlen(name);
    for (char **entry = environment; *entry; entry++)
        if (!strncmp(*entry, name, length) && (*entry)[length] == '=')
            return *entry + length + 1;
    return NULL;
}

static bool same_number(char **environment, const char *name, uint64_t ours, char *reason, size_t size)
{
    const char *theirs = value_of(environment, name);
    if (theirs && strtoull(theirs, NULL, 10) == ours)
        return true;
    snprintf(reason, size, "the record's layout is another one: %s is %s, the layout says %llu", name,
        theirs ? theirs : "not told", (unsigned long long)ours);
    return false;
}

static bool same_text(char **environment, const char *name, const char *ours, char *reason, size_t size)
{
    const char *theirs = value_of(environment, name);
    char text[512];
    // setenvf() writes a null pointer as "(null)".
    bool none = !theirs || !*theirs || !strcmp(theirs, "(null)");
    if (!ours ? none : peek_text(ours, text, sizeof(text)) && theirs && !strncmp(theirs, text, sizeof(text) - 1))
        return true;
    snprintf(reason, size, "the record's layout is another one: %s does not agree", name);
    return false;
}

static bool agrees(const job_record_t *record, char **environment, char *reason, size_t size)
{
    if (!same_number(environment, "SLURM_JOB_ID", record->job_id, reason, size) ||
        !same_number(environment, "SLURM_JOB_UID", record->user_id, reason, size) ||
        !same_number(environment, "SLURM_JOB_GID", record->group_id, reason, size) ||
        !same_number(environment, "SLURM_JOB_EXIT_CODE", record->exit_code, reason, size) ||
        !same_number(environment, "SLURM_JOB_RESTART_COUNT", record->restart_cnt, reason, size))
        return false;
#if SLURM_VERSION_NUMBER >= 0x180b00
    if (!same_number(environment, "SLURM_JOB_START_TIME", (uint64_t)record->start_time, reason, size) ||
        !same_number(environment, "SLURM_JOB_END_TIME", (uint64_t)record->end_time, reason, size))
        return false;
#endif
    const char *partition = record->partition;
    if (record->part_ptr && !peek(&partition, &record->part_ptr->name, sizeof(partition))) {
        snprintf(reason, size, "the record's layout is another one: its partition cannot be read");
        return false;
    }
    if (!same_text(environment, "SLURM_JOB_PARTITION", partition, reason, size) ||
        !same_text(environment, "SLURM_JOB_NODELIST", record->nodes, reason, size) ||
        !same_text(environment, "SLURM_JOB_NAME", record->name, reason, size))
        return false;
    __typeof__(*record->details) details; // struct job_details, job_details_t from 24.11 on
    if (record->details && !peek(&details, record->details, sizeof(details))) {
        snprintf(reason, size, "the record's layout is another one: its details cannot be read");
        return false;
    }
    if (record->details && (details.submit_time < 1000000000 || details.submit_time > (time_t)1 << 40)) {
        snprintf(reason, size, "the record's layout is another one: its submit time makes no sense");
        return false;
    }
    return true;
}

bool rich_is_proven(const void *job, char *reason, size_t size)
{
    char **(*env_vars)(void *, bool) = (char **(*)(void *, bool))dlsym(RTLD_DEFAULT, "job_common_env_vars");
    void (*array_free)(char **) = (void (*)(char **))dlsym(RTLD_DEFAULT, "env_array_free");
    if (!env_vars || !array_free) {
        snprintf(reason, size, "slurmctld has no job_common_env_vars to compare with");
        return false;
    }
    static job_record_t copy; // not on slurmctld's stack
    if (!peek(&copy, RECORD(job), sizeof(copy))) {
        snprintf(reason, size, "the record's layout is another one: it is shorter");
        return false;
    }
    char **environment = env_vars((void *)(uintptr_t)job, true);
    if (!environment) {
        snprintf(reason, size, "slurmctld says nothing of the job to compare with");
        return false;
    }
    bool proven = agrees(&copy, environment, reason, size);
    array_free(environment);
    if (proven) {
        char version[16];
        version_text(running_version(), version, sizeof(version));
        snprintf(reason, size, "Slurm %s, its records agree with what slurmctld says of them", version);
    }
    return proven;
}

static void put_time(struct event_writer *writer, enum event_tag tag, time_t time)
{
    if (time > 0)
        event_put_number(writer, tag, (uint64_t)time);
}

static void put_array(struct event_writer *writer, const job_record_t *record)
{
    if (!record->array_job_id)
        return;
    event_put_number(writer, TAG_ARRAY_JOB_ID, record->array_job_id);
    if (record->array_task_id != NO_VAL) {
        event_put_number(writer, TAG_ARRAY_TASK_ID, record->array_task_id);
        return;
    }
    if (!record->array_recs)
        return;
    event_put_number(writer, TAG_ARRAY_TASK_COUNT, record->array_recs->task_cnt);
    char *(*format)(char *, int32_t, bitstr_t *) = (char *(*)(char *, int32_t, bitstr_t *))dlsym(RTLD_DEFAULT, "bit_fmt");
    if (format && record->array_recs->task_id_bitmap) {
        static char tasks[EVENT_TEXT_MAX + 64]; // the caller's lock is its, too
        tasks[0] = '\0';
        format(tasks, sizeof(tasks), record->array_recs->task_id_bitmap);
        event_put_text(writer, TAG_ARRAY_TASKS, tasks);
    }
}

bool rich_put(struct event_writer *writer, const void *job)
{
    const job_record_t *record = RECORD(job);
    if (!record->details)
        return false;
    event_put_number(writer, TAG_JOB_ID, record->job_id);
    put_array(writer, record);
    if (record->het_job_id) {
        event_put_number(writer, TAG_HET_JOB_ID, record->het_job_id);
        event_put_number(writer, TAG_HET_JOB_OFFSET, record->het_job_offset);
    }
    event_put_number(writer, TAG_UID, record->user_id);
    event_put_number(writer, TAG_GID, record->group_id);
    event_put_number(writer, TAG_STATE, record->job_state);
    event_put_number(writer, TAG_EXIT_CODE, record->exit_code);
    put_time(writer, TAG_SUBMIT_TIME, record->details->submit_time);
    put_time(writer, TAG_ELIGIBLE_TIME, record->details->begin_time);
    put_time(writer, TAG_START_TIME, record->start_time);
    put_time(writer, TAG_END_TIME, record->end_time);
    put_time(writer, TAG_SUSPEND_TIME, record->suspend_time);
    put_time(writer, TAG_RUN_TIME_BEFORE_SUSPENSION, record->pre_sus_time);
    put_time(writer, TAG_TIME_SUSPENDED, record->tot_sus_time);
    event_put_number(writer, TAG_RESTART_COUNT, record->restart_cnt);
    if (record->time_limit != NO_VAL && record->time_limit != INFINITE)
        event_put_number(writer, TAG_TIME_LIMIT, record->time_limit);
    event_put_text(writer, TAG_NAME, record->name);
    event_put_text(writer, TAG_PARTITION, record->part_ptr ? record->part_ptr->name : record->partition);
    if (record->nodes && *record->nodes)
        event_put_text(writer, TAG_NODES, record->nodes);
    event_put_text(writer, TAG_ACCOUNT, record->account);
    event_put_text(writer, TAG_ADMIN_COMMENT, record->admin_comment);
    event_put_text(writer, TAG_COMMENT, record->comment);
    // By names, as slurmctld tells everybody else; by numbers, of which some are the cluster's own, if it has not made them.
    event_put_text(writer, TAG_ALLOCATED_TRES, record->tres_fmt_alloc_str ? record->tres_fmt_alloc_str : record->tres_alloc_str);
    return true;
}

#endif
