// SPDX-License-Identifier: GPL-2.0-or-later
// What a node is made of, read in /sys and /proc. Nothing that is read is believed: each file counts up to a bound, and what
// does not fit together is not told at all.
#include "spank_hardware_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

bool hardware_is_late(int64_t deadline)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 >= deadline;
}

bool hardware_read_file(const char *path, char *text, size_t room)
{
    size_t length = 0;
    struct stat status;
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (descriptor < 0)
        return false;
    bool good = fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode);
    while (good) {
        ssize_t count = read(descriptor, text + length, room - length);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0) {
            good = count == 0;
            break;
        }
        length += (size_t)count;
        good = length < room;
    }
    close(descriptor);
    text[good ? length : 0] = '\0';
    return good && strlen(text) == length;
}

const char *hardware_read_number(const char *text, unsigned *number)
{
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 6)
        return NULL;
    *number = 0;
    for (size_t i = 0; i < digits; i++)
        *number = *number * 10 + (unsigned)(text[i] - '0');
    return text + digits;
}

size_t hardware_list(const char *text, uint8_t *set)
{
    size_t count = 0;
    unsigned next = 0;
    memset(set, 0, HARDWARE_MAX);
    for (;;) {
        unsigned first, last;
        text = hardware_read_number(text, &first);
        if (!text)
            return 0;
        last = first;
        if (*text == '-' && !(text = hardware_read_number(text + 1, &last)))
            return 0;
        if (first < next || last < first || last >= HARDWARE_MAX)
            return 0;
        memset(set + first, 1, last - first + 1);
        count += last - first + 1;
        next = last + 1;
        if (*text != ',')
            break;
        text++;
    }
    return *text == '\0' || (*text == '\n' && text[1] == '\0') ? count : 0;
}

// MARK: cores

struct scratch {
    char text[HARDWARE_FILE_MAX];
    char path[512];
    uint8_t online[HARDWARE_MAX], siblings[HARDWARE_MAX], done[HARDWARE_MAX];
    // Of each core, by its lowest hardware thread; UINT32_MAX: it is none.
    unsigned package[HARDWARE_MAX];
    uint16_t following[HARDWARE_MAX]; // the next thread of the same core, 0: none
};

static bool read_of_cpu(struct scratch *scratch, const char *root, unsigned cpu, const char *name)
{
    snprintf(scratch->path, sizeof(scratch->path), "%s/sys/devices/system/cpu/cpu%u/topology/%s", root, cpu, name);
    return hardware_read_file(scratch->path, scratch->text, sizeof(scratch->text));
}

// hwloc's logical order, by which slurmd counts: sockets and cores by the lowest of their threads.
static bool read_core(struct scratch *scratch, const char *root, unsigned cpu)
{
    const char *end;
    if (!read_of_cpu(scratch, root, cpu, "physical_package_id") || !(end = hardware_read_number(scratch->text, &scratch->package[cpu])) ||
        (*end && strcmp(end, "\n") != 0))
        return false;
    if (!read_of_cpu(scratch, root, cpu, "thread_siblings_list") || !hardware_list(scratch->text, scratch->siblings) ||
        !scratch->siblings[cpu])
        return false;
    unsigned last = cpu;
    for (unsigned one = 0; one < HARDWARE_MAX; one++) {
        if (!scratch->siblings[one])
            continue;
        // Of a core that has been read, or switched off: the files contradict each other.
        if (one < cpu || !scratch->online[one] || scratch->done[one])
            return false;
        scratch->done[one] = 1;
        if (one != last)
            scratch->following[last] = (uint16_t)one;
        last = one;
    }
    return true;
}

static bool put(char *text, size_t room, size_t *length, char divider, unsigned number)
{
    char word[16];
    int size = divider ? snprintf(word, sizeof(word), "%c%u", divider, number) : snprintf(word, sizeof(word), "%u", number);
    if (*length + (size_t)size >= room)
        return false;
    memcpy(text + *length, word, (size_t)size + 1);
    *length += (size_t)size;
    return true;
}

// The cores of one socket, which begins with `first`.
static bool put_package(struct scratch *scratch, unsigned first, char *text, size_t room, size_t *length)
{
    unsigned package = scratch->package[first];
    char divider = *length > 0 ? '/' : '\0';
    for (unsigned core = first; core < HARDWARE_MAX; core++) {
        if (scratch->package[core] != package)
            continue;
        scratch->package[core] = UINT32_MAX;
        for (unsigned thread = core;; thread = scratch->following[thread]) {
            if (!put(text, room, length, divider, thread))
                return false;
            divider = ',';
            if (!scratch->following[thread])
                break;
        }
        divider = ';';
    }
    return true;
}

bool hardware_cores(const char *root, char *text, size_t room, int64_t deadline)
{
    size_t length = 0;
    bool good = false;
    struct scratch *scratch = calloc(1, sizeof(*scratch));
    text[0] = '\0';
    if (!scratch)
        return false;
    for (unsigned cpu = 0; cpu < HARDWARE_MAX; cpu++)
        scratch->package[cpu] = UINT32_MAX;
    snprintf(scratch->path, sizeof(scratch->path), "%s/sys/devices/system/cpu/online", root);
    if (!hardware_read_file(scratch->path, scratch->text, sizeof(scratch->text)) || !hardware_list(scratch->text, scratch->online))
        goto cleanup;
    for (unsigned cpu = 0; cpu < HARDWARE_MAX; cpu++)
        if (scratch->online[cpu] && !scratch->done[cpu] && (hardware_is_late(deadline) || !read_core(scratch, root, cpu)))
            goto cleanup;
    for (unsigned cpu = 0; cpu < HARDWARE_MAX; cpu++)
        if (scratch->package[cpu] != UINT32_MAX && !put_package(scratch, cpu, text, room, &length))
            goto cleanup;
    good = length > 0;
cleanup:
    if (!good)
        text[0] = '\0';
    free(scratch);
    return good;
}

// MARK: memory

uint64_t hardware_memory(const char *root)
{
    char path[512], text[HARDWARE_FILE_MAX];
    uint64_t kibibytes = 0;
    snprintf(path, sizeof(path), "%s/proc/meminfo", root);
    if (!hardware_read_file(path, text, sizeof(text)) || strncmp(text, "MemTotal:", 9) != 0)
        return 0;
    const char *at = text + 9 + strspn(text + 9, " ");
    size_t digits = strspn(at, "0123456789");
    if (digits == 0 || digits > 15 || strncmp(at + digits, " kB\n", 4) != 0)
        return 0;
    for (size_t i = 0; i < digits; i++)
        kibibytes = kibibytes * 10 + (uint64_t)(at[i] - '0');
    return kibibytes / 1024;
}
