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
#include "engine/promise.h"
#include "engine/replica.h"
#include "engine/standing.h"

#define PLANNED VMREPLICA__ADMIN__FAILOVER_KIND__FAILOVER_PLANNED

/* What the store has made durable, or, when this side is the primary already, the settings. site:
 * the asking side's. */
static void taken_epoch(const struct engine *engine, const char *id, const char *site,
			struct epoch *ret_epoch)
{
	const struct replica *replica = engine_find_replica(engine, id);
	struct epoch stored = {0};

	engine_epoch_known(engine, id, site, ret_epoch);
	if (replica != NULL && replica->status != NULL) {
		epoch_from_message(replica->status->epoch, &stored);
	}
	if (stored.number > ret_epoch->number) {
		*ret_epoch = stored;
	}
}

static void answer_taken(struct admin_call *call, const struct engine *engine,
			 const char *relationship, const struct epoch *epoch, bool done)
{
	Vmreplica__Wire__Ordered ordered = VMREPLICA__WIRE__ORDERED__INIT;
	Vmreplica__Epoch message;

	epoch_to_message(epoch, &message);
	ordered.done = done;
	ordered.epoch = &message;
	ordered.job = (char *)(uintptr_t)failover_job_running_id(engine, relationship);
	peer_order_answer(call, &ordered);
}

/* An admin here sees what the other side waits for. */
static void note_handover(const struct peer_order *order, const struct epoch *epoch,
			  const char *waits)
{
	struct replica *replica = engine_find_replica(order->engine, order->contact.relationship);

	if (replica != NULL) {
		replica_note_word(replica,
				  "%s has stopped %s for a planned failover (epoch %llu) and %s",
				  order->order->site, order->contact.vm,
				  (unsigned long long)epoch->number, waits);
	}
}

static void take_begin(struct peer_order *order, const struct epoch *epoch)
{
	const char *id = order->contact.relationship;
	struct replica *replica = engine_find_replica(order->engine, id);
	struct failover_order begin = {.kind = PLANNED, .epoch = *epoch};
	struct failover *failover;
	int result;

	note_handover(order, epoch, "waits for this side to take it: vmreplica jobs");
	if (replica == NULL || !replica_is_open(replica)) {
		peer_order_later(order->call, "", "the replica's store is not open at the moment");
		return;
	}
	begin.seq = order->order->cut->seq;
	snprintf(begin.cut_id, sizeof(begin.cut_id), "%s", order->order->cut->cut_id);
	result = failover_begin(replica, &begin, &failover);
	if (result == -EBUSY) {
		/* no refusal: that would be one for good, and the other job may be a failover */
		peer_order_later(order->call, failover_job_running_id(order->engine, id),
				 "another job of it is under way there: vmreplica jobs there");
		return;
	}
	if (result < 0) {
		peer_order_refuse(order->call, "%s: %s", order->contact.vm, strerror(-result));
		return;
	}
	engine_event(order->engine, "notice", order->contact.vm,
		     "%s hands over: this side takes epoch %llu", order->order->site,
		     (unsigned long long)epoch->number);
	peer_order_later(order->call, failover_job_id(failover->job), "it has begun");
}

/* Why an order that is refused will not be carried out: it was tried, or it was cancelled. */
static const char *refusal_reason(const struct engine *engine, const char *relationship,
				  const struct failover *failover)
{
	const Vmreplica__Job *found = NULL;

	if (failover != NULL && failover->order.kind == PLANNED && failover->error != 0) {
		return failover->text;
	}
	for (size_t i = 0; i < job_table_count(engine->jobs); i++) {
		const Vmreplica__Job *job = job_table_at(engine->jobs, i);

		if (strcmp(job->relationship, relationship) == 0 &&
		    strcmp(job->kind, JOB_KIND_PLANNED) == 0) {
			found = job;
		}
	}
	return found != NULL && !job_message_is_running(found) && found->text[0] != '\0'
		       ? found->text
		       : "it was cancelled";
}

void peer_order_take(struct peer_order *order)
{
	const char *id = order->contact.relationship;
	struct epoch epoch, known;
	struct failover *failover = failover_find(order->engine, id);

	epoch_from_message(order->order->epoch, &epoch);
	taken_epoch(order->engine, id, order->order->site, &known);
	if (epoch.number == 0 || order->order->cut == NULL ||
	    !epoch_is_held_by(&epoch, order->engine->config->site)) {
		peer_order_refuse(order->call,
				  "TAKE without a cut, or an epoch that this site holds");
	} else if (!epoch_is_near(&known, &epoch)) {
		peer_order_refuse_far(order, &known, &epoch);
	} else if (epoch_equal(&known, &epoch)) {
		answer_taken(order->call, order->engine, id, &epoch, true);
	} else if (known.number >= epoch.number ||
		   engine_epoch_is_refused(order->engine, id, &epoch)) {
		peer_order_refuse(order->call, "%s will not be taken in epoch %llu: %s",
				  order->contact.vm, (unsigned long long)epoch.number,
				  known.number >= epoch.number
					  ? "a higher one is known here"
					  : refusal_reason(order->engine, id, failover));
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
	char site[SITE_NAME_MAX + 1]; /* the asking side's */
};

static void note_promise(const struct refusal *refusal)
{
	struct replica *replica = engine_find_replica(refusal->engine, refusal->relationship);

	if (replica != NULL) {
		replica_note_word(replica,
				  "this side has promised %s not to take %s in epoch %llu: it "
				  "starts there again",
				  refusal->site, replica->settings.vm,
				  (unsigned long long)refusal->epoch.number);
	}
}

static bool has_failed_over(const struct replica *replica)
{
	const Vmreplica__Takeover *takeover =
		replica != NULL && replica->status != NULL ? replica->status->takeover : NULL;

	return takeover != NULL && takeover->kind == VMREPLICA__TAKEOVER_KIND__TAKEOVER_FAILOVER;
}

/* As things stand now: may it be promised? */
static enum promise_verdict refusal_judge(const struct refusal *refusal,
					  struct promise_facts *ret_facts, const char **ret_why)
{
	const struct engine *engine = refusal->engine;
	const char *id = refusal->relationship;
	struct peer_contact contact;
	struct epoch settled;

	engine_epoch_known(engine, id, refusal->site, &settled);
	*ret_facts = (struct promise_facts){
		.order = refusal->epoch,
		.is_replica = peer_contact_find(engine, id, &contact) == 0 &&
			      contact.role == VMREPLICA__ROLE__ROLE_REPLICA,
		.under_way = failover_find(engine, id) != NULL ||
			     standing_get(engine, STANDING_FAILOVER, id) != NULL ||
			     failover_job_running_id(engine, id)[0] != '\0',
		.failed_over = has_failed_over(engine_find_replica(engine, id)),
		.is_refused = engine_epoch_is_refused(engine, id, &refusal->epoch),
		.is_started = epoch_equal(&settled, &refusal->epoch),
	};
	taken_epoch(engine, id, refusal->site, &ret_facts->known);
	return promise_judge(ret_facts, ret_why);
}

/* The promise stands: it is given unless something was begun while it was written. */
static void refused_cb(void *arg, int error, const char *text)
{
	struct refusal *refusal = arg;
	Vmreplica__Wire__Ordered ordered = VMREPLICA__WIRE__ORDERED__INIT;
	struct promise_facts facts;
	const char *why;

	if (error < 0) {
		peer_order_later(refusal->call, "", text);
		free(refusal);
		return;
	}
	switch (refusal_judge(refusal, &facts, &why)) {
	case PROMISE_GIVEN:
		note_promise(refusal);
		ordered.done = true;
		peer_order_answer(refusal->call, &ordered);
		break;
	case PROMISE_TOO_LATE:
		answer_taken(refusal->call, refusal->engine, refusal->relationship, &facts.known,
			     false);
		break;
	case PROMISE_LATER:
		peer_order_later(refusal->call,
				 failover_job_running_id(refusal->engine, refusal->relationship),
				 why);
		break;
	}
	free(refusal);
}

static void refuse_begin(const struct refusal *asked)
{
	struct refusal *refusal = malloc(sizeof(*refusal));
	char value[EPOCH_TEXT_LEN];

	if (refusal == NULL) {
		peer_order_later(asked->call, "", "out of memory");
		return;
	}
	*refusal = *asked;
	standing_set(refusal->engine, STANDING_REFUSED, refusal->relationship,
		     epoch_format(&refusal->epoch, value), refused_cb, refusal);
}

void peer_order_cancel(struct peer_order *order)
{
	struct refusal asked = {.call = order->call, .engine = order->engine};
	const char *id = order->contact.relationship, *why;
	struct promise_facts facts;

	epoch_from_message(order->order->epoch, &asked.epoch);
	snprintf(asked.relationship, sizeof(asked.relationship), "%s", id);
	snprintf(asked.site, sizeof(asked.site), "%s", order->order->site);
	if (asked.epoch.number == 0) {
		peer_order_refuse(order->call, "CANCEL without an epoch");
		return;
	}
	switch (refusal_judge(&asked, &facts, &why)) {
	case PROMISE_GIVEN:
		refuse_begin(&asked);
		break;
	case PROMISE_TOO_LATE:
		answer_taken(order->call, order->engine, id, &facts.known, false);
		break;
	case PROMISE_LATER:
		note_handover(order, &asked.epoch,
			      "asks for this side's promise not to take it, which it cannot give "
			      "now: vmreplica jobs");
		peer_order_later(order->call, failover_job_running_id(order->engine, id), why);
		break;
	}
}
