/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Job messages (proto/status.proto) as values: copies, changes, and the JSON that is kept on disk.
 * Pure: no clock, no I/O. */
#ifndef VMR_ENGINE_JOB_MESSAGE_H
#define VMR_ENGINE_JOB_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/status.pb-c.h"

#define JOB_ID_LEN    8u   /* hex digits */
#define JOB_STEPS_MAX 32u  /* with texts of JOB_TEXT_MAX a job fits in one CPG message */
#define JOB_TEXT_MAX  400u /* bytes of one text; longer ones are cut */
#define JOB_FILE_MAX  (64u * 1024u)

#define JOB_RUNNING   "running"
#define JOB_DONE      "done"
#define JOB_FAILED    "failed"
#define JOB_CANCELLED "cancelled"

/* A deep copy (job_message_free), or NULL when out of memory. */
Vmreplica__Job *job_message_copy(const Vmreplica__Job *job);
void job_message_free(Vmreplica__Job *job); /* NULL allowed */
bool job_message_is_running(const Vmreplica__Job *job);
/* Is this what an engine may take from another one: ids, lengths, a known state? */
bool job_message_is_valid(const Vmreplica__Job *job);

/* Replace a string of a message that is owned field by field. 0 or -ENOMEM (left as it was). */
int job_text_set(char **field, const char *text);
/* End the step that is under way, if there is one. */
void job_step_end(Vmreplica__Job *job, int64_t now_ms, bool failed);
/* End the step under way and begin another one; beyond JOB_STEPS_MAX the last one goes on under the
 * new name. The same name as that of the step under way: only the text changes. 0 or -ENOMEM. */
int job_step_begin(Vmreplica__Job *job, const char *name, const char *text, int64_t now_ms);
/* The step under way; NULL when there is none. */
Vmreplica__JobStep *job_step_current(const Vmreplica__Job *job);

/* JSON of a job, NULL when out of memory. Free with free(). */
char *job_message_to_json(const Vmreplica__Job *job);
/* The job that a text holds (job_message_free); NULL when it is none. */
Vmreplica__Job *job_message_from_json(const char *text, size_t len);

#endif
