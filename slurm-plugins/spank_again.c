// SPDX-License-Identifier: GPL-2.0-or-later
// The thread of slurmd that sends what the hooks have kept.
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <time.h>
#include <unistd.h>

#include "jobcomp_spool_folder.h"
#include "spank_spool.h"

enum {
    FIRST_PAUSE_MS = 1000,
    MOST_PAUSE_MS = 15000,          // an agent that begins waits 20 s for what is kept
    LOOK_MS = 10 * 60000,           // although nobody said that there is something
    SEND_MS = 5000
};

struct keeper {
    struct spank_target target;
    char folder[256];
};

// A little more or less: all nodes wait for the same agent.
static void rest(unsigned pause_ms, unsigned *seed)
{
    unsigned ms = pause_ms - pause_ms / 8 + (unsigned)rand_r(seed) % (pause_ms / 4);
    struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    nanosleep(&time, NULL);
}

// Until a file has been written there, or the directory is another one.
static void wait_for_more(int watch)
{
    char events[4096];
    struct pollfd wanted = {.fd = watch, .events = POLLIN};
    // Without inotify it is looked more often.
    poll(&wanted, watch < 0 ? 0 : 1, watch < 0 ? MOST_PAUSE_MS : LOOK_MS);
    while (watch >= 0 && read(watch, events, sizeof(events)) > 0)
        ;
}

static void *tell_again(void *argument)
{
    struct keeper *keeper = argument;
    unsigned seed = (unsigned)getpid() ^ (unsigned)time(NULL), pause = FIRST_PAUSE_MS;
    int watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    for (;;) {
        char why[256];
        int folder = spool_open_folder(keeper->folder, true, why, sizeof(why));
        // Before it is looked at: nothing comes in between.
        bool watched = folder >= 0 && watch >= 0 &&
            inotify_add_watch(watch, keeper->folder, IN_CLOSE_WRITE | IN_DELETE_SELF | IN_MOVE_SELF) >= 0;
        if (folder >= 0)
            close(folder);
        struct spank_spool_left left = spank_spool_send(keeper->folder, &keeper->target);
        if (left.count == 0) {
            wait_for_more(watched ? watch : -1);
            pause = FIRST_PAUSE_MS;
            continue;
        }
        pause = pause < MOST_PAUSE_MS ? pause : MOST_PAUSE_MS;
        rest(pause, &seed);
        pause *= 2;
    }
    return NULL;
}

void spank_spool_start(const char *folder, const struct spank_target *target)
{
    static struct keeper keeper;
    static bool started;
    pthread_t thread;
    pthread_attr_t attributes;
    sigset_t all, before;
    if (started)
        return;
    keeper.target = *target;
    keeper.target.timeout_ms = SEND_MS; // nobody waits for it
    snprintf(keeper.folder, sizeof(keeper.folder), "%s", folder);
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, 256 << 10);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    started = pthread_create(&thread, &attributes, tell_again, &keeper) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
}
