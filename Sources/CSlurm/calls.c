/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "CSlurm.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *cs_job_batch_script(uint32_t job_id, size_t *length) {
    char *text = NULL;
    FILE *stream = open_memstream(&text, length);
    if (stream == NULL)
        return NULL;
    errno = 0;
    int rc = slurm_job_batch_script(stream, CS_JOB_KEY(job_id));
    int error = errno;
    if (fclose(stream) != 0 && rc == 0) {
        error = errno;
        rc = -1;
    }
    if (rc != 0) {
        free(text);
        errno = error != 0 ? error : rc;
        return NULL;
    }
    return text;
}

/* The library's own copy of the configuration: of a public type and exported by every release, declared by none. */
extern slurm_conf_t slurm_conf;

int cs_controller_count(void) {
    return slurm_conf.control_cnt > 0 ? (int) slurm_conf.control_cnt : 1;
}

const char *cs_accounting_storage_type(void) {
    return slurm_conf.accounting_storage_type != NULL ? slurm_conf.accounting_storage_type : "";
}

const char *cs_cluster_name(void) {
    return slurm_conf.cluster_name != NULL ? slurm_conf.cluster_name : "";
}

char *cs_accounting_settings(void *connection) {
#if SLURM_VERSION_NUMBER >= CS_SERIES(26, 5)
    slurmdbd_conf_t *configuration = NULL;
    int rc = slurmdb_config_get(connection, &configuration);
    if (rc != 0) {
        errno = rc;
        return NULL;
    }
    cs_list_t pairs = slurmdb_config_get_keypairs(configuration);
#else
    cs_list_t pairs = slurmdb_config_get(connection);
#endif
    if (pairs == NULL)
        return NULL;
    char *text = NULL;
    size_t length = 0;
    char title[] = "";
    FILE *stream = open_memstream(&text, &length);
    if (stream != NULL) {
        slurm_print_key_pairs(stream, pairs, title);
        if (fclose(stream) != 0) {
            free(text);
            text = NULL;
        }
    }
    slurm_list_destroy(pairs);
    return text;
}

slurm_selected_step_t *cs_selected_job(uint32_t job_id) {
    slurm_selected_step_t *selected = calloc(1, sizeof(*selected));
    if (selected == NULL)
        return NULL;
    selected->array_task_id = NO_VAL;
    selected->het_job_offset = NO_VAL;
    selected->step_id.job_id = job_id;
    selected->step_id.step_id = NO_VAL;
    selected->step_id.step_het_comp = NO_VAL;
    return selected;
}

#if SLURM_VERSION_NUMBER < CS_SERIES(24, 11)

bool cs_has_core_placement(void) {
    return true;
}

int cs_job_cores_on_node(const slurm_job_info_t *job, const char *node, char *buffer, size_t capacity) {
    if (job->job_resrcs == NULL || slurm_job_cpus_allocated_on_node(job->job_resrcs, node) <= 0)
        return -1;
    return slurm_job_cpus_allocated_str_on_node(buffer, capacity, job->job_resrcs, node) == 0 ? 0 : -1;
}

int cs_job_cpus_on_node(const slurm_job_info_t *job, const char *node) {
    if (job->job_resrcs == NULL)
        return -1;
    int count = slurm_job_cpus_allocated_on_node(job->job_resrcs, node);
    return count > 0 ? count : -1;
}

#else

/*
 * 24.11 to 25.08 have no public function; 25.11 on has slurm_get_resource_layout(), whose answer's type is private
 * and changes between micro releases. Not known beats guessed.
 */
bool cs_has_core_placement(void) {
    return false;
}

int cs_job_cores_on_node(const slurm_job_info_t *job, const char *node, char *buffer, size_t capacity) {
    (void) job;
    (void) node;
    (void) buffer;
    (void) capacity;
    return -1;
}

int cs_job_cpus_on_node(const slurm_job_info_t *job, const char *node) {
    (void) job;
    (void) node;
    return -1;
}

#endif

int cs_federation_name(char *buffer, size_t capacity) {
    void *answer = NULL;
    if (capacity == 0)
        return EINVAL;
    buffer[0] = '\0';
    errno = 0;
    if (slurm_load_federation(&answer) != 0)
        return errno != 0 ? errno : -1;
    if (answer != NULL) {
        const slurmdb_federation_rec_t *federation = answer;
        if (federation->name != NULL)
            snprintf(buffer, capacity, "%s", federation->name);
        slurm_destroy_federation_rec(answer);
    }
    return 0;
}
