// SPDX-License-Identifier: GPL-2.0-or-later
// The plugin's parts, one by one. Built with the sanitizers; ends at the first thing that is wrong.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../event_reader.h"
#include "../event_writer.h"
#include "../jobcomp_ring.h"
#include "../jobcomp_settings.h"
#include "check.h"

int checks;

static size_t make_frame(uint8_t *bytes, uint64_t sequence, size_t padding)
{
    struct event_writer writer;
    char *text = calloc(1, padding + 1);
    memset(text, 'x', padding);
    event_begin(&writer, bytes, EVENT_FRAME_MAX, EVENT_EVENT, sequence);
    event_put_number(&writer, TAG_JOB_ID, sequence);
    event_put_text(&writer, TAG_NAME, text);
    free(text);
    return event_end(&writer);
}

static uint64_t sequence_of(const uint8_t *bytes, size_t length)
{
    struct event_frame frame;
    CHECK(event_read(bytes, length, &frame));
    return frame.sequence;
}

static void writer(void)
{
    uint8_t bytes[EVENT_FRAME_MAX];
    struct event_writer writer;
    struct event_frame frame;
    struct event_field field;
    size_t position = 0;
    event_begin(&writer, bytes, sizeof(bytes), EVENT_HELLO, 0x1122334455667788);
    event_put_number(&writer, TAG_PID, 7);
    event_put_number(&writer, TAG_OBSERVED, (uint64_t)1 << 40);
    event_put_text(&writer, TAG_NAME, NULL);
    event_put_text(&writer, TAG_NAME, "");
    size_t length = event_end(&writer);
    CHECK(length == EVENT_HEADER_SIZE + 8 + 12 + 4);
    CHECK(event_read(bytes, length, &frame) && frame.type == EVENT_HELLO && frame.sequence == 0x1122334455667788);
    CHECK(event_next_field(&frame, &position, &field) == 1 && field.tag == TAG_PID && event_integer(field.value, field.length) == 7);
    CHECK(event_next_field(&frame, &position, &field) == 1 && field.length == 8);
    CHECK(event_next_field(&frame, &position, &field) == 1 && field.length == 0 && !field.cut);
    CHECK(event_next_field(&frame, &position, &field) == 0);
    // Too long a text is cut between characters.
    char text[EVENT_TEXT_MAX + 10];
    for (size_t i = 0; i + 2 < sizeof(text); i += 3)
        memcpy(text + i, "\xe2\x82\xac", 3);
    text[sizeof(text) - 1] = '\0';
    text[sizeof(text) - 2] = 'x';
    event_begin(&writer, bytes, sizeof(bytes), EVENT_EVENT, 1);
    event_put_text(&writer, TAG_NAME, text);
    CHECK(event_read(bytes, event_end(&writer), &frame));
    position = 0;
    CHECK(event_next_field(&frame, &position, &field) == 1 && field.cut && field.length == 4095);
    // What does not fit makes no frame.
    event_begin(&writer, bytes, 30, EVENT_EVENT, 1);
    event_put_text(&writer, TAG_NAME, "more than that");
    CHECK(event_end(&writer) == 0);
    event_begin(&writer, bytes, 10, EVENT_EVENT, 1);
    CHECK(event_end(&writer) == 0);
}

static void reader(void)
{
    uint8_t bytes[EVENT_FRAME_MAX];
    size_t length = make_frame(bytes, 5, 20);
    struct event_frame frame;
    for (size_t part = 0; part < 6; part++)
        CHECK(event_frame_size(bytes, part) == 0);
    CHECK(event_frame_size(bytes, 6) == (long)length);
    for (size_t part = 0; part < length; part++)
        CHECK(!event_read(bytes, part, &frame));
    bytes[4] ^= 1;
    CHECK(event_frame_size(bytes, length) == -1);
    CHECK(event_crc32((const uint8_t *)"123456789", 9) == 0xcbf43926);
}

static void ring(void)
{
    struct ring ring;
    uint8_t in[EVENT_FRAME_MAX], out[EVENT_FRAME_MAX];
    size_t cursor = 0, count, used;
    uint64_t dropped, next = 1, oldest = 1;
    CHECK(ring_make(&ring, 4096, 10));
    // Round and round; never more than ten, the oldest kept.
    for (int i = 0; i < 2000; i++) {
        size_t length = make_frame(in, next, (size_t)(i * 37 % 300));
        if (ring_add(&ring, in, length))
            next++;
        ring_state(&ring, &count, &used, &dropped);
        CHECK(count <= 10 && used <= 4096);
        if (i > 30 && count > 5 + (size_t)i % 5) {
            size_t at = 0, got = ring_read(&ring, &at, out, sizeof(out));
            CHECK(got > 0 && sequence_of(out, got) == oldest);
            CHECK(ring_remove(&ring) == at);
            oldest++;
        }
    }
    CHECK(dropped > 0);
    for (size_t got; (got = ring_read(&ring, &cursor, out, sizeof(out))) > 0; oldest++)
        CHECK(sequence_of(out, got) == oldest);
    CHECK(oldest == next);
    CHECK(!ring_add(&ring, in, 0));
    free(ring.bytes);
}

static void settings(void)
{
    struct settings settings;
    settings_defaults(&settings);
    settings_apply(&settings, "other=1,grid_agent_socket=/a/b, grid_agent_ring=64,grid_agent_spool_limit=2M,grid_agent_chain=jobcomp/filetxt,grid_agent_spool=/s");
    CHECK(!strcmp(settings.socket, "/a/b") && settings.ring_frames == 64 && settings.spool_bytes == 2 << 20);
    CHECK(!strcmp(settings.chain, "jobcomp/filetxt") && !strcmp(settings.spool_folder, "/s"));
    struct settings defaults;
    settings_defaults(&defaults);
    static const char *const bad[] = {"grid_agent_socket=relative", "grid_agent_socket=", "grid_agent_ring=-1", "grid_agent_ring=5", "grid_agent_ring=9999999999",
        "grid_agent_ring=64x", "grid_agent_spool_limit=1", "grid_agent_spool_limit=99999999999999999999G", "grid_agent_chain=../x", "grid_agent_chain=jobcomp/../x",
        "grid_agent_chain=jobcomp/grid_agent", "grid_agent_nonsense=1", "grid_agent_socket", ",,,=,", "grid_agent_="};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        settings_defaults(&settings);
        settings_apply(&settings, bad[i]);
        CHECK(!memcmp(&settings, &defaults, sizeof(settings)));
    }
    char text[16];
    version_text(0x160508, text, sizeof(text));
    CHECK(!strcmp(text, "22.05.8") && same_series(0x160508, 0x160502) && !same_series(0x160508, 0x180b05) && !same_series(0, 0));
}

// fixtures/v1/NAME.bin with what is in it beside, as text; frozen.
static void fixture(const char *path)
{
    uint8_t bytes[EVENT_FRAME_MAX];
    char text[512], line[3 * EVENT_TEXT_MAX], made[3 * EVENT_TEXT_MAX];
    FILE *file = fopen(path, "rb");
    CHECK(file);
    size_t length = fread(bytes, 1, sizeof(bytes), file);
    fclose(file);
    snprintf(text, sizeof(text), "%.*s.txt", (int)strlen(path) - 4, path);
    FILE *words = fopen(text, "r");
    CHECK(words);
    struct event_frame frame;
    struct event_field field;
    CHECK(event_read(bytes, length, &frame));
    snprintf(made, sizeof(made), "type=%u sequence=%llu\n", frame.type, (unsigned long long)frame.sequence);
    CHECK(fgets(line, sizeof(line), words) && !strcmp(line, made));
    for (size_t position = 0; event_next_field(&frame, &position, &field) == 1;) {
        int at = snprintf(made, sizeof(made), "%u%s ", field.tag, field.cut ? "!" : "");
        for (size_t i = 0; i < field.length; i++)
            at += snprintf(made + at, sizeof(made) - (size_t)at, "%02x", field.value[i]);
        snprintf(made + at, sizeof(made) - (size_t)at, "\n");
        CHECK(fgets(line, sizeof(line), words) && !strcmp(line, made));
    }
    CHECK(!fgets(line, sizeof(line), words));
    fclose(words);
}

int main(int count, char **words)
{
    writer();
    reader();
    ring();
    settings();
    CHECK(count > 5); // the fixtures
    for (int i = 1; i < count; i++)
        fixture(words[i]);
    printf("plugins: %d checks\n", checks);
    return 0;
}
