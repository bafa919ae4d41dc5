/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A job that this engine carries out: a failover of some kind, from its order to its outcome. What
 * it says is told to all engines, kept on disk, and shown by `vmreplica jobs`. What has to be done
 * is the caller's business. Control thread only; nothing blocks.
 *
 *   begin -> step, note, step, ... -> finish
 */
#ifndef VMR_ENGINE_FAILOVER_JOB_H
#define VMR_ENGINE_FAILOVER_JOB_H

#include "engine/engine.h"
#include "engine/job_message.h"

#define JOB_KIND_TEST	   "test-failover"
#define JOB_KIND_CLEANUP   "test-cleanup"
#define JOB_KIND_PLANNED   "planned-failover"
#define JOB_KIND_UNPLANNED "unplanned-failover"
#define JOB_KIND_CANCEL	   "cancel"
#define JOB_KIND_COMMIT	   "commit"
#define JOB_KIND_REVERSE   "reverse"

struct failover_job {
	struct failover_job *next;
	struct engine *engine; /* borrowed */
	Vmreplica__Job *job;   /* owned; what was told last */
};

/* Begin a job, or with the id of one that was under way go on with it here: its steps are kept.
 * id NULL or "": a new one. The caller has seen to it that the relationship has no other job here
 * (failover_job_find). NULL when out of memory. */
struct failover_job *failover_job_begin(struct engine *engine, const char *kind, const char *vm,
					const char *relationship, const char *id);
const char *failover_job_id(const struct failover_job *job);
/* The step under way has ended well and this one begins; the same name again changes its text. */
void failover_job_step(struct failover_job *job, const char *name, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* A new text for the step under way. */
void failover_job_note(struct failover_job *job, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* What an admin should know, and what hinders nothing: an event, and told with the step under way
 * after what it says already. Once for the same words. */
void failover_job_warn(struct failover_job *job, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* The outcome: error 0 is done, -ECANCELED cancelled, everything else failed, which also marks the
 * step under way. advice may be "". Frees the job. */
void failover_job_finish(struct failover_job *job, int error, const char *advice,
			 const char *format, ...) __attribute__((format(printf, 4, 5)));

/* The relationship has another owner, who goes on with it: say nothing more. Frees the job. */
void failover_job_abandon(struct failover_job *job);

/* The job under way here for a relationship, or NULL. */
struct failover_job *failover_job_find(const struct engine *engine, const char *relationship);
/* The id of the job under way for a relationship, here or on another node; "" = none. Borrowed
 * until the loop goes on. */
const char *failover_job_running_id(const struct engine *engine, const char *relationship);

/* A job of another engine, or our own come back. */
void failover_job_heard(struct engine *engine, const Vmreplica__Job *job);
/* An engine has joined: it is told what it may not know, a few with each tick. */
void failover_job_member_joined(struct engine *engine);
void failover_job_tick(struct engine *engine);
/* At the end: what is under way stays so, and goes on when an engine owns the relationship. */
void failover_job_free_all(struct engine *engine);

#endif
