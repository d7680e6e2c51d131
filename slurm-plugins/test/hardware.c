// SPDX-License-Identifier: GPL-2.0-or-later
// Says what is read of a node: hardware ROOT [ROOM] prints its cores, its GPUs and its memory, each on a line (`-`: not told).
// hardware list reads lists from stdin, one up to each zero byte, and prints the numbers of each.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../spank_hardware.h"

static void lists(void)
{
    static char input[4 << 20];
    size_t size = fread(input, 1, sizeof(input) - 1, stdin);
    for (size_t at = 0; at < size; at += strlen(input + at) + 1) {
        uint8_t set[HARDWARE_MAX];
        // In a block of its own size: what is read beyond it is found out.
        char *text = strdup(input + at);
        size_t count = hardware_list(text, set);
        printf("%zu:", count);
        for (unsigned i = 0; count > 0 && i < HARDWARE_MAX; i++)
            if (set[i])
                printf(" %u", i);
        putchar('\n');
        free(text);
    }
}

int main(int count, char **arguments)
{
    if (count < 2)
        return 64;
    if (!strcmp(arguments[1], "list")) {
        lists();
        return 0;
    }
    size_t room = count > 2 ? strtoul(arguments[2], NULL, 10) : 4097;
    int64_t deadline = count > 3 ? 0 : INT64_MAX;
    char *text = malloc(room);
    puts(hardware_cores(arguments[1], text, room, deadline) ? text : "-");
    puts(hardware_gpus(arguments[1], text, room, deadline) ? text : "-");
    printf("%llu\n", (unsigned long long)hardware_memory(arguments[1]));
    free(text);
    return 0;
}
