// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/// Of a frame that is sent.
#define SPANK_FRAME_MAX 10240

/// Where messages go, and how long one may take.
struct spank_target {
    char socket[108];       // the agent's, on this host; empty: none
    char munge_socket[108]; // empty: libmunge's own
    struct sockaddr_storage controller;
    socklen_t controller_size;
    bool has_controller;
    unsigned timeout_ms;
};

void spank_target_defaults(struct spank_target *target);
/// "10.0.0.1", "10.0.0.1:6821", "fd00::1" or "[fd00::1]:6821". No name is ever looked up. False: it is none of these.
bool spank_set_controller(struct spank_target *target, const char *text);
/// Sends one frame: by the Unix socket if there is one, else, or when nobody listens there, signed by MUNGE to the
/// controller. Returns within the target's time limit; NULL, or what went wrong. `answered`: until the agent has said that it
/// has it; without, it may be lost when the agent is killed just then.
const char *spank_send(const struct spank_target *target, const uint8_t *frame, size_t length, bool answered);
