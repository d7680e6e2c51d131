/* SPDX-License-Identifier: GPL-3.0-or-later */
#define _GNU_SOURCE /* pthread_setname_np */
#include "cslurm_process.h"

#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/timex.h>

void cs_name_thread(const char *name) {
    char shortened[16];
    snprintf(shortened, sizeof(shortened), "%s", name);
    pthread_setname_np(pthread_self(), shortened);
}

void cs_share_heap(void) {
    mallopt(M_ARENA_MAX, 1);
    mallopt(M_MMAP_THRESHOLD, 1024 * 1024);
}

void cs_release_memory(void) {
    malloc_trim(0);
}

int cs_clock_is_synchronised(void) {
    struct timex state = {0};
    if (adjtimex(&state) < 0)
        return -1;
    return (state.status & STA_UNSYNC) == 0;
}
