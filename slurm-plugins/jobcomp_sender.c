// SPDX-License-Identifier: GPL-2.0-or-later
#include "jobcomp_sender.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "jobcomp_ring.h"
#include "jobcomp_thread.h"

static struct {
    pthread_mutex_t lock; // of `running` and `stop`
    pthread_cond_t ended; // by a clock that nobody sets
    bool has_ended;       // there is one
    bool running;
    bool stop;
    struct settings settings;
    struct ring ring;
    bool has_ring;
    atomic_uint_fast64_t lost; // before there was one
    uint8_t boot_id[EVENT_BOOT_ID_SIZE];
    atomic_uint_fast64_t sequence;
    atomic_bool asleep;
    int wake;
} shared = {.lock = PTHREAD_MUTEX_INITIALIZER, .wake = -1};

static bool stopping(void)
{
    pthread_mutex_lock(&shared.lock);
    bool stop = shared.stop;
    pthread_mutex_unlock(&shared.lock);
    return stop;
}

static uint64_t next_sequence(void)
{
    return atomic_load(&shared.sequence) + 1;
}

static void prepare(bool again)
{
    struct thread_facts facts = {.hello = {.settings = &shared.settings, .ring = &shared.ring, .boot_id = shared.boot_id,
                                     .next_sequence = next_sequence}, .wake = shared.wake, .asleep = &shared.asleep,
        .is_to_stop = stopping, .again = again};
    thread_prepare(&facts);
}

static void *run(void *unused)
{
    (void)unused;
    for (bool over = false; !over;) {
        thread_run();
        pthread_mutex_lock(&shared.lock);
        // Who has started again while this one still wrote the rest has found it running, and made no other.
        over = shared.stop;
        if (over) {
            shared.running = false;
            pthread_cond_broadcast(&shared.ended);
        } else {
            prepare(true);
        }
        pthread_mutex_unlock(&shared.lock);
    }
    return NULL;
}

static int start_thread(void)
{
    pthread_t thread;
    pthread_attr_t attributes;
    sigset_t all, before;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, 512 << 10);
    // slurmctld's signals are slurmctld's.
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int problem = pthread_create(&thread, &attributes, run, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    if (problem == 0)
        pthread_setname_np(thread, "grid-agent");
    return problem;
}

static void make_boot_id(void)
{
    // Where there is no random number, time and pid name the process well enough.
    if (getrandom(shared.boot_id, sizeof(shared.boot_id), GRND_NONBLOCK) == (ssize_t)sizeof(shared.boot_id))
        return;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t parts[2] = {(uint64_t)now.tv_sec << 30 | (uint64_t)now.tv_nsec, (uint64_t)getpid()};
    memcpy(shared.boot_id, parts, sizeof(parts));
}

static void make_condition(void)
{
    pthread_condattr_t monotonic;
    if (shared.has_ended)
        return;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&shared.ended, &monotonic);
    pthread_condattr_destroy(&monotonic);
    shared.has_ended = true;
}

static bool make_ring(const struct settings *settings)
{
    if (shared.has_ring)
        return true;
    if (shared.wake < 0) {
        make_boot_id();
        shared.wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    }
    if (shared.wake < 0 || !ring_make(&shared.ring, settings->ring_bytes, settings->ring_frames))
        return false;
    shared.ring.dropped = atomic_load(&shared.lost);
    return shared.has_ring = true;
}

int sender_start(const struct settings *settings)
{
    int problem = 0;
    pthread_mutex_lock(&shared.lock);
    make_condition();
    shared.stop = false;
    if (!shared.running) {
        bool again = shared.has_ring;
        if (!make_ring(settings)) {
            problem = errno ? errno : ENOMEM;
        } else {
            shared.settings = *settings;
            prepare(again);
            problem = start_thread();
            shared.running = problem == 0;
        }
    }
    pthread_mutex_unlock(&shared.lock);
    return problem;
}

static void wake_up(void)
{
    uint64_t one = 1;
    if (write(shared.wake, &one, sizeof(one)) < 0 && errno != EAGAIN)
        log_line("cannot wake the sender: %s", strerror(errno));
}

void sender_add(const uint8_t *frame, size_t length)
{
    if (!shared.has_ring) {
        atomic_fetch_add(&shared.lost, 1);
        return;
    }
    ring_add(&shared.ring, frame, length);
    if (atomic_exchange(&shared.asleep, false))
        wake_up();
}

void sender_stop(unsigned milliseconds)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += milliseconds / 1000;
    until.tv_nsec += (long)(milliseconds % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&shared.lock);
    bool running = shared.running;
    shared.stop = true;
    pthread_mutex_unlock(&shared.lock);
    if (!running)
        return;
    wake_up();
    pthread_mutex_lock(&shared.lock);
    int waited = 0;
    while (shared.running && waited == 0)
        waited = pthread_cond_timedwait(&shared.ended, &shared.lock, &until);
    pthread_mutex_unlock(&shared.lock);
    if (waited)
        log_line("the spool's file system does not answer; leaving it to itself");
}

uint64_t sender_next_sequence(void)
{
    return atomic_fetch_add(&shared.sequence, 1) + 1;
}

const uint8_t *sender_boot_id(void)
{
    return shared.boot_id;
}

uint64_t sender_dropped(void)
{
    size_t count, used;
    uint64_t dropped = 0;
    if (shared.has_ring)
        ring_state(&shared.ring, &count, &used, &dropped);
    return dropped;
}

void sender_set_mode(enum event_mode mode, const char *reason)
{
    hello_set_mode(mode, reason);
}

void sender_note_callback(uint64_t microseconds)
{
    hello_note_callback(microseconds);
}
