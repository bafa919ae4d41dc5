/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `vmreplica failover`: what is asked is looked at (the point, the primary's side, what stands),
 * and then becomes a job of failover.c on the node that owns the replica. One request a call:
 *
 *   the point that is meant -> does the primary's side answer? -> the estimate, or the job
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "engine/admin_service.h"
#include "engine/admin_vm.h"
#include "engine/epoch.h"
#include "engine/admin_planned.h"
#include "engine/failover.h"
#include "engine/failover_peer.h"
#include "engine/failover_refusal.h"
#include "engine/failover_word.h"
#include "engine/handover.h"
#include "engine/peer_contact.h"
#include "engine/planned.h"
#include "engine/point_find.h"
#include "engine/primary_ask.h"
#include "engine/replica_takeover.h"
#include "engine/standing.h"

#define TEST	  VMREPLICA__ADMIN__FAILOVER_KIND__FAILOVER_TEST
#define CLEANUP	  VMREPLICA__ADMIN__FAILOVER_KIND__FAILOVER_TEST_CLEANUP
#define UNPLANNED VMREPLICA__ADMIN__FAILOVER_KIND__FAILOVER_UNPLANNED
#define CANCEL	  VMREPLICA__ADMIN__FAILOVER_KIND__FAILOVER_CANCEL
#define PLANNED	  VMREPLICA__ADMIN__FAILOVER_KIND__FAILOVER_PLANNED
#define REVERSE	  VMREPLICA__ADMIN__FAILOVER_KIND__FAILOVER_REVERSE
#define COMMIT	  VMREPLICA__ADMIN__FAILOVER_KIND__FAILOVER_COMMIT

/* What an applied byte costs, to say about how long it takes: a slow disk's worth. */
#define APPLY_BYTES_PER_S (50u * 1024u * 1024u)

struct failover_call {
	struct admin_call *call;
	struct engine *engine;
	struct failover_order order;
	char relationship[RELATIONSHIP_LEN + 1];
	bool force, estimate;
	int64_t wait_until_ms;	/* monotonic: for a job that gives way */
	Vmreplica__Point point; /* strings are in the buffers below */
	char cut_id[CUT_ID_LEN + 1], consistency[16];
	bool found;		    /* the point is known */
	struct order_answer answer; /* the other side's, when it answered */
	bool answered;
	struct failover_word word; /* the worker's */
};

static void call_fail(struct failover_call *job, int error, const char *advice, const char *text)
{
	admin_call_fail(job->call, error, advice, "%s", text);
	free(job);
}

/* The replica may have moved while something was asked. */
static struct replica *call_replica(struct failover_call *job)
{
	struct replica *replica = engine_find_replica(job->engine, job->relationship);

	if (replica == NULL || !replica_is_open(replica)) {
		call_fail(job, EAGAIN, "vmreplica status shows where it is",
			  "the replica is not open on this node any more");
		return NULL;
	}
	return replica;
}

/* ---- the answer ---- */

static void call_reply(struct failover_call *job, const char *id, const char *text, uint64_t bytes)
{
	Vmreplica__Admin__Response response = VMREPLICA__ADMIN__RESPONSE__INIT;
	Vmreplica__Admin__FailoverResponse failover = VMREPLICA__ADMIN__FAILOVER_RESPONSE__INIT;

	failover.job = vm_status_borrow(id);
	failover.text = vm_status_borrow(text);
	failover.bytes = bytes;
	failover.expected_s = (uint32_t)(bytes / APPLY_BYTES_PER_S);
	failover.point = job->found ? &job->point : NULL;
	response.body_case = VMREPLICA__ADMIN__RESPONSE__BODY_FAILOVER;
	response.failover = &failover;
	admin_call_reply(job->call, &response);
	free(job);
}

static void estimated_cb(void *arg, const Vmreplica__Ipc__StoreTaken *answer)
{
	struct failover_call *job = arg;
	char text[REASON_MAX], stamp[RFC3339_LEN];

	if (answer->working) {
		return;
	}
	if (answer->error != 0) {
		call_fail(job, answer->error, "vmreplica points lists what there is", answer->text);
		return;
	}
	snprintf(text, sizeof(text),
		 "cycle %" PRIu64 " of %s (%s-consistent), %" PRIu64
		 " MiB of cycles are to be applied",
		 answer->seq, clock_format_rfc3339(answer->time_ms, stamp), answer->consistency,
		 answer->bytes >> 20);
	call_reply(job, "", text, answer->bytes);
}

static void call_estimate(struct failover_call *job, struct replica *replica)
{
	Vmreplica__Ipc__StoreTakeover request = VMREPLICA__IPC__STORE_TAKEOVER__INIT;
	char holder[RESOURCE_ID_MAX + 1];
	int result;

	request.kind = job->order.kind == TEST ? VMREPLICA__TAKEOVER_KIND__TAKEOVER_TEST
					       : VMREPLICA__TAKEOVER_KIND__TAKEOVER_FAILOVER;
	request.holder = replica_definition_vm(replica, holder);
	request.latest = job->order.latest;
	request.seq = job->order.seq;
	request.estimate = true;
	result = replica_takeover_ask(replica, &request, estimated_cb, job);
	if (result < 0) {
		call_fail(job, result, "try again", "the replica's store is not open");
	}
}

/* ---- the job ---- */

/* Above all that this site and this store have known. */
static int choose_epoch(struct failover_call *job, const struct replica *replica)
{
	struct adopt_order adopt;
	struct epoch known, stored;

	engine_epoch_known(job->engine, job->relationship, replica->settings.peer, &known);
	epoch_from_message(replica->status != NULL ? replica->status->epoch : NULL, &stored);
	if (stored.number > known.number) {
		known = stored;
	}
	if (job->order.kind == CANCEL) {
		return epoch_raise(&known, replica->settings.peer, NULL, &job->order.epoch);
	}
	return failover_peer_epoch(&known, job->answered ? &job->answer : NULL,
				   adopt_order_read(job->engine, job->relationship, &adopt),
				   job->engine->config->site, &job->order.epoch);
}

static void call_begin(struct failover_call *job, struct replica *replica)
{
	bool raises = job->order.kind == UNPLANNED || job->order.kind == CANCEL;
	struct failover *failover;
	int result = raises ? choose_epoch(job, replica) : 0;

	if (job->order.kind == REVERSE) {
		/* the epoch that this side holds already */
		epoch_from_message(replica->status->epoch, &job->order.epoch);
	}

	if (job->order.kind == UNPLANNED) {
		planned_yield(job->engine, job->relationship);
	}
	result = result < 0 ? result : failover_begin(replica, &job->order, &failover);
	if (result == -EBUSY) {
		call_fail(job, EBUSY, "vmreplica jobs shows it", "a job of it is under way");
	} else if (result < 0) {
		call_fail(job, result, "try again", strerror(-result));
	} else {
		call_reply(job, failover_job_id(failover->job), "", 0);
	}
}

static void call_go(struct failover_call *job)
{
	struct replica *replica = call_replica(job);

	if (replica == NULL) {
		return;
	}
	if (job->estimate) {
		call_estimate(job, replica);
	} else {
		call_begin(job, replica);
	}
}

/* ---- and does it stay what it is? ---- */

static int stay_run(void *arg)
{
	struct failover_call *job = arg;

	failover_word_ask(&job->word);
	return 0;
}

static void stay_done(void *arg, int result)
{
	struct failover_call *job = arg;

	if (result < 0) {
		call_fail(job, EAGAIN, "try again", "the engine ends");
	} else if (job->word.why[0] != '\0' && !job->force) {
		call_fail(job, EPERM, job->word.advice, job->word.why);
	} else {
		call_go(job);
	}
}

/* Before a cancel, when it was ordered to make way. With --force it is asked as well: it may give
 * its word. */
static void call_ask_to_stay(struct failover_call *job)
{
	const char *reversing =
		job->order.kind == CANCEL && !job->estimate
			? standing_get(job->engine, STANDING_REVERSING, job->relationship)
			: NULL;

	if (reversing == NULL ||
	    peer_contact_find(job->engine, job->relationship, &job->word.contact) < 0) {
		call_go(job);
		return;
	}
	job->word.tls = job->engine->tls;
	job->word.site = job->engine->config->site;
	engine_epoch_known(job->engine, job->relationship, job->word.site, &job->word.epoch);
	snprintf(job->word.reversing, sizeof(job->word.reversing), "%s", reversing);
	if (workers_submit(job->engine->task_workers, stay_run, stay_done, job) < 0) {
		call_fail(job, ENOMEM, "try again", "out of memory");
	}
}

/* ---- does the primary's side answer? ---- */

static void primary_cb(void *arg, const struct primary_word *word)
{
	struct failover_call *job = arg;
	int error = job->order.kind == CANCEL ? EPERM : -word->error;

	job->answered = word->answered;
	job->answer = word->answer;
	if (word->error != 0) {
		call_fail(job, error, word->advice, word->text);
	} else {
		call_ask_to_stay(job);
	}
}

static void call_look_at_peer(struct failover_call *job)
{
	struct replica *replica = call_replica(job);

	if (replica == NULL) {
		return;
	}
	if (job->order.kind == PLANNED) {
		admin_planned_order(job->call, job->relationship);
		free(job);
		return;
	}
	if ((job->order.kind != UNPLANNED && job->order.kind != CANCEL) || job->force ||
	    job->estimate) {
		call_ask_to_stay(job);
		return;
	}
	if (primary_ask(job->engine, job->relationship, job->order.kind, primary_cb, job) < 0) {
		call_fail(job, ENOMEM, "try again", "out of memory");
	}
}

/* ---- the point ---- */

static void found_cb(void *arg, int error, const char *text, const Vmreplica__Point *point)
{
	struct failover_call *job = arg;

	if (error < 0) {
		call_fail(job, error, "vmreplica points --cycles lists what there is", text);
		return;
	}
	job->found = true;
	job->order.latest = false;
	job->order.seq = point->seq;
	vmreplica__point__init(&job->point);
	snprintf(job->cut_id, sizeof(job->cut_id), "%s", point->cut_id);
	snprintf(job->consistency, sizeof(job->consistency), "%s", point->consistency);
	job->point.seq = point->seq;
	job->point.time_ms = point->time_ms;
	job->point.point = point->point;
	job->point.size_bytes = point->size_bytes;
	job->point.cut_id = job->cut_id;
	job->point.consistency = job->consistency;
	call_look_at_peer(job);
}

static void call_find_point(struct failover_call *job, struct replica *replica, const char *to)
{
	struct point_wish wish = {.kind = POINT_WISH_LATEST};
	char error[POINT_SELECT_ERROR_LEN];
	int result;

	if (to[0] != '\0' && point_wish_parse(to, &wish, error) < 0) {
		admin_call_misused(job->call, "%s", error);
		free(job);
		return;
	}
	job->order.latest = wish.kind == POINT_WISH_LATEST;
	if (job->order.latest || (job->order.kind != TEST && job->order.kind != UNPLANNED)) {
		call_look_at_peer(job);
		return;
	}
	result = point_find(replica, &wish, found_cb, job);
	if (result < 0) {
		call_fail(job, result, "try again", "the receiver does not run");
	}
}

/* ---- a commit that merges images gives way, and a reverse that waits for the other side ---- */

#define GIVE_WAY_MS	 30000 /* libvirt ends a block job in moments */
#define GIVE_WAY_LOOK_MS 300

static int wait_run(void *arg)
{
	(void)arg;
	clock_sleep_ms(GIVE_WAY_LOOK_MS);
	return 0;
}

static void wait_done(void *arg, int result)
{
	struct failover_call *job = arg;
	struct replica *replica = call_replica(job);
	bool over = replica != NULL && failover_find(job->engine, job->relationship) == NULL &&
		    standing_get(job->engine, STANDING_FAILOVER, job->relationship) == NULL;

	if (replica == NULL) {
		return;
	}
	if (over) {
		call_find_point(job, replica, "");
	} else if (result < 0 || clock_monotonic_ms() > job->wait_until_ms ||
		   workers_submit(job->engine->task_workers, wait_run, wait_done, job) < 0) {
		call_fail(job, EBUSY, "order it again in a moment",
			  "what was under way is being ended for it");
	}
}

/* ---- what stands ---- */

static bool kind_is_ours(Vmreplica__Admin__FailoverKind kind)
{
	return kind == TEST || kind == CLEANUP || kind == UNPLANNED || kind == CANCEL ||
	       kind == COMMIT || kind == PLANNED || kind == REVERSE;
}

/* The planned failover's own job goes on, the other way round. */
static void reply_taking_back(struct admin_call *call, const char *id)
{
	Vmreplica__Admin__Response response = VMREPLICA__ADMIN__RESPONSE__INIT;
	Vmreplica__Admin__FailoverResponse failover = VMREPLICA__ADMIN__FAILOVER_RESPONSE__INIT;

	failover.job = vm_status_borrow(id);
	response.body_case = VMREPLICA__ADMIN__RESPONSE__BODY_FAILOVER;
	response.failover = &failover;
	admin_call_reply(call, &response);
}

static void failover_here(struct admin_call *call, const Vmreplica__Admin__FailoverRequest *request,
			  struct replica *replica)
{
	struct engine *engine = replica->engine;
	const char *running = failover_job_running_id(engine, replica->settings.relationship);
	const char *advice, *why = failover_refuse_replica(replica, request->kind, &advice);
	struct failover_call *job;
	bool waits =
		why == NULL && ((request->kind == REVERSE &&
				 failover_give_way(engine, replica->settings.relationship)) ||
				(request->kind == CANCEL &&
				 failover_end_reverse(engine, replica->settings.relationship)));

	if (request->kind == CANCEL && failover_take_back(engine, replica->settings.relationship)) {
		reply_taking_back(call, running);
		return;
	}
	if (request->kind == UNPLANNED &&
	    planned_only_waits(engine, replica->settings.relationship)) {
		running = "";
	}
	if (why == NULL && !waits &&
	    (running[0] != '\0' ||
	     standing_get(engine, STANDING_FAILOVER, replica->settings.relationship) != NULL)) {
		admin_call_fail(call, EBUSY, "vmreplica jobs ID --follow shows it",
				"job %s of it is under way", running);
		return;
	}
	if (why != NULL) {
		admin_call_fail(call, EBUSY, advice, "%s: %s", replica->settings.vm, why);
		return;
	}
	job = calloc(1, sizeof(*job));
	if (job == NULL) {
		admin_call_fail(call, ENOMEM, "", "out of memory");
		return;
	}
	job->call = call;
	job->engine = engine;
	job->order.kind = request->kind;
	job->force = request->force;
	job->order.forced = job->force && job->order.kind == UNPLANNED;
	job->estimate = request->estimate;
	snprintf(job->order.network, sizeof(job->order.network), "%s", request->network);
	memcpy(job->relationship, replica->settings.relationship, sizeof(job->relationship));
	if (waits) {
		job->wait_until_ms = clock_monotonic_ms() + GIVE_WAY_MS;
		wait_done(job, 0);
		return;
	}
	call_find_point(job, replica, request->to);
}

void admin_failover(struct admin_call *call, const Vmreplica__Admin__Request *request)
{
	const Vmreplica__Admin__FailoverRequest *failover = request->failover;
	struct engine *engine = admin_call_engine(call);
	struct replica *replica = admin_find_replica(engine, failover->vm);

	if (!kind_is_ours(failover->kind)) {
		admin_call_fail(call, ENOSYS, "update the older of the two",
				"this engine does not know the kind of failover");
	} else if (failover->network[0] != '\0' &&
		   (failover->kind != TEST || !network_name_is_valid(failover->network))) {
		admin_call_misused(call, "\"%.64s\" cannot be the network of a test failover",
				   failover->network);
	} else if (replica == NULL && admin_planned(call, failover)) {
		return; /* a primary's here */
	} else if (replica != NULL) {
		failover_here(call, failover, replica);
	} else if (admin_find_relationship(engine, failover->vm) != NULL) {
		failover_refuse_primary(call, failover->kind, failover->vm);
	} else {
		admin_pass_to_owner(call, request, failover->vm, ADMIN_FAILOVER_MS);
	}
}
