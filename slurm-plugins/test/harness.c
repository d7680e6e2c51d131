// SPDX-License-Identifier: GPL-2.0-or-later
// Loads jobcomp_grid_agent.so as slurmctld does, hands it records, and measures each call.
//
//   harness PLUGIN CASE [CALLS]
//
// CASE: alive (an agent that acknowledges), lean (the same, for a plugin that must find that it cannot read records), stuck
// (nobody listens, and the spool's file system hangs), dead (nobody listens), hung (somebody listens and says nothing), full (nobody
// listens, no spool can be written, so the ring is full). Prints one JSON line; a histogram goes to stderr. Exit status 1
// when the plugin misbehaved: a wrong return value, records lost with an agent that is alive, an init or fini that fails.
#include "src/common/env.h"
#include "src/common/read_config.h"
#include "src/common/xmalloc.h"
#include "src/common/xstring.h"
#include "src/slurmctld/slurmctld.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "../event_reader.h"
#include "../event_writer.h"

static char folder[] = "/tmp/grid-agent-harness.XXXXXX";
static atomic_uint_fast64_t events;
static atomic_int mode;

// What slurmctld exports and the plugin compares a record with.
__attribute__((visibility("default"))) char **job_common_env_vars(job_record_t *job, bool complete)
{
    char **environment = env_array_create();
    (void)complete;
    env_array_append_fmt(&environment, "SLURM_JOB_ID", "%u", job->job_id);
    env_array_append_fmt(&environment, "SLURM_JOB_UID", "%u", job->user_id);
    env_array_append_fmt(&environment, "SLURM_JOB_GID", "%u", job->group_id);
    env_array_append_fmt(&environment, "SLURM_JOB_EXIT_CODE", "%u", job->exit_code);
    env_array_append_fmt(&environment, "SLURM_JOB_RESTART_COUNT", "%d", job->restart_cnt);
    env_array_append_fmt(&environment, "SLURM_JOB_PARTITION", "%s", job->partition);
    env_array_append_fmt(&environment, "SLURM_JOB_NODELIST", "%s", job->nodes);
    env_array_append_fmt(&environment, "SLURM_JOB_NAME", "%s", job->name);
    // From 24.11 on.
    env_array_append_fmt(&environment, "SLURM_JOB_START_TIME", "%lu", job->start_time);
    env_array_append_fmt(&environment, "SLURM_JOB_END_TIME", "%lu", job->end_time);
    return environment;
}

// A file system that hangs: found before libc's by the plugin.
static atomic_bool stuck;
__attribute__((visibility("default"))) int fdatasync(int descriptor)
{
    while (atomic_load(&stuck))
        usleep(10000);
    return fsync(descriptor);
}

static void take(const uint8_t *bytes, size_t length)
{
    struct event_frame frame;
    struct event_field field;
    if (!event_read(bytes, length, &frame))
        exit(fprintf(stderr, "harness: a frame cannot be read\n") ? 1 : 1);
    if (frame.type == EVENT_EVENT)
        atomic_fetch_add(&events, 1);
    for (size_t position = 0; frame.type == EVENT_HELLO && event_next_field(&frame, &position, &field) == 1;)
        if (field.tag == TAG_MODE)
            atomic_store(&mode, (int)event_integer(field.value, field.length));
}

static void serve(int client)
{
    static uint8_t in[1 << 20];
    size_t have = 0;
    uint64_t count = 0;
    for (ssize_t got; (got = read(client, in + have, sizeof(in) - have)) > 0;) {
        size_t position = 0;
        have += (size_t)got;
        for (long size; (size = event_frame_size(in + position, have - position)) > 0 && (size_t)size <= have - position;) {
            take(in + position, (size_t)size);
            position += (size_t)size;
            count++;
        }
        memmove(in, in + position, have - position);
        have -= position;
        uint8_t ack[32];
        struct event_writer writer;
        event_begin(&writer, ack, sizeof(ack), EVENT_ACK, count);
        if (write(client, ack, event_end(&writer)) < 0)
            break;
    }
    close(client);
}

static void *agent(void *listener)
{
    for (;;) {
        int client = accept(*(int *)listener, NULL, NULL);
        if (client >= 0)
            serve(client);
    }
    return NULL;
}

static int listen_at(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof(address)) != 0 || listen(listener, 64) != 0) {
        perror("harness: listen");
        exit(1);
    }
    return listener;
}

static int by_size(const void *one, const void *other)
{
    double a = *(const double *)one, b = *(const double *)other;
    return (a > b) - (a < b);
}

static void report(const char *which, double *times, int calls)
{
    static const double edges[] = {1, 2, 5, 10, 20, 50, 100, 200, 500, 1000};
    int at = 0;
    qsort(times, (size_t)calls, sizeof(*times), by_size);
    fprintf(stderr, "callback, agent %s, %d calls, microseconds:\n", which, calls);
    for (size_t i = 0; i <= sizeof(edges) / sizeof(*edges); i++) {
        int count = 0;
        bool last = i == sizeof(edges) / sizeof(*edges);
        while (at < calls && (last || times[at] < edges[i])) {
            at++;
            count++;
        }
        if (count)
            fprintf(stderr, last ? "  >= %4.0f  %d\n" : "   < %4.0f  %d\n", edges[last ? i - 1 : i], count);
    }
    fprintf(stderr, "  median %.1f, maximum %.1f\n", times[calls / 2], times[calls - 1]);
    printf("{\"name\":\"jobcomp.callback_p99_us.%s\",\"value\":%.1f,\"unit\":\"us\"}\n", which, times[calls * 99 / 100]);
}

static job_record_t *make_record(void)
{
    job_record_t *job = xmalloc(sizeof(*job));
    job->details = xmalloc(sizeof(*job->details));
    job->details->submit_time = time(NULL) - 60;
    job->magic = JOB_MAGIC;
    job->job_id = 4711;
    job->user_id = 1000;
    job->group_id = 1000;
    job->exit_code = 768;
    job->job_state = JOB_FAILED | JOB_COMPLETING;
    job->array_task_id = NO_VAL;
    job->time_limit = 60;
    job->start_time = time(NULL) - 30;
    job->end_time = time(NULL);
    job->partition = xstrdup("main");
    job->nodes = xstrdup("n[1-4]");
    job->name = xstrdup("0x1111111111111111111111111111111111111111111111111111111111111111");
    job->account = xstrdup("account");
    job->admin_comment = xstrdup("sga:17-00112233445566778899");
    job->tres_alloc_str = xstrdup("1=4,2=100,4=1,5=4");
    return job;
}

int main(int count, char **words)
{
    if (count < 3)
        return fprintf(stderr, "usage: harness PLUGIN alive|lean|dead|hung|full|stuck [CALLS]\n") ? 64 : 64;
    const char *which = words[2];
    bool answers = !strcmp(which, "alive") || !strcmp(which, "lean");
    atomic_store(&stuck, !strcmp(which, "stuck"));
    int calls = count > 3 ? atoi(words[3]) : 20000, listener = -1;
    char parameters[512], socket_path[128], state[64];
    if (!mkdtemp(folder))
        return 1;
    snprintf(socket_path, sizeof(socket_path), "%s/socket", folder);
    snprintf(state, sizeof(state), !strcmp(which, "full") ? "/proc/none" : "%s", folder);
    snprintf(parameters, sizeof(parameters), "grid_agent_socket=%s%s", socket_path, !strcmp(which, "full") ? ",grid_agent_ring=64" : "");
    slurm_conf.job_comp_params = parameters;
    slurm_conf.state_save_location = state;
    slurm_conf.cluster_name = "harness";
    if (answers || !strcmp(which, "hung"))
        listener = listen_at(socket_path);
    pthread_t thread;
    if (answers)
        pthread_create(&thread, NULL, agent, &listener);

    void *plugin = dlopen(words[1], RTLD_LAZY);
    if (!plugin)
        return fprintf(stderr, "harness: %s\n", dlerror()) ? 1 : 1;
    int (*initialise)(void) = (int (*)(void))dlsym(plugin, "init");
    int (*finalise)(void) = (int (*)(void))dlsym(plugin, "fini");
    int (*log_record)(void *) = (int (*)(void *))dlsym(plugin, "jobcomp_p_log_record");
    int (*set_location)(char *) = (int (*)(char *))dlsym(plugin, "jobcomp_p_set_location");
    if (!initialise || !finalise || !log_record || !set_location || initialise() || set_location("/nowhere"))
        return fprintf(stderr, "harness: init failed\n") ? 1 : 1;

    job_record_t *job = make_record();
    double *times = calloc((size_t)calls, sizeof(*times));
    int wrong = log_record(job); // the first one starts the thread and proves the layout
    for (int i = 0; i < calls; i++) {
        struct timespec since, now, pause = {0, 200000};
        clock_gettime(CLOCK_MONOTONIC, &since);
        wrong |= log_record(job);
        clock_gettime(CLOCK_MONOTONIC, &now);
        times[i] = (double)(now.tv_sec - since.tv_sec) * 1e6 + (double)(now.tv_nsec - since.tv_nsec) / 1e3;
        // Bursts, as when an array is cancelled, with rests between.
        if (i % 50 == 49)
            nanosleep(&pause, NULL);
    }
    if (atomic_load(&stuck))
        usleep(1500000); // until the thread is in it
    for (int i = 0; answers && i < 6000 && atomic_load(&events) < (uint64_t)calls + 1; i++)
        usleep(10000);
    struct timespec since, now;
    clock_gettime(CLOCK_MONOTONIC, &since);
    wrong |= finalise();
    clock_gettime(CLOCK_MONOTONIC, &now);
    double took = (double)(now.tv_sec - since.tv_sec) * 1e3 + (double)(now.tv_nsec - since.tv_nsec) / 1e6;
    report(which, times, calls);
    fprintf(stderr, "  fini took %.0f ms\n", took);
    if (wrong)
        return fprintf(stderr, "harness: an entry point did not return success\n") ? 1 : 1;
    int expected = !strcmp(which, "lean") ? EVENT_LEAN : EVENT_RICH;
    if (answers && (atomic_load(&events) != (uint64_t)calls + 1 || atomic_load(&mode) != expected))
        return fprintf(stderr, "harness: %llu of %d events arrived, mode %d\n", (unsigned long long)atomic_load(&events), calls + 1, atomic_load(&mode)) ? 1 : 1;
    if (took > 4000)
        return fprintf(stderr, "harness: fini took %.0f ms\n", took) ? 1 : 1;
    char command[128];
    snprintf(command, sizeof(command), "rm -rf %s", folder);
    return system(command) ? 1 : 0;
}
