/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What libslurm costs by itself: the same calls, with the same fields, that the Swift module makes.
 *
 *   slurm-baseline USER      USER owns the jobs
 *
 * A server: reads one command a line, answers with one line, "ok …" or "error …". Times are nanoseconds.
 *
 *   submit N             N held jobs, one after the other        ok T1 … TN
 *   submit-readback N    the same, each loaded after it          ok T1 … TN
 *   throughput N K       N held jobs by K threads                ok T (of all)
 *   job N                loads one job N times                   ok T1 … TN
 *   jobs N               changes one job, then loads all, N x    ok T1 … TN
 *   run N PROGRAM ARG…   starts a program N times and waits      ok T1 … TN
 *   start N              N jobs with GPUs that run               ok
 *   cancel N             ends N of the held jobs                 ok
 *   count                records that slurmctld has              ok N
 *   quit
 */
#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <pwd.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <slurm/slurm.h>
#include <slurm/slurm_errno.h>

#define SCRIPT "#!/bin/bash\n# Stands for a job of a grid: a few lines of shell around one program.\nset -eu\nexec sleep 3600\n"
#define TEXT 256
#define MAX_CALLS 100000
#define MAX_WORDS 64

extern char **environ;

/* 26.05 names a job by a slurm_step_id_t. */
#if SLURM_VERSION_NUMBER >= SLURM_VERSION_NUM(26, 5, 0)
static slurm_step_id_t key(uint32_t id) {
    slurm_step_id_t key = SLURM_STEP_ID_INITIALIZER;
    key.job_id = id;
    return key;
}
#else
#define key(id) (id)
#endif

static uint32_t response_id(const submit_response_msg_t *response) {
#if SLURM_VERSION_NUMBER >= SLURM_VERSION_NUM(25, 11, 0)
    return response->step_id.job_id;
#else
    return response->job_id;
#endif
}

static struct passwd owner;
static char host[TEXT];
static atomic_uint serial;
/* The held jobs, for "cancel"; the first one is also the one that "job" loads and "jobs" changes. */
static uint32_t *held;
static size_t held_count, held_capacity;

static uint64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t) time.tv_sec * 1000000000u + (uint64_t) time.tv_nsec;
}

/* Returns 0 or an errno. */
static int failed(void) {
    return errno != 0 ? errno : -1;
}

/*
 * Submits one job and frees the answer: every string is made for this job alone, as the Swift module does it.
 * running: not held, 1 GPU (on every fifth: on each of two nodes).
 */
static int submit(bool running, uint32_t *id) {
    unsigned number = atomic_fetch_add(&serial, 1);
    char name[TEXT], comment[TEXT], tag[TEXT], out[TEXT], err[TEXT], partition[] = "main", input[] = "/dev/null";
    char gres[] = "gres:gpu:1", directory[TEXT], account[] = "grid", script[] = SCRIPT;
    snprintf(name, sizeof(name), "bench-c-%u", number);
    snprintf(comment, sizeof(comment), "benchmark job %u", number);
    snprintf(tag, sizeof(tag), "grid=bench,offer=c-%08u", number);
    snprintf(directory, sizeof(directory), "%s", owner.pw_dir);
    snprintf(out, sizeof(out), running ? "/dev/null" : "%s/bench-c-%u.out", owner.pw_dir, number);
    snprintf(err, sizeof(err), running ? "/dev/null" : "%s/bench-c-%u.err", owner.pw_dir, number);

    char texts[20][2 * TEXT];
    char *environment[21];
    uint32_t size = 0;
#define VARIABLE(...) \
    do { \
        snprintf(texts[size], sizeof(texts[size]), __VA_ARGS__); \
        environment[size] = texts[size]; \
        size++; \
    } while (0)
    VARIABLE("GRID_JOB=c-%u", number);
    VARIABLE("GRID_SITE=bench");
    VARIABLE("HOME=%s", owner.pw_dir);
    VARIABLE("LANG=C.UTF-8");
    VARIABLE("LOGNAME=%s", owner.pw_name);
    VARIABLE("PATH=/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games");
    VARIABLE("SHELL=%s", owner.pw_shell);
    VARIABLE("SLURM_CPUS_PER_TASK=1");
    VARIABLE("SLURM_GET_USER_ENV=1");
    VARIABLE("SLURM_GPUS_PER_NODE=1");
    VARIABLE("SLURM_JOB_NAME=%s", name);
    VARIABLE("SLURM_MEM_PER_NODE=100");
    VARIABLE("SLURM_NPROCS=1");
    VARIABLE("SLURM_NTASKS=1");
    VARIABLE("SLURM_PRIO_PROCESS=0");
    VARIABLE("SLURM_SUBMIT_DIR=%s", directory);
    VARIABLE("SLURM_SUBMIT_HOST=%s", host);
    VARIABLE("SLURM_UMASK=0022");
    VARIABLE("USER=%s", owner.pw_name);
#undef VARIABLE
    environment[size] = NULL;
    char *arguments[] = {name, NULL};

    job_desc_msg_t job;
    slurm_init_job_desc_msg(&job);
    job.user_id = owner.pw_uid;
    job.group_id = owner.pw_gid;
    job.script = script;
    job.argv = arguments;
    job.argc = 1;
    job.environment = environment;
    job.env_size = size;
    job.work_dir = directory;
    job.name = name;
    job.comment = comment;
    job.admin_comment = tag;
    job.alloc_node = host;
    job.std_in = input;
    job.std_out = out;
    job.std_err = err;
    job.partition = partition;
    job.account = account;
    job.tres_per_node = gres;
    job.num_tasks = 1;
    job.cpus_per_task = 1;
    job.bitflags |= JOB_NTASKS_SET | JOB_CPUS_SET;
    job.min_cpus = 1;
    job.pn_min_memory = 100;
    job.time_limit = 60;
    job.requeue = 0;
    if (!running)
        job.priority = 0;
    else if (number % 5 == 0)
        job.min_nodes = 2, job.num_tasks = 2, job.min_cpus = 2;

    submit_response_msg_t *response = NULL;
    errno = 0;
    if (slurm_submit_batch_job(&job, &response) != 0)
        return failed();
    *id = response_id(response);
    slurm_free_submit_response_response_msg(response);
    return 0;
}

static int load_job(uint32_t id) {
    job_info_msg_t *answer = NULL;
    errno = 0;
    if (slurm_load_job(&answer, key(id), SHOW_ALL | SHOW_DETAIL | SHOW_LOCAL) != 0)
        return failed();
    int result = answer->record_count == 1 ? 0 : ESLURM_INVALID_JOB_ID;
    slurm_free_job_info_msg(answer);
    return result;
}

static int remember(uint32_t id) {
    if (held_count == held_capacity) {
        held_capacity = held_capacity != 0 ? held_capacity * 2 : 1024;
        uint32_t *larger = realloc(held, held_capacity * sizeof(*held));
        if (larger == NULL)
            return ENOMEM;
        held = larger;
    }
    held[held_count++] = id;
    return 0;
}

static int set_comment(uint32_t id, char *comment) {
    char text[32];
    snprintf(text, sizeof(text), "%u", id);
    job_desc_msg_t change;
    slurm_init_job_desc_msg(&change);
    change.job_id_str = text;
    change.comment = comment;
    job_array_resp_msg_t *answer = NULL;
    errno = 0;
    int result = slurm_update_job2(&change, &answer) != 0 ? failed() : 0;
    if (answer != NULL)
        slurm_free_job_array_resp(answer);
    return result;
}

/* Loads all jobs after a change; only the load and the free are timed. Checks that the change is in the answer. */
static int load_jobs(uint32_t id, uint64_t *taken) {
    static unsigned change;
    char comment[TEXT];
    snprintf(comment, sizeof(comment), "change c-%u", change++);
    int result = set_comment(id, comment);
    if (result != 0)
        return result;
    /* The change sets off a pass of the scheduler, which holds the job table. */
    const struct timespec pass = {.tv_nsec = 300000000};
    nanosleep(&pass, NULL);
    job_info_msg_t *answer = NULL;
    uint64_t before = now();
    errno = 0;
    if (slurm_load_jobs(0, &answer, SHOW_ALL | SHOW_DETAIL | SHOW_LOCAL) != 0)
        return failed();
    uint64_t paused = now();
    result = ESLURM_INVALID_JOB_ID;
    for (uint32_t index = 0; index < answer->record_count; index++) {
        const slurm_job_info_t *job = &answer->job_array[index];
        if (job->job_id == id && job->comment != NULL && strcmp(job->comment, comment) == 0)
            result = 0;
    }
    uint64_t resumed = now();
    slurm_free_job_info_msg(answer);
    *taken = now() - resumed + paused - before;
    return result;
}

struct share {
    pthread_t thread;
    unsigned count;
    uint32_t *ids;
    int result;
};

static void *submit_share(void *raw) {
    struct share *share = raw;
    for (unsigned index = 0; index < share->count && share->result == 0; index++)
        share->result = submit(false, &share->ids[index]);
    return NULL;
}

static int throughput(unsigned count, unsigned threads, uint64_t *taken) {
    struct share *shares = calloc(threads, sizeof(*shares));
    uint32_t *ids = calloc(count, sizeof(*ids));
    int result = shares == NULL || ids == NULL ? ENOMEM : 0;
    unsigned started = 0;
    uint64_t before = now();
    for (; started < threads && result == 0; started++) {
        shares[started].count = count / threads;
        shares[started].ids = ids + started * (count / threads);
        result = pthread_create(&shares[started].thread, NULL, submit_share, &shares[started]);
        if (result != 0)
            break;
    }
    for (unsigned index = 0; index < started; index++) {
        pthread_join(shares[index].thread, NULL);
        if (result == 0)
            result = shares[index].result;
    }
    *taken = now() - before;
    for (unsigned index = 0; result == 0 && index < count / threads * threads; index++)
        result = remember(ids[index]);
    free(ids);
    free(shares);
    return result;
}

static int run(char **arguments) {
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    pid_t child = 0;
    int status = 0;
    int result = posix_spawnp(&child, arguments[0], &actions, NULL, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (result != 0)
        return result;
    while (waitpid(child, &status, 0) < 0) {
        if (errno != EINTR)
            return errno;
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : ECHILD;
}

static int subject(uint32_t *id) {
    if (held_count == 0) {
        int result = submit(false, id);
        return result != 0 ? result : remember(*id);
    }
    *id = held[0];
    return 0;
}

/* One call of a command that is timed by itself. */
static int timed(const char *command, char **words, uint64_t *taken) {
    uint32_t id = 0;
    uint64_t before = now();
    int result = 0;
    if (strcmp(command, "submit") == 0) {
        result = submit(false, &id);
        *taken = now() - before;
        return result != 0 ? result : remember(id);
    }
    if (strcmp(command, "submit-readback") == 0) {
        result = submit(false, &id);
        if (result == 0)
            result = load_job(id);
        *taken = now() - before;
        return result != 0 ? result : remember(id);
    }
    if (strcmp(command, "run") == 0) {
        result = run(words);
        *taken = now() - before;
        return result;
    }
    result = subject(&id);
    if (result != 0)
        return result;
    if (strcmp(command, "job") == 0) {
        before = now();
        result = load_job(id);
        *taken = now() - before;
        return result;
    }
    return load_jobs(id, taken);
}

/* Prints the answer but for its line end. Returns 0, or an errno for "error". */
static int serve(char **words, unsigned count_of_words) {
    static uint64_t times[MAX_CALLS];
    static const char *const timed_commands[] = {"submit", "submit-readback", "job", "jobs", "run"};
    const char *command = words[0];
    unsigned count = count_of_words > 1 ? (unsigned) strtoul(words[1], NULL, 10) : 0;
    int result = 0;
    uint32_t id = 0;
    if (strcmp(command, "count") == 0) {
        job_info_msg_t *answer = NULL;
        if (slurm_load_jobs(0, &answer, SHOW_ALL) != 0)
            return failed();
        printf("ok %u", answer->record_count);
        slurm_free_job_info_msg(answer);
        return 0;
    }
    if (count == 0 || count > MAX_CALLS)
        return EINVAL;
    if (strcmp(command, "throughput") == 0 && count_of_words == 3) {
        unsigned threads = (unsigned) strtoul(words[2], NULL, 10);
        if (threads == 0 || threads > count)
            return EINVAL;
        result = throughput(count, threads, &times[0]);
        if (result == 0)
            printf("ok %llu", (unsigned long long) times[0]);
        return result;
    }
    if (strcmp(command, "start") == 0) {
        while (result == 0 && count-- > 0)
            result = submit(true, &id);
        if (result == 0)
            printf("ok");
        return result;
    }
    if (strcmp(command, "cancel") == 0) {
        if (count >= held_count)
            return EINVAL;
        for (; result == 0 && count > 0; count--, held_count--) {
            char text[32];
            snprintf(text, sizeof(text), "%u", held[held_count - 1]);
            errno = 0;
            if (slurm_kill_job2(text, SIGKILL, 0, NULL) != 0)
                result = failed();
        }
        if (result == 0)
            printf("ok");
        return result;
    }
    for (size_t index = 0; index < sizeof(timed_commands) / sizeof(*timed_commands); index++) {
        if (strcmp(command, timed_commands[index]) != 0)
            continue;
        if (strcmp(command, "run") == 0 && count_of_words < 3)
            return EINVAL;
        for (unsigned call = 0; call < count; call++) {
            result = timed(command, words + 2, &times[call]);
            if (result != 0)
                return result;
        }
        printf("ok");
        for (unsigned call = 0; call < count; call++)
            printf(" %llu", (unsigned long long) times[call]);
        return 0;
    }
    return EINVAL;
}

int main(int argc, char **argv) {
    struct passwd *found = argc == 2 ? getpwnam(argv[1]) : NULL;
    if (found == NULL) {
        fprintf(stderr, "usage: slurm-baseline USER (an existing one)\n");
        return 64;
    }
    owner = *found;
    owner.pw_name = strdup(found->pw_name);
    owner.pw_dir = strdup(found->pw_dir);
    owner.pw_shell = strdup(found->pw_shell);
    if (owner.pw_name == NULL || owner.pw_dir == NULL || owner.pw_shell == NULL || gethostname(host, TEXT - 1) != 0)
        return 71;
    signal(SIGPIPE, SIG_IGN);
    slurm_init(NULL);

    char *line = NULL;
    size_t capacity = 0;
    while (getline(&line, &capacity, stdin) > 0) {
        char *words[MAX_WORDS + 1];
        unsigned count = 0;
        char *rest = NULL;
        for (char *word = strtok_r(line, " \n", &rest); word != NULL && count < MAX_WORDS;
             word = strtok_r(NULL, " \n", &rest))
            words[count++] = word;
        words[count] = NULL;
        if (count == 0)
            continue;
        if (strcmp(words[0], "quit") == 0)
            break;
        int result = serve(words, count);
        if (result != 0)
            printf("error %s: %d %s", words[0], result, slurm_strerror(result));
        printf("\n");
        fflush(stdout);
    }
    free(line);
    free(held);
    return 0;
}
