/* SPDX-License-Identifier: GPL-2.0-or-later */
/* guard: may a VM start on this side? For ocf:vmreplica:guard. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cluster/domain_resource.h"
#include "cluster/nvpair_list.h"
#include "common/clock.h"
#include "common/log.h"
#include "engine/admin_service.h"
#include "engine/epoch.h"
#include "engine/guard.h"
#include "engine/guard_patience.h"
#include "engine/order_client.h"
#include "engine/peer_contact.h"
#include "engine/standing.h"
#include "proto/validate.h"

struct guard_job {
	struct admin_call *call;
	struct engine *engine;
	struct peer_contact contact;
	struct epoch known;
	bool local, blind;
	/* the worker's */
	bool answered;
	struct order_answer answer;
	struct trouble trouble;
};

static void stored_cb(void *arg, int error, const char *text)
{
	(void)arg;
	if (error < 0) {
		log_warning("what the guard heard cannot be recorded in the cluster's settings "
			    "now: %s",
			    text);
	}
}

/* The VM's own resource: named by ours, or made for the replica. NULL: not known. */
static const Vmreplica__Ipc__CibResource *vm_resource(const struct guard_job *job)
{
	const Vmreplica__Ipc__CibSettings *settings = engine_settings(job->engine);
	const char *id = job->contact.vm_resource;

	if (id[0] == '\0') {
		return domain_resource_find(settings, job->contact.relationship, false);
	}
	return domain_resource_by_id(settings, id);
}

/* From the same document as the epoch: a failover changes both at once. */
static bool vm_is_disabled(const struct guard_job *job)
{
	const Vmreplica__Ipc__CibResource *vm = vm_resource(job);
	const char *target = vm != NULL ? nvpair_find(vm->meta, vm->n_meta, "target-role") : NULL;

	return target != NULL && strcasecmp(target, "Stopped") == 0;
}

static const struct placement_resource *vm_place(const struct guard_job *job,
						 const struct placement **ret_placement)
{
	struct engine *engine = job->engine;
	const Vmreplica__Ipc__CibResource *vm = vm_resource(job);

	*ret_placement = engine->cluster.ops->placement(&engine->cluster);
	return vm != NULL && *ret_placement != NULL ? placement_find(*ret_placement, vm->id) : NULL;
}

/* Then a monitor may fail: nothing is stopped by that. */
static bool vm_is_stopped(const struct guard_job *job)
{
	const struct placement *placement;
	const struct placement_resource *place = vm_place(job, &placement);

	return place != NULL && place->state == PLACEMENT_STOPPED && place->pending == NULL;
}

/* Then a guard that starts has lost its state, or was restarted: what Pacemaker lets a VM do that
 * runs, moving it above all, must not wait for the other site. */
static bool vm_runs(const struct guard_job *job)
{
	const struct placement *placement;
	const struct placement_resource *place = vm_place(job, &placement);
	const struct placement_node *node =
		place != NULL && place->state == PLACEMENT_RUNNING && place->node != NULL
			? placement_find_node(placement, place->node)
			: NULL;

	return node != NULL && node->online && !node->unclean;
}

/* What was heard outlives this start: should the other side be silent at the next one, it still
 * holds. */
static void guard_remember(struct guard_job *job)
{
	struct engine *engine = job->engine;
	const char *id = job->contact.relationship;
	enum epoch_verdict verdict =
		epoch_judge(&job->known, &job->answer.epoch, engine->config->site);

	if (job->answered && job->answer.known &&
	    (verdict == EPOCH_LOST || verdict == EPOCH_GRANTED)) {
		engine_event(engine, "warning", job->contact.vm,
			     "the other side told of epoch %" PRIu64 ", held by %s",
			     job->answer.epoch.number, job->answer.epoch.site);
		engine_epoch_store(engine, id, &job->answer.epoch, stored_cb, NULL);
	}
	if (job->answered && standing_get(engine, STANDING_BLIND, id) != NULL) {
		standing_set(engine, STANDING_BLIND, id, NULL, stored_cb, NULL);
	}
}

static void guard_answer(struct guard_job *job)
{
	Vmreplica__Admin__Response response = VMREPLICA__ADMIN__RESPONSE__INIT;
	Vmreplica__Admin__GuardResponse answer = VMREPLICA__ADMIN__GUARD_RESPONSE__INIT;
	struct guard_facts facts = {
		.vm_runs = vm_runs(job),
		.is_replica = job->contact.role == VMREPLICA__ROLE__ROLE_REPLICA,
		.is_disabled = vm_is_disabled(job),
		.handed_over = standing_get(job->engine, STANDING_HANDOVER,
					    job->contact.relationship) != NULL,
		.known = job->known,
		.site = job->engine->config->site,
		.vm = job->contact.vm,
		.peer_answered = job->answered,
		.peer = job->answer.epoch,
		.peer_takes = job->answer.failing_over,
		.silence = job->trouble.text,
	};
	char text[REASON_MAX];
	enum guard_answer verdict = guard_judge(&facts, text, sizeof(text));

	answer.may_start = verdict == GUARD_MAY_START;
	answer.peer_answered = verdict != GUARD_SILENT;
	if (job->local) {
		bool refused = verdict == GUARD_REFUSED && vm_is_stopped(job);
		int64_t refused_ms = guard_patience_note(job->engine, job->contact.relationship,
							 refused, clock_monotonic_ms());

		answer.may_start = !guard_monitor_fails(&facts, verdict, refused, refused_ms);
		answer.peer_answered = true;
	}
	answer.text = text;
	if (verdict == GUARD_REFUSED && !job->local) {
		engine_event(job->engine, "error", job->contact.vm, "may not start here: %s", text);
	}
	response.body_case = VMREPLICA__ADMIN__RESPONSE__BODY_GUARD;
	response.guard = &answer;
	admin_call_reply(job->call, &response);
	free(job);
}

static void guard_nothing(struct guard_job *job)
{
	Vmreplica__Admin__Response response = VMREPLICA__ADMIN__RESPONSE__INIT;
	Vmreplica__Admin__GuardResponse answer = VMREPLICA__ADMIN__GUARD_RESPONSE__INIT;
	char text[] = "no resource here carries the relationship: there is nothing to guard";

	answer.may_start = answer.peer_answered = true;
	answer.text = text;
	response.body_case = VMREPLICA__ADMIN__RESPONSE__BODY_GUARD;
	response.guard = &answer;
	admin_call_reply(job->call, &response);
	free(job);
}

static int guard_run(void *arg)
{
	struct guard_job *job = arg;
	struct locate_client client = peer_contact_client(&job->contact, job->engine->tls);

	return order_client_query(&client, job->contact.relationship, job->engine->config->site,
				  &job->known, &job->answer, &job->trouble);
}

static void guard_done(void *arg, int result)
{
	struct guard_job *job = arg;

	job->answered = result == 0;
	guard_remember(job);
	guard_answer(job);
}

/* The agent gave up waiting: health says so until the other side is heard. */
static void guard_start_blind(struct guard_job *job)
{
	engine_event(job->engine, "error", job->contact.vm,
		     "started while the other side was silent: whether it was failed over there is "
		     "not known");
	standing_set(job->engine, STANDING_BLIND, job->contact.relationship, "1", stored_cb, NULL);
}

/* A replica's VM is nobody's business but this side's until it has failed over to here. */
static bool asks_peer(const struct guard_job *job)
{
	return job->contact.role != VMREPLICA__ROLE__ROLE_REPLICA ||
	       (epoch_is_held_by(&job->known, job->engine->config->site) && !vm_is_disabled(job));
}

static void guard_begin(struct guard_job *job)
{
	if (job->blind) {
		guard_start_blind(job);
	}
	if (job->local || job->blind || !asks_peer(job) || vm_runs(job)) {
		guard_answer(job);
		return;
	}
	if (workers_submit(job->engine->task_workers, guard_run, guard_done, job) < 0) {
		admin_call_fail(job->call, EAGAIN, "", "the engine is busy");
		free(job);
	}
}

void admin_guard(struct admin_call *call, const Vmreplica__Admin__GuardRequest *request)
{
	struct engine *engine = admin_call_engine(call);
	struct guard_job *job;
	int result;

	if (!validate_uuid(request->relationship)) {
		admin_call_misused(call, "the relationship is no UUID");
		return;
	}
	job = calloc(1, sizeof(*job));
	if (job == NULL) {
		admin_call_fail(call, ENOMEM, "", "out of memory");
		return;
	}
	job->call = call;
	job->engine = engine;
	job->local = request->local;
	job->blind = request->blind;
	result = peer_contact_find(engine, request->relationship, &job->contact);
	if (result == -ENOENT) {
		/* unprotected: its VM is nobody's business but its own site's */
		guard_nothing(job);
		return;
	}
	if (result < 0) {
		free(job);
		admin_call_fail(call, -result, "", "relationship %s: %s", request->relationship,
				result == -EAGAIN ? "the cluster's settings are not read yet"
						  : "its resource's parameters are wrong");
		return;
	}
	engine_epoch_known(engine, request->relationship,
			   job->contact.role == VMREPLICA__ROLE__ROLE_REPLICA
				   ? job->contact.site
				   : engine->config->site,
			   &job->known);
	guard_begin(job);
}
