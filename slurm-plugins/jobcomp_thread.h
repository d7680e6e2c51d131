// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

#include "jobcomp_hello.h"

/// The sender's thread: it looks after the connection and the spool, and moves the ring's frames to one of them.

struct thread_facts {
    struct hello_facts hello;  // the spool is the thread's own
    int wake;                  // an event descriptor that is written to when `asleep` is set and a frame was added
    atomic_bool *asleep;
    bool (*is_to_stop)(void);
    bool again; // another thread of this process was there before: there may be a spool file of this boot id
};

/// Before the thread begins.
void thread_prepare(const struct thread_facts *facts);
/// Until it is to stop; then what is in the ring goes to the spool.
void thread_run(void);
