// SPDX-License-Identifier: GPL-2.0-or-later
// Our own spool file: made, appended to, brought to the disk.
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "jobcomp_spool_folder.h"
#include "jobcomp_spool_private.h"

static bool make_own_file(struct spool *spool)
{
    struct spool_file *file = &spool->files[SPOOL_FILES_MAX];
    const char *why = NULL;
    int folder = spool_directory(spool, true), descriptor;
    if (folder < 0)
        return false;
    // One of an earlier life of this process: it is gone on with.
    if (!spool_take_over(spool, spool->own_name))
        return false;
    if (file->serial)
        return !file->finished;
    enum spool_found found = spool_open_file(folder, spool->own_name, true, &descriptor, &why);
    if (found != SPOOL_OPENED) {
        spool_fail(spool, SPOOL_FAILS_WRITING, spool->own_name, why ? why : found == SPOOL_FAILED ? NULL : "is another process's now");
        if (found == SPOOL_FAILED)
            spool_forget_directory(spool);
        return false;
    }
    if (spool_write_header(descriptor) != 0) {
        spool_fail(spool, SPOOL_FAILS_WRITING, spool->own_name, NULL);
        unlinkat(folder, spool->own_name, 0); // if not, it is taken over as it is
        close(descriptor);
        return false;
    }
    memset(file, 0, sizeof(*file));
    snprintf(file->name, sizeof(file->name), "%s", spool->own_name);
    file->serial = ++spool->serials;
    file->descriptor = descriptor;
    file->end = file->staged = file->sent = file->last = file->acked = SPOOL_HEADER_SIZE;
    file->own = true;
    spool->new_name = true;
    return true;
}

static uint64_t total(const struct spool *spool)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i <= SPOOL_FILES_MAX; i++)
        if (spool->files[i].serial)
            bytes += (uint64_t)spool->files[i].staged;
    return bytes;
}

// The own file, ready to be written to.
static struct spool_file *writable(struct spool *spool)
{
    struct spool_file *file = &spool->files[SPOOL_FILES_MAX];
    if (file->serial && file->finished)
        spool_finish(spool, file);
    if (file->serial && file->finished)
        return NULL; // it cannot be removed just now, and what is added to it would go with it
    if (!file->serial && !make_own_file(spool))
        return NULL;
    if (file->descriptor < 0 && !spool_reopen(spool, file))
        return NULL;
    return file;
}

bool spool_append(struct spool *spool, const uint8_t *frame, size_t length)
{
    struct spool_file *file = writable(spool);
    if (!file)
        return false;
    if (total(spool) + length + SPOOL_SUM_SIZE > spool->limit) {
        spool_fail(spool, SPOOL_FAILS_WRITING, spool->folder, "the limit (grid_agent_spool_limit) is reached");
        return false;
    }
    if (spool_write_record(file->descriptor, file->staged, frame, length) != 0) {
        spool_fail(spool, SPOOL_FAILS_WRITING, file->name, NULL);
        if (errno == ESTALE)
            spool_suspend(spool, file);
        return false;
    }
    file->staged += (off_t)length + SPOOL_SUM_SIZE;
    file->staged_frames++;
    return true;
}

static bool is_on_disk(struct spool *spool, const struct spool_file *file)
{
    if (fdatasync(file->descriptor) != 0)
        return false;
    if (!spool->new_name)
        return true;
    int folder = spool_directory(spool, false);
    return folder >= 0 && fsync(folder) == 0;
}

bool spool_commit(struct spool *spool)
{
    struct spool_file *file = &spool->files[SPOOL_FILES_MAX];
    if (!file->serial || file->staged == file->end)
        return true;
    if (file->descriptor >= 0 && is_on_disk(spool, file)) {
        spool->new_name = false;
        file->frames += file->staged_frames;
        file->staged_frames = 0;
        file->end = file->staged;
        spool_works(spool, SPOOL_FAILS_WRITING);
        return true;
    }
    // What the kernel could not write it may have forgotten: it is written again, from the ring. Until then the file ends
    // where it did; that it cannot be cut there does no harm.
    spool_fail(spool, SPOOL_FAILS_WRITING, file->name, NULL);
    if (errno == ESTALE)
        spool_suspend(spool, file);
    if (file->descriptor >= 0 && ftruncate(file->descriptor, file->end) != 0)
        spool_fail(spool, SPOOL_FAILS_WRITING, file->name, NULL);
    file->staged = file->end;
    file->staged_frames = 0;
    spool_forget_directory(spool);
    return false;
}
