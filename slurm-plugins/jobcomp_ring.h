// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// Frames between slurmctld's threads and ours, oldest first, in a fixed piece of memory. A frame stays until it is
/// removed; when there is no room the new one is dropped and counted. The lock is held for copying only, never across a
/// system call.
struct ring {
    pthread_mutex_t lock;
    uint8_t *bytes;
    size_t size;  // of `bytes`
    size_t limit; // frames
    size_t head;  // offset of the oldest frame
    size_t used;  // bytes
    size_t count; // frames
    uint64_t dropped;
};

/// Returns false when there is no memory.
bool ring_make(struct ring *ring, size_t size, size_t limit);
/// Returns false when it was dropped.
bool ring_add(struct ring *ring, const uint8_t *frame, size_t length);
/// Copies the frame at `*cursor` (0: the oldest) into `frame` and moves the cursor on. Returns its length, 0 when there
/// is none. A cursor stays good while frames are added and counts from the oldest, so removing one takes its bytes off.
size_t ring_read(struct ring *ring, size_t *cursor, uint8_t *frame, size_t capacity);
/// Removes the oldest frame. Returns how much a cursor behind it must be lowered.
size_t ring_remove(struct ring *ring);
void ring_state(struct ring *ring, size_t *count, size_t *used, uint64_t *dropped);
