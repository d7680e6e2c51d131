// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <stdbool.h>
#include <stddef.h>

/// Finds the name that slurmd was given on its command line (`-N NAME`), read as its getopt_long() reads it. `words`: what
/// /proc/self/cmdline holds, each word with a zero byte behind. False, and an empty name: none, or one that does not fit.
bool node_given(const char *words, size_t length, char *name, size_t room);

/// Writes the name by which slurmctld knows this node, found as slurmd itself finds it: its command line, slurm.conf's
/// NodeHostname and aliases, the host's short name. Only for slurmd's own process. False: none.
bool node_name(char *name, size_t room);
