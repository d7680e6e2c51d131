// SPDX-License-Identifier: GPL-2.0-or-later
#include "spank_spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "event_writer.h"
#include "jobcomp_spool_folder.h"
#include "spank_hardware_private.h"

enum { NAME_MAX_HERE = 48, TRIES = 4 };

static const char pattern[] = "%8[0-9a-f]-%16[0-9a-f].word%n";

// Not set by anybody while the host is up.
static uint64_t since_boot_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

// The beginning of this boot's random number; what was kept before it has no age any more.
static bool this_boot(char *text)
{
    char whole[128];
    bool good = hardware_read_file("/proc/sys/kernel/random/boot_id", whole, sizeof(whole)) && strspn(whole, "0123456789abcdef") == 8;
    snprintf(text, 9, "%.8s", good ? whole : "");
    return good;
}

// Whether one of ours has this name; then when it was kept.
static bool read_name(const char *name, char *boot, uint64_t *kept)
{
    char digits[17];
    int end = 0;
    if (sscanf(name, pattern, boot, digits, &end) != 2 || !end || name[end] || strlen(boot) != 8 || strlen(digits) != 16)
        return false;
    *kept = strtoull(digits, NULL, 16);
    return true;
}

static int compare_names(const void *left, const void *right)
{
    return strcmp(left, right);
}

// Ascending: of one boot the oldest first. NULL: errno says why. Freed by the caller.
static char (*list(int folder, size_t *count))[NAME_MAX_HERE]
{
    char (*names)[NAME_MAX_HERE] = NULL;
    char boot[9];
    uint64_t kept;
    size_t room = 0;
    int copy = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *stream = copy < 0 ? NULL : fdopendir(copy);
    *count = 0;
    if (!stream) {
        if (copy >= 0)
            close(copy);
        return NULL;
    }
    bool failed = false;
    for (;;) {
        errno = 0;
        struct dirent *entry = readdir(stream);
        if (!entry) {
            failed = errno != 0;
            break;
        }
        if (!read_name(entry->d_name, boot, &kept))
            continue;
        if (*count == room) {
            room = room ? 2 * room : 64;
            void *more = realloc(names, room * sizeof(*names));
            if (!more) {
                failed = true;
                break;
            }
            names = more;
        }
        snprintf(names[(*count)++], sizeof(*names), "%s", entry->d_name);
    }
    closedir(stream);
    if (failed) {
        free(names);
        return NULL;
    }
    if (!names)
        names = calloc(1, sizeof(*names));
    if (names)
        qsort(names, *count, sizeof(*names), compare_names);
    return names;
}

// Those of an earlier boot go first, then the oldest.
static void make_room(int folder, const char *boot)
{
    size_t count, removed = 0;
    char (*names)[NAME_MAX_HERE] = list(folder, &count);
    if (!names)
        return;
    for (int of_this_boot = 0; of_this_boot < 2; of_this_boot++)
        for (size_t i = 0; i < count && count - removed >= SPANK_SPOOL_MAX; i++)
            if ((strncmp(names[i], boot, 8) == 0) == of_this_boot) {
                unlinkat(folder, names[i], 0);
                removed++;
            }
    free(names);
}

static bool write_all(int descriptor, const uint8_t *bytes, size_t length)
{
    for (size_t written = 0; written < length;) {
        ssize_t count = write(descriptor, bytes + written, length - written);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return false;
        written += (size_t)count;
    }
    return true;
}

const char *spank_spool_keep(const char *folder, const uint8_t *frame, size_t length)
{
    static char problem[256];
    char boot[9], name[NAME_MAX_HERE];
    const char *why = NULL;
    int descriptor = -1;
    int at = spool_open_folder(folder, true, problem, sizeof(problem));
    if (at < 0)
        return problem;
    if (!this_boot(boot)) {
        close(at);
        return "the boot's number cannot be read";
    }
    make_room(at, boot);
    enum spool_found found = SPOOL_FAILED;
    // Another process may have the same microsecond, or look at the file before it is locked.
    for (int try = 0; try < TRIES && found != SPOOL_OPENED; try++) {
        snprintf(name, sizeof(name), "%s-%016llx.word", boot, (unsigned long long)since_boot_us());
        found = spool_open_file(at, name, true, &descriptor, &why);
        if (found == SPOOL_FAILED && errno != EEXIST)
            break;
    }
    if (found != SPOOL_OPENED) {
        snprintf(problem, sizeof(problem), "%.100s: %.80s", folder, why ? why : strerror(errno));
        close(at);
        return problem;
    }
    bool good = write_all(descriptor, frame, length);
    if (!good) {
        snprintf(problem, sizeof(problem), "%.100s: %.80s", folder, strerror(errno));
        unlinkat(at, name, 0);
    }
    close(descriptor);
    close(at);
    return good ? NULL : problem;
}

// A whole frame of a hook's or of slurmd's. Its writer was killed, or it is none.
static bool is_frame(const uint8_t *bytes, size_t length)
{
    if (length < EVENT_HEADER_SIZE)
        return false;
    uint32_t told = (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
    return (uint64_t)told + 4 == length && (bytes[4] | bytes[5] << 8) == EVENT_MAGIC && bytes[6] == EVENT_VERSION &&
        (bytes[7] == EVENT_EVENT || bytes[7] == EVENT_NODE);
}

static ssize_t read_all(int descriptor, uint8_t *bytes, size_t room)
{
    size_t length = 0;
    while (length < room) {
        ssize_t count = read(descriptor, bytes + length, room - length);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return -1;
        if (count == 0)
            break;
        length += (size_t)count;
    }
    return (ssize_t)length;
}

enum outcome { DEALT_WITH, LEFT };

// `problem` is set when it was not taken.
static enum outcome send_file(int folder, const char *name, const struct spank_target *target, const char *this_boot, const char **problem)
{
    uint8_t frame[SPANK_FRAME_MAX + 16];
    char boot[9];
    uint64_t kept;
    const char *why = NULL;
    int descriptor = -1;
    int64_t age;
    if (!read_name(name, boot, &kept))
        return DEALT_WITH;
    switch (spool_open_file(folder, name, false, &descriptor, &why)) {
    case SPOOL_GONE:
        return DEALT_WITH;
    case SPOOL_BUSY: // it is being written, or sent by another slurmd
    case SPOOL_FAILED:
        return LEFT;
    case SPOOL_REFUSED:
        unlinkat(folder, name, 0);
        return DEALT_WITH;
    case SPOOL_OPENED:
        break;
    }
    ssize_t length = read_all(descriptor, frame, SPANK_FRAME_MAX + 1);
    age = ((int64_t)since_boot_us() - (int64_t)kept) / 1000;
    enum outcome outcome = length < 0 ? LEFT : DEALT_WITH;
    if (length > 0 && length <= SPANK_FRAME_MAX && is_frame(frame, (size_t)length) && strcmp(boot, this_boot) == 0 && age >= 0 &&
        age <= SPANK_SPOOL_AGE) {
        struct event_writer writer = {.bytes = frame, .capacity = sizeof(frame), .length = (size_t)length};
        event_put_number(&writer, TAG_WAITED, (uint64_t)age);
        size_t whole = event_end(&writer);
        *problem = spank_send(target, frame, whole, true);
        outcome = *problem ? LEFT : DEALT_WITH;
    }
    if (outcome == DEALT_WITH)
        spool_remove_name(folder, name, descriptor);
    close(descriptor);
    return outcome;
}

struct spank_spool_left spank_spool_send(const char *folder, const struct spank_target *target)
{
    struct spank_spool_left left = {0};
    char why[256], boot[9];
    size_t count;
    int at = spool_open_folder(folder, false, why, sizeof(why));
    if (at < 0)
        return left;
    char (*names)[NAME_MAX_HERE] = this_boot(boot) ? list(at, &count) : NULL;
    // What is there is not known: it is looked again.
    if (!names)
        left.count = 1;
    for (size_t i = 0; names && i < count; i++) {
        if (send_file(at, names[i], target, boot, &left.problem) == DEALT_WITH)
            continue;
        left.count++;
        if (left.problem) {
            left.count = count - i;
            break;
        }
    }
    free(names);
    close(at);
    return left;
}
