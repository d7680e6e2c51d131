// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "event_writer.h"

/// slurmctld's job_record_t, whose layout only jobcomp_rich.c knows.
typedef struct job_record job_record;

/// Whether this build carries the layout of the release that runs. `reason` gets one line.
bool rich_is_possible(char *reason, size_t size);
/// Compares what the layout makes of this record with what slurmctld's own function says of it. Nothing is read through
/// a pointer before it is known that it leads somewhere. By one thread at a time.
bool rich_is_proven(const void *job, char *reason, size_t size);
/// Writes all of a record, by one thread at a time. False when the record lacks what a run needs to be known.
bool rich_put(struct event_writer *writer, const void *job);
/// Writes slurmctld's own words for the job (its %pJ). False when it has none.
bool lean_put(struct event_writer *writer, const void *job);
