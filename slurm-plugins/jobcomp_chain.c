// SPDX-License-Identifier: GPL-2.0-or-later
#include "jobcomp_chain.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

static void *library;
static int (*record_end)(const void *, uint32_t);
static int (*record_start)(const void *, uint32_t);
static int (*set_location)(const char *);
static void *(*get_jobs)(void *);
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; // of `current` only
static struct chain_status current;
static bool complained;

static void set_state(const char *state)
{
    pthread_mutex_lock(&lock);
    snprintf(current.state, sizeof(current.state), "%s", state);
    pthread_mutex_unlock(&lock);
    if (strcmp(state, "loaded"))
        log_line("chained plugin %s: %s", current.type, state);
}

// The version is looked at before anything of the plugin runs but its constructors.
static const char *open_plugin(const char *path)
{
    void *plugin = dlopen(path, RTLD_LAZY | RTLD_LOCAL);
    if (!plugin)
        return "cannot be loaded";
    const char *type = dlsym(plugin, "plugin_type");
    const uint32_t *version = dlsym(plugin, "plugin_version");
    const char *problem = NULL;
    if (!version || !type || strcmp(type, current.type))
        problem = "is no plugin of this type";
    else if (*version != running_version())
        problem = "was built for another release of Slurm";
    int (*initialise)(void) = problem ? NULL : (int (*)(void))dlsym(plugin, "init");
    if (!problem) {
        record_end = (int (*)(const void *, uint32_t))dlsym(plugin, "jobcomp_p_record_job_end");
        if (!record_end)
            record_end = (int (*)(const void *, uint32_t))dlsym(plugin, "jobcomp_p_log_record");
        record_start = (int (*)(const void *, uint32_t))dlsym(plugin, "jobcomp_p_record_job_start");
        set_location = (int (*)(const char *))dlsym(plugin, "jobcomp_p_set_location");
        get_jobs = (void *(*)(void *))dlsym(plugin, "jobcomp_p_get_jobs");
        if (!record_end)
            problem = "takes no records";
        else if (initialise && initialise() != 0)
            problem = "failed to initialise";
    }
    if (problem) {
        record_end = NULL;
        dlclose(plugin);
        return problem;
    }
    library = plugin;
    return NULL;
}

void chain_load(const struct settings *settings)
{
    if (library || !settings->chain[0])
        return;
    pthread_mutex_lock(&lock);
    snprintf(current.type, sizeof(current.type), "%s", settings->chain);
    pthread_mutex_unlock(&lock);
    char folders[sizeof(settings->plugin_folders)];
    snprintf(folders, sizeof(folders), "%s", settings->plugin_folders);
    char *rest = folders;
    const char *problem = "is in none of the folders of PluginDir";
    for (char *folder; (folder = strsep(&rest, ":")) != NULL && !library;) {
        char path[PATH_MAX + 160];
        snprintf(path, sizeof(path), "%.4000s/jobcomp_%s.so", folder, settings->chain + strlen("jobcomp/"));
        struct stat status;
        if (stat(path, &status) == 0)
            problem = S_ISREG(status.st_mode) ? open_plugin(path) : "is no file"; // a FIFO would hold up slurmctld
        else if (errno != ENOENT && errno != ENOTDIR)
            problem = strerror(errno);
    }
    set_state(library ? "loaded" : problem);
}

static void finish(int outcome, const struct timespec *since)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    int64_t took = (now.tv_sec - since->tv_sec) * 1000000 + (now.tv_nsec - since->tv_nsec) / 1000;
    pthread_mutex_lock(&lock);
    if (outcome)
        current.errors++;
    if (took > 0 && (uint64_t)took > current.maximum_us)
        current.maximum_us = (uint64_t)took;
    pthread_mutex_unlock(&lock);
    if (outcome && !complained) {
        complained = true;
        log_line("chained plugin %s returned %d; further failures are only counted", current.type, outcome);
    }
}

void chain_record_end(const void *job, uint32_t event)
{
    struct timespec since;
    if (!record_end)
        return;
    clock_gettime(CLOCK_MONOTONIC, &since);
    finish(record_end(job, event), &since);
}

void chain_record_start(const void *job, uint32_t event)
{
    struct timespec since;
    if (!library || !record_start)
        return;
    clock_gettime(CLOCK_MONOTONIC, &since);
    finish(record_start(job, event), &since);
}

void chain_set_location(const char *location)
{
    struct timespec since;
    if (!library || !set_location)
        return;
    clock_gettime(CLOCK_MONOTONIC, &since);
    finish(set_location(location), &since);
}

void *chain_get_jobs(void *condition)
{
    return library && get_jobs ? get_jobs(condition) : NULL;
}

bool chain_is_loaded(void)
{
    return library != NULL;
}

void chain_unload(void)
{
    if (!library)
        return;
    // Some releases' fini returns nothing: what it may return is not looked at.
    void (*finalise)(void) = (void (*)(void))dlsym(library, "fini");
    if (finalise)
        finalise();
    record_end = NULL;
    record_start = NULL;
    set_location = NULL;
    get_jobs = NULL;
    dlclose(library);
    library = NULL;
}

void chain_read_status(struct chain_status *status)
{
    pthread_mutex_lock(&lock);
    *status = current;
    pthread_mutex_unlock(&lock);
}
