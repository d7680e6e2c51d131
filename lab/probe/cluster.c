/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What is asked of the cluster as a whole, and the helpers that ask nobody. */
#include "probe.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The calls to slurmdbd, which the probe does not make: that they link, with these types, is something. */
static const struct {
    void *(*connect)(uint16_t *);
    int (*close)(void **);
    cs_list_t (*jobs)(void *, slurmdb_job_cond_t *);
    cs_list_t (*users)(void *, slurmdb_user_cond_t *);
    char *(*settings)(void *);
} accounting = {
    slurmdb_connection_get, slurmdb_connection_close, slurmdb_jobs_get, slurmdb_users_get, cs_accounting_settings,
};

static void probe_configuration(void) {
    slurm_conf_t *configuration = NULL;
    char built_for[16];
    snprintf(
        built_for, sizeof(built_for), "%u.%02u.", cs_SLURM_VERSION_NUMBER >> 16 & 0xff,
        cs_SLURM_VERSION_NUMBER >> 8 & 0xff);
    if (!EXPECT("slurm_load_ctl_conf", CALL(slurm_load_ctl_conf(0, &configuration)), 0) || configuration == NULL)
        return;
    const char *version = shown(configuration->version);
    printf("# slurmctld %s, %s\n", version, shown(configuration->authtype));
    check(
        strncmp(version, built_for, strlen(built_for)) == 0, "version of headers and slurmctld", "%s and %s", built_for,
        version);
    check(
        configuration->cluster_name != NULL && strcmp(configuration->cluster_name, cs_cluster_name()) == 0,
        "cluster name", "slurmctld says %s, slurm.conf %s", shown(configuration->cluster_name), cs_cluster_name());
    struct passwd *user = getpwnam("slurm");
    check(
        user != NULL && configuration->slurm_user_id == user->pw_uid, "SlurmUser", "is %u",
        configuration->slurm_user_id);
    check(configuration->min_job_age == 300, "MinJobAge", "is %u", configuration->min_job_age);
    check(configuration->msg_timeout == 10, "MessageTimeout", "is %u", configuration->msg_timeout);
    check(configuration->max_array_sz > 0, "MaxArraySize", "is 0");
    check(
        configuration->state_save_location != NULL && configuration->state_save_location[0] == '/',
        "StateSaveLocation", "is %s", shown(configuration->state_save_location));
    cs_free_configuration(configuration);
    check(cs_controller_count() == 1, "cs_controller_count", "is %d", cs_controller_count());
    char federation[64] = "?";
    EXPECT("cs_federation_name", CALL(cs_federation_name(federation, sizeof(federation))), 0);
    check(federation[0] == '\0', "no federation", "is %s", federation);
}

static void probe_partitions(void) {
    partition_info_msg_t *answer = NULL;
    struct outcome outcome = CALL(slurm_load_partitions(0, &answer, cs_SHOW_ALL | cs_SHOW_LOCAL));
    if (!EXPECT("slurm_load_partitions", outcome, 0) || answer == NULL)
        return;
    check(answer->record_count == 2, "two partitions", "are %u", answer->record_count);
    for (uint32_t i = 0; i < answer->record_count; i++) {
        const partition_info_t *partition = &answer->partition_array[i];
        bool is_default = (cs_partition_flags(partition) & cs_PART_FLAG_DEFAULT) != 0;
        bool is_main = strcmp(partition->name, "main") == 0;
        check(
            is_default == is_main && (cs_partition_flags(partition) & cs_PART_FLAG_HIDDEN) == 0,
            is_main ? "cs_partition_flags of main" : "cs_partition_flags of half", "0x%x",
            cs_partition_flags(partition));
        check(
            partition->state_up == PARTITION_UP && partition->total_cpus > 0 && partition->nodes != NULL,
            is_main ? "state of main" : "state of half", "state %u, %u CPUs", partition->state_up,
            partition->total_cpus);
    }
    slurm_free_partition_info_msg(answer);
}

static void probe_nodes(void) {
    node_info_msg_t *answer = NULL;
    struct outcome outcome =
        CALL(slurm_load_node(0, &answer, cs_SHOW_ALL | cs_SHOW_DETAIL | cs_SHOW_LOCAL | cs_SHOW_MIXED));
    if (!EXPECT("slurm_load_node", outcome, 0) || answer == NULL)
        return;
    check(answer->record_count == 2, "two nodes", "are %u", answer->record_count);
    for (uint32_t i = 0; i < answer->record_count; i++) {
        const node_info_t *node = &answer->node_array[i];
        uint32_t trouble = cs_NODE_STATE_DRAIN | cs_NODE_STATE_NO_RESPOND | cs_NODE_STATE_FAIL
            | cs_NODE_STATE_POWERED_DOWN | cs_NODE_STATE_INVALID_REG;
        check(
            node->cpus == 4 && node->real_memory == 4000 && node->gres != NULL && strstr(node->gres, "gpu:2") != NULL
                && node->version != NULL && (node->node_state & trouble) == 0
                && (node->node_state & cs_NODE_STATE_BASE) != NODE_STATE_DOWN,
            node->name, "state 0x%x, %u CPUs, %lu MB, %s, slurmd %s", node->node_state, node->cpus,
            (unsigned long) node->real_memory, shown(node->gres), shown(node->version));
    }
    slurm_free_node_info_msg(answer);
}

/* Polls as the agent does: the list once, then "nothing has changed". */
static void probe_no_change(void) {
    job_info_msg_t *answer = NULL;
    uint16_t show = cs_SHOW_ALL | cs_SHOW_DETAIL | cs_SHOW_LOCAL;
    time_t since = 0;
    struct outcome outcome = {0, 0};
    for (double end = now() + 10; now() < end; nap()) {
        outcome = CALL(slurm_load_jobs(since, &answer, show));
        if (outcome.result != 0)
            break;
        since = answer->last_update;
        slurm_free_job_info_msg(answer);
        answer = NULL;
    }
    EXPECT("slurm_load_jobs, no change", outcome, 1900);
}

static void probe_helpers(void) {
    check(accounting.connect != NULL && accounting.settings != NULL, "slurmdb calls link", "NULL");
    check(strcmp(cs_accounting_storage_type(), "accounting_storage/slurmdbd") != 0, "cs_accounting_storage_type", "%s",
        cs_accounting_storage_type());
    slurmdb_job_rec_t record;
    memset(&record, 0, sizeof(record));
    int64_t restarts = cs_accounting_restart_count(&record);
    check(restarts == 0 || restarts == -1, "cs_accounting_restart_count", "%ld", (long) restarts);
    cs_list_t list = slurm_list_create(free);
    slurm_list_append(list, cs_selected_job(42));
    cs_list_iterator_t iterator = slurm_list_iterator_create(list);
    slurm_selected_step_t *selected = slurm_list_next(iterator);
    check(
        selected != NULL && selected->step_id.job_id == 42 && selected->array_task_id == cs_NO_VAL
            && slurm_list_next(iterator) == NULL,
        "cs_selected_job and lists", "wrong element");
    slurm_list_iterator_destroy(iterator);
    slurm_list_destroy(list);
    cs_name_thread("probe-with-a-long-name");
    cs_release_memory();
    check(true, "cs_name_thread, cs_release_memory", "-");
}

void probe_cluster(void) {
    EXPECT("slurm_ping", CALL(slurm_ping(0)), 0);
    probe_configuration();
    probe_helpers();
    probe_partitions();
    probe_nodes();
    probe_no_change();
}
