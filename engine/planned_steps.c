/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A planned failover up to its point of no return. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cluster/authorization.h"
#include "common/clock.h"
#include "engine/adopted_disks.h"
#include "engine/epoch.h"
#include "engine/own_definition.h"
#include "engine/planned.h"
#include "engine/source_run.h"
#include "engine/standing.h"

#define POLL_MS		  500
#define HANDOVER_LIMIT_MS 60000
#define CYCLE_LIMIT_MS	  (30 * 60 * 1000) /* a cycle of the catch-up, or the final one */
#define ATTACH_LIMIT_MS	  60000
#define CATCH_UP_ROUNDS	  4u
#define CATCH_UP_BYTES	  (8u << 20) /* a last cycle of this size is short enough */
#define ANSWER_RETRY_MS	  2000

static struct relationship *planned_relationship(const struct planned *planned)
{
	return engine_find_relationship(planned->engine, planned->contact.relationship);
}

static const struct placement_resource *vm_place(const struct planned *planned)
{
	struct cluster *cluster = &planned->engine->cluster;
	const struct placement *placement = cluster->ops->placement(cluster);

	return placement != NULL ? placement_find(placement, planned->contact.vm_resource) : NULL;
}

/* ---- 1 checks ---- */

/* Can this side become the replica? */
static int check_disks(struct planned *planned)
{
	const char *excluded[DISKS_MAX + 1] = {NULL};

	for (size_t i = 0; i < planned->excluded_count; i++) {
		excluded[i] = planned->excluded[i];
	}
	return adopted_disks_check(planned->definition, excluded, planned->text);
}

static int query_run(void *arg)
{
	struct planned *planned = arg;
	struct locate_client client = peer_contact_client(&planned->contact, planned->engine->tls);

	if (check_disks(planned) == -ENOTSUP) {
		return -ENOTSUP;
	}
	return order_client_query(&client, planned->contact.relationship,
				  planned->engine->config->site, NULL, &planned->answer,
				  &planned->trouble);
}

/* May the other side's VM have its replica here? False with the step failed. */
static bool check_way_back(struct planned *planned)
{
	struct authorization_table table = {0};
	bool authorized;

	if (authorization_table_load(engine_settings(planned->engine), &table, NULL) < 0) {
		planned_failed(planned, -ENOMEM, "order it again", "out of memory");
		return false;
	}
	authorized = authorization_match_name(&table, planned->answer.site) != NULL;
	authorization_table_destroy(&table);
	if (!authorized) {
		planned_failed(planned, -EACCES,
			       "vmreplica authorize add SITE --storage DIRECTORY, on this side",
			       "%s is not authorized here: %s could not replicate back",
			       planned->answer.site, planned->contact.vm);
	}
	return authorized;
}

static void check_peer(struct planned *planned)
{
	const struct order_answer *answer = &planned->answer;

	if (!answer->known || answer->role != VMREPLICA__ROLE__ROLE_REPLICA) {
		planned_failed(planned, -ENOENT, "vmreplica status there shows what it has",
			       "the other side has no replica of %s", planned->contact.vm);
	} else if (answer->job[0] != '\0') {
		planned_failed(planned, -EBUSY, "vmreplica jobs there shows it",
			       "job %s of %s is under way on the other side", answer->job,
			       planned->contact.vm);
	} else if (answer->node[0] == '\0') {
		planned_failed(planned, -EAGAIN, "pcs status there shows its resource",
			       "no node of %s has the replica at the moment", answer->site);
	} else if (check_way_back(planned)) {
		snprintf(planned->peer_site, sizeof(planned->peer_site), "%s", answer->site);
		planned_event(planned, PLANNED_EVENT_DONE);
	}
}

/* Without a cluster only libvirt knows whether it runs. */
static int check_run(void *arg)
{
	struct planned *planned = arg;
	enum source_run_state state;
	int result;

	planned->is_off = false;
	if (planned->engine->config->standalone) {
		result = source_run_state(planned->engine->libvirt, planned->contact.vm, &state,
					  planned->text);
		planned->is_off = result < 0 || state != SOURCE_RUN_RUNNING;
		if (planned->is_off) {
			return result < 0 ? result : -EAGAIN;
		}
	}
	return query_run(planned);
}

static void checked_cb(void *arg, int result)
{
	struct planned *planned = arg;

	planned->busy = false;
	if (!planned->is_off && result == -ENOTSUP) {
		planned_failed(planned, result, "nothing was changed", "%s", planned->text);
	} else if (planned->is_off) {
		planned_failed(planned, result, "start it, then order it again",
			       "%s does not run here%s%s", planned->contact.vm,
			       planned->text[0] != '\0' ? ": " : "", planned->text);
	} else if (result < 0) {
		planned_failed(
			planned, result,
			"when the other side is gone: vmreplica failover VM --unplanned there",
			"the other side does not answer: %s", planned->trouble.text);
	} else {
		check_peer(planned);
	}
}

/* The VM here: runs, does not move, is replicated well. False with the step failed. */
static bool check_here(struct planned *planned)
{
	const struct relationship *rel = planned_relationship(planned);
	const struct placement_resource *place = vm_place(planned);
	const char *vm = planned->contact.vm;

	if (rel == NULL ||
	    (!planned->engine->config->standalone &&
	     (place == NULL || place->state != PLACEMENT_RUNNING || place->pending != NULL))) {
		planned_failed(planned, -EAGAIN, "wait until it is at rest: pcs status",
			       "%s is not running, or moving", vm);
		return false;
	}
	if (rel->state.state != VMREPLICA__STATE__STATE_REPLICATING ||
	    rel->verdict.health == VMREPLICA__HEALTH__HEALTH_CRITICAL ||
	    rel->last_replicated_ms == 0) {
		planned_failed(planned, -EIO, "vmreplica status VM says what to do",
			       "the replica of %s is not healthy: %s%s%s", vm,
			       state_to_string(rel->state.state),
			       rel->verdict.reason[0] != '\0' ? ": " : "", rel->verdict.reason);
		return false;
	}
	return true;
}

static void note_excluded(struct planned *planned)
{
	const struct vm_settings *settings = &planned_relationship(planned)->settings;

	planned->excluded_count = settings->exclude_count;
	for (size_t i = 0; i < settings->exclude_count; i++) {
		memcpy(planned->excluded[i], settings->exclude_disks[i],
		       sizeof(planned->excluded[i]));
	}
}

void planned_step_check(struct planned *planned)
{
	if (check_here(planned)) {
		own_definition_find(planned->engine, planned->contact.relationship,
				    planned->contact.vm_resource, planned->definition);
		note_excluded(planned);
		planned_work(planned, check_run, checked_cb);
	}
}

/* ---- 2 handover ---- */

/* The order with its epoch, then the handover: both stand before anything is stopped. */
void planned_step_handover(struct planned *planned)
{
	const char *id = planned->contact.relationship;
	struct handover standing;
	char value[FAILOVER_ORDER_LEN];
	struct epoch known;

	if (planned->order.epoch.number == 0) {
		engine_epoch_known(planned->engine, id, planned->engine->config->site, &known);
		if (epoch_raise(&known, planned->peer_site, NULL, &planned->order.epoch) < 0) {
			planned_failed(planned, -EIO, "", "no epoch can be made");
			return;
		}
	}
	if (!planned->is_recorded) {
		planned->is_recorded = true;
		planned_set(planned, STANDING_FAILOVER,
			    failover_order_encode(&planned->order, value));
	} else if (!handover_read(planned->engine, id, &standing)) {
		planned->handover = (struct handover){.epoch = planned->order.epoch.number};
		planned_set(planned, STANDING_HANDOVER, handover_encode(&planned->handover, value));
	} else {
		planned->handover = standing;
		planned_event(planned, PLANNED_EVENT_DONE);
	}
}

/* ---- 3 catch-up ---- */

static void caught_up_cb(void *arg, int error, const char *text)
{
	struct planned *planned = arg;
	const struct relationship *rel = planned_relationship(planned);

	planned->busy = false;
	if (error < 0 || rel == NULL) {
		planned_failed(planned, error < 0 ? error : -EAGAIN,
			       "vmreplica status VM says what to do", "changes cannot be sent: %s",
			       rel != NULL ? text : "the VM moved");
	} else if (++planned->rounds < CATCH_UP_ROUNDS && rel->cycle.data_bytes > CATCH_UP_BYTES) {
		planned_later(planned, 0, 0, "cycle %" PRIu64 ", %" PRIu64 " MiB; another one",
			      rel->seq, rel->cycle.data_bytes >> 20);
		engine_wake(planned->engine);
	} else {
		planned_event(planned, PLANNED_EVENT_DONE);
	}
}

void planned_step_catch_up(struct planned *planned)
{
	struct relationship *rel = planned_relationship(planned);
	const struct placement_resource *place = vm_place(planned);

	if (place != NULL && place->state == PLACEMENT_STOPPED) {
		planned_event(planned, PLANNED_EVENT_DONE); /* resumed: it is stopped already */
		return;
	}
	if (rel == NULL || !rel->ready) {
		planned_later(planned, POLL_MS, ATTACH_LIMIT_MS,
			      "replication of the VM is attached to no node at the moment");
		return;
	}
	planned->busy = true;
	if (relationship_request_sync(rel, CYCLE_LIMIT_MS, caught_up_cb, planned) < 0) {
		planned->busy = false;
		planned_later(planned, POLL_MS, ATTACH_LIMIT_MS, "the VM is leaving this node");
	}
}

/* ---- 6 final cycle ---- */

static void final_cb(void *arg, int error, const char *text)
{
	struct planned *planned = arg;

	planned->busy = false;
	if (error < 0) {
		planned_later(planned, POLL_MS, ATTACH_LIMIT_MS, "the last cycle: %s", text);
	} else {
		engine_wake(planned->engine); /* the step finds it committed */
	}
}

/* Committed, and what was committed stands in the settings before the other side hears of it. */
void planned_step_final(struct planned *planned)
{
	struct relationship *rel = planned_relationship(planned);
	char value[HANDOVER_LEN];

	if (handover_read(planned->engine, planned->contact.relationship, &planned->handover) &&
	    planned->handover.seq > 0) {
		planned_event(planned, PLANNED_EVENT_DONE);
		return;
	}
	if (rel == NULL || !rel->ready) {
		planned_later(planned, POLL_MS, ATTACH_LIMIT_MS,
			      "replication of the VM is attached to no node at the moment");
		return;
	}
	if (rel->handed) {
		planned->handover.epoch = planned->order.epoch.number;
		planned->handover.seq = rel->seq;
		memcpy(planned->handover.cut_id, rel->cut_id, sizeof(planned->handover.cut_id));
		planned_set(planned, STANDING_HANDOVER, handover_encode(&planned->handover, value));
		return;
	}
	planned->busy = true;
	if (relationship_request_final(rel, CYCLE_LIMIT_MS, final_cb, planned) < 0) {
		planned->busy = false;
		planned_later(planned, POLL_MS, ATTACH_LIMIT_MS, "the VM is leaving this node");
	}
}

/* ---- 7 take ---- */

static void fill_order(struct planned *planned, Vmreplica__Wire__Order *order,
		       Vmreplica__Epoch *epoch, Vmreplica__Cut *cut)
{
	epoch_to_message(&planned->order.epoch, epoch);
	vmreplica__cut__init(cut);
	cut->seq = planned->handover.seq;
	cut->cut_id = planned->handover.cut_id;
	order->relationship = planned->contact.relationship;
	order->site = planned->engine->config->site;
	order->epoch = epoch;
	order->cut = cut;
	order->peer_address = planned->address;
}

static int give_order(struct planned *planned, Vmreplica__Wire__OrderKind kind)
{
	struct locate_client client = peer_contact_client(&planned->contact, planned->engine->tls);
	Vmreplica__Wire__Order order = VMREPLICA__WIRE__ORDER__INIT;
	Vmreplica__Epoch epoch;
	Vmreplica__Cut cut;

	fill_order(planned, &order, &epoch, &cut);
	order.kind = kind;
	return order_client_order(&client, &order, &planned->result, &planned->trouble);
}

static int take_run(void *arg)
{
	return give_order(arg, VMREPLICA__WIRE__ORDER_KIND__ORDER_TAKE);
}

static bool is_refusal(const struct trouble *trouble)
{
	return trouble->outcome == SCHEDULE_DENIED;
}

static void take_cb(void *arg, int result)
{
	struct planned *planned = arg;

	planned->busy = false;
	if (result == 0 && epoch_equal(&planned->result.epoch, &planned->order.epoch)) {
		planned_event(planned, PLANNED_EVENT_TAKEN);
	} else if (result == 0) {
		planned_later(planned, (int)planned->result.retry_ms, 0, "the other side is at it");
	} else if (is_refusal(&planned->trouble)) {
		planned_failed(planned, result, "vmreplica jobs and events there say more",
			       "the other side does not take the VM: %s", planned->trouble.text);
	} else if (result == -EBUSY) {
		planned_later(planned, POLL_MS, 0, "%s", planned->trouble.text);
	} else {
		failover_job_note(planned->job, "%s", planned->trouble.text);
		planned_event(planned, PLANNED_EVENT_UNKNOWN);
	}
}

void planned_step_take(struct planned *planned)
{
	planned_work(planned, take_run, take_cb);
}

/* ---- 7 in doubt ---- */

static void asked_cb(void *arg, int result)
{
	struct planned *planned = arg;
	const struct epoch *theirs = &planned->answer.epoch;

	planned->busy = false;
	if (result < 0) {
		planned_later(planned, ANSWER_RETRY_MS, 0,
			      "whether the other side has taken %s is not known, and it does not "
			      "answer: %s. %s starts on neither side by itself; vmreplica failover "
			      "%s --cancel asks it to give it back",
			      planned->contact.vm, planned->trouble.text, planned->contact.vm,
			      planned->contact.vm);
	} else if (theirs->number >= planned->order.epoch.number) {
		planned_event(planned, PLANNED_EVENT_TAKEN);
	} else {
		planned_event(planned, PLANNED_EVENT_NOT_TAKEN);
	}
}

void planned_step_ask(struct planned *planned)
{
	planned_work(planned, query_run, asked_cb);
}

/* ---- back: the other side's word ---- */

static int cancel_run(void *arg)
{
	return give_order(arg, VMREPLICA__WIRE__ORDER_KIND__ORDER_CANCEL);
}

static void cancelled_cb(void *arg, int result)
{
	struct planned *planned = arg;

	planned->busy = false;
	if (result == 0 && epoch_equal(&planned->result.epoch, &planned->order.epoch)) {
		planned_event(planned, PLANNED_EVENT_TAKEN); /* too late */
	} else if (result == 0 && planned->result.done) {
		planned_event(planned, PLANNED_EVENT_DONE);
	} else {
		planned_later(planned, ANSWER_RETRY_MS, 0,
			      "the other side has not promised yet that it will not start %s: %s. "
			      "Where it surely does not: vmreplica failover %s --cancel --force",
			      planned->contact.vm,
			      result < 0 ? planned->trouble.text : planned->result.text,
			      planned->contact.vm);
	}
}

void planned_step_back_cancel(struct planned *planned)
{
	planned_work(planned, cancel_run, cancelled_cb);
}
