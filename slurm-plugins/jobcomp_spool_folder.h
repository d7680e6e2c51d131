// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/// What is believed of the spool: only what root or our own user can have put there. As munge looks at its paths: every
/// folder on the way belongs to one of the two and cannot be written by others, or is sticky; the folder itself cannot be
/// written by others at all; a file is a regular one with one name, of the same owners, that others cannot write.
/// Everything is opened relative to the checked folder, and no symbolic link is followed there.

enum spool_found {
    SPOOL_OPENED,  // locked for us
    SPOOL_BUSY,    // its process lives
    SPOOL_GONE,    // nothing of that name
    SPOOL_REFUSED, // somebody else's doing
    SPOOL_FAILED   // errno says why; may be otherwise next time
};

/// Opens the folder; with `create` it is made, mode 0700. -1: `why` names the part of the path and what is wrong with it;
/// empty: there is no folder, and none was to be made.
int spool_open_folder(const char *path, bool create, char *why, size_t size);
/// Opens and locks a file of that folder; with `create` only one that is not there yet. `why` is set when it is refused.
enum spool_found spool_open_file(int folder, const char *name, bool create, int *descriptor, const char **why);
/// Renames a file to the first of NAME.refused, NAME.refused.2 and so on that is free. False: errno says why.
bool spool_set_aside(int folder, const char *name);
/// Removes the name if it still is the file's. False: errno says why.
bool spool_remove_name(int folder, const char *name, int descriptor);
