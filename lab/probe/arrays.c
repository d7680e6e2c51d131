/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Array jobs: an update answers per task, and a call that succeeds may carry failures. */
#include "probe.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

void probe_arrays(void) {
    char text[32];
    struct request request = {.name = "array", .script = "#!/bin/sh\n", .array = "1-4", .held = true};
    uint32_t id = submit("submit an array", &request, NULL);
    if (id == 0)
        return;
    snprintf(text, sizeof(text), "%u_4", id);
    EXPECT("kill one task", CALL(slurm_kill_job2(text, SIGKILL, 0, NULL)), 0);
    snprintf(text, sizeof(text), "%u_3", id);
    EXPECT("update one task", update(text, set_time_limit, 7), 0);
    snprintf(text, sizeof(text), "%u_9", id);
    EXPECT("update a task that is none", update(text, set_time_limit, 7), 2017);

    /* Task 9 does not exist: it must be told, although the call itself succeeds. */
    job_desc_msg_t description;
    job_array_resp_msg_t *answer = NULL;
    slurm_init_job_desc_msg(&description);
    snprintf(text, sizeof(text), "%u_[3,9]", id);
    description.job_id_str = text;
    description.time_limit = 8;
    struct outcome outcome = CALL(slurm_update_job2(&description, &answer));
    uint32_t failures = 0, number = 0;
    for (uint32_t i = 0; answer != NULL && i < answer->job_array_count; i++)
        if (answer->error_code[i] != 0) {
            failures++;
            number = answer->error_code[i];
        }
    check(
        outcome.result == 0 && failures == 1 && number == ESLURM_INVALID_JOB_ID, "answers for each task",
        "result %d, number %d, %u failures, number %u", outcome.result, outcome.number, failures, number);
    if (answer != NULL)
        slurm_free_job_array_resp(answer);

    job_info_msg_t *records = NULL;
    EXPECT("load an array", CALL(cs_load_job(&records, id, cs_SHOW_ALL | cs_SHOW_DETAIL)), 0);
    bool limits = false, rest = false;
    for (uint32_t i = 0; records != NULL && i < records->record_count; i++) {
        const slurm_job_info_t *job = &records->job_array[i];
        if (job->array_job_id != id)
            continue;
        limits = limits || (job->array_task_id == 3 && job->time_limit == 8);
        rest = rest || (job->array_task_id == cs_NO_VAL && job->array_task_str != NULL);
    }
    if (records != NULL)
        slurm_free_job_info_msg(records);
    check(limits && rest, "the array's records", "task 3 %d, the rest %d", limits, rest);
    EXPECT("kill the array", kill_job(id, SIGKILL, 0), 0);
}
