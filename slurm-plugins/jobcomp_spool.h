// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { SPOOL_FILES_MAX = 64, SPOOL_HEADER_SIZE = 16 };

/// Frames on disk: our own file, and those of dead processes that we took over. Used by the sender thread only; every
/// call may hang as long as the file system does.
struct spool_file {
    char name[256];
    int descriptor;
    off_t end;   // what is whole and good
    off_t sent;  // read for sending so far
    off_t acked; // dealt with by the agent
    bool own;
};

struct spool {
    char folder[1024];
    char own_name[256];
    uint64_t limit; // bytes, of all files
    struct spool_file files[SPOOL_FILES_MAX]; // in the order in which they are replayed; our own comes last
    size_t count;
    uint64_t frames; // appended or found, and not yet acknowledged
    uint64_t refused;
    char trouble[256]; // the last thing that went wrong, empty: nothing
};

void spool_make(struct spool *spool, const char *folder, uint64_t limit, const char *host, pid_t pid, const uint8_t *boot_id);
/// Takes over the files of processes that are gone. Sets those aside that cannot be read.
void spool_scan(struct spool *spool);
/// Adds a frame to our own file. False: it is not there (no room, no folder, over the limit).
bool spool_append(struct spool *spool, const uint8_t *frame, size_t length);
/// Brings what was appended to the disk.
bool spool_sync(struct spool *spool);
/// The next frame that has not been sent on this connection. 0: there is none. `*file` and `*after` are for spool_ack().
size_t spool_next(struct spool *spool, uint8_t *frame, size_t capacity, size_t *file, off_t *after);
/// Everything of that file up to `after` is dealt with. Removes a file all of which is.
void spool_ack(struct spool *spool, size_t file, off_t after);
/// Begins anew with what is not acknowledged.
void spool_rewind(struct spool *spool);
bool spool_has_unsent(const struct spool *spool);
void spool_close(struct spool *spool);
