/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * probe MODE USER FOLDER: makes the calls of Sources/Slurm, through the shim, against the cluster of SLURM_CONF, and
 * prints a line for each thing looked at. Jobs run for USER and write into FOLDER, which both can use.
 *
 *   all       everything; run it as SlurmUser, with slurmctld and two idle nodes of the lab
 *   ordinary  what an ordinary user is refused; run it as one that is not USER
 *   no-ctl    slurmctld is down
 *   no-auth   the authentication service is down
 */
#include "probe.h"

#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void probe_ordinary(void) {
    struct request request = {.name = "theirs", .script = "#!/bin/sh\n", .held = true};
    job_desc_msg_t description;
    submit_response_msg_t *answer = NULL;
    EXPECT("slurm_ping", CALL(slurm_ping(0)), 0);
    describe(&description, &request);
    EXPECT("submit for another", CALL(slurm_submit_batch_job(&description, &answer)), 2010, 2002);
}

static void probe_no_controller(void) {
    double begin = now();
    EXPECT("slurm_ping, slurmctld down", CALL(slurm_ping(0)), 1800, 1802);
    check(now() - begin < 2, "at once", "after %.1f s", now() - begin);
}

static void probe_no_authentication(void) {
    job_info_msg_t *answer = NULL;
    double begin = now();
    EXPECT("slurm_load_jobs, no authentication", CALL(slurm_load_jobs(0, &answer, cs_SHOW_ALL)), 1007);
    printf("# after %.1f s\n", now() - begin);
}

int main(int count, char **arguments) {
    if (count != 4) {
        fprintf(stderr, "usage: probe MODE USER FOLDER\n");
        return 64;
    }
    const char *mode = arguments[1];
    struct passwd *user = getpwnam(arguments[2]);
    if (user == NULL) {
        fprintf(stderr, "probe: there is no user %s\n", arguments[2]);
        return 64;
    }
    owner = user->pw_uid;
    owner_group = user->pw_gid;
    folder = arguments[3];
    setvbuf(stdout, NULL, _IOLBF, 0);
    /* libslurm switches SIGPIPE on and off around each message. */
    signal(SIGPIPE, SIG_IGN);
    /* A call that never returns must not keep the lab up for ever. */
    alarm(180);
    slurm_init(NULL);
    if (strcmp(mode, "all") == 0) {
        probe_cluster();
        probe_jobs();
        probe_arrays();
        probe_errors();
    } else if (strcmp(mode, "ordinary") == 0) {
        probe_ordinary();
    } else if (strcmp(mode, "no-ctl") == 0) {
        probe_no_controller();
    } else if (strcmp(mode, "no-auth") == 0) {
        probe_no_authentication();
    } else {
        fprintf(stderr, "probe: unknown mode %s\n", mode);
        return 64;
    }
    return summary();
}
