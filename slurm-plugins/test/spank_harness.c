// SPDX-License-Identifier: GPL-2.0-or-later
// Loads spank_grid_agent.so as slurmd does, calls its hooks, and measures them.
//
//   spank_harness PLUGIN CASE [CALLS]
//
// CASE: alive (an agent reads), absent (nobody listens), hung (somebody listens and takes no connection), munge (munged takes the
// question and says nothing), arguments (nonsense in plugstack.conf). Prints one JSON line. Exit status 1 when a hook did
// not return success, took more than a second, or a message of `alive` did not arrive.
#include <dlfcn.h>
#include <pthread.h>
#include <slurm/spank.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "../event_reader.h"

static char folder[] = "/tmp/grid-agent-spank.XXXXXX";
static atomic_int messages;
static atomic_int logged;

// What slurmd gives a plugin.
spank_err_t spank_get_item(spank_t spank, spank_item_t item, ...)
{
    va_list arguments;
    va_start(arguments, item);
    uint32_t *to = va_arg(arguments, uint32_t *);
    va_end(arguments);
    (void)spank;
    if (item != S_JOB_ID && item != S_JOB_UID && item != S_JOB_GID)
        return ESPANK_NOT_AVAIL;
    *to = item == S_JOB_ID ? 4711 : 1000;
    return ESPANK_SUCCESS;
}

spank_err_t spank_getenv(spank_t spank, const char *name, char *to, int size)
{
    (void)spank;
    return !strcmp(name, "SLURMD_NODENAME") && snprintf(to, (size_t)size, "n1") ? ESPANK_SUCCESS : ESPANK_ENV_NOEXIST;
}

int spank_remote(spank_t spank)
{
    (void)spank;
    return 1;
}

void slurm_error(const char *format, ...)
{
    (void)format;
    atomic_fetch_add(&logged, 1);
}

void slurm_debug(const char *format, ...)
{
    (void)format;
}

static int listen_at(const char *path, int backlog)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    return listener >= 0 && bind(listener, (struct sockaddr *)&address, sizeof(address)) == 0 && listen(listener, backlog) == 0 ? listener : -1;
}

// Never accepts, and its queue is full: further connections wait.
static void fill(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    while (connect(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0), (struct sockaddr *)&address, sizeof(address)) == 0)
        continue;
}

static void *agent(void *listener)
{
    static uint8_t bytes[EVENT_FRAME_MAX];
    for (;;) {
        int client = accept(*(int *)listener, NULL, NULL);
        size_t have = 0;
        struct event_frame frame;
        for (ssize_t got; (got = read(client, bytes + have, sizeof(bytes) - have)) > 0;)
            have += (size_t)got;
        close(client);
        if (event_read(bytes, have, &frame) && frame.type == EVENT_EVENT)
            atomic_fetch_add(&messages, 1);
    }
    return NULL;
}

static int by_size(const void *one, const void *other)
{
    double a = *(const double *)one, b = *(const double *)other;
    return (a > b) - (a < b);
}

int main(int count, char **words)
{
    if (count < 3)
        return fprintf(stderr, "usage: spank_harness PLUGIN alive|absent|hung|munge|arguments [CALLS]\n") ? 64 : 64;
    const char *which = words[2];
    bool slow = !strcmp(which, "hung") || !strcmp(which, "munge");
    int calls = count > 3 ? atoi(words[3]) : slow ? 20 : 500, listener = -1, given = 0;
    char first[256], second[256];
    char *arguments[8] = {first, second};
    if (!mkdtemp(folder))
        return 1;
    if (!strcmp(which, "munge")) {
        char path[128];
        snprintf(path, sizeof(path), "%s/munge", folder);
        listener = listen_at(path, 128); // takes connections, answers nothing
        snprintf(first, sizeof(first), "controller=127.0.0.1");
        snprintf(second, sizeof(second), "munge_socket=%s", path);
        given = 2;
    } else {
        snprintf(first, sizeof(first), "socket=%s/agent", folder);
        given = 1;
    }
    if (!strcmp(which, "arguments")) {
        static char *nonsense[] = {"socket=relative", "controller=head.example.org", "controller=1.2.3.4:x", "timeout_ms=-1", "what", "steps=maybe", "="};
        memcpy(arguments, nonsense, sizeof(nonsense));
        given = sizeof(nonsense) / sizeof(*nonsense);
    }
    pthread_t thread;
    if (!strcmp(which, "alive") || !strcmp(which, "hung")) {
        char path[128];
        snprintf(path, sizeof(path), "%s/agent", folder);
        listener = listen_at(path, which[0] == 'a' ? 128 : 4);
        if (which[0] == 'a')
            pthread_create(&thread, NULL, agent, &listener);
        else
            fill(path);
    }
    void *plugin = dlopen(words[1], RTLD_LAZY);
    if (!plugin)
        return fprintf(stderr, "spank_harness: %s\n", dlerror()) ? 1 : 1;
    int (*prolog)(spank_t, int, char **) = (int (*)(spank_t, int, char **))dlsym(plugin, "slurm_spank_job_prolog");
    double *times = calloc((size_t)calls, sizeof(*times));
    int wrong = !prolog;
    for (int i = 0; !wrong && i < calls; i++) {
        struct timespec since, now;
        clock_gettime(CLOCK_MONOTONIC, &since);
        wrong |= prolog(NULL, given, arguments);
        clock_gettime(CLOCK_MONOTONIC, &now);
        times[i] = (double)(now.tv_sec - since.tv_sec) * 1e3 + (double)(now.tv_nsec - since.tv_nsec) / 1e6;
    }
    qsort(times, (size_t)calls, sizeof(*times), by_size);
    printf("{\"name\":\"spank.prolog_p99_ms.%s\",\"value\":%.2f,\"unit\":\"ms\"}\n", which, times[calls * 99 / 100]);
    fprintf(stderr, "prolog, %s: median %.2f ms, maximum %.2f ms of %d\n", which, times[calls / 2], times[calls - 1], calls);
    for (int i = 0; !strcmp(which, "alive") && i < 300 && atomic_load(&messages) < calls; i++)
        usleep(10000);
    if (wrong || times[calls - 1] > 1000 || (!strcmp(which, "alive") && atomic_load(&messages) != calls) ||
        (!strcmp(which, "arguments") && atomic_load(&logged) != given))
        return fprintf(stderr, "spank_harness: %s: returned %d, %d messages, %d complaints\n", which, wrong, atomic_load(&messages), atomic_load(&logged)) ? 1 : 1;
    char command[128];
    snprintf(command, sizeof(command), "rm -rf %s", folder);
    return system(command) ? 1 : 0;
}
