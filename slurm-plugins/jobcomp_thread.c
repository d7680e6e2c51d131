// SPDX-License-Identifier: GPL-2.0-or-later
#include "jobcomp_thread.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "jobcomp_link.h"
#include "jobcomp_ring.h"
#include "jobcomp_spool.h"

enum {
    AWAY_MS = 1000,         // without a connection before frames go to the spool
    SCAN_MS = 30000,        // between two looks for files of processes that have ended
    FAILED_FIRST_MS = 1000, // after the spool could not be written or looked through; then twice as long, up to
    FAILED_LIMIT_MS = 8000,
    LAST_TRIES = 12,        // to write the spool when slurmctld ends
    LAST_PAUSE_MS = 50
};

static struct {
    struct thread_facts facts;
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

static struct ring *ring(void)
{
    return own.facts.hello.ring;
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
    ring_state(ring(), count, &used, &dropped);
    return *count > ring()->limit / 2 || used > ring()->size / 2;
}

// Moves the ring's frames to disk, oldest first. They stay in the ring until the disk has them.
static bool spill(void)
{
    size_t cursor = 0, length, count = 0;
    bool taken = true;
    while (taken && (length = ring_read(ring(), &cursor, own.spilled, sizeof(own.spilled))) > 0) {
        taken = spool_append(&own.spool, own.spilled, length);
        count += taken;
    }
    if (!spool_commit(&own.spool))
        return false;
    for (; count > 0; count--)
        ring_remove(ring());
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
    struct pollfd wanted[2] = {{.fd = own.facts.wake, .events = POLLIN}, {.fd = own.link.socket, .events = POLLIN}};
    if (own.link.out_done < own.link.out_length)
        wanted[1].events |= POLLOUT;
    atomic_store(own.facts.asleep, true);
    // A frame that came before the flag was up would not wake us.
    size_t count, used;
    uint64_t dropped, ignored;
    ring_state(ring(), &count, &used, &dropped);
    bool fresh = own.link.cursor < used && link_has_room(&own.link) && !spool_holds_back(&own.spool);
    int ready = poll(wanted, own.link.socket >= 0 ? 2 : 1, fresh ? 0 : next_pause());
    atomic_store(own.facts.asleep, false);
    if (ready < 0 && errno != EINTR) {
        struct timespec pause = {0, 100000000}; // no memory just now
        nanosleep(&pause, NULL);
    }
    if (ready > 0 && wanted[0].revents && read(own.facts.wake, &ignored, sizeof(ignored)) < 0)
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

void thread_prepare(const struct thread_facts *facts)
{
    char host[256] = "localhost";
    const struct settings *settings = facts->hello.settings;
    gethostname(host, sizeof(host) - 1);
    memset(&own, 0, sizeof(own));
    own.facts = *facts;
    own.facts.hello.spool = &own.spool;
    spool_make(&own.spool, settings->spool_folder, settings->spool_bytes, host, getpid(), facts->hello.boot_id);
    own.spool.own_unseen = facts->again;
    link_make(&own.link, &own.facts.hello, &own.spool, now_ms());
}

void thread_run(void)
{
    while (!own.facts.is_to_stop()) {
        set_time();
        look_around();
        link_connect(&own.link);
        link_work(&own.link);
        set_time();
        manage_spool();
        if (!own.facts.is_to_stop())
            wait_for_work();
    }
    set_time();
    link_receive(&own.link); // acknowledgements that have come meanwhile
    link_drop(&own.link);
    write_the_rest();
    spool_close(&own.spool);
}
