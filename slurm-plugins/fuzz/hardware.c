// SPDX-License-Identifier: GPL-2.0-or-later
// Whatever /sys and /proc hold: what is told is a list of hardware threads, each once, in a text that ends.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../spank_hardware.h"

static const char *const files[] = {"/sys/devices/system/cpu/online", "/sys/devices/system/cpu/cpu0/topology/physical_package_id",
    "/sys/devices/system/cpu/cpu0/topology/thread_siblings_list", "/sys/devices/system/cpu/cpu1/topology/physical_package_id",
    "/sys/devices/system/cpu/cpu1/topology/thread_siblings_list", "/proc/driver/nvidia/gpus/0000:01:00.0/information", "/proc/meminfo",
    "/sys/bus/pci/devices/0000:02:00.0/vendor", "/sys/class/drm/renderD128/x"};
static char root[] = "/tmp/fuzz-hardware.XXXXXX";

static void make(void)
{
    if (!mkdtemp(root))
        abort();
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        char path[256];
        for (const char *slash = files[i]; (slash = strchr(slash + 1, '/'));) {
            snprintf(path, sizeof(path), "%s%.*s", root, (int)(slash - files[i]), files[i]);
            mkdir(path, 0700);
        }
    }
    char path[256];
    snprintf(path, sizeof(path), "%s/sys/class/drm/renderD128/device", root);
    if (symlink("../../../bus/pci/devices/0000:02:00.0", path) != 0)
        abort();
    snprintf(path, sizeof(path), "%s/sys/bus/pci/devices/0000:02:00.0/driver", root);
    if (symlink("../../drivers/amdgpu", path) != 0)
        abort();
}

static void hold(const char *cores)
{
    uint8_t seen[HARDWARE_MAX] = {0};
    while (*cores) {
        char *end;
        unsigned long number = strtoul(cores, &end, 10);
        if (end == cores || number >= HARDWARE_MAX || seen[number] || (*end && !strchr(",;/", *end)))
            abort();
        seen[number] = 1;
        cores = *end ? end + 1 : end;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int made;
    uint8_t set[HARDWARE_MAX];
    char path[256], text[512];
    if (!made++)
        make();
    char *list = malloc(size + 1);
    memcpy(list, data, size);
    list[size] = '\0';
    size_t count = hardware_list(list, set), found = 0;
    for (size_t i = 0; count > 0 && i < HARDWARE_MAX; i++)
        found += set[i];
    if (found != count)
        abort();
    free(list);
    // A zero byte divides the files.
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        const uint8_t *end = size > 0 ? memchr(data, 0, size) : NULL;
        size_t length = end ? (size_t)(end - data) : size;
        snprintf(path, sizeof(path), "%s%s", root, files[i]);
        FILE *file = fopen(path, "w");
        if (!file || fwrite(data, 1, length, file) != length || fclose(file) != 0)
            abort();
        data += length + (end ? 1 : 0);
        size -= length + (end ? 1 : 0);
    }
    if (hardware_cores(root, text, sizeof(text), INT64_MAX))
        hold(text);
    else if (text[0])
        abort();
    // One of each of two vendors: which one Slurm means is not known.
    if (hardware_gpus(root, text, sizeof(text), INT64_MAX) ? strcmp(text, "0000:01:00.0") && strcmp(text, "0000:02:00.0") : text[0])
        abort();
    (void)hardware_memory(root);
    return 0;
}
