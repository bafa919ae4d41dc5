/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/admin_points.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "engine/admin_vm.h"
#include "engine/point_find.h"
#include "engine/receiver_child.h"
#include "engine/vm_status.h"

#define WAIT_MS (ADMIN_FORWARD_MS - 5000)
/* A list goes over the group in pieces of one CPG message; this many points are a few of them. */
#define LIST_MAX 500u

struct points_wait {
	struct points_wait *next;
	struct admin_call *call;
	uint64_t id;
	int64_t deadline_ms;
	char vm[VM_NAME_MAX + 1];
};

static void wait_fail(struct points_wait *wait, int error, const char *text)
{
	admin_call_fail(wait->call, error, "vmreplica status shows how the replica is",
			"the recovery points of %s cannot be read: %s", wait->vm, text);
	free(wait);
}

void admin_points(struct admin_call *call, const Vmreplica__Admin__Request *request)
{
	Vmreplica__Ipc__PointsQuery query = VMREPLICA__IPC__POINTS_QUERY__INIT;
	struct engine *engine = admin_call_engine(call);
	const char *vm = request->points->vm;
	struct replica *replica = admin_find_replica(engine, vm);
	static uint64_t last_id; /* answers of an earlier receiver must not be taken for ours */
	struct points_wait *wait;

	if (replica == NULL && admin_find_relationship(engine, vm) != NULL) {
		admin_call_fail(call, EINVAL, "ask on the other side",
				"%s is a primary here: its recovery points are kept by the replica",
				vm);
		return;
	}
	if (replica == NULL) {
		admin_pass_to_owner(call, request, vm, ADMIN_FORWARD_MS);
		return;
	}
	wait = calloc(1, sizeof(*wait));
	if (wait == NULL) {
		admin_call_fail(call, ENOMEM, "", "out of memory");
		return;
	}
	wait->call = call;
	wait->id = ++last_id;
	wait->deadline_ms = clock_monotonic_ms() + WAIT_MS;
	snprintf(wait->vm, sizeof(wait->vm), "%s", replica->settings.vm);
	query.id = wait->id;
	query.relationship = replica->settings.relationship;
	query.cycles = request->points->cycles;
	query.after_seq = request->points->after_seq;
	query.limit = LIST_MAX;
	if (receiver_child_send(engine->receiver, FRAME_POINTS_QUERY, &query.base) < 0) {
		wait_fail(wait, ENOTCONN, "the receiver does not run");
		return;
	}
	wait->next = engine->points_waits;
	engine->points_waits = wait;
}

static struct points_wait *wait_take(struct engine *engine, uint64_t id, int64_t now_ms)
{
	struct points_wait **from = &engine->points_waits;

	while (*from != NULL && (*from)->id != id && (*from)->deadline_ms > now_ms) {
		from = &(*from)->next;
	}
	if (*from != NULL) {
		struct points_wait *wait = *from;

		*from = wait->next;
		return wait;
	}
	return NULL;
}

void admin_points_answered(struct engine *engine, const Vmreplica__Ipc__ReplicaPoints *answer)
{
	Vmreplica__Admin__Response response = VMREPLICA__ADMIN__RESPONSE__INIT;
	Vmreplica__Admin__PointsResponse points = VMREPLICA__ADMIN__POINTS_RESPONSE__INIT;
	struct points_wait *wait;

	if (point_find_answered(engine, answer)) {
		return;
	}
	wait = wait_take(engine, answer->id, INT64_MIN);
	if (wait == NULL) {
		return; /* it came too late */
	}
	if (answer->error != 0) {
		wait_fail(wait, answer->error, answer->text);
		return;
	}
	points.vm = wait->vm;
	points.points = answer->points;
	points.n_points = answer->n_points;
	points.more = answer->more;
	response.body_case = VMREPLICA__ADMIN__RESPONSE__BODY_POINTS;
	response.points = &points;
	admin_call_reply(wait->call, &response);
	free(wait);
}

void admin_points_tick(struct engine *engine, int64_t now_ms)
{
	struct points_wait *wait = wait_take(engine, 0, now_ms);
	bool ending = now_ms == INT64_MAX;

	while (wait != NULL) {
		wait_fail(wait, ending ? ESHUTDOWN : ETIMEDOUT,
			  ending ? "the engine is stopping" : "the receiver does not answer");
		wait = wait_take(engine, 0, now_ms);
	}
}
