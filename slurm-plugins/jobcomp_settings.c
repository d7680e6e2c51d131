// SPDX-License-Identifier: GPL-2.0-or-later
#include "jobcomp_settings.h"

#include <dlfcn.h>
#include <errno.h>
#include <slurm/slurm.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void log_line(const char *format, ...)
{
    char line[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    void (*slurm_log)(const char *, ...) = (void (*)(const char *, ...))dlsym(RTLD_DEFAULT, "slurm_info");
    if (slurm_log)
        slurm_log("jobcomp/grid_agent: %s", line);
}

void settings_defaults(struct settings *settings)
{
    memset(settings, 0, sizeof(*settings));
    snprintf(settings->socket, sizeof(settings->socket), "/run/slurm-grid-agent/events.sock");
    settings->ring_frames = 8192;
    settings->ring_bytes = 8 << 20;
    settings->spool_bytes = (uint64_t)256 << 20;
}

// "64M" and the like; 0 when it makes no sense.
static uint64_t size_of(const char *text)
{
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno || end == text || *text == '-')
        return 0;
    unsigned shift = *end == 'K' || *end == 'k' ? 10 : *end == 'M' || *end == 'm' ? 20 : *end == 'G' || *end == 'g' ? 30 : 0;
    if (shift)
        end++;
    if (*end || value > (UINT64_MAX >> 1) >> shift)
        return 0;
    return (uint64_t)value << shift;
}

static void apply(struct settings *settings, const char *key, const char *value)
{
    if (!strcmp(key, "socket") || !strcmp(key, "spool")) {
        char *to = *key == 's' && key[1] == 'o' ? settings->socket : settings->spool_folder;
        size_t room = to == settings->socket ? sizeof(settings->socket) : sizeof(settings->spool_folder) - 128;
        if (value[0] != '/' || strlen(value) >= room) {
            log_line("grid_agent_%s=%s is no absolute path of less than %zu bytes; using the default", key, value, room);
            return;
        }
        strcpy(to, value);
    } else if (!strcmp(key, "ring")) {
        uint64_t frames = size_of(value);
        if (frames < 16 || frames > 1 << 20) {
            log_line("grid_agent_ring=%s is not between 16 and 1M frames; using the default", value);
            return;
        }
        settings->ring_frames = (size_t)frames;
        settings->ring_bytes = (size_t)frames * 1024 < (256 << 10) ? 256 << 10 : (size_t)frames * 1024;
    } else if (!strcmp(key, "spool_limit")) {
        uint64_t bytes = size_of(value);
        if (bytes < 1 << 16) {
            log_line("grid_agent_spool_limit=%s is no size of 64K or more; using the default", value);
            return;
        }
        settings->spool_bytes = bytes;
    } else if (!strcmp(key, "chain")) {
        if (strncmp(value, "jobcomp/", 8) || strlen(value) >= sizeof(settings->chain) || strchr(value + 8, '/') ||
            !strcmp(value, "jobcomp/grid_agent")) {
            log_line("grid_agent_chain=%s is no other job completion plugin such as jobcomp/filetxt; none is loaded", value);
            return;
        }
        strcpy(settings->chain, value);
    } else {
        log_line("grid_agent_%s is not known; there are socket, spool, ring, spool_limit and chain", key);
    }
}

void settings_apply(struct settings *settings, const char *parameters)
{
    char text[4096];
    static const char prefix[] = "grid_agent_";
    if (!parameters)
        return;
    snprintf(text, sizeof(text), "%s", parameters);
    char *rest = text;
    for (char *item; (item = strsep(&rest, ",")) != NULL;) {
        item += strspn(item, " \t");
        if (strncmp(item, prefix, sizeof(prefix) - 1))
            continue; // another plugin's
        char *value = strchr(item, '=');
        if (!value) {
            log_line("%s has no value", item);
            continue;
        }
        *value = '\0';
        apply(settings, item + sizeof(prefix) - 1, value + 1);
    }
}

static void take(struct settings *settings, const char *parameters, const char *state_folder, const char *folders, const char *cluster)
{
    if (state_folder && *state_folder)
        snprintf(settings->spool_folder, sizeof(settings->spool_folder) - 128, "%s/grid-agent", state_folder);
    if (folders)
        snprintf(settings->plugin_folders, sizeof(settings->plugin_folders), "%s", folders);
    if (cluster)
        snprintf(settings->cluster, sizeof(settings->cluster), "%s", cluster);
    settings_apply(settings, parameters);
}

// As slurmctld's own list holds them (config_key_pair_t, the same in all series).
struct key_pair {
    char *name;
    char *value;
};

// Later series lay slurm_conf_t out again; they list it by name instead.
static bool take_key_pairs(struct settings *settings, void *conf)
{
    void *(*pairs)(void *) = (void *(*)(void *))dlsym(RTLD_DEFAULT, "slurm_ctl_conf_2_key_pairs");
    void *(*iterate)(void *) = (void *(*)(void *))dlsym(RTLD_DEFAULT, "slurm_list_iterator_create");
    void *(*next)(void *) = (void *(*)(void *))dlsym(RTLD_DEFAULT, "slurm_list_next");
    void (*end)(void *) = (void (*)(void *))dlsym(RTLD_DEFAULT, "slurm_list_iterator_destroy");
    void (*destroy)(void *) = (void (*)(void *))dlsym(RTLD_DEFAULT, "slurm_list_destroy");
    if (!pairs || !iterate || !next || !end || !destroy)
        return false;
    void *list = pairs(conf);
    if (!list)
        return false;
    const char *parameters = NULL, *state_folder = NULL, *folders = NULL, *cluster = NULL;
    void *iterator = iterate(list);
    for (struct key_pair *pair; iterator && (pair = next(iterator)) != NULL;) {
        if (!pair->name)
            continue;
        if (!strcmp(pair->name, "JobCompParams"))
            parameters = pair->value;
        else if (!strcmp(pair->name, "StateSaveLocation"))
            state_folder = pair->value;
        else if (!strcmp(pair->name, "PluginDir"))
            folders = pair->value;
        else if (!strcmp(pair->name, "ClusterName"))
            cluster = pair->value;
    }
    take(settings, parameters, state_folder, folders, cluster);
    if (iterator)
        end(iterator);
    destroy(list);
    return true;
}

void settings_read(struct settings *settings)
{
    settings_defaults(settings);
    void *conf = dlsym(RTLD_DEFAULT, "slurm_conf");
    if (!conf) {
        snprintf(settings->source, sizeof(settings->source), "defaults: this process has no slurm_conf");
    } else if (same_series(running_version(), built_version())) {
        const slurm_conf_t *known = conf;
        take(settings, known->job_comp_params, known->state_save_location, known->plugindir, known->cluster_name);
        snprintf(settings->source, sizeof(settings->source), "slurm_conf");
    } else if (running_version() && take_key_pairs(settings, conf)) {
        snprintf(settings->source, sizeof(settings->source), "key pairs");
    } else {
        snprintf(settings->source, sizeof(settings->source), "defaults: Slurm's release could not be told");
    }
}
