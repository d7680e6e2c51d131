// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "../jobcomp_settings.h"

/// The sender's thread in a world without real time: the clock moves when the thread waits, and whatever else happens
/// happens then. One thread, so a seed gives the same run again. Link with the --wrap options of test.mk.
struct world {
    int64_t now_us;
    uint64_t random;
    void (*turn)(void *context); // the thread waits
    void *context;
    unsigned eagain_percent, part_percent; // of the thread's sends: taken later, taken in part
    enum { ALL_GOES, HALF_GOES, NOTHING_GOES } room; // half of the next one, then no more
};

extern struct world world;

void world_begin(uint64_t seed, void (*turn)(void *), void *context);
/// From 0 to below - 1.
uint32_t world_random(uint32_t below);
/// Runs a sender until `turn` stops it.
void world_run(const struct settings *settings);

/// An agent: listens, reads, commits, acknowledges, all in bits.
struct agent {
    char path[108];
    int listener, client;
    uint8_t in[1 << 18];
    size_t have;
    uint64_t frames, acked; // of this connection
    uint64_t connections, events;
    uint64_t mark;   // what is not above it is taken for known, as the real one does
    uint8_t *seen;   // by sequence, room for `limit`
    uint64_t limit;
    char trouble[600]; // of the last hello
    /// Instead of `mark` and `seen`.
    void (*taken)(const uint8_t *boot_id, uint64_t sequence);
};

void agent_bind(struct agent *agent);
void agent_listen(struct agent *agent);
void agent_leave(struct agent *agent); // closes everything
void agent_hang_up(struct agent *agent);
bool agent_accept(struct agent *agent);
/// Reads at most `bytes`, and commits what is whole. False: the connection is gone.
bool agent_read(struct agent *agent, size_t bytes);
void agent_ack(struct agent *agent, uint64_t frames);
