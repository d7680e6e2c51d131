// SPDX-License-Identifier: GPL-2.0-or-later
#include "jobcomp_ring.h"

#include <stdlib.h>
#include <string.h>

enum { PREFIX = 4 }; // each frame's length before it

bool ring_make(struct ring *ring, size_t size, size_t limit)
{
    memset(ring, 0, sizeof(*ring));
    pthread_mutex_init(&ring->lock, NULL);
    ring->bytes = malloc(size);
    ring->size = ring->bytes ? size : 0;
    ring->limit = limit;
    return ring->bytes != NULL;
}

static void copy_in(struct ring *ring, size_t offset, const void *from, size_t length)
{
    size_t at = (ring->head + offset) % ring->size;
    size_t first = length < ring->size - at ? length : ring->size - at;
    memcpy(ring->bytes + at, from, first);
    memcpy(ring->bytes, (const uint8_t *)from + first, length - first);
}

static void copy_out(const struct ring *ring, size_t offset, void *to, size_t length)
{
    size_t at = (ring->head + offset) % ring->size;
    size_t first = length < ring->size - at ? length : ring->size - at;
    memcpy(to, ring->bytes + at, first);
    memcpy((uint8_t *)to + first, ring->bytes, length - first);
}

static size_t length_at(const struct ring *ring, size_t offset)
{
    uint32_t length;
    copy_out(ring, offset, &length, PREFIX);
    return length;
}

bool ring_add(struct ring *ring, const uint8_t *frame, size_t length)
{
    uint32_t prefix = (uint32_t)length;
    pthread_mutex_lock(&ring->lock);
    bool fits = length > 0 && ring->count < ring->limit && ring->size - ring->used >= length + PREFIX;
    if (fits) {
        copy_in(ring, ring->used, &prefix, PREFIX);
        copy_in(ring, ring->used + PREFIX, frame, length);
        ring->used += length + PREFIX;
        ring->count++;
    } else {
        ring->dropped++;
    }
    pthread_mutex_unlock(&ring->lock);
    return fits;
}

size_t ring_read(struct ring *ring, size_t *cursor, uint8_t *frame, size_t capacity)
{
    size_t length = 0;
    pthread_mutex_lock(&ring->lock);
    if (*cursor < ring->used) {
        length = length_at(ring, *cursor);
        if (length <= capacity) {
            copy_out(ring, *cursor + PREFIX, frame, length);
            *cursor += length + PREFIX;
        } else {
            length = 0;
        }
    }
    pthread_mutex_unlock(&ring->lock);
    return length;
}

size_t ring_remove(struct ring *ring)
{
    size_t taken = 0;
    pthread_mutex_lock(&ring->lock);
    if (ring->count > 0) {
        taken = length_at(ring, 0) + PREFIX;
        ring->head = (ring->head + taken) % ring->size;
        ring->used -= taken;
        ring->count--;
    }
    pthread_mutex_unlock(&ring->lock);
    return taken;
}

void ring_state(struct ring *ring, size_t *count, size_t *used, uint64_t *dropped)
{
    pthread_mutex_lock(&ring->lock);
    *count = ring->count;
    *used = ring->used;
    *dropped = ring->dropped;
    pthread_mutex_unlock(&ring->lock);
}
