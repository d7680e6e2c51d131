// SPDX-License-Identifier: GPL-2.0-or-later
// A file system that fails: one slurmctld spools events while the agent is away and ends or is killed, the next one
// replays them. Each call of each of the two fails once, with each error, and once with all that follow for some
// seconds. When the fault is over nothing is lost, nothing is left, and nothing is set aside.
//
//   faults [EVERY]          only each EVERY-th call (1)
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../event_writer.h"
#include "../jobcomp_sender.h"
#include "world.h"

enum { EVENTS = 24, SHORT = -1, BURST_US = 4000000, PATIENCE_US = 400000000, FAILED_MAX = 20 };

// Of both processes.
static struct {
    unsigned calls, counted[2];
    uint8_t seen[2][EVENTS + 1];
    char function[32]; // that failed
    int left;
} *shared;

static struct {
    struct agent agent;
    struct settings settings;
    unsigned fail_at; // a call's number; 0: none
    int problem;      // errno, or SHORT
    bool burst, quiet, killed, left;
    int64_t burst_until, away_until;
    int who; // 0 spools, 1 replays
    uint64_t sequence;
    char folder[64];
} test;

// MARK: calls that fail

static bool fails(const char *function)
{
    if (test.quiet || !shared)
        return false;
    shared->calls++;
    if (test.fail_at && shared->calls == test.fail_at) {
        snprintf(shared->function, sizeof(shared->function), "%s", function);
        if (test.burst)
            test.burst_until = world.now_us + BURST_US;
    } else if (world.now_us >= test.burst_until) {
        return false;
    }
    if (test.problem == SHORT)
        return false; // the callers that can be short look for themselves
    errno = test.problem;
    return true;
}

static bool falls_short(void)
{
    return test.problem == SHORT && !test.quiet && shared && (shared->calls == test.fail_at || world.now_us < test.burst_until);
}

#define WRAP(type, name, parameters, arguments, failure)                                                              \
    type __real_##name parameters;                                                                                     \
    type __wrap_##name parameters;                                                                                     \
    type __wrap_##name parameters                                                                                      \
    {                                                                                                                  \
        return fails(#name) ? (failure) : __real_##name arguments;                                                    \
    }

WRAP(int, mkdirat, (int folder, const char *name, mode_t mode), (folder, name, mode), -1)
WRAP(int, fstat, (int descriptor, struct stat *status), (descriptor, status), -1)
WRAP(int, fstatat, (int folder, const char *name, struct stat *status, int flags), (folder, name, status, flags), -1)
WRAP(char *, realpath, (const char *path, char *to), (path, to), NULL)
WRAP(DIR *, fdopendir, (int descriptor), (descriptor), NULL)
WRAP(struct dirent *, readdir, (DIR *folder), (folder), NULL)
WRAP(int, ftruncate, (int descriptor, off_t size), (descriptor, size), -1)
WRAP(int, unlinkat, (int folder, const char *name, int flags), (folder, name, flags), -1)
WRAP(int, renameat, (int folder, const char *from, int other, const char *to), (folder, from, other, to), -1)
WRAP(off_t, lseek, (int descriptor, off_t at, int whence), (descriptor, at, whence), -1)
WRAP(void *, realloc, (void *old, size_t size), (old, size), NULL)
WRAP(char *, strdup, (const char *text), (text), NULL)

int __wrap_fdatasync(int descriptor);
int __wrap_fdatasync(int descriptor)
{
    (void)descriptor;
    return fails("fdatasync") ? -1 : 0; // a machine that goes down is not tested here
}

int __wrap_fsync(int descriptor);
int __wrap_fsync(int descriptor)
{
    (void)descriptor;
    return fails("fsync") ? -1 : 0;
}

ssize_t __real_pread(int descriptor, void *to, size_t size, off_t at);
ssize_t __wrap_pread(int descriptor, void *to, size_t size, off_t at);
ssize_t __wrap_pread(int descriptor, void *to, size_t size, off_t at)
{
    if (fails("pread"))
        return -1;
    return falls_short() ? (size > 1 && world_random(2) ? __real_pread(descriptor, to, size / 2, at) : 0) : __real_pread(descriptor, to, size, at);
}

ssize_t __real_pwrite(int descriptor, const void *from, size_t size, off_t at);
ssize_t __wrap_pwrite(int descriptor, const void *from, size_t size, off_t at);
ssize_t __wrap_pwrite(int descriptor, const void *from, size_t size, off_t at)
{
    if (fails("pwrite")) {
        // Half of it may stand there all the same.
        int problem = errno;
        if (size > 1 && __real_pwrite(descriptor, from, size / 2, at) < 0)
            abort();
        errno = problem;
        return -1;
    }
    return falls_short() ? __real_pwrite(descriptor, from, size / 2, at) : __real_pwrite(descriptor, from, size, at);
}

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...)
{
    return fails("open") ? -1 : __real_open(path, flags, 0600);
}

int __real_openat(int folder, const char *name, int flags, ...);
int __wrap_openat(int folder, const char *name, int flags, ...);
int __wrap_openat(int folder, const char *name, int flags, ...)
{
    return fails("openat") ? -1 : __real_openat(folder, name, flags, 0600);
}

int __real_fcntl(int descriptor, int command, ...);
int __wrap_fcntl(int descriptor, int command, ...);
int __wrap_fcntl(int descriptor, int command, ...)
{
    va_list arguments;
    va_start(arguments, command);
    void *argument = va_arg(arguments, void *);
    va_end(arguments);
    return fails("fcntl") ? -1 : __real_fcntl(descriptor, command, argument);
}

// MARK: the two processes

static void add(void)
{
    uint8_t bytes[2048];
    struct event_writer writer;
    test.sequence = sender_next_sequence();
    event_begin(&writer, bytes, sizeof(bytes), EVENT_EVENT, test.sequence);
    event_put_number(&writer, TAG_SOURCE, EVENT_FROM_JOBCOMP);
    event_put_bytes(&writer, TAG_BOOT_ID, sender_boot_id(), EVENT_BOOT_ID_SIZE);
    event_put_text(&writer, TAG_NAME, "of a job that ended while the agent was away");
    sender_add(bytes, event_end(&writer));
}

static int files_left(void)
{
    char path[80];
    int count = 0;
    snprintf(path, sizeof(path), "%s/spool", test.folder);
    test.quiet = true;
    DIR *open = opendir(path);
    for (struct dirent *entry; open && (entry = readdir(open)) != NULL;)
        count += entry->d_name[0] != '.';
    if (open)
        closedir(open);
    test.quiet = false;
    return count;
}

static bool all_seen(void)
{
    for (int who = 0; who < 2; who++)
        for (int i = 1; i <= EVENTS; i++)
            if (!shared->seen[who][i])
                return false;
    return true;
}

static int64_t begun;

static void turn(void *unused)
{
    (void)unused;
    int64_t since = world.now_us - begun;
    if (test.sequence < EVENTS && since > (int64_t)test.sequence / 6 * 1500000)
        add();
    if (test.who == 0) {
        // Until whatever fails is long over; then it ends, or is killed.
        if (test.sequence < EVENTS || since < 90000000)
            return;
        if (test.killed)
            _exit(0);
        sender_stop(0);
        return;
    }
    // Away at first here too: there is a file of its own.
    if (since < 5000000)
        return;
    // And once more, in the middle of it.
    if (!test.left && test.agent.connections && (since > 6000000 || shared->seen[0][EVENTS / 2])) {
        test.left = true;
        test.away_until = world.now_us + 12000000;
        agent_leave(&test.agent);
    }
    if (world.now_us < test.away_until)
        return;
    if (test.agent.listener < 0)
        agent_listen(&test.agent);
    if (agent_accept(&test.agent) && agent_read(&test.agent, test.left ? sizeof(test.agent.in) : 1500) && test.agent.frames > test.agent.acked)
        agent_ack(&test.agent, test.agent.frames);
    shared->left = files_left();
    if ((all_seen() && shared->left == 0) || since > PATIENCE_US)
        sender_stop(0);
}

// Whose an event is cannot be seen from the sequence: the boot id of our own is known.
static void take(const uint8_t *boot_id, uint64_t sequence)
{
    int who = memcmp(boot_id, sender_boot_id(), EVENT_BOOT_ID_SIZE) == 0;
    static uint64_t marks[2];
    if (sequence <= marks[who] || sequence > EVENTS)
        return;
    marks[who] = sequence;
    shared->seen[who][sequence] = 1;
}

static void run(int who)
{
    test.who = who;
    world_begin((uint64_t)test.fail_at * 2 + (uint64_t)who, turn, NULL);
    begun = world.now_us;
    settings_defaults(&test.settings);
    snprintf(test.settings.socket, sizeof(test.settings.socket), "%s/socket", test.folder);
    snprintf(test.settings.spool_folder, sizeof(test.settings.spool_folder), "%s/spool", test.folder);
    snprintf(test.agent.path, sizeof(test.agent.path), "%s", test.settings.socket);
    test.agent.listener = test.agent.client = -1;
    test.agent.taken = take;
    sender_set_mode(EVENT_RICH, "a test");
    world_run(&test.settings);
    _exit(0);
}

static bool in_child(int who, bool faulty)
{
    shared->calls = 0;
    pid_t child = fork();
    if (child == 0) {
        if (!faulty) {
            test.fail_at = 0;
            test.problem = 0;
        }
        run(who);
    }
    int status;
    bool ended = waitpid(child, &status, 0) == child && status == 0;
    shared->counted[who] = shared->calls;
    return ended;
}

// Both processes, the fault in one. False: something is lost or left.
static bool attempt(int faulty)
{
    char command[96];
    snprintf(test.folder, sizeof(test.folder), "/tmp/grid-agent-faults.XXXXXX");
    if (!mkdtemp(test.folder))
        exit(1);
    memset(shared, 0, sizeof(*shared));
    bool ended = in_child(0, faulty == 0) && in_child(1, faulty == 1);
    bool right = ended && all_seen() && shared->left == 0;
    if (!right) {
        int lost = 0;
        for (int i = 1; i <= EVENTS; i++)
            lost += !shared->seen[0][i] + !shared->seen[1][i];
        fprintf(stderr, "faults: %s, call %u (%s) fails%s with %s: %d events lost, %d files left%s\n", faulty ? "replaying" : "spooling", test.fail_at,
            shared->function, test.burst ? " for a while" : "", test.problem == SHORT ? "less than was asked for" : strerrorname_np(test.problem), lost,
            shared->left, ended ? "" : ", and it died");
    }
    snprintf(command, sizeof(command), "rm -rf %s", test.folder);
    if (system(command) != 0)
        exit(1);
    return right;
}

int main(int count, char **words)
{
    static const int problems[] = {EIO, ESTALE, EMFILE, ENOMEM, ENOSPC, ENOLCK, EACCES, SHORT};
    unsigned every = count > 1 ? (unsigned)atoi(words[1]) : 1, attempts = 0, failed = 0;
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        return 1;
    for (int faulty = 0; faulty < 2 && failed <= FAILED_MAX; faulty++) {
        test.fail_at = 0;
        failed += !attempt(faulty);
        for (unsigned at = 1, calls = shared->counted[faulty]; at <= calls && failed <= FAILED_MAX; at += every) {
            for (size_t i = 0; i < 2 * sizeof(problems) / sizeof(*problems); i++) {
                test.fail_at = at;
                test.problem = problems[i / 2];
                test.burst = i % 2;
                test.killed = (at + i / 2) % 2;
                attempts++;
                failed += !attempt(faulty);
            }
        }
    }
    if (failed)
        return fprintf(stderr, "faults: %u of %u failed\n", failed, attempts) ? 1 : 1;
    printf("faults: %u ok\n", attempts);
    return 0;
}
