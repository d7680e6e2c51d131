// SPDX-License-Identifier: GPL-2.0-or-later
// Whatever lies in the spool folder: what of it makes sense is replayed, the rest set aside.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../event_reader.h"
#include "../jobcomp_spool.h"

static char folder[] = "/tmp/grid-agent-fuzz.XXXXXX";

static void clean(void)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/x.1.0.spool", folder);
    unlink(path);
    strcat(path, ".refused");
    unlink(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct spool spool;
    static const uint8_t boot_id[EVENT_BOOT_ID_SIZE];
    static uint8_t frame[EVENT_FRAME_MAX];
    static const uint8_t header[] = {'S', 'G', 'S', 'P', 'O', 'O', 'L', 0, 1, 0, 0, 0, 0, 0, 0, 0};
    char path[128];
    size_t length, count = 0;
    uint64_t which;
    off_t after;
    if (folder[sizeof(folder) - 2] == 'X' && !mkdtemp(folder))
        abort();
    snprintf(path, sizeof(path), "%s/x.1.0.spool", folder);
    int descriptor = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);
    // Half of the time past the header, with sums that are right: else the fuzzer sees little.
    if (size > 0 && data[0] & 1 && write(descriptor, header, sizeof(header)) > 0) {
        size_t at = 1;
        for (long whole; at < size && (whole = event_frame_size(data + at, size - at)) > 0 && (size_t)whole <= size - at; at += (size_t)whole) {
            uint32_t crc = event_crc32(data + at, (size_t)whole);
            if (write(descriptor, data + at, (size_t)whole) < 0 || write(descriptor, &crc, 4) < 0)
                abort();
        }
        if (write(descriptor, data + at, size - at) < 0)
            abort();
    } else if (write(descriptor, data, size) < 0) {
        abort();
    }
    close(descriptor);
    spool_make(&spool, folder, 1 << 20, "host", 2, boot_id);
    spool_scan(&spool);
    struct event_frame read;
    while ((length = spool_next(&spool, frame, sizeof(frame), &which, &after)) > 0 || spool.busy) {
        if (length == 0)
            continue;
        if (!event_read(frame, length, &read))
            abort();
        count++;
        if (count % 2)
            spool_ack(&spool, which, after);
    }
    spool_close(&spool);
    clean();
    return 0;
}
