// SPDX-License-Identifier: GPL-2.0-or-later
// The plugin's parts, one by one. Built with the sanitizers; ends at the first thing that is wrong.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../event_reader.h"
#include "../event_writer.h"
#include "../jobcomp_ring.h"
#include "../jobcomp_settings.h"
#include "../jobcomp_spool.h"

static int checks;

#define CHECK(what)                                                                                                    \
    do {                                                                                                               \
        checks++;                                                                                                      \
        if (!(what)) {                                                                                                 \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #what);                                        \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

static const uint8_t boot_id[EVENT_BOOT_ID_SIZE] = {1, 2, 3};
static char folder[] = "/tmp/grid-agent-unit.XXXXXX";

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

static size_t replay(struct spool *spool, uint64_t first)
{
    uint8_t frame[EVENT_FRAME_MAX];
    size_t file, count = 0;
    off_t after;
    for (size_t length; (length = spool_next(spool, frame, sizeof(frame), &file, &after)) > 0; count++)
        CHECK(sequence_of(frame, length) == first + count);
    return count;
}

static void fill(struct spool *spool, uint64_t first, int frames)
{
    uint8_t frame[EVENT_FRAME_MAX];
    for (int i = 0; i < frames; i++)
        CHECK(spool_append(spool, frame, make_frame(frame, first + (uint64_t)i, 50)));
    CHECK(spool_sync(spool));
}

// A process that spools and dies, as slurmctld does when it is killed.
static void leave_behind(const char *where, pid_t named, int frames)
{
    pid_t child = fork();
    if (child == 0) {
        static struct spool spool;
        spool_make(&spool, where, 1 << 20, "host", named, boot_id);
        fill(&spool, 1, frames);
        _exit(0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
}

static void file_path(char *path, size_t size, const char *where, pid_t named)
{
    snprintf(path, size, "%s/host.%d.01020300000000000000000000000000.spool", where, (int)named);
}

static void spool(void)
{
    static struct spool spool;
    char where[64], path[256], aside[300];
    uint8_t frame[EVENT_FRAME_MAX];
    size_t file;
    off_t after;
    snprintf(where, sizeof(where), "%s/spool", folder);

    // Append, replay, begin again, acknowledge: the file goes.
    spool_make(&spool, where, 1 << 20, "host", 1, boot_id);
    fill(&spool, 1, 5);
    CHECK(replay(&spool, 1) == 5 && !spool_has_unsent(&spool));
    spool_rewind(&spool);
    CHECK(spool_next(&spool, frame, sizeof(frame), &file, &after) > 0);
    spool_ack(&spool, file, after);
    spool_rewind(&spool);
    CHECK(replay(&spool, 2) == 4 && spool.frames == 4);
    file_path(path, sizeof(path), where, 1);
    CHECK(access(path, F_OK) == 0);
    spool_ack(&spool, file, spool.files[file].end);
    CHECK(access(path, F_OK) != 0 && spool.count == 0);

    // The limit.
    spool_make(&spool, where, 2000, "host", 1, boot_id);
    int taken = 0;
    while (spool_append(&spool, frame, make_frame(frame, 1, 50)))
        taken++;
    CHECK(taken > 5 && taken < 25 && spool.trouble[0]);
    spool_close(&spool);
    unlink(path);

    // What a dead process left is taken over; a record cut short ends it; what comes before counts.
    leave_behind(where, 2, 6);
    file_path(path, sizeof(path), where, 2);
    struct stat status;
    CHECK(stat(path, &status) == 0 && (status.st_mode & 0777) == 0600);
    CHECK(truncate(path, status.st_size - 3) == 0);
    spool_make(&spool, where, 1 << 20, "host", 1, boot_id);
    spool_scan(&spool);
    CHECK(replay(&spool, 1) == 5 && spool.trouble[0]);
    spool_close(&spool);

    // A byte that fell over: the frames before it count.
    int descriptor = open(path, O_RDWR);
    CHECK(descriptor >= 0 && pwrite(descriptor, "\xff", 1, status.st_size / 2) == 1);
    close(descriptor);
    spool_make(&spool, where, 1 << 20, "host", 1, boot_id);
    spool_scan(&spool);
    size_t good = replay(&spool, 1);
    CHECK(good > 0 && good < 5);
    spool_close(&spool);
    unlink(path);

    // A later version, and what is no spool: set aside.
    for (int version = 0; version < 2; version++) {
        leave_behind(where, 3, 2);
        file_path(path, sizeof(path), where, 3);
        descriptor = open(path, O_RDWR);
        CHECK(descriptor >= 0 && pwrite(descriptor, version ? "\x02" : "x", 1, version ? 8 : 0) == 1);
        close(descriptor);
        spool_make(&spool, where, 1 << 20, "host", 1, boot_id);
        spool_scan(&spool);
        snprintf(aside, sizeof(aside), "%s.refused", path);
        CHECK(spool.refused == 1 && spool.count == 0 && access(aside, F_OK) == 0 && access(path, F_OK) != 0);
        unlink(aside);
    }

    // The file of a process that lives is left alone.
    int ready[2], done[2];
    CHECK(pipe(ready) == 0 && pipe(done) == 0);
    pid_t child = fork();
    if (child == 0) {
        spool_make(&spool, where, 1 << 20, "host", 4, boot_id);
        fill(&spool, 1, 3);
        char byte = 'r';
        if (write(ready[1], &byte, 1) != 1 || read(done[0], &byte, 1) != 1)
            _exit(1);
        _exit(0);
    }
    char byte;
    CHECK(read(ready[0], &byte, 1) == 1);
    spool_make(&spool, where, 1 << 20, "host", 1, boot_id);
    spool_scan(&spool);
    CHECK(spool.count == 0);
    CHECK(write(done[1], "d", 1) == 1);
    CHECK(waitpid(child, NULL, 0) == child);
    spool_scan(&spool);
    CHECK(replay(&spool, 1) == 3);
    spool_close(&spool);

    // A folder that cannot be made.
    spool_make(&spool, "/proc/none/spool", 1 << 20, "host", 1, boot_id);
    spool_scan(&spool);
    CHECK(!spool_append(&spool, frame, make_frame(frame, 1, 1)) && spool.trouble[0]);
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
    char command[64];
    CHECK(mkdtemp(folder));
    writer();
    reader();
    ring();
    spool();
    settings();
    CHECK(count > 5); // the fixtures
    for (int i = 1; i < count; i++)
        fixture(words[i]);
    snprintf(command, sizeof(command), "rm -rf %s", folder);
    CHECK(system(command) == 0);
    printf("plugins: %d checks\n", checks);
    return 0;
}
