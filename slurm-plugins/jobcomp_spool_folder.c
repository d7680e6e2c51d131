// SPDX-License-Identifier: GPL-2.0-or-later
#include "jobcomp_spool_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { OTHERS_WRITE = S_IWGRP | S_IWOTH, ASIDE_MAX = 1000 };

static bool is_ours(uid_t owner)
{
    return owner == 0 || owner == geteuid();
}

// `shown`: the path so far, for the reader.
static bool is_safe(const struct stat *status, bool last, const char *shown, char *why, size_t size)
{
    if (!is_ours(status->st_uid))
        snprintf(why, size, "%.140s belongs to uid %u, who could replace what is in it: chown it to uid %u", shown, (unsigned)status->st_uid,
            (unsigned)geteuid());
    else if (status->st_mode & OTHERS_WRITE && (last || !(status->st_mode & S_ISVTX)))
        snprintf(why, size, "others can write to %.140s: chmod go-w", shown);
    else
        return true;
    return false;
}

static int failed(const char *shown, char *why, size_t size)
{
    int problem = errno;
    snprintf(why, size, "%.140s: %.80s", shown, strerror(problem));
    errno = problem;
    return -1;
}

// Opens a path without symbolic links, looking at each folder on the way. `last`: the path is the spool's folder.
static int walk(const char *path, bool last, char *why, size_t size)
{
    char shown[PATH_MAX] = "/";
    struct stat status;
    size_t length = 0;
    int at = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    while (at >= 0) {
        path += strspn(path, "/");
        bool end = *path == '\0';
        if (fstat(at, &status) != 0) {
            failed(shown, why, size);
            break;
        }
        if (!is_safe(&status, last && end, shown, why, size)) {
            errno = EPERM;
            break;
        }
        if (end)
            return at;
        size_t part = strcspn(path, "/");
        if (length + part + 2 > sizeof(shown)) {
            errno = ENAMETOOLONG;
            failed(shown, why, size);
            break;
        }
        shown[length++] = '/';
        memcpy(shown + length, path, part);
        shown[length + part] = '\0';
        int next = openat(at, shown + length, O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC |
                (last && !path[part + strspn(path + part, "/")] ? O_RDONLY : O_PATH));
        int problem = errno;
        close(at);
        errno = problem;
        at = next;
        length += part;
        path += part;
    }
    if (at < 0)
        return failed(shown, why, size);
    int problem = errno;
    close(at);
    errno = problem;
    return -1;
}

// Makes the folder in its parent, which must be there.
static int make(const char *path, char *why, size_t size)
{
    char parent[PATH_MAX], resolved[PATH_MAX];
    snprintf(parent, sizeof(parent), "%s", path);
    size_t length = strlen(parent);
    while (length > 1 && parent[length - 1] == '/')
        parent[--length] = '\0';
    char *slash = strrchr(parent, '/');
    if (!slash || !slash[1]) {
        errno = EINVAL;
        return failed(path, why, size);
    }
    *slash = '\0';
    if (!realpath(*parent ? parent : "/", resolved))
        return failed(path, why, size);
    int at = walk(resolved, false, why, size);
    if (at < 0)
        return -1;
    int outcome = mkdirat(at, slash + 1, 0700) == 0 || errno == EEXIST ? 0 : failed(path, why, size), problem = errno;
    close(at);
    errno = problem;
    return outcome;
}

int spool_open_folder(const char *path, bool create, char *why, size_t size)
{
    char resolved[PATH_MAX];
    *why = '\0';
    for (int try = 0; !realpath(path, resolved); try++) {
        if (errno != ENOENT)
            return failed(path, why, size);
        if (!create)
            return -1;
        if (try > 0)
            return failed(path, why, size);
        if (make(path, why, size) != 0)
            return -1;
    }
    return walk(resolved, true, why, size);
}

static const char *what_is_wrong(const struct stat *status)
{
    if (!S_ISREG(status->st_mode))
        return "is no regular file";
    if (!is_ours(status->st_uid))
        return "belongs to another user";
    if (status->st_mode & OTHERS_WRITE)
        return "can be written by others";
    if (status->st_nlink > 1)
        return "has a second name";
    return NULL;
}

// Not inherited by children, and gone with the process however it ends.
static enum spool_found lock_file(int descriptor)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(descriptor, F_SETLK, &lock) == 0)
        return SPOOL_OPENED;
    return errno == EAGAIN || errno == EACCES ? SPOOL_BUSY : SPOOL_FAILED;
}

// That the name is still the descriptor's file: a file may be removed between being opened and being locked.
static enum spool_found same_file(int folder, const char *name, int descriptor, const char **why)
{
    struct stat opened, named;
    if (fstat(descriptor, &opened) != 0)
        return SPOOL_FAILED;
    if (fstatat(folder, name, &named, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ? SPOOL_GONE : SPOOL_FAILED;
    if (opened.st_dev != named.st_dev || opened.st_ino != named.st_ino || opened.st_nlink == 0)
        return SPOOL_GONE;
    *why = what_is_wrong(&opened);
    return *why ? SPOOL_REFUSED : SPOOL_OPENED;
}

enum spool_found spool_open_file(int folder, const char *name, bool create, int *descriptor, const char **why)
{
    struct stat status;
    if (create) {
        *descriptor = openat(folder, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    } else {
        // Before it is opened: opening a device may do something.
        if (fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) != 0)
            return errno == ENOENT ? SPOOL_GONE : SPOOL_FAILED;
        if ((*why = what_is_wrong(&status)) != NULL)
            return SPOOL_REFUSED;
        *descriptor = openat(folder, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    }
    if (*descriptor < 0)
        return errno == ENOENT ? SPOOL_GONE : SPOOL_FAILED;
    enum spool_found found = lock_file(*descriptor);
    if (found == SPOOL_OPENED)
        found = same_file(folder, name, *descriptor, why);
    if (found != SPOOL_OPENED) {
        int problem = errno;
        close(*descriptor);
        *descriptor = -1;
        errno = problem;
    }
    return found;
}

bool spool_set_aside(int folder, const char *name)
{
    char to[300];
    struct stat status;
    for (int number = 1; number <= ASIDE_MAX; number++) {
        if (number == 1)
            snprintf(to, sizeof(to), "%.256s.refused", name);
        else
            snprintf(to, sizeof(to), "%.256s.refused.%d", name, number);
        if (fstatat(folder, to, &status, AT_SYMLINK_NOFOLLOW) == 0)
            continue;
        return errno == ENOENT && (renameat(folder, name, folder, to) == 0 || errno == ENOENT);
    }
    errno = EEXIST;
    return false;
}

bool spool_remove_name(int folder, const char *name, int descriptor)
{
    const char *why = NULL;
    switch (same_file(folder, name, descriptor, &why)) {
    case SPOOL_GONE:
        return true;
    case SPOOL_FAILED:
        return false;
    default:
        return unlinkat(folder, name, 0) == 0 || errno == ENOENT;
    }
}
