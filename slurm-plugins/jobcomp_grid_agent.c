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

// Texts are cut at 4 KiB each and there are eight.
enum { FRAME_SIZE = 40 << 10, START_AGAIN_US = 1000000 };

static struct settings settings;
static pthread_mutex_t starting = PTHREAD_MUTEX_INITIALIZER;
static atomic_bool started;
static int64_t start_again; // `starting`'s: not before, when it failed
static enum event_mode mode;

// slurmctld's threads call with its locks held, and their stacks are not ours to fill: the frame is made in memory of our
// own, by one of them at a time. Its number is taken in the same breath: the agent takes a lower one than the last for known.
static pthread_mutex_t writing = PTHREAD_MUTEX_INITIALIZER;
static uint8_t frame[FRAME_SIZE];

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
    start_again = 0;
    return 0;
}

// The argument is there in 22.05 only, where the location is text for the plugin's own use: the chained one's.
int jobcomp_p_set_location(char *location)
{
    if (chain_is_loaded())
        chain_set_location(location);
    return 0;
}

static int64_t microseconds(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void decide_mode(const void *job)
{
    static char reason[256]; // `starting`'s
    if (mode != EVENT_UNDECIDED)
        return;
    mode = rich_is_possible(reason, sizeof(reason)) && rich_is_proven(job, reason, sizeof(reason)) ? EVENT_RICH : EVENT_LEAN;
    sender_set_mode(mode, reason);
    log_line("%s records: %s", mode == EVENT_RICH ? "rich" : "lean", reason);
}

// What is missing now (a descriptor, memory, a thread) may be there at a later record.
static void start(const void *job)
{
    pthread_mutex_lock(&starting);
    int64_t now = microseconds(CLOCK_MONOTONIC);
    if (!atomic_load(&started) && now >= start_again) {
        int problem = sender_start(&settings);
        if (problem && !start_again)
            log_line("cannot start: %s; until it can, the agent learns of jobs by asking only", strerror(problem));
        start_again = now + START_AGAIN_US;
        decide_mode(job);
        atomic_store(&started, problem == 0);
    }
    pthread_mutex_unlock(&starting);
}

static size_t write_event(const void *job, enum event_kind kind, enum event_mode as, uint64_t sequence)
{
    struct event_writer writer;
    event_begin(&writer, frame, sizeof(frame), EVENT_EVENT, sequence);
    event_put_number(&writer, TAG_SOURCE, EVENT_FROM_JOBCOMP);
    event_put_bytes(&writer, TAG_BOOT_ID, sender_boot_id(), EVENT_BOOT_ID_SIZE);
    event_put_number(&writer, TAG_KIND, kind);
    event_put_number(&writer, TAG_OBSERVED, (uint64_t)microseconds(CLOCK_REALTIME));
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
    if (!job)
        return;
    if (!atomic_load(&started))
        start(job);
    int64_t since = microseconds(CLOCK_MONOTONIC);
    size_t length = 0;
    pthread_mutex_lock(&writing);
    uint64_t sequence = sender_next_sequence();
    if (mode == EVENT_RICH)
        length = write_event(job, kind, EVENT_RICH, sequence);
    if (length == 0)
        length = write_event(job, kind, EVENT_LEAN, sequence);
    if (length > 0)
        sender_add(frame, length);
    pthread_mutex_unlock(&writing);
    int64_t took = microseconds(CLOCK_MONOTONIC) - since;
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
