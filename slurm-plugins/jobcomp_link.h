// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "event_format.h"
#include "jobcomp_hello.h"

enum {
    LINK_WINDOW = 256,    // frames sent and not acknowledged
    LINK_SILENCE_MS = 5000, // without progress before the agent counts as away
    LINK_RETRY_FIRST_MS = 50,
    LINK_RETRY_LIMIT_MS = 2000
};

/// The connection to the agent, used by the sender's thread only: what is on its way, and what becomes of it when it is
/// acknowledged. Nothing here blocks. Frames go out in the order of their sequence: the agent takes a lower one than the
/// last for known.
struct link {
    struct spool *spool;
    struct hello_facts facts;
    int64_t now; // milliseconds; set by the caller before it calls
    int socket;  // or -1
    struct {
        enum { SENT_HELLO, SENT_RING, SENT_SPOOL } from;
        uint64_t file;
        off_t after;
    } window[LINK_WINDOW];
    size_t first, in_flight;
    uint64_t acked; // frames of this connection
    size_t cursor;  // in the ring
    uint8_t out[EVENT_FRAME_MAX];
    size_t out_length, out_done;
    uint8_t in[4096];
    size_t in_length;
    int64_t last_progress, away_since, retry_at, retry_pause;
    char trouble[256]; // who is at the socket instead of the agent, or why the agent hung up
};

void link_make(struct link *link, const struct hello_facts *facts, struct spool *spool, int64_t now);
/// Connects, if it is time, to root or our own user; nobody else gets to know of jobs.
void link_connect(struct link *link);
void link_drop(struct link *link);
/// Takes acknowledgements, then sends what the socket takes.
void link_work(struct link *link);
/// Takes acknowledgements only.
void link_receive(struct link *link);
/// Whether a frame that is there could go out now.
bool link_has_room(const struct link *link);
/// When there is something to do by itself; INT64_MAX: never.
int64_t link_next_time(const struct link *link);
