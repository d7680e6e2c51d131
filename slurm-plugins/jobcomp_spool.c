// SPDX-License-Identifier: GPL-2.0-or-later
#include "jobcomp_spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "event_reader.h"

static const uint8_t header[SPOOL_HEADER_SIZE] = {'S', 'G', 'S', 'P', 'O', 'O', 'L', 0, 1, 0, 0, 0, 0, 0, 0, 0};

static void trouble(struct spool *spool, const char *name, const char *what)
{
    snprintf(spool->trouble, sizeof(spool->trouble), "%.120s: %.120s", name, what);
}

static void path_of(const struct spool *spool, const char *name, char *path, size_t size)
{
    snprintf(path, size, "%s/%s", spool->folder, name);
}

// Not inherited by children, and gone with the process however it ends.
static bool lock_file(int descriptor)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    return fcntl(descriptor, F_SETLK, &lock) == 0;
}

void spool_make(struct spool *spool, const char *folder, uint64_t limit, const char *host, pid_t pid, const uint8_t *boot_id)
{
    memset(spool, 0, sizeof(*spool));
    snprintf(spool->folder, sizeof(spool->folder), "%s", folder);
    spool->limit = limit;
    char hex[2 * EVENT_BOOT_ID_SIZE + 1];
    for (int i = 0; i < EVENT_BOOT_ID_SIZE; i++)
        snprintf(hex + 2 * i, 3, "%02x", boot_id[i]);
    snprintf(spool->own_name, sizeof(spool->own_name), "%.64s.%d.%s.spool", host, (int)pid, hex);
}

static bool read_all(int descriptor, void *to, size_t size, off_t at)
{
    size_t got = 0;
    while (got < size) {
        ssize_t count = pread(descriptor, (char *)to + got, size - got, at + (off_t)got);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return false;
        got += (size_t)count;
    }
    return true;
}

// The frame at `at`; 0 when none is whole and good there.
static size_t read_frame(int descriptor, off_t at, uint8_t *frame, size_t capacity)
{
    uint8_t crc[4];
    if (!read_all(descriptor, frame, 8, at))
        return 0;
    long size = event_frame_size(frame, 8);
    if (size < EVENT_HEADER_SIZE || (size_t)size > capacity || !read_all(descriptor, frame, (size_t)size, at) ||
        !read_all(descriptor, crc, sizeof(crc), at + size))
        return 0;
    return event_crc32(frame, (size_t)size) == event_integer(crc, 4) ? (size_t)size : 0;
}

// Finds where the good part of a file ends, and how many frames there are.
static void measure(struct spool *spool, struct spool_file *file)
{
    uint8_t *frame = malloc(EVENT_FRAME_MAX);
    file->end = SPOOL_HEADER_SIZE;
    for (size_t size; frame && (size = read_frame(file->descriptor, file->end, frame, EVENT_FRAME_MAX)) > 0;) {
        file->end += (off_t)size + 4;
        spool->frames++;
    }
    free(frame);
    struct stat status;
    if (fstat(file->descriptor, &status) == 0 && status.st_size > file->end)
        trouble(spool, file->name, "ended in the middle of a record; what comes before counts");
}

static void set_aside(struct spool *spool, const char *name, const char *why)
{
    char from[1400], to[1420];
    path_of(spool, name, from, sizeof(from));
    snprintf(to, sizeof(to), "%s.refused", from);
    spool->refused++;
    trouble(spool, name, rename(from, to) == 0 ? why : "cannot be read, nor renamed");
}

static struct spool_file *add_file(struct spool *spool, const char *name, int descriptor, bool own)
{
    size_t at = spool->count;
    if (at == SPOOL_FILES_MAX)
        return NULL;
    struct spool_file *file = &spool->files[at];
    memset(file, 0, sizeof(*file));
    snprintf(file->name, sizeof(file->name), "%s", name);
    file->descriptor = descriptor;
    file->end = file->sent = file->acked = SPOOL_HEADER_SIZE;
    file->own = own;
    spool->count++;
    return file;
}

static bool is_open(const struct spool *spool, const char *name)
{
    for (size_t i = 0; i < spool->count; i++)
        if (spool->files[i].descriptor >= 0 && !strcmp(spool->files[i].name, name))
            return true;
    return false;
}

static void take_over(struct spool *spool, const char *name)
{
    char path[1400];
    uint8_t found[SPOOL_HEADER_SIZE];
    path_of(spool, name, path, sizeof(path));
    int descriptor = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (descriptor < 0) {
        if (errno != ENOENT)
            set_aside(spool, name, "cannot be opened; set aside");
        return;
    }
    if (!lock_file(descriptor)) {
        close(descriptor); // its process lives
        return;
    }
    struct stat status;
    if (fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode)) {
        close(descriptor);
        return;
    }
    if (status.st_size < SPOOL_HEADER_SIZE) {
        unlink(path); // died before its first record
        close(descriptor);
        return;
    }
    if (!read_all(descriptor, found, sizeof(found), 0) || memcmp(found, header, 8)) {
        set_aside(spool, name, "is no spool file; set aside");
        close(descriptor);
        return;
    }
    if (memcmp(found, header, 12)) {
        set_aside(spool, name, "is of a later version; set aside");
        close(descriptor);
        return;
    }
    struct spool_file *file = add_file(spool, name, descriptor, false);
    if (!file) {
        close(descriptor);
        return;
    }
    measure(spool, file);
    if (file->end == SPOOL_HEADER_SIZE)
        spool_ack(spool, spool->count - 1, file->end);
}

static int by_name(const void *one, const void *other)
{
    return strcmp(*(char *const *)one, *(char *const *)other);
}

void spool_scan(struct spool *spool)
{
    char *names[SPOOL_FILES_MAX];
    size_t count = 0;
    DIR *folder = opendir(spool->folder);
    if (!folder) {
        if (errno != ENOENT)
            trouble(spool, spool->folder, strerror(errno));
        return;
    }
    for (struct dirent *entry; (entry = readdir(folder)) != NULL && count < SPOOL_FILES_MAX;) {
        size_t length = strlen(entry->d_name);
        if (length > 6 && length < 250 && !strcmp(entry->d_name + length - 6, ".spool") &&
            strcmp(entry->d_name, spool->own_name) && !is_open(spool, entry->d_name) &&
            (names[count] = strdup(entry->d_name)) != NULL)
            count++;
    }
    closedir(folder);
    qsort(names, count, sizeof(*names), by_name);
    for (size_t i = 0; i < count; i++) {
        take_over(spool, names[i]);
        free(names[i]);
    }
}

static struct spool_file *own_file(struct spool *spool)
{
    char path[1400];
    for (size_t i = 0; i < spool->count; i++)
        if (spool->files[i].own && spool->files[i].descriptor >= 0)
            return &spool->files[i];
    if (mkdir(spool->folder, 0700) != 0 && errno != EEXIST) {
        trouble(spool, spool->folder, strerror(errno));
        return NULL;
    }
    path_of(spool, spool->own_name, path, sizeof(path));
    int descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (descriptor < 0 || !lock_file(descriptor) || ftruncate(descriptor, 0) != 0 ||
        pwrite(descriptor, header, sizeof(header), 0) != (ssize_t)sizeof(header)) {
        trouble(spool, path, strerror(errno));
        if (descriptor >= 0)
            close(descriptor);
        return NULL;
    }
    struct spool_file *file = add_file(spool, spool->own_name, descriptor, true);
    if (!file) {
        trouble(spool, path, "too many spool files wait to be replayed");
        close(descriptor);
    }
    return file;
}

static uint64_t total(const struct spool *spool)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < spool->count; i++)
        if (spool->files[i].descriptor >= 0)
            bytes += (uint64_t)spool->files[i].end;
    return bytes;
}

bool spool_append(struct spool *spool, const uint8_t *frame, size_t length)
{
    struct spool_file *file = own_file(spool);
    if (!file)
        return false;
    if (total(spool) + length + 4 > spool->limit) {
        trouble(spool, spool->folder, "the spool's limit is reached");
        return false;
    }
    uint8_t crc[4];
    uint32_t sum = event_crc32(frame, length);
    for (int i = 0; i < 4; i++)
        crc[i] = (uint8_t)(sum >> (8 * i));
    if (pwrite(file->descriptor, frame, length, file->end) != (ssize_t)length ||
        pwrite(file->descriptor, crc, sizeof(crc), file->end + (off_t)length) != (ssize_t)sizeof(crc)) {
        trouble(spool, file->name, errno ? strerror(errno) : "no room");
        // Half a record must not stand before the next one.
        if (ftruncate(file->descriptor, file->end) != 0)
            trouble(spool, file->name, "cannot be cut back after a failed write");
        return false;
    }
    file->end += (off_t)length + 4;
    spool->frames++;
    return true;
}

bool spool_sync(struct spool *spool)
{
    struct spool_file *file = own_file(spool);
    return file && fdatasync(file->descriptor) == 0;
}

size_t spool_next(struct spool *spool, uint8_t *frame, size_t capacity, size_t *which, off_t *after)
{
    for (size_t i = 0; i < spool->count; i++) {
        struct spool_file *file = &spool->files[i];
        if (file->descriptor < 0 || file->sent >= file->end)
            continue;
        size_t size = read_frame(file->descriptor, file->sent, frame, capacity);
        if (size == 0) {
            trouble(spool, file->name, "a record can no longer be read");
            file->end = file->sent;
            continue;
        }
        file->sent += (off_t)size + 4;
        *which = i;
        *after = file->sent;
        return size;
    }
    return 0;
}

void spool_ack(struct spool *spool, size_t which, off_t after)
{
    struct spool_file *file = &spool->files[which];
    if (file->descriptor < 0)
        return;
    if (after > file->acked) {
        file->acked = after;
        if (spool->frames > 0)
            spool->frames--;
    }
    if (file->acked < file->end)
        return;
    char path[1400];
    path_of(spool, file->name, path, sizeof(path));
    unlink(path);
    close(file->descriptor);
    file->descriptor = -1;
    while (spool->count > 0 && spool->files[spool->count - 1].descriptor < 0)
        spool->count--;
    if (spool->count == 0)
        spool->frames = 0;
}

void spool_rewind(struct spool *spool)
{
    for (size_t i = 0; i < spool->count; i++)
        spool->files[i].sent = spool->files[i].acked;
}

bool spool_has_unsent(const struct spool *spool)
{
    for (size_t i = 0; i < spool->count; i++)
        if (spool->files[i].descriptor >= 0 && spool->files[i].sent < spool->files[i].end)
            return true;
    return false;
}

void spool_close(struct spool *spool)
{
    for (size_t i = 0; i < spool->count; i++)
        if (spool->files[i].descriptor >= 0)
            close(spool->files[i].descriptor);
    spool->count = 0;
}
