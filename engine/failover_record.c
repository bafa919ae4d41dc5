/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The order of a failover in the cluster's settings: how it comes there, and how it goes. */
#include <errno.h>
#include <string.h>

#include "engine/epoch.h"
#include "engine/failover.h"
#include "engine/standing.h"
#include "engine/switch_change.h"

#define SETTING_LIMIT_MS 120000

#define PLANNED VMREPLICA__ADMIN__FAILOVER_KIND__FAILOVER_PLANNED
#define CANCEL	VMREPLICA__ADMIN__FAILOVER_KIND__FAILOVER_CANCEL
#define COMMIT	VMREPLICA__ADMIN__FAILOVER_KIND__FAILOVER_COMMIT

#define SEE_CLUSTER "pcs status shows how the cluster is"

static void recorded_cb(void *arg, int error, const char *text)
{
	struct failover *failover = arg;

	failover->busy = false;
	if (error == 0) {
		failover_done(failover);
	} else {
		failover_later(failover, FAILOVER_RETRY_MS, SETTING_LIMIT_MS, SEE_CLUSTER,
			       "the order cannot be recorded: %s", text);
	}
}

void failover_step_record(struct failover *failover)
{
	const char *present =
		standing_get(failover->engine, STANDING_FAILOVER, failover->relationship);
	char value[FAILOVER_ORDER_LEN];

	failover_order_encode(&failover->order, value);
	if (present != NULL && strcmp(present, value) == 0) {
		failover_done(failover);
		return;
	}
	failover->busy = true;
	standing_set(failover->engine, STANDING_FAILOVER, failover->relationship, value,
		     recorded_cb, failover);
}

int failover_release_epoch(const struct failover *failover, const struct replica *replica,
			   struct epoch *ret_epoch)
{
	const struct epoch *ordered = &failover->order.epoch;
	struct epoch known;

	engine_epoch_known(failover->engine, failover->relationship, replica->settings.peer,
			   &known);
	if (failover->order.kind == CANCEL) {
		*ret_epoch = *ordered;
		return 0;
	}
	if (failover->order.kind == PLANNED && known.number > ordered->number) {
		*ret_epoch = known;
		return 0;
	}
	return epoch_raise(ordered, replica->settings.peer, ordered->lineage, ret_epoch);
}

/* Does the epoch that a release has raised to belong into the settings? Of what was taken back in
 * the store alone they know nothing. */
static bool forget_raises(const struct failover *failover, struct epoch *ret_epoch)
{
	const struct replica *replica =
		engine_find_replica(failover->engine, failover->relationship);
	struct epoch known;

	engine_epoch_known(failover->engine, failover->relationship, failover->engine->config->site,
			   &known);
	*ret_epoch = failover->order.epoch;
	if (failover->order.kind == CANCEL) {
		return failover->error == 0;
	}
	return failover->order.kind == PLANNED && failover->state.undo && replica != NULL &&
	       epoch_equal(&known, &failover->order.epoch) &&
	       failover_release_epoch(failover, replica, ret_epoch) == 0;
}

/* What was not taken, or is given back, will not be taken by the same order given once more: the
 * other side hears so, and starts the VM again. */
static bool forget_refuses(const struct failover *failover)
{
	return failover->order.kind == PLANNED && failover->state.undo;
}

/* The order goes, and with a cancel the epoch that it raised comes, in one change. */
static void forget_order(struct failover *failover)
{
	struct cluster *cluster = &failover->engine->cluster;
	struct replica *replica = failover_replica(failover);
	const Vmreplica__Ipc__CibResource *resource = failover_vm_resource(failover);
	char raised[EPOCH_TEXT_LEN], refused[EPOCH_TEXT_LEN];
	struct switch_change change;
	struct epoch epoch;
	int result;

	switch_change_init(&change);
	switch_change_setting(&change, STANDING_FAILOVER, failover->relationship, "");
	if (forget_raises(failover, &epoch)) {
		switch_change_setting(&change, EPOCH_SETTING, failover->relationship,
				      epoch_format(&epoch, raised));
		if (failover->order.kind == CANCEL) {
			switch_change_setting(&change, STANDING_REVERSING, failover->relationship,
					      "");
		}
	}
	if (forget_refuses(failover)) {
		switch_change_setting(&change, STANDING_REFUSED, failover->relationship,
				      epoch_format(&failover->order.epoch, refused));
	}
	if (failover->order.kind == COMMIT && replica != NULL && resource != NULL) {
		change.request.resource = replica->settings.resource;
		change.request.vm_resource = resource->id;
		change.request.follow = VMREPLICA__IPC__CIB_FOLLOW__CIB_FOLLOW_REMOVE;
	}
	failover->busy = true;
	result = cluster->ops->switch_role(cluster, &change.request, recorded_cb, failover);
	if (result < 0) {
		recorded_cb(failover, result, "Pacemaker is not reached");
	}
}

void failover_step_forget(struct failover *failover)
{
	if (standing_get(failover->engine, STANDING_FAILOVER, failover->relationship) == NULL) {
		failover_done(failover);
		return;
	}
	forget_order(failover);
}
