/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/failover.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/domain_resource.h"
#include "cluster/nvpair_list.h"
#include "common/clock.h"
#include "common/log.h"
#include "engine/epoch.h"
#include "engine/job_table.h"
#include "engine/peer_contact.h"
#include "engine/standing.h"

/* Settings and jobs of a node that has just started may not be told yet. */
#define ORPHAN_MS 60000
/* To record the way back: without quorum it is gone all the same. */
#define UNDO_ATTEMPTS 30u

/* ---- life ---- */

struct failover *failover_find(const struct engine *engine, const char *relationship)
{
	for (struct failover *failover = engine->failovers; failover != NULL;
	     failover = failover->next) {
		if (strcmp(failover->relationship, relationship) == 0) {
			return failover;
		}
	}
	return NULL;
}

static void failover_free(struct failover *failover)
{
	struct failover **from = &failover->engine->failovers;

	while (*from != failover) {
		from = &(*from)->next;
	}
	*from = failover->next;
	if (failover->taken != NULL) {
		vmreplica__ipc__store_taken__free_unpacked(failover->taken, NULL);
	}
	free(failover);
}

void failover_free_all(struct engine *engine)
{
	while (engine->failovers != NULL) {
		failover_free(engine->failovers);
	}
}

static int failover_add(struct replica *replica, const struct failover_order *order,
			struct failover **ret_failover)
{
	struct engine *engine = replica->engine;
	struct failover *failover;

	if (failover_find(engine, replica->settings.relationship) != NULL ||
	    failover_job_find(engine, replica->settings.relationship) != NULL) {
		return -EBUSY;
	}
	failover = calloc(1, sizeof(*failover));
	if (failover == NULL) {
		return -ENOMEM;
	}
	failover->engine = engine;
	failover->order = *order;
	memcpy(failover->relationship, replica->settings.relationship,
	       sizeof(failover->relationship));
	memcpy(failover->vm, replica->settings.vm, sizeof(failover->vm));
	failover->state = failover_plan_first(order->kind, order->undo);
	failover->undo_recorded = order->undo;
	failover->job = failover_job_begin(engine, failover_kind_to_string(order->kind),
					   failover->vm, failover->relationship, order->job);
	if (failover->job == NULL) {
		free(failover);
		return -ENOMEM;
	}
	snprintf(failover->order.job, sizeof(failover->order.job), "%s",
		 failover_job_id(failover->job));
	failover->next = engine->failovers;
	engine->failovers = failover;
	*ret_failover = failover;
	return 0;
}

static void failover_run(struct failover *failover);

int failover_begin(struct replica *replica, const struct failover_order *order,
		   struct failover **ret_failover)
{
	int result = failover_add(replica, order, ret_failover);

	if (result == 0) {
		(*ret_failover)->ordered_ms = clock_monotonic_ms();
		engine_wake(replica->engine); /* the first step comes from the clock */
	}
	return result;
}

/* ---- for the steps ---- */

struct replica *failover_replica(const struct failover *failover)
{
	struct replica *replica = engine_find_replica(failover->engine, failover->relationship);

	return replica != NULL && replica_is_open(replica) ? replica : NULL;
}

const Vmreplica__Ipc__CibResource *failover_vm_resource(const struct failover *failover)
{
	const struct replica *replica =
		engine_find_replica(failover->engine, failover->relationship);

	return replica != NULL ? replica_vm_resource(replica)
			       : domain_resource_find(engine_settings(failover->engine),
						      failover->relationship, false);
}

char *failover_test_name(const struct failover *failover, char *buf)
{
	struct replica *replica = engine_find_replica(failover->engine, failover->relationship);
	char name[RESOURCE_ID_MAX + 1];

	domain_resource_id(engine_settings(failover->engine), failover->vm, failover->relationship,
			   replica != NULL ? replica->settings.peer : "", name);
	snprintf(buf, RESOURCE_ID_MAX + 1, "%.*s-test", (int)RESOURCE_ID_MAX - 5, name);
	return buf;
}

static void failover_event(struct failover *failover, enum failover_event event)
{
	struct failover_state before = failover->state;

	failover->busy = false;
	failover->state = failover_plan_next(failover->order.kind, before, event);
	if (failover->state.step != before.step || failover->state.undo != before.undo) {
		failover->entered = false;
		failover->retry_ms = 0;
	}
	/* a deeper call would run one step inside another's callback */
	engine_wake(failover->engine);
}

void failover_done(struct failover *failover)
{
	failover_event(failover, EVENT_DONE);
}

static void note_failure(struct failover *failover, int error, const char *advice, const char *text)
{
	if (failover->error == 0) {
		failover->error = error;
		snprintf(failover->text, sizeof(failover->text), "%s", text);
		snprintf(failover->advice, sizeof(failover->advice), "%s", advice);
	} else {
		log_error("%s: job %s: %s", failover->vm, failover->order.job, text);
	}
}

/* Once Pacemaker (or libvirt) was told to run the VM, nothing is taken back without the admin's
 * word. The epoch came into the settings in the same change: a VM that somebody enabled by hand is
 * none of ours. */
bool failover_was_started(const struct failover *failover)
{
	const Vmreplica__Ipc__CibResource *resource = failover_vm_resource(failover);
	const char *target = resource != NULL
				     ? nvpair_find(resource->meta, resource->n_meta, "target-role")
				     : NULL;
	struct epoch known;

	engine_epoch_known(failover->engine, failover->relationship, failover->engine->config->site,
			   &known);
	return (failover->order.kind == VMREPLICA__ADMIN__FAILOVER_KIND__FAILOVER_UNPLANNED ||
		failover->order.kind == VMREPLICA__ADMIN__FAILOVER_KIND__FAILOVER_PLANNED) &&
	       epoch_equal(&known, &failover->order.epoch) &&
	       (failover->engine->config->standalone ||
		(target != NULL && strcmp(target, "Started") == 0));
}

void failover_failed(struct failover *failover, int error, const char *advice, const char *format,
		     ...)
{
	char text[REASON_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (failover_goes_forward(failover)) {
		failover_try_again(failover, advice, text);
		return;
	}
	note_failure(failover, error, advice, text);
	failover_job_note(failover->job, "%s", text);
	failover_event(failover, EVENT_FAILED);
	if (failover->state.undo && !failover->order.undo && failover_was_started(failover)) {
		failover->state = (struct failover_state){STEP_FORGET, false};
	}
	failover->order.undo = failover->state.undo;
}

void failover_later(struct failover *failover, int ms, int64_t limit_ms, const char *advice,
		    const char *format, ...)
{
	int64_t now = clock_monotonic_ms();
	char text[REASON_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (now - failover->step_ms >= limit_ms) {
		failover_failed(failover, -ETIMEDOUT, advice, "%s", text);
		return;
	}
	failover->busy = false;
	failover->retry_ms = now + ms;
	failover_job_note(failover->job, "%s", text);
}

/* ---- driving ---- */

static void failover_finish(struct failover *failover)
{
	if (failover->error != 0) {
		failover_job_finish(failover->job, failover->error, failover->advice, "%s",
				    failover->text);
	} else {
		failover_job_finish(failover->job, 0, "", "%s", failover->outcome);
	}
	failover->job = NULL;
}

static void undo_recorded_cb(void *arg, int error, const char *text)
{
	struct failover *failover = arg;

	failover->busy = false;
	failover->undo_recorded = error == 0 || ++failover->undo_attempts >= UNDO_ATTEMPTS;
	if (error < 0) {
		failover->retry_ms = clock_monotonic_ms() + FAILOVER_RETRY_MS;
		log_warning("%s: job %s is being taken back, which cannot be recorded: %s",
			    failover->vm, failover->order.job, text);
	}
}

/* Whoever goes on with the job does not turn round. True: it stands, or cannot be written. */
static bool failover_record_undo(struct failover *failover)
{
	char value[FAILOVER_ORDER_LEN];

	if (!failover->state.undo || failover->undo_recorded) {
		return true;
	}
	failover->busy = true;
	standing_set(failover->engine, STANDING_FAILOVER, failover->relationship,
		     failover_order_encode(&failover->order, value), undo_recorded_cb, failover);
	return false;
}

static void failover_run(struct failover *failover)
{
	static void (*const steps[FAILOVER_STEPS])(struct failover * failover) = {
		[STEP_RECORD] = failover_step_record,
		[STEP_TAKEOVER] = failover_step_takeover,
		[STEP_OVERLAYS] = failover_step_overlays,
		[STEP_DEFINITION] = failover_step_definition,
		[STEP_RESOURCE] = failover_step_resource,
		[STEP_START] = failover_step_start,
		[STEP_RUNNING] = failover_step_running,
		[STEP_STOP] = failover_step_stop,
		[STEP_REMOVE] = failover_step_remove,
		[STEP_RELEASE] = failover_step_release,
		[STEP_POINTS] = failover_step_points,
		[STEP_CONSOLIDATE] = failover_step_consolidate,
		[STEP_EXTENTS] = failover_step_extents,
		[STEP_PEER] = failover_step_peer,
		[STEP_ROLE] = failover_step_role,
		[STEP_FORGET] = failover_step_forget,
	};
	enum failover_step step = failover->state.step;

	if (step == STEP_END || steps[step] == NULL) {
		failover_finish(failover);
		return;
	}
	if (failover_turn_back(failover) || !failover_record_undo(failover)) {
		return;
	}
	if (!failover->entered) {
		failover->entered = true;
		failover->step_ms = clock_monotonic_ms();
		failover_job_step(failover->job, failover_step_to_string(step), "%s",
				  failover->state.undo ? "taking back what was begun" : "");
	}
	steps[step](failover);
}

/* ---- what was under way before ---- */

/* Its order is taken out of the settings before a job ends: one that stands still is of a moment
 * ago. */
static bool job_is_over(const struct engine *engine, const char *id)
{
	const Vmreplica__Job *job = job_table_find(engine->jobs, id);

	return job != NULL && !job_message_is_running(job);
}

static void resume_replica(struct replica *replica)
{
	struct engine *engine = replica->engine;
	const char *text = standing_get(engine, STANDING_FAILOVER, replica->settings.relationship);
	struct failover_order order;
	struct failover *failover;

	if (text == NULL || !replica_is_open(replica) ||
	    failover_find(engine, replica->settings.relationship) != NULL ||
	    !failover_order_decode(text, &order) || job_is_over(engine, order.job) ||
	    failover_plan_first(order.kind, order.undo).step == STEP_NONE) {
		return;
	}
	if (failover_add(replica, &order, &failover) == 0) {
		log_notice("%s: job %s goes on here", failover->vm, failover->order.job);
		if (order.undo) {
			note_failure(failover, -ECANCELED, "order it again once that is mended",
				     "it was taken back: its steps say why");
		}
	}
}

/* Did it end after the roles had changed, which takes the order out of the settings? */
static bool orphan_is_done(const struct engine *engine, const Vmreplica__Job *job)
{
	const char *last = job->n_steps > 0 ? job->steps[job->n_steps - 1]->name : "";
	const char *site = engine->config->site;
	struct peer_contact contact;
	struct epoch epoch;

	if (peer_contact_find(engine, job->relationship, &contact) < 0) {
		return false;
	}
	engine_epoch_known(engine, job->relationship,
			   contact.role == VMREPLICA__ROLE__ROLE_PRIMARY ? site : contact.site,
			   &epoch);
	return failover_plan_orphan_is_done(last, contact.role, epoch_is_held_by(&epoch, site));
}

static void orphan_finish(struct failover_job *orphan, const char *vm, bool done)
{
	if (done) {
		failover_job_finish(orphan, 0, "vmreplica status shows how replication goes on",
				    "%s has changed sides; the engine ended before the job could "
				    "see the first cycle of the new direction",
				    vm);
	} else {
		failover_job_finish(orphan, -ECONNABORTED,
				    "vmreplica status shows how it stands; order it again",
				    "the engine ended in the middle of it");
	}
}

/* Of this node, or of one that is away: any other may tell how it ended. */
static bool orphan_is_ours(const struct engine *engine, const Vmreplica__Job *job)
{
	const struct table_node *node = cluster_table_find_node(&engine->table, job->node);

	return strcmp(job->node, engine->config->node) == 0 ||
	       (engine->joined && (node == NULL || !node->present));
}

/* A job that nothing remembers: its engine ended before its order was recorded, or after the order
 * was taken out. */
static void end_orphans(struct engine *engine)
{
	int64_t now = clock_wall_ms();

	for (size_t i = job_table_count(engine->jobs); i-- > 0;) {
		const Vmreplica__Job *job = job_table_at(engine->jobs, i);
		struct failover_job *orphan;
		char vm[VM_NAME_MAX + 1];
		bool done;

		if (!job_message_is_running(job) || !orphan_is_ours(engine, job) ||
		    now - (int64_t)job->version < ORPHAN_MS ||
		    failover_job_find(engine, job->relationship) != NULL ||
		    standing_get(engine, STANDING_FAILOVER, job->relationship) != NULL) {
			continue;
		}
		done = orphan_is_done(engine, job);
		snprintf(vm, sizeof(vm), "%s", job->vm);
		orphan = failover_job_begin(engine, job->kind, job->vm, job->relationship, job->id);
		if (orphan != NULL) {
			orphan_finish(orphan, vm, done);
		}
		return; /* the table has changed */
	}
}

/* Without a cluster nobody else goes on with it, and the change of role has closed the replica. */
static bool is_past_role(const struct failover *failover)
{
	return failover->engine->config->standalone &&
	       (failover->state.step == STEP_FORGET || failover->state.step == STEP_END);
}

void failover_tick(struct engine *engine, int64_t now_ms)
{
	struct failover *next;

	for (struct failover *failover = engine->failovers; failover != NULL;
	     failover = failover->next) {
		if (engine->stopping || failover_replica(failover) == NULL) {
			failover_consolidate_stop(failover);
		}
	}
	if (engine->stopping || engine_settings(engine) == NULL) {
		return;
	}
	for (struct replica *replica = engine->replicas; replica != NULL; replica = replica->next) {
		resume_replica(replica);
	}
	for (struct failover *failover = engine->failovers; failover != NULL; failover = next) {
		next = failover->next;
		if (failover->busy || now_ms < failover->retry_ms) {
			continue;
		}
		if (engine_find_replica(engine, failover->relationship) == NULL &&
		    !is_past_role(failover)) {
			/* its new owner goes on with it */
			failover_job_abandon(failover->job);
			failover_free(failover);
			continue;
		}
		failover_run(failover);
		if (failover->job == NULL) {
			failover_free(failover);
		}
	}
	end_orphans(engine);
}
