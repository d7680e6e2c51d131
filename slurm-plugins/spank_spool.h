// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "spank_send.h"

/// What this node said and no agent has taken: a frame a file, in a directory that only root can write. The hooks keep,
/// slurmd sends. Nothing is kept for longer than SPANK_SPOOL_AGE, nor across a boot: field 59 counts by the clock since then.

/// Of files. One more takes the oldest one's place.
#define SPANK_SPOOL_MAX 512
/// Milliseconds.
#define SPANK_SPOOL_AGE (7LL * 24 * 3600 * 1000)

/// NULL, or why the frame is not kept. The text lasts until the next call in the process.
const char *spank_spool_keep(const char *folder, const uint8_t *frame, size_t length);

struct spank_spool_left {
    size_t count;        // files that are to be sent yet
    const char *problem; // what the first of them met; NULL: nothing, another slurmd may be sending it
};

/// Sends what is kept, the oldest first, to the first that is not taken; each is removed once it is taken. What nobody of
/// this plugin has written is removed unread.
struct spank_spool_left spank_spool_send(const char *folder, const struct spank_target *target);

/// In slurmd alone: a thread that sends what is kept, at once, and what the hooks keep later, until the process ends. It
/// sleeps while there is nothing.
void spank_spool_start(const char *folder, const struct spank_target *target);
