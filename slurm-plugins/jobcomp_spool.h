// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "event_format.h"
#include "jobcomp_spool_record.h"

enum { SPOOL_FILES_MAX = 64 };

/// Frames on disk: our own file, and those of dead processes that we took over. Used by the sender thread only; every
/// call may hang as long as the file system does.
///
/// An error of the file system never costs a frame: what could not be read, written, renamed or removed is tried again
/// with back-off, and told until it succeeds. Only what was read and is no record is left out, and its file is set aside.
struct spool_file {
    char name[256];
    uint64_t serial; // 0: the slot is free
    int descriptor;  // -1: to be opened again
    off_t end;       // of the data
    off_t staged;    // appended, and not yet known to be on the disk
    off_t sent;      // read for sending so far
    off_t last;      // the end of the last record that was handed out
    off_t acked;     // dealt with by the agent
    off_t looked;    // up to here damage was told
    uint64_t frames; // not acknowledged
    uint64_t staged_frames;
    bool own, searching, cut, damaged, finished;
    int64_t retry_at, retry_pause;
};

enum spool_failure { SPOOL_FAILS_FOLDER, SPOOL_FAILS_WRITING, SPOOL_FAILS_READING, SPOOL_FAILURES };

struct spool {
    char folder[1024];
    char own_name[256];
    uint64_t limit; // bytes, of all files
    int64_t now;    // milliseconds; set by the caller before it calls
    int directory;  // the checked folder, or -1
    bool new_name;  // our own file's name is not yet known to be on the disk
    bool busy;      // the last spool_next() has more to look through
    bool unseen;    // the last scan could not look at all files
    bool own_unseen; // there may be a file of our own, of an earlier start in this process
    struct spool_file files[SPOOL_FILES_MAX + 1]; // in the order in which they are replayed; our own is the last
    uint64_t serials;
    uint64_t refused;                // files set aside
    char failing[SPOOL_FAILURES][256]; // what fails now, each until it succeeds
    int problem[SPOOL_FAILURES];       // its error number, or 0
    char trouble[256];               // the last thing that went wrong for good
    unsigned changes;                // of what there is to tell
    uint8_t scratch[EVENT_FRAME_MAX];
};

void spool_make(struct spool *spool, const char *folder, uint64_t limit, const char *host, pid_t pid, const uint8_t *boot_id);
/// Takes over the files of processes that are gone. Sets those aside that are none, or that others made. False: not all
/// could be looked at; to be called again soon.
bool spool_scan(struct spool *spool);
/// Adds a frame to our own file. False: it is not there (no room, no folder, over the limit).
bool spool_append(struct spool *spool, const uint8_t *frame, size_t length);
/// Brings what was appended to the disk. False: none of it since the last time counts, and it is to be appended again.
bool spool_commit(struct spool *spool);
/// The next frame that has not been sent on this connection. 0: there is none now, or it is longer than `capacity`
/// (EVENT_FRAME_MAX suffices). `*file` and `*after` are for spool_ack().
size_t spool_next(struct spool *spool, uint8_t *frame, size_t capacity, uint64_t *file, off_t *after);
/// Everything of that file up to `after` is dealt with. Removes a file all of which is.
void spool_ack(struct spool *spool, uint64_t file, off_t after);
/// Begins again with what is not acknowledged.
void spool_rewind(struct spool *spool);
/// Tries again what failed and is due.
void spool_retry(struct spool *spool);
/// When spool_retry(), or with `reading` spool_next(), has something to do; INT64_MAX: nothing by itself.
int64_t spool_next_time(const struct spool *spool, bool reading);
/// Whether our own file has, or may have, frames that were not sent: later ones must wait.
bool spool_holds_back(const struct spool *spool);
/// Whether there is a file of our own.
bool spool_has_own(const struct spool *spool);
uint64_t spool_frames(const struct spool *spool);
size_t spool_count(const struct spool *spool);
/// What there is to tell, worst first; empty: nothing.
const char *spool_message(const struct spool *spool);
void spool_close(struct spool *spool);
