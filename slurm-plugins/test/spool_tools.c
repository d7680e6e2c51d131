// SPDX-License-Identifier: GPL-2.0-or-later
#include "spool_tools.h"

#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../event_reader.h"
#include "../event_writer.h"

int checks;
const uint8_t boot_id[EVENT_BOOT_ID_SIZE] = {1, 2, 3};
char folder[] = "/tmp/grid-agent-spool.XXXXXX";
char where[64], path[256];
struct spool spool;

size_t make_frame(uint8_t *bytes, uint64_t sequence, size_t padding)
{
    struct event_writer writer;
    char text[400];
    memset(text, 'x', padding);
    text[padding] = '\0';
    event_begin(&writer, bytes, EVENT_FRAME_MAX, EVENT_EVENT, sequence);
    event_put_number(&writer, TAG_JOB_ID, sequence);
    event_put_text(&writer, TAG_NAME, text);
    return event_end(&writer);
}

void make(uint64_t limit)
{
    spool_make(&spool, where, limit, "host", 1, boot_id);
    spool.now = 1000;
}

void fill(uint64_t first, int frames)
{
    uint8_t frame[EVENT_FRAME_MAX];
    for (int i = 0; i < frames; i++)
        CHECK(spool_append(&spool, frame, make_frame(frame, first + (uint64_t)i, 50)));
    CHECK(spool_commit(&spool));
}

uint64_t replay(bool acknowledge)
{
    uint8_t bytes[EVENT_FRAME_MAX];
    struct event_frame frame;
    uint64_t file, got = 0, last = 0;
    off_t after;
    for (size_t length; (length = spool_next(&spool, bytes, sizeof(bytes), &file, &after)) > 0 || spool.busy;) {
        if (length == 0)
            continue;
        CHECK(event_read(bytes, length, &frame) && frame.sequence < 64 && frame.sequence > last);
        last = frame.sequence;
        got |= (uint64_t)1 << frame.sequence;
        if (acknowledge)
            spool_ack(&spool, file, after);
    }
    return got;
}

uint64_t bits(unsigned first, unsigned last)
{
    uint64_t all = 0;
    for (unsigned i = first; i <= last; i++)
        all |= (uint64_t)1 << i;
    return all;
}

void leave_behind(pid_t named)
{
    pid_t child = fork();
    if (child == 0) {
        spool_make(&spool, where, 1 << 20, "host", named, boot_id);
        fill(1, FRAMES);
        _exit(0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    snprintf(path, sizeof(path), "%s/host.%d.01020300000000000000000000000000.spool", where, (int)named);
}

bool there(const char *suffix)
{
    char name[300];
    snprintf(name, sizeof(name), "%s%s", path, suffix);
    struct stat status;
    return lstat(name, &status) == 0;
}

void empty_folder(void)
{
    char command[96];
    spool_close(&spool);
    snprintf(command, sizeof(command), "rm -rf %s", where);
    CHECK(system(command) == 0);
}

void begin(void)
{
    CHECK(mkdtemp(folder));
    snprintf(where, sizeof(where), "%s/spool", folder);
}

void end(const char *name)
{
    snprintf(path, sizeof(path), "rm -rf %s", folder);
    CHECK(system(path) == 0);
    printf("%s: %d checks%s\n", name, checks, geteuid() ? "; those that need root were left out" : "");
}
