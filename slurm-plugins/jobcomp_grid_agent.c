// SPDX-License-Identifier: GPL-2.0-or-later
// A job completion plugin for slurmctld: tells slurm-grid-agent of every record. slurmctld calls it under its locks, so
// each call copies and returns. Nothing here may keep slurmctld from starting: every entry point succeeds.
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "jobcomp_chain.h"
#include "jobcomp_record.h"
#include "jobcomp_sender.h"
#include "jobcomp_settings.h"

#define EXPORT __attribute__((visibility("default")))

EXPORT extern const char plugin_name[];
EXPORT extern const char plugin_type[];
const char plugin_name[] = "Job completion plugin of slurm-grid-agent";
const char plugin_type[] = "jobcomp/grid_agent";

EXPORT int init(void);
EXPORT int fini(void);
EXPORT int jobcomp_p_set_location(char *location);
EXPORT int jobcomp_p_log_record(void *job);
EXPORT int jobcomp_p_record_job_end(void *job, uint32_t event);
EXPORT int jobcomp_p_record_job_start(void *job, uint32_t event);
EXPORT void *jobcomp_p_get_jobs(void *condition);

static struct settings settings;
static pthread_mutex_t starting = PTHREAD_MUTEX_INITIALIZER;
static atomic_bool started;
static enum event_mode mode;

// Also called by `sacct -c`, as any user: reads, and starts nothing.
int init(void)
{
    settings_read(&settings);
    chain_load(&settings);
    return 0;
}

// Newer releases' fini returns nothing, which this one's caller does not notice.
int fini(void)
{
    chain_unload();
    if (atomic_exchange(&started, false))
        sender_stop(900);
    return 0;
}

// The argument is there in 22.05 only, where the location is text for the plugin's own use: the chained one's.
int jobcomp_p_set_location(char *location)
{
    if (chain_is_loaded())
        chain_set_location(location);
    return 0;
}

static void start_once(const void *job)
{
    char reason[256];
    pthread_mutex_lock(&starting);
    if (!atomic_load(&started)) {
        int problem = sender_start(&settings);
        if (problem)
            log_line("cannot start: %s; the agent will learn of jobs by asking only", strerror(problem));
        if (mode == EVENT_UNDECIDED) {
            mode = rich_is_possible(reason, sizeof(reason)) && rich_is_proven(job, reason, sizeof(reason)) ? EVENT_RICH : EVENT_LEAN;
            sender_set_mode(mode, reason);
            log_line("%s records: %s", mode == EVENT_RICH ? "rich" : "lean", reason);
        }
        atomic_store(&started, true);
    }
    pthread_mutex_unlock(&starting);
}

static size_t write_event(uint8_t *frame, size_t size, const void *job, enum event_kind kind, enum event_mode as, uint64_t sequence)
{
    struct event_writer writer;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    event_begin(&writer, frame, size, EVENT_EVENT, sequence);
    event_put_number(&writer, TAG_SOURCE, EVENT_FROM_JOBCOMP);
    event_put_bytes(&writer, TAG_BOOT_ID, sender_boot_id(), EVENT_BOOT_ID_SIZE);
    event_put_number(&writer, TAG_KIND, kind);
    event_put_number(&writer, TAG_OBSERVED, (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000);
    uint64_t dropped = sender_dropped();
    if (dropped)
        event_put_number(&writer, TAG_DROPPED, dropped);
    event_put_number(&writer, TAG_MODE, as);
    if (as == EVENT_RICH ? !rich_put(&writer, job) : !lean_put(&writer, job))
        return 0;
    return event_end(&writer);
}

static void record(const void *job, enum event_kind kind)
{
    // Texts are cut at 4 KiB each and there are eight.
    uint8_t frame[40 << 10];
    struct timespec since, now;
    if (!job)
        return;
    if (!atomic_load(&started))
        start_once(job);
    clock_gettime(CLOCK_MONOTONIC, &since);
    uint64_t sequence = sender_next_sequence();
    size_t length = 0;
    if (mode == EVENT_RICH)
        length = write_event(frame, sizeof(frame), job, kind, EVENT_RICH, sequence);
    if (length == 0)
        length = write_event(frame, sizeof(frame), job, kind, EVENT_LEAN, sequence);
    if (length > 0)
        sender_add(frame, length);
    clock_gettime(CLOCK_MONOTONIC, &now);
    int64_t took = (now.tv_sec - since.tv_sec) * 1000000 + (now.tv_nsec - since.tv_nsec) / 1000;
    sender_note_callback(took > 0 ? (uint64_t)took : 0);
}

int jobcomp_p_log_record(void *job)
{
    record(job, EVENT_JOB_RECORD);
    chain_record_end(job, 0);
    return 0;
}

int jobcomp_p_record_job_end(void *job, uint32_t event)
{
    record(job, EVENT_JOB_RECORD);
    chain_record_end(job, event);
    return 0;
}

int jobcomp_p_record_job_start(void *job, uint32_t event)
{
    record(job, EVENT_JOB_START);
    chain_record_start(job, event);
    return 0;
}

void *jobcomp_p_get_jobs(void *condition)
{
    return chain_get_jobs(condition);
}
