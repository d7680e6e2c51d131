// SPDX-License-Identifier: GPL-2.0-or-later
// A SPANK plugin for compute nodes: tells slurm-grid-agent that a job begins or ends there. A hint that makes things
// fast, never more: each hook ends within a bound and returns success, whatever happened. For plugstack.conf, `optional`.
#include <slurm/spank.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "event_writer.h"
#include "spank_hardware.h"
#include "spank_node.h"
#include "spank_send.h"
#include "spank_spool.h"

SPANK_PLUGIN(grid_agent, 1)

static struct spank_target target;
static char spool[256] = "/run/slurm-grid-agent-node"; // in memory: no disk makes a hook wait. Empty: nothing is kept
static int steps; // also report steps and tasks
static int configured;
#ifdef GRID_AGENT_TEST_ROOT
static char root[256]; // where /sys and /proc are looked for, in a build for tests
#else
static const char root[] = "";
#endif

static void take_argument(const char *argument)
{
    const char *value = strchr(argument, '=');
    size_t key = value ? (size_t)(value++ - argument) : 0;
    if (key == 6 && !strncmp(argument, "socket", key)) {
        if (value[0] == '/' && strlen(value) < sizeof(target.socket))
            strcpy(target.socket, value);
        else
            slurm_error("grid_agent: %s is no absolute path of less than %zu bytes; left out", argument, sizeof(target.socket));
    } else if (key == 10 && !strncmp(argument, "controller", key)) {
        if (!spank_set_controller(&target, value))
            slurm_error("grid_agent: %s is no numeric ADDRESS[:PORT]; nothing is sent to another host", argument);
    } else if (key == 10 && !strncmp(argument, "timeout_ms", key)) {
        char *end;
        long milliseconds = strtol(value, &end, 10);
        if (*value && !*end && milliseconds >= 10 && milliseconds <= 1000)
            target.timeout_ms = (unsigned)milliseconds;
        else
            slurm_error("grid_agent: %s is not between 10 and 1000; using %u", argument, target.timeout_ms);
    } else if (key == 12 && !strncmp(argument, "munge_socket", key)) {
        if (value[0] == '/' && strlen(value) < sizeof(target.munge_socket))
            strcpy(target.munge_socket, value);
        else
            slurm_error("grid_agent: %s is no absolute path; left out", argument);
    } else if (key == 5 && !strncmp(argument, "spool", key)) {
        if ((value[0] == '/' && strlen(value) < sizeof(spool)) || !strcmp(value, "no"))
            strcpy(spool, value[0] == '/' ? value : "");
        else
            slurm_error("grid_agent: %s is no absolute path of less than %zu bytes; left out", argument, sizeof(spool));
#ifdef GRID_AGENT_TEST_ROOT
    } else if (key == 4 && !strncmp(argument, "root", key)) {
        snprintf(root, sizeof(root), "%s", value);
#endif
    } else if (!strcmp(argument, "steps=yes") || !strcmp(argument, "steps=no")) {
        steps = argument[6] == 'y';
    } else {
        slurm_error("grid_agent: unknown argument %s; there are socket=, controller=, timeout_ms=, munge_socket=, spool= and steps=", argument);
    }
}

static void configure(int count, char **arguments)
{
    if (configured)
        return;
    configured = 1;
    spank_target_defaults(&target);
    for (int i = 0; i < count; i++)
        if (arguments[i])
            take_argument(arguments[i]);
    if (!target.has_controller && !target.socket[0])
        strcpy(target.socket, "/run/slurm-grid-agent/events.sock");
}

static void put_item(struct event_writer *writer, spank_t spank, spank_item_t item, enum event_tag tag)
{
    uint32_t number;
    if (spank_get_item(spank, item, &number) == ESPANK_SUCCESS && number != (uint32_t)-1)
        event_put_number(writer, tag, number);
}

// slurmstepd listens at a socket of its own, NODE_JOB.STEP in slurmd's spool folder. The step's environment is the user's.
static bool name_of_stepd(spank_t spank, char *name, size_t room)
{
    uint32_t job, step;
    char end[32];
    if (spank_get_item(spank, S_JOB_ID, &job) != ESPANK_SUCCESS || spank_get_item(spank, S_JOB_STEPID, &step) != ESPANK_SUCCESS)
        return false;
    snprintf(end, sizeof(end), "_%u.%u", job, step);
    for (int descriptor = 0; descriptor < 256; descriptor++) {
        struct sockaddr_un address = {0};
        char path[sizeof(address.sun_path) + 1] = "";
        socklen_t size = sizeof(address);
        if (getsockname(descriptor, (struct sockaddr *)&address, &size) != 0 || address.sun_family != AF_UNIX)
            continue;
        memcpy(path, address.sun_path, sizeof(address.sun_path));
        char *begin = strrchr(path, '/'), *found = begin ? strstr(begin, end) : NULL;
        // A component of a heterogeneous step has its number behind.
        if (!found || (found[strlen(end)] && found[strlen(end)] != '.') || (size_t)(found - begin) > room || found == begin + 1)
            continue;
        snprintf(name, room, "%.*s", (int)(found - begin - 1), begin + 1);
        return true;
    }
    return false;
}

static void put_node(struct event_writer *writer, spank_t spank, enum event_kind kind)
{
    char name[256] = "";
    bool found;
    if (kind == EVENT_STEP_START || kind == EVENT_TASK_EXIT) {
        found = name_of_stepd(spank, name, sizeof(name));
    } else {
        // slurmd's own. Where several slurmds share a host, its name would not tell them apart.
        const char *ours = getenv("SLURMD_NODENAME");
        found = ours != NULL;
        if (ours)
            snprintf(name, sizeof(name), "%s", ours);
    }
    if (found || gethostname(name, sizeof(name) - 1) == 0)
        event_put_text(writer, TAG_NODE, name);
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void put_gpu_addresses(struct event_writer *writer, int64_t deadline)
{
    char text[EVENT_TEXT_MAX + 1];
    if (hardware_gpus(root, text, sizeof(text), deadline))
        event_put_text(writer, TAG_GPU_ADDRESSES, text);
}

// slurmd's own environment, in a process of root's: nothing that a user sets gets there without a prefix.
static bool put_gpus(struct event_writer *writer, int64_t deadline)
{
    uint8_t set[HARDWARE_MAX];
    const char *gpus = getenv("SLURM_JOB_GPUS");
    if (!gpus || strlen(gpus) > EVENT_TEXT_MAX || !hardware_list(gpus, set))
        return false;
    event_put_text(writer, TAG_GPUS, gpus);
    put_gpu_addresses(writer, deadline);
    return true;
}

// The first steps of a job on a node: its batch script, the one that holds foreign processes, salloc's own, srun's first.
static int is_first_step(spank_t spank)
{
    uint32_t step;
    return spank_get_item(spank, S_JOB_STEPID, &step) == ESPANK_SUCCESS && (step == 0 || (step >= 0xfffffffa && step <= 0xfffffffc));
}

// What slurmctld has signed: slurmstepd has it from the job's credential. NULL: not told.
static const char *job_cores(spank_t spank)
{
    uint8_t set[HARDWARE_MAX];
    char *cores = NULL;
    if (!is_first_step(spank) || spank_get_item(spank, S_JOB_ALLOC_CORES, &cores) != ESPANK_SUCCESS || !cores)
        return NULL;
    return strlen(cores) <= EVENT_TEXT_MAX && hardware_list(cores, set) ? cores : NULL;
}

// What the node is made of.
static void put_hardware(struct event_writer *writer, int64_t deadline)
{
    char text[EVENT_TEXT_MAX + 1];
    uint64_t memory = hardware_memory(root);
    if (hardware_cores(root, text, sizeof(text), deadline))
        event_put_text(writer, TAG_HARDWARE, text);
    put_gpu_addresses(writer, deadline);
    if (memory > 0)
        event_put_number(writer, TAG_MEMORY, memory);
}

static void begin_frame(struct event_writer *writer, uint8_t *frame, enum event_type type)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    event_begin(writer, frame, SPANK_FRAME_MAX, type, 0);
    event_put_number(writer, TAG_SOURCE, EVENT_FROM_SPANK);
    event_put_number(writer, TAG_OBSERVED, (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000);
}

// Within what is left of the time limit. NULL, or what went wrong. `is_word`: it says what nobody else knows, so it is kept
// for slurmd to send until an agent has it.
static const char *send_frame(struct event_writer *writer, int64_t begin, bool is_word)
{
    struct spank_target to = target;
    size_t length = event_end(writer);
    int64_t used = now_ms() - begin;
    to.timeout_ms = used < target.timeout_ms ? target.timeout_ms - (unsigned)used : 1;
    if (!length)
        return "the message does not fit";
    const char *problem = spank_send(&to, writer->bytes, length, is_word && spool[0]);
    const char *lost = problem && is_word && spool[0] ? spank_spool_keep(spool, writer->bytes, length) : NULL;
    if (lost)
        slurm_debug("grid_agent: not kept: %s", lost);
    return problem;
}

static int report(spank_t spank, enum event_kind kind, int count, char **arguments)
{
    uint8_t frame[SPANK_FRAME_MAX];
    struct event_writer writer;
    uint32_t job;
    int64_t begin = now_ms();
    const char *cores = kind == EVENT_STEP_START ? job_cores(spank) : NULL;
    configure(count, arguments);
    if ((kind == EVENT_STEP_START || kind == EVENT_TASK_EXIT) && !steps && !cores)
        return ESPANK_SUCCESS;
    if (spank_get_item(spank, S_JOB_ID, &job) != ESPANK_SUCCESS)
        return ESPANK_SUCCESS;
    begin_frame(&writer, frame, EVENT_EVENT);
    event_put_number(&writer, TAG_KIND, kind);
    event_put_number(&writer, TAG_JOB_ID, job);
    put_item(&writer, spank, S_JOB_UID, TAG_UID);
    put_item(&writer, spank, S_JOB_GID, TAG_GID);
    put_node(&writer, spank, kind);
    if (kind == EVENT_STEP_START || kind == EVENT_TASK_EXIT)
        put_item(&writer, spank, S_JOB_STEPID, TAG_STEP_ID);
    if (kind == EVENT_TASK_EXIT) {
        int status;
        put_item(&writer, spank, S_TASK_GLOBAL_ID, TAG_TASK_ID);
        if (spank_get_item(spank, S_TASK_EXIT_STATUS, &status) == ESPANK_SUCCESS)
            event_put_number(&writer, TAG_TASK_STATUS, (uint32_t)status);
    }
    // Reading has half of the time limit, sending what is left of it.
    bool has_gpus = kind == EVENT_PROLOG && put_gpus(&writer, begin + target.timeout_ms / 2);
    if (cores) {
        event_put_text(&writer, TAG_CORES, cores);
        put_hardware(&writer, begin + target.timeout_ms / 2);
    }
    const char *problem = send_frame(&writer, begin, has_gpus || cores);
    // Every job of a cluster whose agent is away would say so: only for who looks.
    if (problem)
        slurm_debug("grid_agent: job %u not reported: %s", job, problem);
    return ESPANK_SUCCESS;
}

int slurm_spank_job_prolog(spank_t spank, int count, char **arguments)
{
    return report(spank, EVENT_PROLOG, count, arguments);
}

int slurm_spank_job_epilog(spank_t spank, int count, char **arguments)
{
    return report(spank, EVENT_EPILOG, count, arguments);
}

// Not user_init: that runs as the job's user, whom the agent does not believe. This one runs in sbatch and srun too. A first
// step is reported whatever `steps` says: it tells the job's cores.
int slurm_spank_init_post_opt(spank_t spank, int count, char **arguments)
{
    return spank_remote(spank) == 1 ? report(spank, EVENT_STEP_START, count, arguments) : ESPANK_SUCCESS;
}

int slurm_spank_task_exit(spank_t spank, int count, char **arguments)
{
    return report(spank, EVENT_TASK_EXIT, count, arguments);
}

// Once, in slurmd itself, when it starts: what this node is made of, for the first job there. From then on slurmd sends what is
// kept.
static void report_node(int count, char **arguments)
{
    uint8_t frame[SPANK_FRAME_MAX];
    struct event_writer writer;
    char name[256];
    int64_t begin = now_ms();
    configure(count, arguments);
    if (node_name(name, sizeof(name))) {
        begin_frame(&writer, frame, EVENT_NODE);
        event_put_text(&writer, TAG_NODE, name);
        put_hardware(&writer, begin + target.timeout_ms / 2);
        const char *problem = send_frame(&writer, begin, true);
        if (problem)
            slurm_debug("grid_agent: this node not reported: %s", problem);
    }
    if (spool[0])
        spank_spool_start(spool, &target);
}

// SPANK calls it wherever it loads plugins: also in srun, in slurmstepd, in the process of a prolog.
int slurm_spank_init(spank_t spank, int count, char **arguments)
{
    (void)spank;
    if (spank_context() == S_CTX_SLURMD)
        report_node(count, arguments);
    return ESPANK_SUCCESS;
}
