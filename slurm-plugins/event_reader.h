// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "event_format.h"

/// Looks at the first bytes of a stream.
/// Returns the size of the whole frame that begins there (more bytes than `length` may be needed for it), 0 when more
/// bytes are needed to tell, -1 when no frame begins there.
long event_frame_size(const uint8_t *bytes, size_t length);

struct event_frame {
    unsigned version;
    unsigned type;
    uint64_t sequence;
    const uint8_t *fields;
    size_t fields_length;
};

/// Reads a whole frame; false when it is no frame of this size.
bool event_read(const uint8_t *bytes, size_t length, struct event_frame *frame);

struct event_field {
    unsigned tag;
    bool cut;
    const uint8_t *value;
    size_t length;
};

/// Steps through the fields; `*position` begins with 0. Returns 1 with a field, 0 at the end, -1 at a malformed one.
int event_next_field(const struct event_frame *frame, size_t *position, struct event_field *field);

uint64_t event_integer(const uint8_t *bytes, size_t size);

/// CRC-32 (IEEE 802.3), as zlib computes it.
uint32_t event_crc32(const uint8_t *bytes, size_t length);
