// SPDX-License-Identifier: GPL-3.0-or-later
#include "cmunge.h"

munge_err_t cmunge_set_socket(munge_ctx_t context, const char *path) {
    return munge_ctx_set(context, MUNGE_OPT_SOCKET, path);
}
