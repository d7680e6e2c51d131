// SPDX-License-Identifier: GPL-2.0-or-later
// What can be said of a job without knowing anything of its record: slurmctld's own formatter does.
#include <dlfcn.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "jobcomp_record.h"

static size_t format(char *text, size_t size, const char *pattern, ...)
{
    char *(*vxstrfmt)(const char *, va_list) = (char *(*)(const char *, va_list))dlsym(RTLD_DEFAULT, "vxstrfmt");
    void (*xfree)(void *) = (void (*)(void *))dlsym(RTLD_DEFAULT, "slurm_xfree");
    if (!vxstrfmt || !xfree)
        return 0;
    va_list arguments;
    va_start(arguments, pattern);
    char *made = vxstrfmt(pattern, arguments);
    va_end(arguments);
    if (!made)
        return 0;
    size_t length = strnlen(made, size - 1);
    memcpy(text, made, length);
    text[length] = '\0';
    xfree(&made);
    return length;
}

bool lean_put(struct event_writer *writer, const void *job)
{
    char text[256];
    if (format(text, sizeof(text), "%pJ", job) == 0)
        return false;
    event_put_text(writer, TAG_JOB_TEXT, text);
    return true;
}
