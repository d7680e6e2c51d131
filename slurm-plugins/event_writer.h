// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "event_format.h"

/// A frame under construction in the caller's buffer. What does not fit is left out and makes event_end() say 0: a frame
/// is whole or not there.
struct event_writer {
    uint8_t *bytes;
    size_t capacity;
    size_t length;
    bool overflow;
};

/// `capacity`: of `bytes`; EVENT_FRAME_MAX always suffices for a frame's header.
void event_begin(struct event_writer *writer, uint8_t *bytes, size_t capacity, enum event_type type, uint64_t sequence);
void event_put_number(struct event_writer *writer, enum event_tag tag, uint64_t value);
/// NULL is left out. Longer than EVENT_TEXT_MAX: cut at a character's border and marked.
void event_put_text(struct event_writer *writer, enum event_tag tag, const char *text);
void event_put_bytes(struct event_writer *writer, enum event_tag tag, const void *bytes, size_t length);
/// The whole frame's size in bytes; 0 when it did not fit.
size_t event_end(struct event_writer *writer);
