// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "jobcomp_settings.h"

/// A second job completion plugin to which everything is handed on. What it does wrong is counted and logged, and
/// stays its own affair.
struct chain_status {
    char type[128];
    char state[256]; // "loaded", or what went wrong
    uint64_t errors;
    uint64_t maximum_us; // longest call
};

void chain_load(const struct settings *settings);
void chain_set_location(const char *location);
void chain_record_end(const void *job, uint32_t event);
void chain_record_start(const void *job, uint32_t event);
void *chain_get_jobs(void *condition);
bool chain_is_loaded(void);
void chain_unload(void);
void chain_read_status(struct chain_status *status);
