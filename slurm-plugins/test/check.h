// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <stdio.h>
#include <stdlib.h>

extern int checks;

#define CHECK(what)                                                                                                    \
    do {                                                                                                               \
        checks++;                                                                                                      \
        if (!(what)) {                                                                                                 \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #what);                                        \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)
