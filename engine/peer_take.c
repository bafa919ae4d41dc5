/* SPDX-License-Identifier: GPL-2.0-or-later */
/* TAKE and CANCEL on the replica's side of a planned failover. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/epoch.h"
#include "engine/failover.h"
#include "engine/job_table.h"
#include "engine/peer_order.h"
#include "engine/replica.h"
#include "engine/standing.h"

#define PLANNED VMREPLICA__ADMIN__FAILOVER_KIND__FAILOVER_PLANNED

/* What the store has made durable, or, when this side is the primary already, the settings. */
static void taken_epoch(const struct peer_order *order, struct epoch *ret_epoch)
{
	const char *id = order->contact.relationship;
	const struct replica *replica = engine_find_replica(order->engine, id);
	struct epoch stored = {0};

	engine_epoch_known(order->engine, id, order->order->site, ret_epoch);
	if (replica != NULL && replica->status != NULL) {
		epoch_from_message(replica->status->epoch, &stored);
	}
	if (stored.number > ret_epoch->number) {
		*ret_epoch = stored;
	}
}

static bool is_refused(const struct peer_order *order, const struct epoch *epoch)
{
	struct epoch refused;

	return epoch_parse(
		       standing_get(order->engine, STANDING_REFUSED, order->contact.relationship),
		       &refused) == 0 &&
	       epoch_equal(&refused, epoch);
}

/* Is a TAKE in this epoch recorded, on whatever node? Its engine may be away: it goes on later. */
static bool is_recorded(const struct engine *engine, const char *relationship,
			const struct epoch *epoch)
{
	const char *text = standing_get(engine, STANDING_FAILOVER, relationship);
	struct failover_order recorded;

	return text != NULL && failover_order_decode(text, &recorded) && recorded.kind == PLANNED &&
	       !recorded.undo && epoch_equal(&recorded.epoch, epoch);
}

static void answer_taken(struct peer_order *order, const struct epoch *epoch, bool done)
{
	Vmreplica__Wire__Ordered ordered = VMREPLICA__WIRE__ORDERED__INIT;
	Vmreplica__Epoch message;

	epoch_to_message(epoch, &message);
	ordered.done = done;
	ordered.epoch = &message;
	ordered.job = (char *)(uintptr_t)failover_job_running_id(order->engine,
								 order->contact.relationship);
	peer_order_answer(order->call, &ordered);
}

static void take_begin(struct peer_order *order, const struct epoch *epoch)
{
	const char *id = order->contact.relationship;
	struct replica *replica = engine_find_replica(order->engine, id);
	struct failover_order begin = {.kind = PLANNED, .epoch = *epoch};
	struct failover *failover;
	int result;

	if (replica == NULL || !replica_is_open(replica)) {
		peer_order_later(order->call, "", "the replica's store is not open at the moment");
		return;
	}
	begin.seq = order->order->cut->seq;
	snprintf(begin.cut_id, sizeof(begin.cut_id), "%s", order->order->cut->cut_id);
	result = failover_begin(replica, &begin, &failover);
	if (result < 0) {
		peer_order_refuse(order->call, "%s: %s", order->contact.vm,
				  result == -EBUSY
					  ? "another job is under way there: vmreplica jobs"
					  : strerror(-result));
		return;
	}
	engine_event(order->engine, "notice", order->contact.vm,
		     "%s hands over: this side takes epoch %llu", order->order->site,
		     (unsigned long long)epoch->number);
	peer_order_later(order->call, failover_job_id(failover->job), "it has begun");
}

void peer_order_take(struct peer_order *order)
{
	const char *id = order->contact.relationship;
	struct epoch epoch, known;
	struct failover *failover = failover_find(order->engine, id);

	epoch_from_message(order->order->epoch, &epoch);
	taken_epoch(order, &known);
	if (epoch.number == 0 || order->order->cut == NULL ||
	    !epoch_is_held_by(&epoch, order->engine->config->site)) {
		peer_order_refuse(order->call,
				  "TAKE without a cut, or an epoch that this site holds");
	} else if (!epoch_is_near(&known, &epoch)) {
		peer_order_refuse_far(order, &known, &epoch);
	} else if (epoch_equal(&known, &epoch)) {
		answer_taken(order, &epoch, true);
	} else if (known.number >= epoch.number || is_refused(order, &epoch)) {
		peer_order_refuse(order->call, "%s will not be taken in epoch %llu: %s",
				  order->contact.vm, (unsigned long long)epoch.number,
				  known.number >= epoch.number ? "a higher one is known here"
							       : "it was cancelled");
	} else if (failover != NULL && epoch_equal(&failover->order.epoch, &epoch)) {
		peer_order_later(order->call, failover_job_id(failover->job), "it is under way");
	} else {
		take_begin(order, &epoch);
	}
}

/* ---- CANCEL ---- */

struct refusal {
	struct admin_call *call;
	struct engine *engine;
	struct epoch epoch;
	char relationship[RELATIONSHIP_LEN + 1];
};

/* The promise stands: unless a TAKE was begun while it was written. */
static void refused_cb(void *arg, int error, const char *text)
{
	struct refusal *refusal = arg;
	const struct failover *failover = failover_find(refusal->engine, refusal->relationship);
	Vmreplica__Wire__Ordered ordered = VMREPLICA__WIRE__ORDERED__INIT;

	if (error < 0) {
		peer_order_later(refusal->call, "", text);
	} else if (failover != NULL && epoch_equal(&failover->order.epoch, &refusal->epoch)) {
		peer_order_later(refusal->call, failover_job_id(failover->job),
				 "it had begun to take the VM");
	} else if (is_recorded(refusal->engine, refusal->relationship, &refusal->epoch)) {
		peer_order_later(refusal->call, "", "another node had begun to take the VM");
	} else {
		ordered.done = true;
		peer_order_answer(refusal->call, &ordered);
	}
	free(refusal);
}

static void refuse_begin(struct peer_order *order, const struct epoch *epoch)
{
	struct refusal *refusal = calloc(1, sizeof(*refusal));
	char value[EPOCH_TEXT_LEN];

	if (refusal == NULL) {
		peer_order_later(order->call, "", "out of memory");
		return;
	}
	refusal->call = order->call;
	refusal->engine = order->engine;
	refusal->epoch = *epoch;
	memcpy(refusal->relationship, order->contact.relationship, sizeof(refusal->relationship));
	standing_set(order->engine, STANDING_REFUSED, order->contact.relationship,
		     epoch_format(epoch, value), refused_cb, refusal);
}

void peer_order_cancel(struct peer_order *order)
{
	const struct failover *failover = failover_find(order->engine, order->contact.relationship);
	struct epoch epoch, known;

	epoch_from_message(order->order->epoch, &epoch);
	taken_epoch(order, &known);
	if (epoch.number == 0) {
		peer_order_refuse(order->call, "CANCEL without an epoch");
	} else if (epoch_equal(&known, &epoch)) {
		answer_taken(order, &epoch, false); /* too late: it is taken */
	} else if (failover != NULL && epoch_equal(&failover->order.epoch, &epoch)) {
		peer_order_later(order->call, failover_job_id(failover->job),
				 "it is being taken at this moment");
	} else if (is_recorded(order->engine, order->contact.relationship, &epoch)) {
		peer_order_later(order->call, "", "it is being taken, and goes on by itself");
	} else {
		refuse_begin(order, &epoch);
	}
}
