/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An order to make way for a side that is the replica already, in another epoch. */
#include "engine/epoch.h"
#include "engine/give_way.h"
#include "engine/job_table.h"
#include "engine/replica.h"
#include "engine/standing.h"

static void recorded_cb(void *arg, int error, const char *text)
{
	peer_order_later(arg, "", error < 0 ? text : "its epoch is recorded");
}

void give_way_as_replica(struct peer_order *order, const struct epoch *theirs)
{
	const char *id = order->contact.relationship;
	const struct replica *replica = engine_find_replica(order->engine, id);
	const char *job = failover_job_running_id(order->engine, id);
	const Vmreplica__Takeover *takeover =
		replica != NULL && replica->status != NULL ? replica->status->takeover : NULL;

	if (job[0] != '\0' || standing_get(order->engine, STANDING_FAILOVER, id) != NULL) {
		peer_order_later(order->call, job, "another job of the VM is under way there");
	} else if (replica == NULL || replica->status == NULL) {
		peer_order_later(order->call, "", "the replica's store is not open at the moment");
	} else if (takeover != NULL &&
		   takeover->kind == VMREPLICA__TAKEOVER_KIND__TAKEOVER_FAILOVER) {
		peer_order_refuse(order->call,
				  "%s has failed over at %s as well: vmreplica failover %s "
				  "--cancel there first",
				  order->contact.vm, order->engine->config->site,
				  order->contact.vm);
	} else {
		engine_epoch_store(order->engine, id, theirs, recorded_cb, order->call);
	}
}
