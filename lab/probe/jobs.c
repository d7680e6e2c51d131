/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The life of a job, call by call. */
#include "probe.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* 22.05's slurmctld signs its answer to suspend and resume by MUNGE, also for a client with a token, who cannot read it. */
static int unread_answer(int number) {
    return SLURM_VERSION_NUMBER < SLURM_VERSION_NUM(23, 2, 0) && getenv("SLURM_JWT") != NULL ? 1000 : number;
}

/* Bash runs a trap between two commands only, hence the short sleeps. */
static const char script[] =
    "#!/bin/bash\n"
    "trap 'echo batch got USR1' USR1\n"
    "trap 'echo all got USR2' USR2\n"
    "echo \"begun as $(id -u) with gpu=$CUDA_VISIBLE_DEVICES\"\n"
    "srun -n1 bash -c 'echo step runs; exec sleep 600'\n"
    "echo step ended\n"
    "while :; do echo alive; sleep 0.1; done\n";

static void probe_pending(uint32_t id, const char *tag) {
    const slurm_job_info_t *job = job_of(id);
    if (!check(job != NULL, "cs_load_job", "no record"))
        return;
    check(job->job_state == JOB_PENDING && job->priority == 0, "held", "state 0x%x, priority %u", job->job_state,
        job->priority);
    uint32_t reason = cs_job_state_reason(job);
    check(reason == WAIT_HELD || reason == WAIT_HELD_USER, "cs_job_state_reason", "is %u", reason);
    check(job->user_id == owner && job->group_id == owner_group, "owner", "%u, %u", job->user_id, job->group_id);
    check(
        job->admin_comment != NULL && strcmp(job->admin_comment, tag) == 0, "admin comment", "is %s",
        shown(job->admin_comment));
    bool has_sluid = cs_SLURM_VERSION_NUMBER >= SLURM_VERSION_NUM(26, 5, 0);
    check((cs_job_sluid(job) != 0) == has_sluid, "cs_job_sluid", "is %lu", (unsigned long) cs_job_sluid(job));
    const char *line = cs_job_submit_line(job);
    check(line == NULL || line[0] == '\0', "cs_job_submit_line", "is %s", shown(line)); /* no sbatch, no line */

    job_info_msg_t *answer = NULL;
    EXPECT("slurm_load_jobs", CALL(slurm_load_jobs(0, &answer, cs_SHOW_ALL | cs_SHOW_DETAIL | cs_SHOW_LOCAL)), 0);
    uint32_t found = 0;
    for (uint32_t i = 0; answer != NULL && i < answer->record_count; i++)
        if (answer->job_array[i].admin_comment != NULL && strcmp(answer->job_array[i].admin_comment, tag) == 0)
            found = found == 0 ? answer->job_array[i].job_id : UINT32_MAX;
    if (answer != NULL)
        slurm_free_job_info_msg(answer);
    check(found == id, "found by its tag", "found %u", found);

    size_t length = 0;
    char *text = cs_job_batch_script(id, &length);
    check(
        text != NULL && strncmp(text, script, sizeof(script) - 1) == 0, "cs_job_batch_script", "%s",
        text == NULL ? slurm_strerror(errno) : text);
    free(text);
}

static void probe_placement(const slurm_job_info_t *job) {
    check(job->nodes != NULL && job->num_nodes == 1 && job->batch_host != NULL, "one node", "%s", shown(job->nodes));
    check(
        job->tres_alloc_str != NULL && strstr(job->tres_alloc_str, "cpu=2") != NULL, "tres_alloc_str", "is %s",
        shown(job->tres_alloc_str));
    const char *gres = job->gres_detail_cnt > 0 ? job->gres_detail_str[0] : NULL;
    check(
        job->gres_detail_cnt == 1 && gres != NULL && strstr(gres, "gpu") != NULL && strstr(gres, "(IDX:") != NULL,
        "gres_detail_str", "%u: %s", job->gres_detail_cnt, shown(gres));
    char cores[256] = "";
    const char *node = job->batch_host != NULL ? job->batch_host : "";
    int rc = cs_job_cores_on_node(job, node, cores, sizeof(cores));
    int cpus = cs_job_cpus_on_node(job, node);
    check(cs_job_cores_on_node(job, "elsewhere", cores + 128, 128) == -1, "another node", "has cores");
    if (cs_has_core_placement()) {
        check(rc == 0 && cores[0] != '\0', "cs_job_cores_on_node", "%d, \"%s\"", rc, cores);
        check(cpus == 2, "cs_job_cpus_on_node", "is %d", cpus);
    } else {
        check(rc == -1 && cpus == -1, "no placement", "%d, %d", rc, cpus);
        skip("cs_job_cores_on_node", "this release has no public source");
    }
}

/* slurmctld answers, and shows the new state, up to two seconds before the node has acted: look at the processes too. */
static void probe_suspension(uint32_t id) {
    EXPECT("slurm_resume2 of a running job", resume(text_of(id)), 2087, unread_answer(2087));
    EXPECT("slurm_suspend2", suspend(text_of(id)), 0, unread_answer(0));
    check(wait_for_state(id, JOB_SUSPENDED, 10) != NULL, "is suspended", "not within 10 s");
    check(wait_for_silence(id, true, 15), "its processes stand still", "they do not");
    EXPECT("slurm_resume2", resume(text_of(id)), 0, unread_answer(0));
    check(wait_for_state(id, JOB_RUNNING, 10) != NULL, "runs on", "not within 10 s");
    check(wait_for_silence(id, false, 15), "its processes run on", "they do not");
}

static void probe_running(uint32_t id) {
    char text[64];
    snprintf(text, sizeof(text), "begun as %u with gpu=", owner);
    check(wait_for_output(id, text, 20), "runs as its owner", "its output does not say so");
    check(wait_for_output(id, "step runs", 20), "srun in the job", "its output does not say so");

    char message[] = "hello from the probe";
    EXPECT("cs_notify_job", CALL(cs_notify_job(id, message)), 0);
    check(wait_for_output(id, message, 10), "the message arrives", "not in the output");

    EXPECT("longer time limit", update(text_of(id), set_time_limit, 20), 0);
    const slurm_job_info_t *job = job_of(id);
    check(job != NULL && job->time_limit == 20, "is longer", "%u", job != NULL ? job->time_limit : 0);
    EXPECT("shorter time limit", update(text_of(id), set_time_limit, 5), 0);
    job = job_of(id);
    check(job != NULL && job->time_limit == 5, "is shorter", "%u", job != NULL ? job->time_limit : 0);

    EXPECT("cs_signal_step of a step that is none", CALL(cs_signal_step(id, 77, SIGKILL)), 0, 2021, 2017);
    EXPECT("cs_signal_step", CALL(cs_signal_step(id, 0, SIGKILL)), 0);
    check(wait_for_output(id, "step ended", 20), "the step has ended", "its output does not say so");
    EXPECT("signal to the batch script", kill_job(id, SIGUSR1, cs_KILL_JOB_BATCH), 0);
    check(wait_for_output(id, "batch got USR1", 10), "the batch script got it", "its output does not say so");
    EXPECT("signal to all", kill_job(id, SIGUSR2, cs_KILL_FULL_JOB), 0);
    check(wait_for_output(id, "all got USR2", 10), "all got it", "its output does not say so");

    probe_suspension(id);
    EXPECT("slurm_requeue2", requeue(text_of(id)), 0);
    job = wait_for_state(id, JOB_PENDING, 20);
    check(job != NULL && job->restart_cnt == 1, "is pending again", "restarts %u", job != NULL ? job->restart_cnt : 0);
}

static void probe_end(uint32_t id) {
    EXPECT("slurm_kill_job2", kill_job(id, SIGKILL, 0), 0);
    check(wait_for_state(id, JOB_CANCELLED, 20) != NULL, "is cancelled", "not within 20 s");
    EXPECT("a second kill", kill_job(id, SIGKILL, 0), 2021);
    EXPECT("a time limit for an ended job", update(text_of(id), set_time_limit, 20), 2084, 2021);
    EXPECT("slurm_suspend2 of an ended job", suspend(text_of(id)), 2021, 2084, unread_answer(2084));
}

/* A job that cannot start yet: held and released. */
static void probe_hold(void) {
    struct request request = {.name = "later", .script = "#!/bin/sh\n", .later = true};
    uint32_t id = submit("submit for later", &request, NULL);
    if (id == 0)
        return;
    EXPECT("hold", update(text_of(id), set_priority, 0), 0);
    const slurm_job_info_t *job = job_of(id);
    check(job != NULL && job->priority == 0, "is held", "priority %u", job != NULL ? job->priority : 1);
    EXPECT("release", update(text_of(id), set_priority, cs_INFINITE), 0);
    job = job_of(id);
    check(job != NULL && job->priority != 0, "is released", "priority 0");
    EXPECT("slurm_suspend2 of a pending job", suspend(text_of(id)), 2024, unread_answer(2024));
    EXPECT("slurm_requeue2 of a pending job", requeue(text_of(id)), 2024);
    char message[] = "nobody hears";
    EXPECT("cs_notify_job of a pending job", CALL(cs_notify_job(id, message)), 2037, 2085);
    EXPECT("TERM for a pending job", kill_job(id, SIGTERM, 0), 2020, 2024);
    EXPECT("kill of a pending job", kill_job(id, SIGKILL, 0), 0);
}

static void probe_exit_code(void) {
    struct request request = {.name = "exit3", .script = "#!/bin/sh\nexit 3\n"};
    uint32_t id = submit("submit a job that fails", &request, NULL);
    const slurm_job_info_t *job = id == 0 ? NULL : wait_for_state(id, JOB_FAILED, 20);
    check(job != NULL && job->exit_code == 0x300, "exit code 3", "0x%x", job != NULL ? job->exit_code : 0);
}

static void probe_will_run(void) {
    struct request request = {.name = "will-run", .script = "#!/bin/sh\n"};
    job_desc_msg_t description;
    will_run_response_msg_t *answer = NULL;
    describe(&description, &request);
    EXPECT("slurm_job_will_run2", CALL(slurm_job_will_run2(&description, &answer)), 0);
    check(answer != NULL && answer->start_time != 0, "has a start time", "none");
}

void probe_jobs(void) {
    char tag[64];
    uint32_t code = 0;
    snprintf(tag, sizeof(tag), "probe-%d-%ld", (int) getpid(), (long) (now() * 1000));
    struct request request = {
        .name = "probe", .script = script, .admin_comment = tag, .tres_per_node = "gres:gpu:1", .cpus = 2, .held = true,
    };
    uint32_t id = submit("slurm_submit_batch_job, held", &request, &code);
    if (id == 0)
        return;
    check(code == 0 || code == ESLURM_JOB_HELD, "cs_submit_response_job_id", "id %u, code %u", id, code);
    probe_pending(id, tag);
    EXPECT("slurm_update_job2, release", update(text_of(id), set_priority, cs_INFINITE), 0);
    const slurm_job_info_t *job = wait_for_state(id, JOB_RUNNING, 20);
    if (check(job != NULL, "is running", "not within 20 s")) {
        probe_placement(job);
        probe_running(id);
    }
    probe_end(id);
    probe_hold();
    probe_exit_code();
    probe_will_run();
}
