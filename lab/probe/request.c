/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Submitting, looking up and changing jobs, with the calls that Sources/Slurm makes. */
#include "probe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

uid_t owner;
gid_t owner_group;
const char *folder;

static char **environment(uint32_t *count) {
    static char configuration[4096];
    static char *variables[] = {
        "HOME=/",   "PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8", "SLURM_UMASK=0022", "SLURM_RLIMIT_CORE=0",
        configuration, NULL,
    };
    const char *file = getenv("SLURM_CONF");
    snprintf(configuration, sizeof(configuration), "SLURM_CONF=%s", file != NULL ? file : "");
    *count = sizeof(variables) / sizeof(variables[0]) - 1;
    return variables;
}

void describe(job_desc_msg_t *description, const struct request *request) {
    static char output[4096];
    static char *arguments[] = {"probe", NULL};
    slurm_init_job_desc_msg(description);
    snprintf(output, sizeof(output), "%s/%%j.out", folder);
    description->user_id = owner;
    description->group_id = owner_group;
    description->name = (char *) request->name;
    description->script = (char *) request->script;
    description->argv = arguments;
    description->argc = 1;
    description->environment = environment(&description->env_size);
    description->work_dir = "/tmp";
    description->std_in = "/dev/null";
    description->std_out = output;
    description->alloc_node = "localhost";
    description->admin_comment = (char *) request->admin_comment;
    description->tres_per_node = (char *) request->tres_per_node;
    description->array_inx = (char *) request->array;
    description->min_nodes = 1;
    description->max_nodes = 1;
    description->num_tasks = 1;
    description->bitflags |= cs_JOB_NTASKS_SET;
    description->time_limit = 10;
    description->requeue = 1;
    if (request->cpus != 0) {
        description->cpus_per_task = (uint16_t) request->cpus;
        description->min_cpus = request->cpus;
        description->bitflags |= cs_JOB_CPUS_SET;
    }
    if (request->held)
        description->priority = 0;
    if (request->later)
        description->begin_time = time(NULL) + 3600;
}

uint32_t submit(const char *name, const struct request *request, uint32_t *code) {
    job_desc_msg_t description;
    submit_response_msg_t *answer = NULL;
    describe(&description, request);
    struct outcome outcome = CALL(slurm_submit_batch_job(&description, &answer));
    if (!EXPECT(name, outcome, 0) || answer == NULL)
        return 0;
    uint32_t id = cs_submit_response_job_id(answer);
    if (code != NULL)
        *code = answer->error_code;
    slurm_free_submit_response_response_msg(answer);
    return id;
}

const slurm_job_info_t *job_of(uint32_t id) {
    static job_info_msg_t *answer;
    if (answer != NULL)
        slurm_free_job_info_msg(answer);
    answer = NULL;
    if (CALL(cs_load_job(&answer, id, cs_SHOW_ALL | cs_SHOW_DETAIL)).result != 0 || answer == NULL)
        return NULL;
    for (uint32_t i = 0; i < answer->record_count; i++)
        if (answer->job_array[i].job_id == id)
            return &answer->job_array[i];
    return NULL;
}

const slurm_job_info_t *wait_for_state(uint32_t id, uint32_t base, int seconds) {
    for (double end = now() + seconds; now() < end; nap()) {
        const slurm_job_info_t *job = job_of(id);
        if (job != NULL && job->job_state == base)
            return job;
    }
    return NULL;
}

bool wait_for_output(uint32_t id, const char *text, int seconds) {
    static char path[4096], content[65536];
    snprintf(path, sizeof(path), "%s/%u.out", folder, id);
    for (double end = now() + seconds; now() < end; nap()) {
        FILE *file = fopen(path, "r");
        if (file == NULL)
            continue;
        size_t length = fread(content, 1, sizeof(content) - 1, file);
        content[length] = '\0';
        fclose(file);
        if (strstr(content, text) != NULL)
            return true;
    }
    return false;
}

static off_t output_size(uint32_t id) {
    static char path[4096];
    struct stat status;
    snprintf(path, sizeof(path), "%s/%u.out", folder, id);
    return stat(path, &status) == 0 ? status.st_size : -1;
}

bool wait_for_silence(uint32_t id, bool silent, int seconds) {
    for (double end = now() + seconds; now() < end;) {
        off_t before = output_size(id);
        for (int i = 0; i < 10; i++)
            nap();
        if ((output_size(id) == before) == silent)
            return true;
    }
    return false;
}

/* A call that succeeds may carry failures of single tasks: the first one counts. Frees the answer. */
static struct outcome with_tasks(struct outcome outcome, job_array_resp_msg_t *answer) {
    for (uint32_t i = 0; answer != NULL && outcome.result == 0 && i < answer->job_array_count; i++)
        outcome.result = outcome.number = (int) answer->error_code[i];
    if (answer != NULL)
        slurm_free_job_array_resp(answer);
    return outcome;
}

struct outcome update(const char *id, void (*change)(job_desc_msg_t *, uint32_t), uint32_t value) {
    job_desc_msg_t description;
    job_array_resp_msg_t *answer = NULL;
    slurm_init_job_desc_msg(&description);
    description.job_id_str = (char *) id;
    change(&description, value);
    struct outcome outcome = CALL(slurm_update_job2(&description, &answer));
    return with_tasks(outcome, answer);
}

struct outcome suspend(const char *id) {
    job_array_resp_msg_t *answer = NULL;
    struct outcome outcome = CALL(slurm_suspend2((char *) id, &answer));
    return with_tasks(outcome, answer);
}

struct outcome resume(const char *id) {
    job_array_resp_msg_t *answer = NULL;
    struct outcome outcome = CALL(slurm_resume2((char *) id, &answer));
    return with_tasks(outcome, answer);
}

struct outcome requeue(const char *id) {
    job_array_resp_msg_t *answer = NULL;
    struct outcome outcome = CALL(slurm_requeue2((char *) id, 0, &answer));
    return with_tasks(outcome, answer);
}

void set_priority(job_desc_msg_t *description, uint32_t value) { description->priority = value; }

void set_time_limit(job_desc_msg_t *description, uint32_t value) { description->time_limit = value; }

const char *text_of(uint32_t id) {
    static char text[16];
    snprintf(text, sizeof(text), "%u", id);
    return text;
}

struct outcome kill_job(uint32_t id, uint16_t signal, uint16_t flags) {
    return CALL(slurm_kill_job2(text_of(id), signal, flags, NULL));
}
