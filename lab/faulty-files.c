// SPDX-License-Identifier: GPL-3.0-or-later
// A file system that fails, for one process: preload it (LAB_SLURMCTLD_PRELOAD). While $LAB_FAULTS/files exists, what it
// holds is the start of the paths on which calls fail with EIO.
//
//   cc -O2 -shared -fPIC -o faulty-files.so faulty-files.c -ldl
#define _GNU_SOURCE
#undef _FORTIFY_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

// Raw system calls: the functions of that name are our own.
static size_t flagged(char *prefix, size_t size)
{
    const char *folder = getenv("LAB_FAULTS");
    char flag[PATH_MAX];
    if (!folder || snprintf(flag, sizeof(flag), "%s/files", folder) >= (int)sizeof(flag))
        return 0;
    long file = syscall(SYS_openat, AT_FDCWD, flag, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return 0;
    long length = syscall(SYS_read, (int)file, prefix, size - 1);
    syscall(SYS_close, (int)file);
    while (length > 0 && (prefix[length - 1] == '\n' || prefix[length - 1] == ' '))
        length--;
    return length > 0 ? (size_t)length : 0;
}

static int fails(int folder, const char *name)
{
    int error = errno, hit = 0;
    char prefix[PATH_MAX], path[2 * PATH_MAX] = "";
    size_t length = flagged(prefix, sizeof(prefix));
    if (length) {
        size_t used = 0;
        if (!name || (name[0] != '/' && folder != AT_FDCWD)) {
            char link[64];
            snprintf(link, sizeof(link), "/proc/self/fd/%d", folder);
            long got = syscall(SYS_readlinkat, AT_FDCWD, link, path, (size_t)PATH_MAX - 1);
            used = got > 0 ? (size_t)got : 0;
        }
        if (name)
            snprintf(path + used, sizeof(path) - used, "%s%s", used ? "/" : "", name);
        else
            path[used] = 0;
        hit = strncmp(path, prefix, length) == 0;
    }
    errno = hit ? EIO : error;
    return hit;
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

#define OPENS(name)                                                                                                         \
    int name(const char *path, int flags, ...)                                                                              \
    {                                                                                                                       \
        va_list list;                                                                                                       \
        va_start(list, flags);                                                                                              \
        int mode = va_arg(list, int);                                                                                       \
        va_end(list);                                                                                                       \
        return fails(AT_FDCWD, path) ? -1 : NEXT(name)(path, flags, mode);                                                  \
    }
OPENS(open)
OPENS(open64)

#define OPENS_AT(name)                                                                                                      \
    int name(int folder, const char *path, int flags, ...)                                                                  \
    {                                                                                                                       \
        va_list list;                                                                                                       \
        va_start(list, flags);                                                                                              \
        int mode = va_arg(list, int);                                                                                       \
        va_end(list);                                                                                                       \
        return fails(folder, path) ? -1 : NEXT(name)(folder, path, flags, mode);                                            \
    }
OPENS_AT(openat)
OPENS_AT(openat64)

// What a fortified program calls.
int __open_2(const char *path, int flags) { return open(path, flags, 0); }
int __open64_2(const char *path, int flags) { return open64(path, flags, 0); }
int __openat_2(int folder, const char *path, int flags) { return openat(folder, path, flags, 0); }
int __openat64_2(int folder, const char *path, int flags) { return openat64(folder, path, flags, 0); }

ssize_t read(int file, void *data, size_t size) { return fails(file, NULL) ? -1 : NEXT(read)(file, data, size); }
ssize_t __read_chk(int file, void *data, size_t size, size_t room) { return read(file, data, size < room ? size : room); }
ssize_t write(int file, const void *data, size_t size) { return fails(file, NULL) ? -1 : NEXT(write)(file, data, size); }

#define AT_OFFSET(name, type, offset_type)                                                                                  \
    ssize_t name(int file, type data, size_t size, offset_type at) { return fails(file, NULL) ? -1 : NEXT(name)(file, data, size, at); }
AT_OFFSET(pread, void *, off_t)
AT_OFFSET(pread64, void *, off64_t)
AT_OFFSET(pwrite, const void *, off_t)
AT_OFFSET(pwrite64, const void *, off64_t)
ssize_t __pread_chk(int file, void *data, size_t size, off_t at, size_t room) { return pread(file, data, size < room ? size : room, at); }
ssize_t __pread64_chk(int file, void *data, size_t size, off64_t at, size_t room) { return pread64(file, data, size < room ? size : room, at); }

int fsync(int file) { return fails(file, NULL) ? -1 : NEXT(fsync)(file); }
int fdatasync(int file) { return fails(file, NULL) ? -1 : NEXT(fdatasync)(file); }
int ftruncate(int file, off_t size) { return fails(file, NULL) ? -1 : NEXT(ftruncate)(file, size); }
int ftruncate64(int file, off64_t size) { return fails(file, NULL) ? -1 : NEXT(ftruncate64)(file, size); }
int unlink(const char *path) { return fails(AT_FDCWD, path) ? -1 : NEXT(unlink)(path); }
int unlinkat(int folder, const char *path, int flags) { return fails(folder, path) ? -1 : NEXT(unlinkat)(folder, path, flags); }
int rename(const char *from, const char *to) { return fails(AT_FDCWD, from) ? -1 : NEXT(rename)(from, to); }
int renameat(int folder, const char *from, int other, const char *to) { return fails(folder, from) ? -1 : NEXT(renameat)(folder, from, other, to); }
