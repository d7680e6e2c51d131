// SPDX-License-Identifier: GPL-2.0-or-later
// What there is to tell of the spool: what went wrong for good, and what fails now.
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "jobcomp_spool_private.h"

void spool_tell(struct spool *spool, const char *name, const char *what)
{
    char text[sizeof(spool->trouble)];
    snprintf(text, sizeof(text), "%.120s: %.120s", name, what);
    if (!strcmp(text, spool->trouble))
        return;
    memcpy(spool->trouble, text, sizeof(text));
    spool->changes++;
}

void spool_fail(struct spool *spool, enum spool_failure which, const char *name, const char *what)
{
    int problem = errno;
    char text[sizeof(spool->failing[which])];
    if (what)
        snprintf(text, sizeof(text), "%.120s: %.120s", name, what);
    else
        snprintf(text, sizeof(text), "%.120s: %.80s; it is tried again", name, strerror(problem));
    // When several files fail alike the first one stands for all.
    bool same = what ? !strcmp(text, spool->failing[which]) : spool->failing[which][0] && spool->problem[which] == problem;
    if (!same) {
        memcpy(spool->failing[which], text, sizeof(text));
        spool->problem[which] = what ? 0 : problem;
        spool->changes++;
    }
    errno = problem;
}

void spool_works(struct spool *spool, enum spool_failure which)
{
    if (!spool->failing[which][0])
        return;
    // Of several files each is to work again.
    for (size_t i = 0; which == SPOOL_FAILS_READING && i <= SPOOL_FILES_MAX; i++)
        if (spool->unseen || spool->files[i].retry_pause)
            return;
    spool->failing[which][0] = '\0';
    spool->changes++;
}

const char *spool_message(const struct spool *spool)
{
    for (size_t i = 0; i < SPOOL_FAILURES; i++)
        if (spool->failing[i][0])
            return spool->failing[i];
    return spool->trouble;
}
