// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// More hardware threads than that, or numbers above: nothing is said.
#define HARDWARE_MAX 4096

/// Reads a list of numbers as the kernel and Slurm write it, `0-3,8`: ascending, none twice, each below HARDWARE_MAX. A line
/// end may follow. Returns how many there are, 0 when it is no such list. `set`: HARDWARE_MAX bytes, 1 for each that is there.
size_t hardware_list(const char *text, uint8_t *set);

/// Writes the cores of this host in Slurm's order, each with its hardware threads: `0,8;1,9/2,10;3,11`, sockets divided by
/// `/`, cores by `;`. `root`: "" but in tests. False, and an empty text, when the kernel does not say all of it, when it does
/// not fit, or when the deadline (CLOCK_MONOTONIC, ms) is over: a part is never told.
bool hardware_cores(const char *root, char *text, size_t room, int64_t deadline);

/// Writes the PCI addresses of the GPUs in the order of their device files: `0000:47:00.0,0000:4e:00.0`. Those of NVIDIA, else
/// of AMD, else of Intel; the one inside an Intel CPU is none. A GPU that is divided by MIG stands there once for each compute
/// instance, as Slurm counts them. False, and an empty text, when there are none, when the numbers of NVIDIA's are not 0, 1, 2, …,
/// when an AMD GPU is divided, when two vendors have as many, when it does not fit, or when the deadline is over.
bool hardware_gpus(const char *root, char *text, size_t room, int64_t deadline);

/// The host's memory in MiB; 0: not known.
uint64_t hardware_memory(const char *root);
