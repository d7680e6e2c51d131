// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <munge.h>

/// munge_ctx_set() takes variable arguments, which Swift cannot call.
munge_err_t cmunge_set_socket(munge_ctx_t context, const char *path);
