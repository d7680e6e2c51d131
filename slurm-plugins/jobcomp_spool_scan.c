// SPDX-License-Identifier: GPL-2.0-or-later
// Which files the spool has: taking them over, opening them again, and removing them.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "jobcomp_spool_folder.h"
#include "jobcomp_spool_private.h"

enum { NAMES_MAX = 4096 };

// MARK: folder

int spool_directory(struct spool *spool, bool create)
{
    char why[sizeof(spool->failing[0])];
    if (spool->directory >= 0)
        return spool->directory;
    spool->directory = spool_open_folder(spool->folder, create, why, sizeof(why));
    if (spool->directory >= 0)
        spool_works(spool, SPOOL_FAILS_FOLDER);
    else if (why[0])
        spool_fail(spool, SPOOL_FAILS_FOLDER, "grid_agent_spool", why);
    return spool->directory;
}

void spool_forget_directory(struct spool *spool)
{
    int problem = errno;
    if (spool->directory >= 0)
        close(spool->directory);
    spool->directory = -1;
    errno = problem;
}

// MARK: files

void spool_release(struct spool_file *file)
{
    if (file->descriptor >= 0)
        close(file->descriptor);
    memset(file, 0, sizeof(*file));
    file->descriptor = -1;
}

void spool_suspend(struct spool *spool, struct spool_file *file)
{
    // Such a descriptor never comes right again; any other keeps the file's lock.
    if (errno == ESTALE && file->descriptor >= 0) {
        close(file->descriptor);
        file->descriptor = -1;
        spool_forget_directory(spool);
    }
    file->retry_pause = file->retry_pause ? file->retry_pause * 2 : SPOOL_RETRY_FIRST_MS;
    if (file->retry_pause > SPOOL_RETRY_LIMIT_MS)
        file->retry_pause = SPOOL_RETRY_LIMIT_MS;
    file->retry_at = spool->now + file->retry_pause;
}

static struct spool_file *free_slot(struct spool *spool, bool own)
{
    if (own)
        return spool->files[SPOOL_FILES_MAX].serial ? NULL : &spool->files[SPOOL_FILES_MAX];
    for (size_t i = 0; i < SPOOL_FILES_MAX; i++)
        if (!spool->files[i].serial)
            return &spool->files[i];
    return NULL;
}

static bool set_aside(struct spool *spool, const char *name, const char *why)
{
    int folder = spool_directory(spool, false);
    if (folder < 0 || !spool_set_aside(folder, name)) {
        spool_fail(spool, SPOOL_FAILS_READING, name, NULL);
        spool_forget_directory(spool);
        return false;
    }
    spool->refused++;
    spool->changes++;
    spool_tell(spool, name, why);
    return true;
}

// How many frames there are, as far as can be told from their first bytes.
static void count_frames(struct spool_file *file)
{
    size_t whole;
    for (off_t at = file->acked; spool_measure_record(file->descriptor, at, file->end, &whole) == RECORD_GOOD; at += (off_t)whole)
        file->frames++;
}

// A file that is open and locked. True: it has a slot, or needs none.
static bool adopt(struct spool *spool, const char *name, int descriptor, bool own)
{
    struct stat status;
    enum spool_header header = HEADER_FAILED;
    struct spool_file *file = free_slot(spool, own);
    if (!file) {
        close(descriptor);
        return true; // when one of those before it is done
    }
    if (fstat(descriptor, &status) == 0)
        header = status.st_size < SPOOL_HEADER_SIZE ? HEADER_GOOD : spool_read_header(descriptor);
    if (header == HEADER_FAILED) {
        spool_fail(spool, SPOOL_FAILS_READING, name, NULL);
        close(descriptor);
        return false;
    }
    if (header != HEADER_GOOD) {
        bool done = set_aside(spool, name, header == HEADER_LATER ? "is of a later version; set aside" : "is no spool file; set aside");
        close(descriptor);
        return done;
    }
    memset(file, 0, sizeof(*file));
    snprintf(file->name, sizeof(file->name), "%s", name);
    file->serial = ++spool->serials;
    file->descriptor = descriptor;
    file->own = own;
    // Shorter: it died before its first record.
    file->end = status.st_size < SPOOL_HEADER_SIZE ? SPOOL_HEADER_SIZE : status.st_size;
    file->staged = file->end;
    file->sent = file->last = file->acked = SPOOL_HEADER_SIZE;
    count_frames(file);
    if (file->end == SPOOL_HEADER_SIZE) {
        file->finished = true;
        spool_finish(spool, file);
    }
    return true;
}

bool spool_take_over(struct spool *spool, const char *name)
{
    const char *why = NULL;
    int descriptor = -1, folder = spool_directory(spool, false);
    if (folder < 0)
        return false;
    switch (spool_open_file(folder, name, false, &descriptor, &why)) {
    case SPOOL_OPENED:
        return adopt(spool, name, descriptor, !strcmp(name, spool->own_name));
    case SPOOL_REFUSED: {
        char text[120];
        snprintf(text, sizeof(text), "%s; it is not believed, and set aside", why);
        return set_aside(spool, name, text);
    }
    case SPOOL_FAILED:
        spool_fail(spool, SPOOL_FAILS_READING, name, NULL);
        spool_forget_directory(spool);
        return false;
    case SPOOL_BUSY:
    case SPOOL_GONE:
        break;
    }
    return true;
}

bool spool_reopen(struct spool *spool, struct spool_file *file)
{
    const char *why = NULL;
    struct stat status;
    int descriptor = -1, folder = spool_directory(spool, false);
    enum spool_found found = folder < 0 ? SPOOL_FAILED : spool_open_file(folder, file->name, false, &descriptor, &why);
    if (found == SPOOL_OPENED && fstat(descriptor, &status) != 0) {
        spool_fail(spool, SPOOL_FAILS_READING, file->name, NULL);
        close(descriptor);
        spool_suspend(spool, file);
        return false;
    }
    switch (found) {
    case SPOOL_OPENED:
        file->descriptor = descriptor;
        file->retry_at = 0;
        if (status.st_size < file->end)
            spool_tell(spool, file->name, "became shorter");
        if (!file->own || status.st_size < file->end)
            file->end = file->staged = status.st_size;
        return true;
    case SPOOL_FAILED:
        if (folder >= 0)
            spool_fail(spool, SPOOL_FAILS_READING, file->name, NULL);
        spool_forget_directory(spool);
        spool_suspend(spool, file);
        return false;
    case SPOOL_REFUSED: // found again by the next scan, which sets it aside
    case SPOOL_BUSY:
    case SPOOL_GONE:
        spool_tell(spool, file->name, found == SPOOL_BUSY ? "was taken over by another process" : why ? why : "was removed by somebody else");
        spool_release(file);
        return false;
    }
    return false;
}

void spool_finish(struct spool *spool, struct spool_file *file)
{
    if (file->descriptor < 0 && !spool_reopen(spool, file))
        return;
    int folder = spool_directory(spool, false);
    bool done = false;
    if (folder >= 0)
        done = file->damaged ? set_aside(spool, file->name, "had damaged records; all others are told")
                             : spool_remove_name(folder, file->name, file->descriptor);
    if (done) {
        spool_release(file);
        spool_works(spool, SPOOL_FAILS_READING);
        return;
    }
    if (folder >= 0 && !file->damaged)
        spool_fail(spool, SPOOL_FAILS_READING, file->name, NULL);
    spool_forget_directory(spool);
    spool_suspend(spool, file);
}

// MARK: scan

static bool is_open(const struct spool *spool, const char *name)
{
    for (size_t i = 0; i <= SPOOL_FILES_MAX; i++)
        if (spool->files[i].serial && !strcmp(spool->files[i].name, name))
            return true;
    return false;
}

static int by_name(const void *one, const void *other)
{
    return strcmp(*(char *const *)one, *(char *const *)other);
}

// The names to look at, sorted; -1: not all could be read.
static int list_names(struct spool *spool, char ***names)
{
    int count = 0, copy = fcntl(spool->directory, F_DUPFD_CLOEXEC, 0), problem = 0;
    DIR *open = copy < 0 ? NULL : fdopendir(copy);
    if (!open) {
        problem = errno;
        if (copy >= 0)
            close(copy);
        errno = problem;
        return -1;
    }
    rewinddir(open);
    while (count < NAMES_MAX) {
        errno = 0;
        struct dirent *entry = readdir(open);
        problem = entry ? 0 : errno;
        if (!entry)
            break;
        size_t length = strlen(entry->d_name);
        if (length <= 6 || length >= 250 || strcmp(entry->d_name + length - 6, ".spool") || is_open(spool, entry->d_name))
            continue;
        char **more = count % 64 ? *names : realloc(*names, (size_t)(count + 64) * sizeof(**names));
        if (more)
            *names = more;
        if (!more || !(more[count] = strdup(entry->d_name))) {
            problem = ENOMEM;
            break;
        }
        count++;
    }
    closedir(open);
    if (count > 0)
        qsort(*names, (size_t)count, sizeof(**names), by_name);
    if (problem) {
        while (count > 0)
            free((*names)[--count]);
        errno = problem;
        return -1;
    }
    return count;
}

bool spool_scan(struct spool *spool)
{
    char **names = NULL;
    spool_forget_directory(spool); // whatever its name leads to now
    if (spool_directory(spool, false) < 0) {
        if (errno == ENOENT || errno == EPERM)
            spool->own_unseen = false; // there is none that could be believed
        return !spool->failing[SPOOL_FAILS_FOLDER][0];
    }
    int count = list_names(spool, &names);
    bool own_seen = count >= 0;
    spool->unseen = count < 0;
    if (count < 0) {
        spool_fail(spool, SPOOL_FAILS_READING, spool->folder, NULL);
        spool_forget_directory(spool);
    }
    for (int i = 0; i < count; i++) {
        bool own = !strcmp(names[i], spool->own_name);
        bool seen = free_slot(spool, own) && spool_take_over(spool, names[i]);
        spool->unseen |= !seen;
        own_seen &= seen || !own;
        free(names[i]);
    }
    free(names);
    spool->own_unseen &= !own_seen;
    spool_works(spool, SPOOL_FAILS_READING);
    return !spool->unseen;
}
