// SPDX-License-Identifier: GPL-2.0-or-later
// Between the spool's own files.
#pragma once

#include "jobcomp_spool.h"

enum { SPOOL_RETRY_FIRST_MS = 1000, SPOOL_RETRY_LIMIT_MS = 30000 };

/// Tells of something that was decided for good.
void spool_tell(struct spool *spool, const char *name, const char *what);
/// Tells of a failure (errno) that will be tried again.
void spool_fail(struct spool *spool, enum spool_failure which, const char *name, const char *what);
void spool_works(struct spool *spool, enum spool_failure which);
/// The checked folder; -1: there is none, which was told.
int spool_directory(struct spool *spool, bool create);
/// After an error of the file system: the folder is opened and checked again when it is needed next.
void spool_forget_directory(struct spool *spool);
/// Takes over a file by name into a slot. False: to be tried again.
bool spool_take_over(struct spool *spool, const char *name);
/// Gives up the file's slot.
void spool_release(struct spool_file *file);
/// A file of which something failed (errno): when it is tried again.
void spool_suspend(struct spool *spool, struct spool_file *file);
/// Opens a file again whose descriptor has gone stale. False: not now, or it is gone (its slot is free).
bool spool_reopen(struct spool *spool, struct spool_file *file);
/// Removes a file that is all dealt with, or sets it aside when part of it was damaged.
void spool_finish(struct spool *spool, struct spool_file *file);
