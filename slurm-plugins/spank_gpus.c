// SPDX-License-Identifier: GPL-2.0-or-later
// Which GPUs a node has: NVIDIA's by its driver's folder in /proc, AMD's and Intel's by their render nodes in /sys.
#include "spank_hardware_private.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { GPU_MAX = 64, ADDRESS_SIZE = 24, FIRST_RENDER = 128, INSTANCES_MAX = 16, COMPUTE_MAX = 8 };
enum vendor { NVIDIA, AMD, INTEL, VENDORS };

// By the minor number of the device file. `times`: as how many GPUs Slurm counts it; 0: it is none.
struct gpu {
    char address[ADDRESS_SIZE];
    unsigned times;
};

struct gpus {
    struct gpu all[VENDORS][GPU_MAX];
    unsigned counts[VENDORS];
    char path[512];
    char text[HARDWARE_FILE_MAX];
};

// `0000:47:00.0`, as the kernel writes it.
static bool is_address(const char *text)
{
    size_t domain = strspn(text, "0123456789abcdef");
    const char *rest = text + domain;
    return domain >= 4 && domain <= 8 && strlen(rest) == 8 && rest[0] == ':' && rest[3] == ':' && rest[6] == '.' &&
        strspn(rest + 1, "0123456789abcdef") == 2 && strspn(rest + 4, "0123456789abcdef") == 2 && rest[7] >= '0' && rest[7] <= '7';
}

// An address that is there already is of a GPU that is divided in a way that is not known here.
static bool add(struct gpus *gpus, enum vendor vendor, unsigned minor, const char *address, unsigned times)
{
    if (minor >= GPU_MAX || gpus->all[vendor][minor].address[0])
        return false;
    for (size_t i = 0; i < GPU_MAX; i++)
        if (!strcmp(gpus->all[vendor][i].address, address))
            return false;
    snprintf(gpus->all[vendor][minor].address, ADDRESS_SIZE, "%s", address);
    gpus->all[vendor][minor].times = times;
    gpus->counts[vendor] += times;
    return true;
}

// MARK: NVIDIA

static bool read_minor(const char *information, unsigned *minor)
{
    const char *line = strstr(information, "Device Minor:");
    if (!line || (line != information && line[-1] != '\n'))
        return false;
    line += strlen("Device Minor:");
    line += strspn(line, " \t");
    line = hardware_read_number(line, minor);
    return line && (*line == '\n' || *line == '\0');
}

// Of `gi3` the number with "gi"; false: it is none.
static bool read_named(const char *name, const char *before, unsigned *number)
{
    size_t length = strlen(before);
    const char *end = strncmp(name, before, length) ? NULL : hardware_read_number(name + length, number);
    return end && !*end;
}

// Entries of a folder that are so named, at most `limit`; -1: more, or the folder cannot be read. One that is not there has none.
static int list_named(const char *path, const char *before, unsigned *numbers, int limit)
{
    int count = 0;
    DIR *folder = opendir(path);
    if (!folder)
        return errno == ENOENT ? 0 : -1;
    for (struct dirent *entry; count >= 0 && (entry = readdir(folder));) {
        unsigned number;
        if (!read_named(entry->d_name, before, &number))
            continue;
        if (count == limit)
            count = -1;
        else
            numbers[count++] = number;
    }
    closedir(folder);
    return count;
}

// MIG: Slurm counts each compute instance as a GPU, one after the other where their GPU's device file would be. -1: not known.
static int count_parts(struct gpus *gpus, const char *root, unsigned minor)
{
    unsigned instances[INSTANCES_MAX], computes[COMPUTE_MAX];
    int parts = 0;
    snprintf(gpus->path, sizeof(gpus->path), "%s/proc/driver/nvidia/capabilities/gpu%u/mig", root, minor);
    int count = list_named(gpus->path, "gi", instances, INSTANCES_MAX);
    if (count <= 0)
        return count < 0 ? -1 : 1;
    for (int i = 0; i < count; i++) {
        snprintf(gpus->path, sizeof(gpus->path), "%s/proc/driver/nvidia/capabilities/gpu%u/mig/gi%u", root, minor, instances[i]);
        int found = list_named(gpus->path, "ci", computes, COMPUTE_MAX);
        if (found < 0)
            return -1;
        parts += found;
    }
    return parts;
}

// False: what is there contradicts itself.
static bool read_nvidia(struct gpus *gpus, const char *root, int64_t deadline)
{
    unsigned count = 0;
    bool good = true;
    snprintf(gpus->path, sizeof(gpus->path), "%s/proc/driver/nvidia/gpus", root);
    DIR *folder = opendir(gpus->path);
    if (!folder)
        return errno == ENOENT;
    for (struct dirent *entry; good && (entry = readdir(folder));) {
        unsigned minor = 0;
        int parts = -1;
        if (entry->d_name[0] == '.')
            continue;
        good = !hardware_is_late(deadline) && strlen(entry->d_name) < ADDRESS_SIZE && is_address(entry->d_name);
        snprintf(gpus->path, sizeof(gpus->path), "%s/proc/driver/nvidia/gpus/%.23s/information", root, entry->d_name);
        good = good && hardware_read_file(gpus->path, gpus->text, sizeof(gpus->text)) && read_minor(gpus->text, &minor) &&
            (parts = count_parts(gpus, root, minor)) >= 0 && add(gpus, NVIDIA, minor, entry->d_name, (unsigned)parts);
        count++;
    }
    closedir(folder);
    for (unsigned minor = 0; minor < count; minor++)
        good = good && minor < GPU_MAX && gpus->all[NVIDIA][minor].address[0];
    return good;
}

// MARK: AMD and Intel

// The last part of what a link names.
static bool read_link(const char *path, char *name, size_t room)
{
    char target[512];
    ssize_t length = readlink(path, target, sizeof(target) - 1);
    if (length <= 0 || (size_t)length == sizeof(target) - 1)
        return false;
    target[length] = '\0';
    char *last = strrchr(target, '/');
    last = last ? last + 1 : target;
    if (!*last || strlen(last) >= room)
        return false;
    memcpy(name, last, strlen(last) + 1);
    return true;
}

// False: it is a GPU of which something is not as it should be.
static bool read_render(struct gpus *gpus, const char *root, unsigned minor)
{
    static const struct {
        const char *driver, *number;
        enum vendor vendor;
    } known[] = {{"amdgpu", "0x1002\n", AMD}, {"i915", "0x8086\n", INTEL}, {"xe", "0x8086\n", INTEL}};
    char device[64], driver[64];
    snprintf(gpus->path, sizeof(gpus->path), "%s/sys/class/drm/renderD%u/device", root, minor);
    if (!read_link(gpus->path, device, sizeof(device)))
        return true;
    // A part of an AMD GPU that is divided has a device of its own, which is none of PCI's.
    if (!strncmp(device, "amdgpu_xcp", 10))
        return false;
    snprintf(gpus->path, sizeof(gpus->path), "%s/sys/class/drm/renderD%u/device/driver", root, minor);
    if (!is_address(device) || !read_link(gpus->path, driver, sizeof(driver)))
        return true;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strcmp(driver, known[i].driver) != 0)
            continue;
        // The one in an Intel CPU has its place, and no job is given it.
        if (known[i].vendor == INTEL && !strcmp(device, "0000:00:02.0"))
            return true;
        snprintf(gpus->path, sizeof(gpus->path), "%s/sys/class/drm/renderD%u/device/vendor", root, minor);
        return hardware_read_file(gpus->path, gpus->text, sizeof(gpus->text)) && !strcmp(gpus->text, known[i].number) &&
            add(gpus, known[i].vendor, minor - FIRST_RENDER, device, 1);
    }
    return true;
}

static bool read_renders(struct gpus *gpus, const char *root, int64_t deadline)
{
    bool good = true;
    snprintf(gpus->path, sizeof(gpus->path), "%s/sys/class/drm", root);
    DIR *folder = opendir(gpus->path);
    if (!folder)
        return errno == ENOENT;
    for (struct dirent *entry; good && (entry = readdir(folder));) {
        unsigned minor;
        if (read_named(entry->d_name, "renderD", &minor) && minor >= FIRST_RENDER)
            good = !hardware_is_late(deadline) && read_render(gpus, root, minor);
    }
    closedir(folder);
    return good;
}

// MARK: all

static bool put(const struct gpu *gpu, char *text, size_t room, size_t *length)
{
    size_t size = strlen(gpu->address);
    for (unsigned i = 0; i < gpu->times; i++) {
        if (*length + size + 2 > room)
            return false;
        if (*length > 0)
            text[(*length)++] = ',';
        memcpy(text + *length, gpu->address, size + 1);
        *length += size;
    }
    return true;
}

bool hardware_gpus(const char *root, char *text, size_t room, int64_t deadline)
{
    size_t length = 0;
    int vendor = 0;
    struct gpus *gpus = calloc(1, sizeof(*gpus));
    bool good = gpus && read_nvidia(gpus, root, deadline) && read_renders(gpus, root, deadline);
    text[0] = '\0';
    while (good && vendor < VENDORS && gpus->counts[vendor] == 0)
        vendor++;
    good = good && vendor < VENDORS;
    // Of two kinds that are equally many nothing says which ones Slurm means.
    for (int other = vendor + 1; good && other < VENDORS; other++)
        good = gpus->counts[other] != gpus->counts[vendor];
    for (size_t minor = 0; good && minor < GPU_MAX; minor++)
        good = put(&gpus->all[vendor][minor], text, room, &length);
    if (!good)
        text[0] = '\0';
    free(gpus);
    return good;
}
