// SPDX-License-Identifier: GPL-2.0-or-later
// A slurmctld that hands over and takes over again while its sender's thread still hangs in the spool's file system: the thread
// goes on as the new one's, and what comes from then on is told.
#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "../event_reader.h"
#include "../event_writer.h"
#include "../jobcomp_chain.h"
#include "../jobcomp_sender.h"
#include "check.h"

int checks;
static atomic_bool hangs, is_in;

void chain_read_status(struct chain_status *status)
{
    memset(status, 0, sizeof(*status));
}

int __wrap_fdatasync(int descriptor);
int __wrap_fdatasync(int descriptor)
{
    atomic_store(&is_in, true);
    while (atomic_load(&hangs))
        usleep(1000);
    return fsync(descriptor);
}

static void add(void)
{
    uint8_t frame[1024];
    struct event_writer writer;
    event_begin(&writer, frame, sizeof(frame), EVENT_EVENT, sender_next_sequence());
    event_put_bytes(&writer, TAG_BOOT_ID, sender_boot_id(), EVENT_BOOT_ID_SIZE);
    sender_add(frame, event_end(&writer));
}

static int listen_at(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    CHECK(bind(listener, (struct sockaddr *)&address, sizeof(address)) == 0 && listen(listener, 8) == 0);
    return listener;
}

// The highest sequence of an event that comes within ten seconds; all is acknowledged.
static uint64_t highest(int listener, uint64_t wanted)
{
    static uint8_t in[1 << 16];
    uint64_t found = 0, frames = 0;
    size_t have = 0;
    struct pollfd door = {.fd = listener, .events = POLLIN};
    CHECK(poll(&door, 1, 10000) == 1);
    int client = accept(listener, NULL, NULL);
    struct pollfd line = {.fd = client, .events = POLLIN};
    while (found < wanted && poll(&line, 1, 10000) == 1) {
        ssize_t got = read(client, in + have, sizeof(in) - have);
        if (got <= 0)
            break;
        have += (size_t)got;
        size_t at = 0;
        for (long size; (size = event_frame_size(in + at, have - at)) > 0 && (size_t)size <= have - at; at += (size_t)size) {
            struct event_frame frame;
            CHECK(event_read(in + at, (size_t)size, &frame));
            frames++;
            if (frame.type == EVENT_EVENT && frame.sequence > found)
                found = frame.sequence;
        }
        memmove(in, in + at, have - at);
        have -= at;
        uint8_t ack[32];
        struct event_writer writer;
        event_begin(&writer, ack, sizeof(ack), EVENT_ACK, frames);
        CHECK(write(client, ack, event_end(&writer)) > 0);
    }
    close(client);
    return found;
}

int main(void)
{
    struct settings settings;
    struct timespec since, now;
    char folder[] = "/tmp/grid-agent-again.XXXXXX", command[64];
    CHECK(mkdtemp(folder) != NULL);
    settings_defaults(&settings);
    snprintf(settings.socket, sizeof(settings.socket), "%s/socket", folder);
    snprintf(settings.spool_folder, sizeof(settings.spool_folder), "%s/spool", folder);
    CHECK(sender_start(&settings) == 0);
    atomic_store(&hangs, true);
    add();
    clock_gettime(CLOCK_MONOTONIC, &since);
    sender_stop(300); // it hands over, and the disk hangs
    clock_gettime(CLOCK_MONOTONIC, &now);
    int64_t took = (now.tv_sec - since.tv_sec) * 1000 + (now.tv_nsec - since.tv_nsec) / 1000000;
    CHECK(took >= 290 && took < 5000 && atomic_load(&is_in));
    CHECK(sender_start(&settings) == 0); // it takes over
    atomic_store(&hangs, false);
    usleep(500000); // the thread has written the rest
    add();
    int listener = listen_at(settings.socket);
    CHECK(highest(listener, 2) == 2);
    sender_stop(5000);
    snprintf(command, sizeof(command), "rm -rf %s", folder);
    CHECK(system(command) == 0);
    printf("again: %d checks ok\n", checks);
    return 0;
}
