// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "event_format.h"
#include "jobcomp_ring.h"
#include "jobcomp_settings.h"
#include "jobcomp_spool.h"

/// What the plugin says of itself. Mode and callback times come from slurmctld's threads; the rest is the sender's.

struct hello_facts {
    const struct settings *settings;
    struct ring *ring;
    const struct spool *spool;
    const uint8_t *boot_id;
    uint64_t (*next_sequence)(void); // the number that the next event will have
    const char *socket_trouble; // empty: none
};

void hello_set_mode(enum event_mode mode, const char *reason);
void hello_note_callback(uint64_t microseconds);
/// Whether what was said last is no longer so.
bool hello_is_old(const struct hello_facts *facts);
/// Writes a hello; the frame's length.
size_t hello_write(const struct hello_facts *facts, uint8_t *frame, size_t size);
