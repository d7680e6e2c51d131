// SPDX-License-Identifier: GPL-2.0-or-later
// Whatever slurmd's command line holds: a name comes out that ends and fits, and that stands there.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../spank_node.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    size_t room = data[0] % 32 + 1, length = size - 1;
    char *words = malloc(length + 1), *name = malloc(room); // of their own size: what is read beyond is found out
    char *exact = malloc(length ? length : 1);
    memcpy(words, data + 1, length);
    memcpy(exact, data + 1, length);
    words[length] = '\0';
    memset(name, 'x', room);
    bool found = node_given(exact, length, name, room);
    size_t named = strnlen(name, room);
    if (named == room || found != (named > 0) || (found && !memmem(words, length + 1, name, named + 1)))
        abort();
    free(words);
    free(exact);
    free(name);
    return 0;
}
