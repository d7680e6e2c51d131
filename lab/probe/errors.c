/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The numbers that failures carry, which Sources/Slurm/Calls/SlurmErrno.swift sorts. */
#include "probe.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "numbers.h"

enum { UNKNOWN_JOB = 4000000 };

static void probe_unknown_job(void) {
    job_info_msg_t *answer = NULL;
    char text[] = "4000000", message[] = "nobody";
    size_t length = 0;
    EXPECT("unknown job: load", CALL(cs_load_job(&answer, UNKNOWN_JOB, cs_SHOW_ALL)), 2017);
    EXPECT("unknown job: update", update(text, set_time_limit, 5), 2017);
    EXPECT("unknown job: kill", kill_job(UNKNOWN_JOB, SIGKILL, 0), 2017);
    EXPECT("unknown job: requeue", requeue(text), 2017);
    /* slurmctld closes the connection without a word. */
    EXPECT("unknown job: suspend", suspend(text), 1000);
    EXPECT("unknown job: notify", CALL(cs_notify_job(UNKNOWN_JOB, message)), 2017);
    EXPECT("unknown job: step", CALL(cs_signal_step(UNKNOWN_JOB, 0, SIGKILL)), 2017);
    errno = 0;
    char *script = cs_job_batch_script(UNKNOWN_JOB, &length);
    check(script == NULL && errno == 2017, "unknown job: script", "errno %d", errno);
    free(script);
}

static struct outcome submit_raw(job_desc_msg_t *description) {
    submit_response_msg_t *answer = NULL;
    struct outcome outcome = CALL(slurm_submit_batch_job(description, &answer));
    if (answer != NULL) {
        kill_job(cs_submit_response_job_id(answer), SIGKILL, 0);
        slurm_free_submit_response_response_msg(answer);
    }
    return outcome;
}

static void probe_refusals(void) {
    struct request request = {.name = "refused", .script = "#!/bin/sh\n", .held = true};
    job_desc_msg_t description;
    describe(&description, &request);
    description.script = NULL;
    EXPECT("no script", submit_raw(&description), 2009);
    describe(&description, &request);
    description.env_size = 0;
    description.environment = NULL;
    EXPECT("no environment", submit_raw(&description), 2127, 2019);
    describe(&description, &request);
    description.work_dir = NULL;
    EXPECT("no work directory", submit_raw(&description), 2063, 0); /* 22.05 takes it */
    describe(&description, &request);
    description.partition = "nowhere";
    EXPECT("unknown partition", submit_raw(&description), 2000);
    describe(&description, &request);
    description.tres_per_node = "gpu:1";
    EXPECT("GPU without gres:", submit_raw(&description), 2115);
    describe(&description, &request);
    description.group_id = cs_NO_VAL;
    EXPECT("no group", submit_raw(&description), 2010, 0); /* 22.05 takes it as group 0 */
    describe(&description, &request);
    description.array_inx = "a-b";
    EXPECT("wrong array", submit_raw(&description), 2081);
    describe(&description, &request);
    description.dependency = "afterok:x";
    EXPECT("wrong dependency", submit_raw(&description), 2038);
    describe(&description, &request);
    description.reservation = "nothing";
    EXPECT("unknown reservation", submit_raw(&description), 2053);
    describe(&description, &request);
    description.licenses = "nothing:1";
    EXPECT("unknown licence", submit_raw(&description), 2048);
    describe(&description, &request);
    description.req_nodes = "n77";
    EXPECT("unknown node", submit_raw(&description), 2018);
    describe(&description, &request);
    description.priority = cs_NO_VAL;
    description.tres_per_node = "gres:gpu:99";
    EXPECT("too many GPUs", submit_raw(&description), 2014);

    enum { SIZE = 5 * 1024 * 1024 };
    char *large = malloc(SIZE + 1);
    if (large != NULL) {
        memset(large, '#', SIZE);
        memcpy(large, "#!/bin/sh\n", 10);
        large[SIZE] = '\0';
        describe(&description, &request);
        description.script = large;
        EXPECT("a script of 5 MB", submit_raw(&description), 2012);
        free(large);
    }
    will_run_response_msg_t *answer = NULL;
    describe(&description, &request);
    description.partition = "nowhere";
    EXPECT("slurm_job_will_run2, refused", CALL(slurm_job_will_run2(&description, &answer)), 2000);
}

void probe_errors(void) {
    probe_unknown_job();
    probe_refusals();
}
