// SPDX-License-Identifier: GPL-2.0-or-later
// What a node is made of, read in /sys and /proc. Nothing that is read is believed: each file counts up to a bound, and what
// does not fit together is not told at all.
#include "spank_hardware.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { FILE_MAX = 16384, GPU_MAX = 64, ADDRESS_SIZE = 24 };

static bool is_late(int64_t deadline)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 >= deadline;
}

// A whole regular file of less than `room` bytes without a zero byte.
static bool read_file(const char *path, char *text, size_t room)
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

// Up to six digits; NULL when there is none.
static const char *read_number(const char *text, unsigned *number)
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
        text = read_number(text, &first);
        if (!text)
            return 0;
        last = first;
        if (*text == '-' && !(text = read_number(text + 1, &last)))
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
    char text[FILE_MAX];
    char path[512];
    uint8_t online[HARDWARE_MAX], siblings[HARDWARE_MAX], done[HARDWARE_MAX];
    // Of each core, by its lowest hardware thread; UINT32_MAX: it is none.
    unsigned package[HARDWARE_MAX];
    uint16_t following[HARDWARE_MAX]; // the next thread of the same core, 0: none
};

static bool read_of_cpu(struct scratch *scratch, const char *root, unsigned cpu, const char *name)
{
    snprintf(scratch->path, sizeof(scratch->path), "%s/sys/devices/system/cpu/cpu%u/topology/%s", root, cpu, name);
    return read_file(scratch->path, scratch->text, sizeof(scratch->text));
}

// hwloc's logical order, by which slurmd counts: sockets and cores by the lowest of their threads.
static bool read_core(struct scratch *scratch, const char *root, unsigned cpu)
{
    const char *end;
    if (!read_of_cpu(scratch, root, cpu, "physical_package_id") || !(end = read_number(scratch->text, &scratch->package[cpu])) ||
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
    if (!read_file(scratch->path, scratch->text, sizeof(scratch->text)) || !hardware_list(scratch->text, scratch->online))
        goto cleanup;
    for (unsigned cpu = 0; cpu < HARDWARE_MAX; cpu++)
        if (scratch->online[cpu] && !scratch->done[cpu] && (is_late(deadline) || !read_core(scratch, root, cpu)))
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

// MARK: GPUs

// `0000:47:00.0`, as the kernel writes it.
static bool is_address(const char *text)
{
    size_t domain = strspn(text, "0123456789abcdef");
    const char *rest = text + domain;
    return domain >= 4 && domain <= 8 && strlen(rest) == 8 && rest[0] == ':' && rest[3] == ':' && rest[6] == '.' &&
        strspn(rest + 1, "0123456789abcdef") == 2 && strspn(rest + 4, "0123456789abcdef") == 2 && rest[7] >= '0' && rest[7] <= '7';
}

static bool read_minor(const char *information, unsigned *minor)
{
    const char *line = strstr(information, "Device Minor:");
    if (!line || (line != information && line[-1] != '\n'))
        return false;
    line += strlen("Device Minor:");
    line += strspn(line, " \t");
    line = read_number(line, minor);
    return line && (*line == '\n' || *line == '\0');
}

static bool is_divided(const char *root)
{
    char path[512];
    bool divided = false;
    snprintf(path, sizeof(path), "%s/proc/driver/nvidia/capabilities", root);
    DIR *all = opendir(path);
    for (struct dirent *gpu; all && !divided && (gpu = readdir(all));) {
        struct dirent *part;
        if (strncmp(gpu->d_name, "gpu", 3) != 0 || strlen(gpu->d_name) > 16)
            continue;
        snprintf(path, sizeof(path), "%s/proc/driver/nvidia/capabilities/%.16s/mig", root, gpu->d_name);
        DIR *parts = opendir(path);
        while (parts && !divided && (part = readdir(parts)))
            divided = !strncmp(part->d_name, "gi", 2);
        if (parts)
            closedir(parts);
    }
    if (all)
        closedir(all);
    return divided;
}

bool hardware_gpus(const char *root, char *text, size_t room, int64_t deadline)
{
    char path[512], addresses[GPU_MAX][ADDRESS_SIZE] = {{0}};
    char *information = malloc(FILE_MAX);
    size_t count = 0, length = 0;
    bool good = false;
    text[0] = '\0';
    snprintf(path, sizeof(path), "%s/proc/driver/nvidia/gpus", root);
    DIR *folder = information ? opendir(path) : NULL;
    if (!folder)
        goto cleanup;
    for (struct dirent *entry; (entry = readdir(folder));) {
        unsigned minor;
        if (entry->d_name[0] == '.')
            continue;
        if (is_late(deadline) || strlen(entry->d_name) >= ADDRESS_SIZE || !is_address(entry->d_name))
            goto cleanup;
        snprintf(path, sizeof(path), "%s/proc/driver/nvidia/gpus/%.23s/information", root, entry->d_name);
        if (!read_file(path, information, FILE_MAX) || !read_minor(information, &minor) || minor >= GPU_MAX || addresses[minor][0])
            goto cleanup;
        strcpy(addresses[minor], entry->d_name);
        count++;
    }
    if (count == 0 || is_divided(root))
        goto cleanup;
    for (size_t minor = 0; minor < count; minor++) {
        size_t size = strlen(addresses[minor]);
        if (size == 0 || length + size + 2 > room)
            goto cleanup;
        if (minor > 0)
            text[length++] = ',';
        memcpy(text + length, addresses[minor], size + 1);
        length += size;
    }
    good = true;
cleanup:
    if (!good)
        text[0] = '\0';
    if (folder)
        closedir(folder);
    free(information);
    return good;
}

// MARK: memory

uint64_t hardware_memory(const char *root)
{
    char path[512], text[FILE_MAX];
    uint64_t kibibytes = 0;
    snprintf(path, sizeof(path), "%s/proc/meminfo", root);
    if (!read_file(path, text, sizeof(text)) || strncmp(text, "MemTotal:", 9) != 0)
        return 0;
    const char *at = text + 9 + strspn(text + 9, " ");
    size_t digits = strspn(at, "0123456789");
    if (digits == 0 || digits > 15 || strncmp(at + digits, " kB\n", 4) != 0)
        return 0;
    for (size_t i = 0; i < digits; i++)
        kibibytes = kibibytes * 10 + (uint64_t)(at[i] - '0');
    return kibibytes / 1024;
}
