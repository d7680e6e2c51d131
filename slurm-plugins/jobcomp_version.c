// SPDX-License-Identifier: GPL-2.0-or-later
// The version symbol. slurmctld takes a job completion plugin only when it carries its own release to the last digit,
// and from 24.11 on refuses to start otherwise. It reads the symbol after dlopen(), so a constructor can still set it: to
// what the plugins that came with this Slurm carry. Whether a record can be read is another question (jobcomp_rich.c).
#include <dlfcn.h>
#include <limits.h>
#include <slurm/slurm_version.h>
#include <stdio.h>
#include <string.h>

#include "jobcomp_settings.h"

#ifdef GRID_AGENT_TEST_OTHER_MICRO
#define BUILT_VERSION (SLURM_VERSION_NUMBER ^ 1)
#else
#define BUILT_VERSION SLURM_VERSION_NUMBER
#endif

__attribute__((visibility("default"))) uint32_t plugin_version = BUILT_VERSION;
static uint32_t found;

uint32_t running_version(void)
{
    return found;
}

uint32_t built_version(void)
{
    return BUILT_VERSION;
}

bool same_series(uint32_t one, uint32_t other)
{
    return one >> 8 == other >> 8 && one != 0;
}

void version_text(uint32_t version, char *text, size_t size)
{
    snprintf(text, size, "%u.%02u.%u", version >> 16 & 0xff, version >> 8 & 0xff, version & 0xff);
}

static uint32_t version_of(const char *folder, const char *name)
{
    char path[PATH_MAX];
    if ((size_t)snprintf(path, sizeof(path), "%s/%s", folder, name) >= sizeof(path))
        return 0;
    void *plugin = dlopen(path, RTLD_LAZY | RTLD_LOCAL);
    if (!plugin)
        return 0;
    const uint32_t *version = dlsym(plugin, "plugin_version");
    uint32_t value = version ? *version : 0;
    dlclose(plugin);
    return value;
}

__attribute__((constructor)) static void find_version(void)
{
    static const char *const stock[] = {"jobcomp_none.so", "priority_basic.so", "auth_munge.so", "cred_munge.so",
        "jobcomp_filetxt.so", "select_cons_tres.so", "accounting_storage_slurmdbd.so"};
    // Slurm's plugins lie beside its private library.
    void *symbol = dlsym(RTLD_DEFAULT, "slurm_xfree");
    Dl_info library;
    if (!symbol || !dladdr(symbol, &library) || !library.dli_fname)
        return;
    char folder[PATH_MAX];
    snprintf(folder, sizeof(folder), "%s", library.dli_fname);
    char *slash = strrchr(folder, '/');
    if (!slash)
        return;
    *slash = '\0';
    char beside[PATH_MAX + 8];
    snprintf(beside, sizeof(beside), "%s/slurm", folder); // an own build: lib/slurm beside lib/libslurm.so
    for (size_t i = 0; i < sizeof(stock) / sizeof(*stock) && !found; i++) {
        found = version_of(folder, stock[i]);
        if (!found)
            found = version_of(beside, stock[i]);
    }
    // Of a series that this build does not know the layout of calls may differ: then Slurm is to refuse us.
    if (same_series(found, BUILT_VERSION))
        plugin_version = found;
}
