/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the files of the probe share. */
#ifndef PROBE_H
#define PROBE_H

#include <CSlurm.h>

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* The code of a call, and its error number: errno, or the code where a call sets no errno. 0 means success. */
struct outcome {
    int result;
    int number;
};

struct outcome observed(int result);
#define CALL(expression) (errno = 0, observed(expression))

/* One line a check: "ok NAME" or "not ok NAME: why". Returns whether it passed. */
bool check(bool ok, const char *name, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* The call must end with one of the numbers, of which the list ends with -1; 0 is success. */
bool expect(const char *name, struct outcome outcome, const int *numbers);
#define EXPECT(name, outcome, ...) expect(name, outcome, (const int[]) {__VA_ARGS__, -1})
/* A text that may be missing, for messages. */
const char *shown(const char *text);
/* Not looked at, and why. */
void skip(const char *name, const char *why);
/* The last line. Returns the exit status. */
int summary(void);

/* Whom jobs run for, and the folder of their outputs. */
extern uid_t owner;
extern gid_t owner_group;
extern const char *folder;

struct request {
    const char *name;
    const char *script;
    const char *admin_comment;
    const char *tres_per_node;
    const char *array;
    uint32_t cpus;
    bool held;
    bool later; /* not before an hour from now */
};

void describe(job_desc_msg_t *description, const struct request *request);
/* The id, or 0 after a check that failed. `code` gets the answer's own error code if not NULL. */
uint32_t submit(const char *name, const struct request *request, uint32_t *code);

/* The record of a job, valid until the next call of these two; NULL if there is none. */
const slurm_job_info_t *job_of(uint32_t id);
/* Waits until the job is in this base state, and in no transition. NULL after `seconds`. */
const slurm_job_info_t *wait_for_state(uint32_t id, uint32_t base, int seconds);
/* Waits until the job's output holds this text. */
bool wait_for_output(uint32_t id, const char *text, int seconds);
/* Waits until the output has stopped growing, or grows again. */
bool wait_for_silence(uint32_t id, bool silent, int seconds);
void nap(void);
double now(void);

/* Changes to a job by its text id. A task's failure counts as the call's. */
struct outcome update(const char *id, void (*change)(job_desc_msg_t *, uint32_t), uint32_t value);
struct outcome suspend(const char *id);
struct outcome resume(const char *id);
struct outcome requeue(const char *id);
void set_priority(job_desc_msg_t *description, uint32_t value);
void set_time_limit(job_desc_msg_t *description, uint32_t value);
struct outcome kill_job(uint32_t id, uint16_t signal, uint16_t flags);
const char *text_of(uint32_t id);

void probe_cluster(void);
void probe_jobs(void);
void probe_arrays(void);
void probe_errors(void);

#endif
