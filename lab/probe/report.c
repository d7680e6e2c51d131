/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The lines the probe prints, and its waiting. */
#include "probe.h"

#include <stdio.h>
#include <time.h>

static int passed, failed;

struct outcome observed(int result) {
    int error = errno;
    struct outcome outcome = {result, 0};
    if (result != 0)
        outcome.number = error != 0 ? error : result;
    return outcome;
}

bool check(bool ok, const char *name, const char *format, ...) {
    if (ok) {
        passed++;
        printf("ok %s\n", name);
    } else {
        va_list arguments;
        failed++;
        printf("not ok %s: ", name);
        va_start(arguments, format);
        vprintf(format, arguments);
        va_end(arguments);
        printf("\n");
    }
    return ok;
}

bool expect(const char *name, struct outcome outcome, const int *numbers) {
    bool ok = false;
    for (const int *number = numbers; *number != -1; number++)
        ok = ok || outcome.number == *number;
    return check(
        ok && (outcome.result == 0) == (outcome.number == 0), name, "result %d, number %d (%s), wanted %d%s",
        outcome.result, outcome.number, outcome.number == 0 ? "success" : slurm_strerror(outcome.number), numbers[0],
        numbers[1] == -1 ? "" : " or another");
}

const char *shown(const char *text) { return text != NULL ? text : "(none)"; }

void skip(const char *name, const char *why) { printf("skip %s: %s\n", name, why); }

int summary(void) {
    printf("%d passed, %d failed\n", passed, failed);
    return failed == 0 ? 0 : 1;
}

void nap(void) { nanosleep(&(struct timespec) {.tv_nsec = 50000000}, NULL); }

double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double) time.tv_sec + (double) time.tv_nsec / 1e9;
}
