/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * All jobs that this engine has heard of, its own and those of others: the last JOB_TABLE_MAX, in
 * memory and, written behind by a worker, on disk. Control thread only.
 */
#ifndef VMR_ENGINE_JOB_TABLE_H
#define VMR_ENGINE_JOB_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/workers.h"
#include "proto/status.pb-c.h"

#define JOB_TABLE_MAX 200u /* ended ones; those under way are kept beyond it */

struct job_table;

/* Read what directory (borrowed, made before) holds: blocking, at the start. *workers writes, as
 * long as it is not NULL. NULL when out of memory. */
struct job_table *job_table_new(const char *directory, struct workers *const *workers);
void job_table_free(struct job_table *table); /* after the workers are freed; NULL allowed */

/* A job as it stands now. True when it is news: not known, or a higher version than what was. */
bool job_table_note(struct job_table *table, const Vmreplica__Job *job);
/* By id, or NULL. Borrowed until the next note. */
const Vmreplica__Job *job_table_find(const struct job_table *table, const char *id);
size_t job_table_count(const struct job_table *table);
/* In the order of their beginning, the oldest first. */
const Vmreplica__Job *job_table_at(const struct job_table *table, size_t index);

/* An engine joined: all jobs for which mine says true are due to be told again. */
void job_table_tell_again(struct job_table *table,
			  bool (*mine)(void *arg, const Vmreplica__Job *job), void *arg);
/* The next one that is due to be told; NULL when none is. Told with it. */
const Vmreplica__Job *job_table_next_untold(struct job_table *table);

#endif
