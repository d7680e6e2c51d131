// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// What slurm.conf says, and what we know of the daemon that we are in.
struct settings {
    char socket[108]; // as long as an address may be
    char spool_folder[1024];
    size_t ring_frames;
    size_t ring_bytes;
    uint64_t spool_bytes;
    char chain[128];           // "jobcomp/elasticsearch", empty: none
    char plugin_folders[4096]; // where to look for it
    char cluster[256];
    char source[160];          // where these come from
};

/// Reads the settings of the process that has loaded us. Never fails: what cannot be read has its default.
void settings_read(struct settings *settings);
/// The part without Slurm: applies JobCompParams' text. What is not understood is logged and left out.
void settings_apply(struct settings *settings, const char *parameters);
void settings_defaults(struct settings *settings);

/// 0x160508 for 22.05.8; 0 when it could not be told. Known after the plugin was loaded.
uint32_t running_version(void);
/// The version that this was compiled for.
uint32_t built_version(void);
bool same_series(uint32_t one, uint32_t other);
void version_text(uint32_t version, char *text, size_t size);

/// Writes to slurmctld's log, if it is there.
void log_line(const char *format, ...) __attribute__((format(printf, 1, 2)));
