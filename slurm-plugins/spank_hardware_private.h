// SPDX-License-Identifier: GPL-2.0-or-later
// What the readers of /sys and /proc share.
#pragma once

#include "spank_hardware.h"

/// Of a file that is read.
#define HARDWARE_FILE_MAX 16384

/// CLOCK_MONOTONIC, ms.
bool hardware_is_late(int64_t deadline);
/// A whole regular file of less than `room` bytes without a zero byte.
bool hardware_read_file(const char *path, char *text, size_t room);
/// Up to six digits; NULL when there is none, else what follows them.
const char *hardware_read_number(const char *text, unsigned *number);
