/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/failover_job.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/clock.h"
#include "common/log.h"
#include "engine/admin_jobs.h"
#include "engine/job_table.h"

#define TELL_PER_TICK 8 /* so that many jobs do not crowd the group out */

static void job_multicast(struct engine *engine, const Vmreplica__Job *job)
{
	Vmreplica__Cluster__Message message = VMREPLICA__CLUSTER__MESSAGE__INIT;
	int result;

	message.body_case = VMREPLICA__CLUSTER__MESSAGE__BODY_JOB;
	message.job = (Vmreplica__Job *)(uintptr_t)job;
	result = engine->cluster.ops->multicast(&engine->cluster, &message);
	if (result < 0) {
		log_debug("job %s not told: %s", job->id, strerror(-result));
	}
}

/* Here first, so that an admin who asks at once finds it. The version is ascending from node to
 * node as well: whoever goes on with a job may not have heard its last word. */
static void job_publish(struct failover_job *job)
{
	struct engine *engine = job->engine;
	uint64_t now = (uint64_t)clock_wall_ms();

	job->job->version = job->job->version + 1 > now ? job->job->version + 1 : now;
	if (job_table_note(engine->jobs, job->job)) {
		admin_jobs_changed(engine, job->job);
	}
	job_multicast(engine, job->job);
	engine_changed(engine);
}

/* ---- begin ---- */

static int job_make_id(char id[JOB_ID_LEN + 1])
{
	uint32_t value;

	if (getrandom(&value, sizeof(value), 0) != sizeof(value)) {
		return -EIO;
	}
	snprintf(id, JOB_ID_LEN + 1, "%08x", value);
	return 0;
}

static Vmreplica__Job *job_new(const char *kind, const char *vm, const char *relationship,
			       const char *id)
{
	Vmreplica__Job head = VMREPLICA__JOB__INIT;
	char made[JOB_ID_LEN + 1], state[] = JOB_RUNNING;

	if (id == NULL || id[0] == '\0') {
		if (job_make_id(made) < 0) {
			return NULL;
		}
		id = made;
	}
	head.id = (char *)(uintptr_t)id;
	head.kind = (char *)(uintptr_t)kind;
	head.vm = (char *)(uintptr_t)vm;
	head.relationship = (char *)(uintptr_t)relationship;
	head.state = state;
	head.begin_ms = clock_wall_ms();
	return job_message_copy(&head);
}

struct failover_job *failover_job_begin(struct engine *engine, const char *kind, const char *vm,
					const char *relationship, const char *id)
{
	const Vmreplica__Job *known = id != NULL ? job_table_find(engine->jobs, id) : NULL;
	struct failover_job *job = calloc(1, sizeof(*job));

	if (job == NULL) {
		return NULL;
	}
	job->engine = engine;
	job->job = known != NULL ? job_message_copy(known) : job_new(kind, vm, relationship, id);
	if (job->job == NULL || job_text_set(&job->job->node, engine->config->node) < 0 ||
	    job_text_set(&job->job->state, JOB_RUNNING) < 0) {
		job_message_free(job->job);
		free(job);
		return NULL;
	}
	job->job->end_ms = 0;
	job->next = engine->failover_jobs;
	engine->failover_jobs = job;
	engine_event(engine, "notice", vm, "%s: job %s %s", kind, job->job->id,
		     known != NULL ? "goes on here" : "begins");
	job_publish(job);
	return job;
}

const char *failover_job_id(const struct failover_job *job)
{
	return job->job->id;
}

/* ---- changes ---- */

void failover_job_step(struct failover_job *job, const char *name, const char *format, ...)
{
	char text[JOB_TEXT_MAX + 8];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (job_step_begin(job->job, name, text, clock_wall_ms()) < 0) {
		log_warning("%s: out of memory: step \"%s\" of job %s is not shown", job->job->vm,
			    name, job->job->id);
		return;
	}
	log_info("%s: job %s: %s: %s", job->job->vm, job->job->id, name, text);
	job_publish(job);
}

void failover_job_note(struct failover_job *job, const char *format, ...)
{
	Vmreplica__JobStep *step = job_step_current(job->job);
	char text[JOB_TEXT_MAX + 8];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (step != NULL && strcmp(step->text, text) != 0 && job_text_set(&step->text, text) == 0) {
		job_publish(job);
	}
}

void failover_job_warn(struct failover_job *job, const char *format, ...)
{
	const Vmreplica__JobStep *step = job_step_current(job->job);
	char text[JOB_TEXT_MAX + 8];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (step == NULL || strstr(step->text, text) != NULL) {
		return;
	}
	engine_event(job->engine, "warning", job->job->vm, "%s", text);
	if (step->text[0] == '\0') {
		failover_job_note(job, "%s", text);
	} else {
		failover_job_note(job, "%s; %s", step->text, text);
	}
}

static void job_unlink(struct failover_job *job)
{
	struct failover_job **link = &job->engine->failover_jobs;

	while (*link != NULL && *link != job) {
		link = &(*link)->next;
	}
	if (*link == job) {
		*link = job->next;
	}
	job_message_free(job->job);
	free(job);
}

void failover_job_finish(struct failover_job *job, int error, const char *advice,
			 const char *format, ...)
{
	int64_t now = clock_wall_ms();
	char text[JOB_TEXT_MAX + 8];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	job_step_end(job->job, now, error != 0 && error != -ECANCELED);
	job->job->end_ms = now;
	if (job_text_set(&job->job->state, error == 0		 ? JOB_DONE
					   : error == -ECANCELED ? JOB_CANCELLED
								 : JOB_FAILED) < 0 ||
	    job_text_set(&job->job->text, text) < 0 ||
	    job_text_set(&job->job->advice, advice) < 0) {
		log_warning("%s: out of memory: the outcome of job %s is not shown", job->job->vm,
			    job->job->id);
	}
	engine_event(job->engine, error == 0 || error == -ECANCELED ? "notice" : "error",
		     job->job->vm, "%s: job %s %s: %s", job->job->kind, job->job->id,
		     job->job->state, text);
	job_publish(job);
	job_unlink(job);
}

void failover_job_abandon(struct failover_job *job)
{
	log_notice("%s: job %s goes on elsewhere", job->job->vm, job->job->id);
	job_unlink(job);
}

/* ---- lookups ---- */

struct failover_job *failover_job_find(const struct engine *engine, const char *relationship)
{
	for (struct failover_job *job = engine->failover_jobs; job != NULL; job = job->next) {
		if (strcmp(job->job->relationship, relationship) == 0) {
			return job;
		}
	}
	return NULL;
}

const char *failover_job_running_id(const struct engine *engine, const char *relationship)
{
	size_t count = engine->jobs != NULL ? job_table_count(engine->jobs) : 0;

	for (size_t i = count; i-- > 0;) {
		const Vmreplica__Job *job = job_table_at(engine->jobs, i);

		if (job_message_is_running(job) && strcmp(job->relationship, relationship) == 0) {
			return job->id;
		}
	}
	return "";
}

/* ---- told by others, told to others ---- */

void failover_job_heard(struct engine *engine, const Vmreplica__Job *job)
{
	if (job_table_note(engine->jobs, job)) {
		admin_jobs_changed(engine, job);
	}
}

/* Ours, and those of nodes that cannot tell them: several engines then tell the same, once. */
static bool job_is_ours_to_tell(void *arg, const Vmreplica__Job *job)
{
	const struct engine *engine = arg;
	const struct table_node *node;

	if (strcmp(job->node, engine->config->node) == 0) {
		return true;
	}
	node = cluster_table_find_node(&engine->table, job->node);
	return node == NULL || !node->present;
}

void failover_job_member_joined(struct engine *engine)
{
	job_table_tell_again(engine->jobs, job_is_ours_to_tell, engine);
}

void failover_job_tick(struct engine *engine)
{
	for (int i = 0; i < TELL_PER_TICK && engine->joined; i++) {
		const Vmreplica__Job *job = job_table_next_untold(engine->jobs);

		if (job == NULL) {
			return;
		}
		job_multicast(engine, job);
	}
}

void failover_job_free_all(struct engine *engine)
{
	while (engine->failover_jobs != NULL) {
		job_unlink(engine->failover_jobs);
	}
}
