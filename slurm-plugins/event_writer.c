// SPDX-License-Identifier: GPL-2.0-or-later
#include "event_writer.h"

#include <string.h>

static void put_integer(uint8_t *at, uint64_t value, size_t size)
{
    for (size_t i = 0; i < size; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

void event_begin(struct event_writer *writer, uint8_t *bytes, size_t capacity, enum event_type type, uint64_t sequence)
{
    writer->bytes = bytes;
    writer->capacity = capacity < EVENT_FRAME_MAX ? capacity : EVENT_FRAME_MAX;
    writer->length = EVENT_HEADER_SIZE;
    writer->overflow = writer->capacity < EVENT_HEADER_SIZE;
    if (writer->overflow)
        return;
    put_integer(bytes + 4, EVENT_MAGIC, 2);
    bytes[6] = EVENT_VERSION;
    bytes[7] = (uint8_t)type;
    put_integer(bytes + 8, sequence, 8);
}

static void put_field(struct event_writer *writer, unsigned tag, const void *bytes, size_t length)
{
    if (writer->overflow || length > UINT16_MAX || writer->capacity - writer->length < 4 ||
        writer->capacity - writer->length - 4 < length) {
        writer->overflow = true;
        return;
    }
    uint8_t *at = writer->bytes + writer->length;
    put_integer(at, tag, 2);
    put_integer(at + 2, length, 2);
    if (length > 0)
        memcpy(at + 4, bytes, length);
    writer->length += 4 + length;
}

void event_put_number(struct event_writer *writer, enum event_tag tag, uint64_t value)
{
    uint8_t bytes[8];
    size_t size = value <= UINT32_MAX ? 4 : 8;
    put_integer(bytes, value, size);
    put_field(writer, tag, bytes, size);
}

void event_put_text(struct event_writer *writer, enum event_tag tag, const char *text)
{
    if (!text)
        return;
    size_t length = strnlen(text, EVENT_TEXT_MAX + 1);
    unsigned cut = 0;
    if (length > EVENT_TEXT_MAX) {
        length = EVENT_TEXT_MAX;
        // Back to the first byte of the character that would be cut in two; at most three steps in UTF-8.
        for (int i = 0; i < 3 && ((unsigned char)text[length] & 0xc0) == 0x80; i++)
            length--;
        cut = EVENT_CUT;
    }
    put_field(writer, tag | cut, text, length);
}

void event_put_bytes(struct event_writer *writer, enum event_tag tag, const void *bytes, size_t length)
{
    put_field(writer, tag, bytes, length);
}

size_t event_end(struct event_writer *writer)
{
    if (writer->overflow)
        return 0;
    put_integer(writer->bytes, writer->length - 4, 4);
    return writer->length;
}
