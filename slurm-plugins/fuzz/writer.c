// SPDX-License-Identifier: GPL-2.0-or-later
// Whatever is put into a frame, in whatever room: what comes out is a frame that reads back, or nothing.
#include <stdlib.h>
#include <string.h>

#include "../event_reader.h"
#include "../event_writer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 4)
        return 0;
    size_t room = (size_t)(data[0] | data[1] << 8) + 1, at = 2;
    uint8_t *bytes = malloc(room);
    struct event_writer writer;
    unsigned put = 0;
    event_begin(&writer, bytes, room, (enum event_type)data[2], data[3]);
    while (at + 3 < size) {
        unsigned tag = data[at] & 0x7f, how = data[at + 1] % 4;
        size_t length = data[at + 2] * 20u;
        at += 3;
        if (length > size - at)
            length = size - at;
        if (how == 0) {
            uint64_t number = 0;
            memcpy(&number, data + at, length < 8 ? length : 8);
            event_put_number(&writer, (enum event_tag)tag, number);
        } else if (how == 1) {
            event_put_bytes(&writer, (enum event_tag)tag, data + at, length);
        } else {
            // Long texts too, of whatever bytes.
            size_t times = how == 2 ? 1 : 30;
            char *text = malloc(length * times + 1);
            for (size_t i = 0; i < times; i++)
                memcpy(text + i * length, data + at, length);
            text[length * times] = '\0';
            event_put_text(&writer, (enum event_tag)tag, text);
            free(text);
        }
        put++;
        at += length;
    }
    size_t length = event_end(&writer);
    if (length > 0) {
        struct event_frame frame;
        struct event_field field;
        unsigned got = 0;
        int more;
        size_t position = 0;
        if (length > room || !event_read(bytes, length, &frame))
            abort();
        while ((more = event_next_field(&frame, &position, &field)) == 1)
            got++;
        if (more != 0 || got != put)
            abort();
    }
    free(bytes);
    return 0;
}
