// SPDX-License-Identifier: GPL-2.0-or-later
#include "event_reader.h"

uint64_t event_integer(const uint8_t *bytes, size_t size)
{
    uint64_t value = 0;
    for (size_t i = size; i > 0; i--)
        value = value << 8 | bytes[i - 1];
    return value;
}

long event_frame_size(const uint8_t *bytes, size_t length)
{
    if (length < 6)
        return 0;
    uint64_t rest = event_integer(bytes, 4);
    if (rest < EVENT_LENGTH_MIN || rest > EVENT_LENGTH_MAX || event_integer(bytes + 4, 2) != EVENT_MAGIC)
        return -1;
    return (long)rest + 4;
}

bool event_read(const uint8_t *bytes, size_t length, struct event_frame *frame)
{
    if (length < EVENT_HEADER_SIZE || event_frame_size(bytes, length) != (long)length)
        return false;
    frame->version = bytes[6];
    frame->type = bytes[7];
    frame->sequence = event_integer(bytes + 8, 8);
    frame->fields = bytes + EVENT_HEADER_SIZE;
    frame->fields_length = length - EVENT_HEADER_SIZE;
    return true;
}

int event_next_field(const struct event_frame *frame, size_t *position, struct event_field *field)
{
    size_t left = frame->fields_length - *position;
    if (left == 0)
        return 0;
    if (left < 4)
        return -1;
    const uint8_t *at = frame->fields + *position;
    unsigned tag = (unsigned)event_integer(at, 2);
    field->tag = tag & ~(unsigned)EVENT_CUT;
    field->cut = (tag & EVENT_CUT) != 0;
    field->length = (size_t)event_integer(at + 2, 2);
    field->value = at + 4;
    if (left - 4 < field->length)
        return -1;
    *position += 4 + field->length;
    return 1;
}

uint32_t event_crc32(const uint8_t *bytes, size_t length)
{
    uint32_t crc = 0xffffffff;
    for (size_t i = 0; i < length; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (0xedb88320 & -(crc & 1));
    }
    return ~crc;
}
