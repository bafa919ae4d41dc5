/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A job on the terminal: as text, as JSON, and followed until its end. */
#ifndef VMR_ADMIN_JOB_OUTPUT_H
#define VMR_ADMIN_JOB_OUTPUT_H

#include <jansson.h>
#include <stdio.h>

#include "admin/command.h"
#include "proto/admin.pb-c.h"

/* New reference; NULL when out of memory. */
json_t *job_to_json(const Vmreplica__Job *job);
/* Everything about one job. */
void job_print(const Vmreplica__Job *job, FILE *out);
/* Where the printing of a job's steps has got to. Zero-initialize. */
struct job_progress {
	size_t steps;	/* begun and printed */
	char text[512]; /* of the last one */
};
/* The lines that are new since the last call. */
void job_print_news(struct job_progress *progress, const Vmreplica__Job *job, FILE *out);
/* The outcome, with the advice on standard error when it failed. The exit status; STATUS_DONE while
 * it is under way. */
int job_outcome(const Vmreplica__Job *job);

/* Print the steps of job id as they come until it has ended (with --json each change on a line),
 * and the outcome. Interrupted, the job goes on. Returns the exit status. */
int job_follow(struct common_options *common, const char *id);

#endif
