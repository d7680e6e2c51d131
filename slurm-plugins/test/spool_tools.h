// SPDX-License-Identifier: GPL-2.0-or-later
// A spool in a folder of its own, and what processes that died left there.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "../jobcomp_spool.h"
#include "check.h"

enum { FRAMES = 6 }; // that leave_behind() leaves

extern const uint8_t boot_id[EVENT_BOOT_ID_SIZE];
extern struct spool spool;
extern char folder[]; // of the test
extern char where[64]; // the spool's
extern char path[256]; // the file of leave_behind()

void begin(void);
void end(const char *name);
size_t make_frame(uint8_t *bytes, uint64_t sequence, size_t padding);
void make(uint64_t limit);
void fill(uint64_t first, int frames);
/// Reads all that there is; a bit for each sequence. With `acknowledge` it is dealt with.
uint64_t replay(bool acknowledge);
uint64_t bits(unsigned first, unsigned last);
/// A process that spools and dies, as slurmctld does when it is killed; `path` is its file.
void leave_behind(pid_t named);
bool there(const char *suffix);
void empty_folder(void);
