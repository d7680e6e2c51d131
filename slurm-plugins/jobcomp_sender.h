// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "event_format.h"
#include "jobcomp_settings.h"

/// Hands frames to the agent from a thread of its own. Nothing here blocks its caller but sender_stop(), for a bounded
/// time.

/// Starts the thread, once, with the settings of that moment. Also after a stop. 0 or an error number.
int sender_start(const struct settings *settings);
/// Copies a frame for the thread; drops and counts it when there is no room. In the order of their sequence: the agent
/// takes a lower one than the last for known.
void sender_add(const uint8_t *frame, size_t length);
/// Puts what is in the ring into the spool and ends the thread; gives up waiting after `milliseconds`.
void sender_stop(unsigned milliseconds);
/// The next frame's number, from 1.
uint64_t sender_next_sequence(void);
const uint8_t *sender_boot_id(void);
uint64_t sender_dropped(void);

/// For the hello.
void sender_set_mode(enum event_mode mode, const char *reason);
void sender_note_callback(uint64_t microseconds);
