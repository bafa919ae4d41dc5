/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A planned failover from the handover to its point of no return. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "engine/epoch.h"
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
#define TAKE_LIMIT_MS	  (10 * 60 * 1000) /* the other side answers, and does not even begin */

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
	const struct relationship *rel = planned_sender(planned);

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
	struct relationship *rel = planned_sender(planned);
	const struct placement_resource *place = planned_place(planned);

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
	struct relationship *rel = planned_sender(planned);
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

static void take_cb(void *arg, int result)
{
	struct planned *planned = arg;

	planned->busy = false;
	if (result == 0 && epoch_equal(&planned->result.epoch, &planned->order.epoch)) {
		planned_event(planned, PLANNED_EVENT_TAKEN);
	} else if (result == 0) {
		if (planned->result.job[0] != '\0') {
			planned->step_ms = clock_monotonic_ms(); /* somebody there is at it */
		}
		planned_later(
			planned, (int)planned->result.retry_ms, TAKE_LIMIT_MS, "the other side: %s",
			planned->result.text[0] != '\0' ? planned->result.text : "it is under way");
	} else if (planned_is_refused(planned)) {
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
	enum planned_event heard;

	planned->busy = false;
	if (result < 0) {
		planned_later(planned, ANSWER_RETRY_MS, 0,
			      "whether the other side has taken %s is not known, and it does not "
			      "answer: %s. %s starts on neither side by itself; vmreplica failover "
			      "%s --cancel asks it to give it back",
			      planned->contact.vm, planned->trouble.text, planned->contact.vm,
			      planned->contact.vm);
		return;
	}
	heard = planned_plan_judge(&planned->order.epoch, &planned->answer.epoch,
				   planned->engine->config->site, planned->answer.failing_over);
	if (heard == PLANNED_EVENT_LATER) {
		planned_later(planned, ANSWER_RETRY_MS, 0,
			      "the other side is failing over %s at this moment, or tells of an "
			      "epoch that is not believed: vmreplica jobs and status there",
			      planned->contact.vm);
	} else {
		planned->lost = planned->answer.epoch;
		planned_event(planned, heard);
	}
}

void planned_step_ask(struct planned *planned)
{
	planned_work(planned, planned_query_run, asked_cb);
}

/* ---- back: the other side's word ---- */

static int cancel_run(void *arg)
{
	return give_order(arg, VMREPLICA__WIRE__ORDER_KIND__ORDER_CANCEL);
}

static void cancelled_cb(void *arg, int result)
{
	struct planned *planned = arg;
	enum planned_event heard =
		result < 0 ? PLANNED_EVENT_LATER
			   : planned_plan_judge(&planned->order.epoch, &planned->result.epoch,
						planned->engine->config->site, false);

	planned->busy = false;
	if (heard == PLANNED_EVENT_TAKEN || heard == PLANNED_EVENT_LOST ||
	    heard == PLANNED_EVENT_GRANTED) {
		planned->lost = planned->result.epoch;
		planned_event(planned, heard); /* too late */
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
