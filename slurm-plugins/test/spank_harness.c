// SPDX-License-Identifier: GPL-2.0-or-later
// Calls the SPANK plugin as slurmstepd does, and says what came of it. spank_test.py and spank_bench.py drive it.
//
//   spank_harness [OPTION]... HOOK[,HOOK]... PLUGIN [ARGUMENT]...
//
//   --count N       so many processes one after the other, each of which loads the plugin; prints the microseconds of
//                   each from its fork to its end
//   --remote N      what spank_remote() says (1)
//   --without ITEM  this item is not available: job, uid, gid, step, task, status; may be repeated
//   --cores LIST    S_JOB_ALLOC_CORES; none without
//   --step NUMBER   S_JOB_STEPID (7)
//   --stepd PATH    listens there, as slurmstepd does
//   --node NAME     SLURMD_NODENAME in the job's environment
//   --context NUMBER  what spank_context() says (2: slurmstepd; 4: slurmd)
//   --host NAME     slurmd finds this node by the host's name; nothing is found without
//   --alias NAME    and this one by one of its aliases
//   --slurmd WORDS  slurmd's command line, a word a line, becomes this process's
//   --no-munge      libmunge cannot be loaded
//   --no-threads    no thread can be started
//   --short-sends   the kernel takes one byte at a time, and is interrupted now and then
//   --linger        when the plugin has been unloaded, says "unloaded" and reads stdin to its end
//
// For each hook a line on stdout: its name, what it returned, its microseconds, how many descriptors are open more than
// before, and how many signals arrived in a thread of the plugin. The log goes to stderr. Exit status 3: the plugin
// called send() or socket() without the flags it must have.
#include <slurm/spank.h>

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { JOB = 4242, USER = 1001, GROUP = 1002, STEP = 7, TASK = 3, STATUS = 0x300 };

static int remote = 1;
static spank_context_t context = S_CTX_REMOTE;
static bool missing[6];
static const char *const items[] = {"job", "uid", "gid", "step", "task", "status"};
static const char *node, *cores, *stepd, *of_host, *of_alias;
static uint32_t step = STEP;
static bool no_munge, no_threads, short_sends;
static const char *plugin;

// MARK: what slurmstepd offers

spank_err_t spank_get_item(spank_t spank, spank_item_t item, ...)
{
    const struct {
        spank_item_t item;
        uint32_t value;
    } known[] = {{S_JOB_ID, JOB}, {S_JOB_UID, USER}, {S_JOB_GID, GROUP}, {S_JOB_STEPID, step}, {S_TASK_GLOBAL_ID, TASK},
        {S_TASK_EXIT_STATUS, STATUS}};
    (void)spank;
    if (item == S_JOB_ALLOC_CORES) {
        va_list arguments;
        va_start(arguments, item);
        *va_arg(arguments, const char **) = cores;
        va_end(arguments);
        return ESPANK_SUCCESS;
    }
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (known[i].item == item && !missing[i]) {
            va_list arguments;
            va_start(arguments, item);
            *va_arg(arguments, uint32_t *) = known[i].value;
            va_end(arguments);
            return ESPANK_SUCCESS;
        }
    return ESPANK_NOT_AVAIL;
}

spank_err_t spank_getenv(spank_t spank, const char *name, char *value, int size)
{
    (void)spank;
    if (!node || strcmp(name, "SLURMD_NODENAME") != 0)
        return ESPANK_ENV_NOEXIST;
    return snprintf(value, (size_t)size, "%s", node) < size ? ESPANK_SUCCESS : ESPANK_NOSPACE;
}

int spank_remote(spank_t spank)
{
    (void)spank;
    return remote;
}

// slurmd's own, which the plugin looks up by name. Freed by slurm_xfree() alone.
enum { BEFORE = 16 };
static int names_out;

static char *name_of_node(const char *name)
{
    if (!name)
        return NULL;
    char *block = malloc(BEFORE + strlen(name) + 1);
    if (!block)
        exit(2);
    names_out++;
    return strcpy(block + BEFORE, name);
}

char *slurm_conf_get_nodename(const char *host);
char *slurm_conf_get_nodename(const char *host)
{
    return name_of_node(host && *host && !strchr(host, '.') ? of_host : NULL);
}

char *slurm_conf_get_aliased_nodename(void);
char *slurm_conf_get_aliased_nodename(void)
{
    return name_of_node(of_alias);
}

void slurm_xfree(void **block);
void slurm_xfree(void **block)
{
    if (!*block)
        return;
    names_out--;
    free((char *)*block - BEFORE);
    *block = NULL;
}

spank_context_t spank_context(void)
{
    return context;
}

static void say(const char *level, const char *format, va_list arguments)
{
    fprintf(stderr, "%s: ", level);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
}

void slurm_error(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say("error", format, arguments);
    va_end(arguments);
}

void slurm_debug(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say("debug", format, arguments);
    va_end(arguments);
}

// MARK: what the system does, and may refuse

static bool is_plugin(void *address)
{
    Dl_info info;
    return dladdr(address, &info) && info.dli_fname && !strcmp(info.dli_fname, plugin);
}

static void must(bool condition, const char *what)
{
    static const char words[] = "the plugin misses a flag: ";
    if (condition)
        return;
    if (write(2, words, sizeof(words) - 1) < 0 || write(2, what, strlen(what)) < 0 || write(2, "\n", 1) < 0)
        _exit(4);
    _exit(3);
}

int socket(int family, int type, int protocol)
{
    int (*real)(int, int, int) = (int (*)(int, int, int))dlsym(RTLD_NEXT, "socket");
    if (is_plugin(__builtin_return_address(0))) {
        must(type & SOCK_CLOEXEC, "SOCK_CLOEXEC");
        must(type & SOCK_NONBLOCK, "SOCK_NONBLOCK");
    }
    return real(family, type, protocol);
}

ssize_t send(int descriptor, const void *bytes, size_t length, int flags)
{
    static _Thread_local unsigned calls;
    ssize_t (*real)(int, const void *, size_t, int) = (ssize_t(*)(int, const void *, size_t, int))dlsym(RTLD_NEXT, "send");
    if (is_plugin(__builtin_return_address(0))) {
        must(flags & MSG_NOSIGNAL, "MSG_NOSIGNAL");
        if (short_sends && ++calls % 5 == 0) {
            errno = calls % 2 ? EINTR : EAGAIN;
            return -1;
        }
        if (short_sends && length > 1)
            length = 1;
    }
    return real(descriptor, bytes, length, flags);
}

void *dlopen(const char *name, int flags)
{
    void *(*real)(const char *, int) = (void *(*)(const char *, int))dlsym(RTLD_NEXT, "dlopen");
    if (no_munge && name && strstr(name, "libmunge"))
        return NULL;
    return real(name, flags);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *argument)
{
    int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *) =
        (int (*)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *))dlsym(RTLD_NEXT, "pthread_create");
    return no_threads ? EAGAIN : real(thread, attributes, start, argument);
}

// MARK: the calls

static long long now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static int open_descriptors(void)
{
    int count = 0;
    DIR *folder = opendir("/proc/self/fd");
    while (folder && readdir(folder))
        count++;
    if (folder)
        closedir(folder);
    return count;
}

static volatile sig_atomic_t alarms;

static void on_alarm(int number)
{
    (void)number;
    alarms++;
}

// This thread blocks the signal, so that one that arrives has found a thread of the plugin that does not.
static void ring_all_the_time(void)
{
    struct sigaction action = {.sa_handler = on_alarm};
    struct itimerval every = {.it_interval.tv_usec = 2000, .it_value.tv_usec = 2000};
    sigset_t alarm_only;
    sigemptyset(&alarm_only);
    sigaddset(&alarm_only, SIGALRM);
    sigaction(SIGALRM, &action, NULL);
    pthread_sigmask(SIG_BLOCK, &alarm_only, NULL);
    setitimer(ITIMER_REAL, &every, NULL);
}

static void listen_at(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int descriptor = socket(AF_UNIX, SOCK_STREAM, 0);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    if (bind(descriptor, (struct sockaddr *)&address, sizeof(address)) != 0 || listen(descriptor, 1) != 0)
        exit(2);
}

typedef int hook_function(spank_t, int, char **);

static void *load(void)
{
    void *library = dlopen(plugin, RTLD_LAZY);
    if (!library) {
        fprintf(stderr, "%s\n", dlerror());
        exit(2);
    }
    return library;
}

static hook_function *find(void *library, const char *hook)
{
    char symbol[64];
    snprintf(symbol, sizeof(symbol), "slurm_spank_%s", hook);
    hook_function *function = (hook_function *)dlsym(library, symbol);
    if (!function) {
        fprintf(stderr, "%s\n", dlerror());
        exit(2);
    }
    return function;
}

static void call_each(char *hooks, int count, char **arguments, bool linger)
{
    if (stepd)
        listen_at(stepd);
    void *library = load();
    ring_all_the_time();
    for (char *hook = strtok(hooks, ","); hook; hook = strtok(NULL, ",")) {
        hook_function *function = find(library, hook);
        int before = open_descriptors();
        long long start = now_us();
        int outcome = function(NULL, count, arguments);
        long long took = now_us() - start;
        printf("%s %d %lld %d %d\n", hook, outcome, took, open_descriptors() - before, (int)alarms);
        fflush(stdout);
    }
    if (names_out != 0) {
        fprintf(stderr, "%d names of nodes were not freed\n", names_out);
        exit(6);
    }
    dlclose(library);
    if (linger) {
        puts("unloaded");
        fflush(stdout);
        while (getchar() != EOF)
            ;
        printf("signals %d\n", (int)alarms);
    }
}

static void measure(const char *hook, long processes, int count, char **arguments)
{
    for (long i = 0; i < processes; i++) {
        long long start = now_us();
        pid_t child = fork();
        if (child == 0) {
            void *library = load();
            int outcome = find(library, hook)(NULL, count, arguments);
            dlclose(library);
            exit(outcome == 0 ? 0 : 5);
        }
        int status;
        if (child < 0 || waitpid(child, &status, 0) != child || status != 0) {
            fprintf(stderr, "a process that called the hook failed\n");
            exit(2);
        }
        printf("%lld\n", now_us() - start);
    }
}

enum { WORDS_MAX = 64 };
static const char own_words[] = "SPANK_HARNESS_WORDS"; // this program's, while its command line is another one

// Starts this program again with that command line.
static void become_slurmd(const char *line, int count, char **arguments)
{
    char *words[WORDS_MAX + 2] = {"slurmd"};
    char kept[32 << 10] = "";
    for (int i = 1; i < count; i++)
        if (arguments[i] != line && strcmp(arguments[i], "--slurmd") != 0)
            snprintf(kept + strlen(kept), sizeof(kept) - strlen(kept), "%s\n", arguments[i]);
    char *rest = strdup(line);
    for (int i = 1; rest && i <= WORDS_MAX; i++)
        words[i] = strsep(&rest, "\n");
    setenv(own_words, kept, 1);
    execv("/proc/self/exe", words);
    exit(2);
}

int main(int count, char **arguments)
{
    static char *kept[WORDS_MAX + 1];
    long processes = 0;
    if (getenv(own_words)) {
        char *rest = strdup(getenv(own_words));
        for (count = 1; count < WORDS_MAX && rest && *rest; count++)
            kept[count] = strsep(&rest, "\n");
        arguments = kept;
    }
    bool linger = false;
    int i = 1;
    for (; i < count && !strncmp(arguments[i], "--", 2); i++) {
        const char *option = arguments[i];
        const char *value = i + 1 < count ? arguments[i + 1] : "";
        if (!strcmp(option, "--no-munge"))
            no_munge = true;
        else if (!strcmp(option, "--no-threads"))
            no_threads = true;
        else if (!strcmp(option, "--short-sends"))
            short_sends = true;
        else if (!strcmp(option, "--linger"))
            linger = true;
        else if (i++, !strcmp(option, "--count"))
            processes = strtol(value, NULL, 10);
        else if (!strcmp(option, "--remote"))
            remote = (int)strtol(value, NULL, 10);
        else if (!strcmp(option, "--node"))
            node = value;
        else if (!strcmp(option, "--slurmd"))
            become_slurmd(value, count, arguments);
        else if (!strcmp(option, "--context"))
            context = (spank_context_t)strtol(value, NULL, 10);
        else if (!strcmp(option, "--host"))
            of_host = value;
        else if (!strcmp(option, "--alias"))
            of_alias = value;
        else if (!strcmp(option, "--cores"))
            cores = value;
        else if (!strcmp(option, "--stepd"))
            stepd = value;
        else if (!strcmp(option, "--step"))
            step = (uint32_t)strtoul(value, NULL, 0);
        else if (!strcmp(option, "--without"))
            for (size_t item = 0; item < sizeof(items) / sizeof(items[0]); item++)
                missing[item] |= !strcmp(items[item], value);
        else
            return 64;
    }
    if (count - i < 2)
        return 64;
    char *hooks = arguments[i];
    plugin = arguments[i + 1];
    if (processes > 0)
        measure(hooks, processes, count - i - 2, arguments + i + 2);
    else
        call_each(hooks, count - i - 2, arguments + i + 2, linger);
    return 0;
}
