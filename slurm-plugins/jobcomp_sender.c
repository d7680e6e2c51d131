// SPDX-License-Identifier: GPL-2.0-or-later
#include "jobcomp_sender.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "jobcomp_hello.h"
#include "jobcomp_link.h"
#include "jobcomp_ring.h"
#include "jobcomp_spool.h"

enum {
    AWAY_MS = 1000,  // without a connection before frames go to the spool
    SCAN_MS = 30000, // between two looks for files of processes that have ended
    FAILED_FIRST_MS = 1000, // after the spool could not be written or looked through; then twice as long, up to
    FAILED_LIMIT_MS = 8000,
    LAST_TRIES = 12, // to write the spool when slurmctld ends
    LAST_PAUSE_MS = 50
};

static struct {
    pthread_mutex_t lock; // of `running` and `stop`
    pthread_cond_t ended;
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
} shared = {.lock = PTHREAD_MUTEX_INITIALIZER, .ended = PTHREAD_COND_INITIALIZER, .wake = -1};

// The thread's own.
static struct {
    struct spool spool;
    struct link link;
    uint8_t spilled[EVENT_FRAME_MAX]; // not the link's buffer: half of what is in that may be sent
    int64_t scan_at, scan_pause, write_at, write_pause;
    unsigned logged; // the spool's changes
} own;

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

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

// MARK: spool

static void wait_longer(int64_t *pause)
{
    *pause = *pause ? *pause * 2 : FAILED_FIRST_MS;
    if (*pause > FAILED_LIMIT_MS)
        *pause = FAILED_LIMIT_MS;
}

static bool ring_is_full(size_t *count)
{
    size_t used;
    uint64_t dropped;
    ring_state(&shared.ring, count, &used, &dropped);
    return *count > shared.ring.limit / 2 || used > shared.ring.size / 2;
}

// Moves the ring's frames to disk, oldest first. They stay in the ring until the disk has them.
static bool spill(void)
{
    size_t cursor = 0, length, count = 0;
    bool taken = true;
    while (taken && (length = ring_read(&shared.ring, &cursor, own.spilled, sizeof(own.spilled))) > 0) {
        taken = spool_append(&own.spool, own.spilled, length);
        count += taken;
    }
    if (!spool_commit(&own.spool))
        return false;
    for (; count > 0; count--)
        ring_remove(&shared.ring);
    return taken;
}

static void look_around(void)
{
    if (own.link.now < own.scan_at)
        return;
    if (spool_scan(&own.spool))
        own.scan_pause = 0;
    else
        wait_longer(&own.scan_pause);
    own.scan_at = own.link.now + (own.scan_pause ? own.scan_pause : SCAN_MS);
}

static void manage_spool(void)
{
    size_t count;
    bool full = ring_is_full(&count);
    struct link *link = &own.link;
    spool_retry(&own.spool);
    // The agent lives but does not keep up. Start over from the disk; it knows what it has had.
    if (link->socket >= 0 && full && link->cursor > 0 && !spool_has_own(&own.spool) && link->now >= own.write_at)
        link_drop(link);
    bool away = link->socket < 0 && (link->now - link->away_since >= AWAY_MS || full);
    if (count > 0 && link->now >= own.write_at && (away || (full && link->cursor == 0))) {
        if (spill())
            own.write_pause = 0;
        else
            wait_longer(&own.write_pause);
        own.write_at = link->now + own.write_pause;
    }
    if (own.logged != own.spool.changes && *spool_message(&own.spool))
        log_line("spool: %s", spool_message(&own.spool));
    own.logged = own.spool.changes;
}

// MARK: thread

static int next_pause(void)
{
    const struct link *link = &own.link;
    size_t count;
    ring_is_full(&count);
    int64_t until = own.scan_at, other = link_next_time(link);
    if (other < until)
        until = other;
    other = spool_next_time(&own.spool, link_has_room(link));
    if (other < until)
        until = other;
    if (count > 0 && link->socket < 0) {
        other = link->away_since + AWAY_MS > own.write_at ? link->away_since + AWAY_MS : own.write_at;
        if (other < until)
            until = other;
    }
    int64_t now = now_ms();
    return until <= now ? 0 : until - now < INT_MAX ? (int)(until - now) : INT_MAX;
}

static void wait_for_work(void)
{
    struct pollfd wanted[2] = {{.fd = shared.wake, .events = POLLIN}, {.fd = own.link.socket, .events = POLLIN}};
    if (own.link.out_done < own.link.out_length)
        wanted[1].events |= POLLOUT;
    atomic_store(&shared.asleep, true);
    // A frame that came before the flag was up would not wake us.
    size_t count, used;
    uint64_t dropped, ignored;
    ring_state(&shared.ring, &count, &used, &dropped);
    bool fresh = own.link.cursor < used && link_has_room(&own.link) && !spool_holds_back(&own.spool);
    int ready = poll(wanted, own.link.socket >= 0 ? 2 : 1, fresh ? 0 : next_pause());
    atomic_store(&shared.asleep, false);
    if (ready < 0 && errno != EINTR) {
        struct timespec pause = {0, 100000000}; // no memory just now
        nanosleep(&pause, NULL);
    }
    if (ready > 0 && wanted[0].revents && read(shared.wake, &ignored, sizeof(ignored)) < 0)
        return; // it was taken already
}

static void set_time(void)
{
    own.link.now = own.spool.now = now_ms();
}

// What is not on the disk now is lost with the process, so it is tried more than once.
static void write_the_rest(void)
{
    struct timespec pause = {0, LAST_PAUSE_MS * 1000000};
    size_t count;
    for (int i = 0; i < LAST_TRIES; i++) {
        ring_is_full(&count);
        if (count == 0)
            return;
        if (i > 0)
            nanosleep(&pause, NULL);
        set_time();
        spill();
    }
}

static void *run(void *unused)
{
    (void)unused;
    while (!stopping()) {
        set_time();
        look_around();
        link_connect(&own.link);
        link_work(&own.link);
        set_time();
        manage_spool();
        if (!stopping())
            wait_for_work();
    }
    set_time();
    link_receive(&own.link); // acknowledgements that have come meanwhile
    link_drop(&own.link);
    write_the_rest();
    spool_close(&own.spool);
    pthread_mutex_lock(&shared.lock);
    shared.running = false;
    pthread_cond_broadcast(&shared.ended);
    pthread_mutex_unlock(&shared.lock);
    return NULL;
}

static void begin(bool again)
{
    char host[256] = "localhost";
    struct hello_facts facts = {.settings = &shared.settings, .ring = &shared.ring, .spool = &own.spool, .boot_id = shared.boot_id,
        .next_sequence = next_sequence};
    gethostname(host, sizeof(host) - 1);
    memset(&own, 0, sizeof(own));
    spool_make(&own.spool, shared.settings.spool_folder, shared.settings.spool_bytes, host, getpid(), shared.boot_id);
    own.spool.own_unseen = again;
    link_make(&own.link, &facts, &own.spool, now_ms());
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
    shared.stop = false;
    if (!shared.running) {
        bool again = shared.has_ring;
        if (!make_ring(settings)) {
            problem = errno ? errno : ENOMEM;
        } else {
            shared.settings = *settings;
            begin(again);
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
    clock_gettime(CLOCK_REALTIME, &until);
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
