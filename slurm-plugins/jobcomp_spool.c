// SPDX-License-Identifier: GPL-2.0-or-later
#include "jobcomp_spool.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "jobcomp_spool_private.h"

// Places where a record may begin that are looked at in one call: a damaged file holds up nobody.
enum { LOOKS = 64 };

void spool_make(struct spool *spool, const char *folder, uint64_t limit, const char *host, pid_t pid, const uint8_t *boot_id)
{
    memset(spool, 0, sizeof(*spool));
    snprintf(spool->folder, sizeof(spool->folder), "%s", folder);
    spool->limit = limit;
    spool->directory = -1;
    for (size_t i = 0; i <= SPOOL_FILES_MAX; i++)
        spool->files[i].descriptor = -1;
    char hex[2 * EVENT_BOOT_ID_SIZE + 1];
    for (int i = 0; i < EVENT_BOOT_ID_SIZE; i++)
        snprintf(hex + 2 * i, 3, "%02x", boot_id[i]);
    snprintf(spool->own_name, sizeof(spool->own_name), "%.64s.%d.%s.spool", host, (int)pid, hex);
}

// MARK: reading

static void finish_if_done(struct spool *spool, struct spool_file *file)
{
    if (!file->serial || file->finished || file->sent < file->end || file->acked < file->last || file->staged > file->end)
        return;
    file->finished = true;
    spool_finish(spool, file);
}

// The place from which a record could not be read: told once.
static void note_damage(struct spool *spool, struct spool_file *file, bool cut)
{
    file->searching = true;
    file->cut = cut;
    if (file->sent < file->looked)
        return;
    file->looked = file->sent + 1;
    if (cut) {
        spool_tell(spool, file->name, "ended in the middle of a record; what comes before counts");
    } else {
        file->damaged = true;
        spool_tell(spool, file->name, "a damaged record was left out; the file is set aside when the others are told");
    }
}

static void note_failure(struct spool *spool, struct spool_file *file)
{
    off_t size;
    // Shorter than it was, says the file system without an error: then that is its end.
    if (errno == ENODATA && (size = lseek(file->descriptor, 0, SEEK_END)) >= 0 && size < file->end) {
        spool_tell(spool, file->name, "became shorter while it was read");
        file->end = file->staged = size > file->sent ? size : file->sent;
        finish_if_done(spool, file);
        return;
    }
    if (errno == ENODATA)
        errno = EIO;
    spool_fail(spool, SPOOL_FAILS_READING, file->name, NULL);
    spool_suspend(spool, file);
}

// The next record of one file, in `scratch`. 0: none now.
static size_t next_of(struct spool *spool, struct spool_file *file, size_t capacity)
{
    size_t length;
    for (int looks = 0; file->sent < file->end; looks++) {
        if (looks == LOOKS) {
            spool->busy = true;
            return 0;
        }
        if (file->searching && !spool_search_record(file->descriptor, &file->sent, file->end, spool->scratch)) {
            note_failure(spool, file);
            return 0;
        }
        if (file->sent >= file->end)
            break;
        enum spool_record found = spool_read_record(file->descriptor, file->sent, file->end, spool->scratch, &length);
        switch (found) {
        case RECORD_GOOD:
            if (length > capacity)
                return 0;
            if (file->searching && file->cut) {
                // The record before was not the last one, so it was no crash that cut it.
                file->damaged = true;
                spool_tell(spool, file->name, "a damaged record was left out; the file is set aside when the others are told");
            }
            file->searching = file->cut = false;
            file->retry_at = file->retry_pause = 0;
            spool_works(spool, SPOOL_FAILS_READING);
            file->sent += (off_t)length + SPOOL_SUM_SIZE;
            file->last = file->sent;
            return length;
        case RECORD_FAILED:
            note_failure(spool, file);
            return 0;
        case RECORD_CUT:
        case RECORD_BAD:
            if (!file->searching)
                note_damage(spool, file, found == RECORD_CUT);
            file->sent++;
        }
    }
    finish_if_done(spool, file);
    return 0;
}

size_t spool_next(struct spool *spool, uint8_t *frame, size_t capacity, uint64_t *which, off_t *after)
{
    spool->busy = false;
    for (size_t i = 0; i <= SPOOL_FILES_MAX; i++) {
        struct spool_file *file = &spool->files[i];
        if (!file->serial || file->finished || file->sent >= file->end || file->retry_at > spool->now)
            continue;
        if (file->descriptor < 0 && !spool_reopen(spool, file))
            continue;
        size_t length = next_of(spool, file, capacity);
        if (length > 0) {
            memcpy(frame, spool->scratch, length);
            *which = file->serial;
            *after = file->sent;
            return length;
        }
    }
    return 0;
}

void spool_ack(struct spool *spool, uint64_t which, off_t after)
{
    for (size_t i = 0; i <= SPOOL_FILES_MAX; i++) {
        struct spool_file *file = &spool->files[i];
        if (file->serial != which || file->finished)
            continue;
        if (after > file->acked) {
            file->acked = after;
            file->frames -= file->frames > 0;
        }
        finish_if_done(spool, file);
        return;
    }
}

void spool_rewind(struct spool *spool)
{
    spool->busy = false;
    for (size_t i = 0; i <= SPOOL_FILES_MAX; i++) {
        struct spool_file *file = &spool->files[i];
        file->sent = file->last = file->acked;
        file->searching = file->cut = false;
    }
}

// MARK: state

void spool_retry(struct spool *spool)
{
    for (size_t i = 0; i <= SPOOL_FILES_MAX; i++) {
        struct spool_file *file = &spool->files[i];
        if (file->finished && file->retry_at <= spool->now)
            spool_finish(spool, file);
        else
            finish_if_done(spool, file);
    }
}

int64_t spool_next_time(const struct spool *spool, bool reading)
{
    int64_t soonest = INT64_MAX;
    if (reading && spool->busy)
        return spool->now;
    for (size_t i = 0; i <= SPOOL_FILES_MAX; i++) {
        const struct spool_file *file = &spool->files[i];
        if (file->serial && file->retry_at && (file->finished || (reading && file->sent < file->end)) && file->retry_at < soonest)
            soonest = file->retry_at;
    }
    return soonest;
}

bool spool_holds_back(const struct spool *spool)
{
    const struct spool_file *own = &spool->files[SPOOL_FILES_MAX];
    return spool->own_unseen || (own->serial && !own->finished && own->sent < own->end);
}

bool spool_has_own(const struct spool *spool)
{
    return spool->files[SPOOL_FILES_MAX].serial != 0;
}

uint64_t spool_frames(const struct spool *spool)
{
    uint64_t frames = 0;
    for (size_t i = 0; i <= SPOOL_FILES_MAX; i++)
        frames += spool->files[i].serial ? spool->files[i].frames : 0;
    return frames;
}

size_t spool_count(const struct spool *spool)
{
    size_t count = 0;
    for (size_t i = 0; i <= SPOOL_FILES_MAX; i++)
        count += spool->files[i].serial != 0;
    return count;
}

void spool_close(struct spool *spool)
{
    for (size_t i = 0; i <= SPOOL_FILES_MAX; i++)
        if (spool->files[i].serial)
            spool_release(&spool->files[i]);
    spool_forget_directory(spool);
}
