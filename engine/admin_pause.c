/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pause, resume, resync: standing orders, written into the cluster's settings first and obeyed
 * then.
 *
 *   pause --release: suspended=release -> the order to resynchronize -> bitmaps gone -> answer
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/admin_vm.h"
#include "engine/standing.h"

#define RELEASE_MS	   30000 /* a running cycle ends first */
#define RELEASE_FORWARD_MS (RELEASE_MS + 10000)

struct order {
	struct admin_call *call;
	struct engine *engine;
	char relationship[RELATIONSHIP_LEN + 1];
	char vm[VM_NAME_MAX + 1];
	bool suspend, release;
};

static struct order *order_new(struct admin_call *call, const struct vm_settings *settings)
{
	struct order *order = calloc(1, sizeof(*order));

	if (order == NULL) {
		admin_call_fail(call, ENOMEM, "", "out of memory");
		return NULL;
	}
	order->call = call;
	order->engine = admin_call_engine(call);
	snprintf(order->relationship, sizeof(order->relationship), "%s", settings->relationship);
	snprintf(order->vm, sizeof(order->vm), "%s", settings->vm);
	return order;
}

static void order_not_written(struct order *order, int error, const char *text)
{
	admin_call_fail(order->call, error, "look at Pacemaker (pcs status)",
			"the cluster's settings cannot be changed: %s", text);
	free(order);
}

/* ---- pause --release ---- */

static void released_cb(void *arg, int error, const char *text)
{
	struct order *order = arg;

	if (error == -ESHUTDOWN) {
		admin_call_fail(
			order->call, error,
			"its next node removes the change bitmaps; vmreplica status shows it",
			"replication of %s is paused, but %s", order->vm, text);
	} else if (error < 0) {
		admin_call_fail(order->call, error,
				"it is tried on until they are gone; vmreplica status shows it",
				"replication of %s is paused, but its change bitmaps are not "
				"removed: %s",
				order->vm, text);
	} else {
		admin_call_done(order->call,
				"replication of %s is paused and its change bitmaps are removed; "
				"resuming will resynchronize",
				order->vm);
	}
	free(order);
}

static void release_begin(struct order *order)
{
	struct relationship *rel = engine_find_relationship(order->engine, order->relationship);

	if (rel == NULL) {
		released_cb(order, -ESHUTDOWN, "the VM has left this node");
	} else {
		relationship_release(rel, RELEASE_MS, released_cb, order);
	}
}

/* The order to resynchronize stands: obey it here. False when it could not be written; the call is
 * answered then, and order is gone. */
static bool resync_ordered(struct order *order, int error, const char *text)
{
	struct relationship *rel = engine_find_relationship(order->engine, order->relationship);

	if (error < 0) {
		order_not_written(order, error, text);
		return false;
	}
	if (rel != NULL) {
		relationship_request_resync(rel);
	}
	return true;
}

static void release_resync_cb(void *arg, int error, const char *text)
{
	struct order *order = arg;

	if (resync_ordered(order, error, text)) {
		release_begin(order);
	}
}

/* Without bitmaps nothing but a resynchronization goes on: so it is ordered, also for
 * resync=manual. What has never been replicated begins anew anyway. */
static void release_order_resync(struct order *order)
{
	const struct relationship *rel =
		engine_find_relationship(order->engine, order->relationship);

	if (rel != NULL && rel->last_replicated_ms == 0) {
		release_begin(order);
	} else {
		standing_set(order->engine, STANDING_RESYNC, order->relationship, "1",
			     release_resync_cb, order);
	}
}

/* ---- pause and resume ---- */

static void suspend_apply(const struct order *order)
{
	struct relationship *rel = engine_find_relationship(order->engine, order->relationship);
	struct replica *replica = engine_find_replica(order->engine, order->relationship);

	if (rel != NULL && order->suspend) {
		relationship_note_suspended(rel, true, order->release || rel->released);
	} else if (rel != NULL) {
		relationship_resume(rel);
	}
	if (replica != NULL) {
		replica_suspend(replica, order->suspend);
	}
}

static void suspend_done_cb(void *arg, int error, const char *text)
{
	struct order *order = arg;

	if (error < 0) {
		order_not_written(order, error, text);
		return;
	}
	suspend_apply(order);
	if (order->release) {
		release_order_resync(order);
		return;
	}
	admin_call_done(order->call, "replication of %s is %s", order->vm,
			order->suspend ? "paused" : "resumed");
	free(order);
}

static void suspend_request(struct admin_call *call, const Vmreplica__Admin__Request *request,
			    const char *vm, bool suspend, bool release)
{
	struct engine *engine = admin_call_engine(call);
	struct relationship *rel = admin_find_relationship(engine, vm);
	struct replica *replica = rel == NULL ? admin_find_replica(engine, vm) : NULL;
	struct order *order;
	bool released;

	if (replica != NULL && release) {
		admin_not_on_replica(call, vm, "release change bitmaps");
		return;
	}
	if (rel == NULL && replica == NULL) {
		admin_pass_to_owner(call, request, vm,
				    release ? RELEASE_FORWARD_MS : ADMIN_FORWARD_MS);
		return;
	}
	order = order_new(call, rel != NULL ? &rel->settings : &replica->settings);
	if (order == NULL) {
		return;
	}
	order->suspend = suspend;
	order->release = release;
	/* a second pause does not take the first one's release back */
	released = release || (rel != NULL && rel->released);
	standing_set(engine, STANDING_SUSPENDED, order->relationship,
		     !suspend	? NULL
		     : released ? STANDING_RELEASED
				: "1",
		     suspend_done_cb, order);
}

void admin_pause(struct admin_call *call, const Vmreplica__Admin__Request *request)
{
	suspend_request(call, request, request->pause->vm, true, request->pause->release);
}

void admin_resume(struct admin_call *call, const Vmreplica__Admin__Request *request)
{
	suspend_request(call, request, request->resume->vm, false, false);
}

/* ---- resync ---- */

static void resync_done_cb(void *arg, int error, const char *text)
{
	struct order *order = arg;
	const struct relationship *rel;

	if (!resync_ordered(order, error, text)) {
		return;
	}
	rel = engine_find_relationship(order->engine, order->relationship);
	engine_event(order->engine, "notice", order->vm, "resynchronization asked for");
	if (rel != NULL && rel->suspended) {
		admin_call_done(order->call,
				"%s is paused: it is resynchronized when it goes on (vmreplica "
				"resume %s)",
				order->vm, order->vm);
	} else {
		admin_call_done(order->call,
				"%s is resynchronized: both sides compare digests, and what "
				"differs is sent",
				order->vm);
	}
	free(order);
}

void admin_resync(struct admin_call *call, const Vmreplica__Admin__Request *request)
{
	struct engine *engine = admin_call_engine(call);
	const char *vm = request->resync->vm;
	struct relationship *rel = admin_find_relationship(engine, vm);
	struct order *order;

	if (rel == NULL && admin_find_replica(engine, vm) != NULL) {
		admin_not_on_replica(call, vm, "start a resynchronization");
		return;
	}
	if (rel == NULL) {
		admin_pass_to_owner(call, request, vm, ADMIN_FORWARD_MS);
		return;
	}
	order = order_new(call, &rel->settings);
	if (order != NULL) {
		standing_set(engine, STANDING_RESYNC, order->relationship, "1", resync_done_cb,
			     order);
	}
}
