/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which VM an admin means and where it is; sync. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/admin_service.h"
#include "engine/admin_vm.h"
#include "engine/relationship.h"
#include "engine/replica.h"

#define SYNC_WAIT_DEFAULT_S 3600u

static bool names(const char *vm, const char *name, const char *relationship, const char *resource)
{
	return strcmp(vm, name) == 0 || strcmp(vm, relationship) == 0 || strcmp(vm, resource) == 0;
}

struct relationship *admin_find_relationship(const struct engine *engine, const char *vm)
{
	for (struct relationship *rel = engine->relationships; rel != NULL; rel = rel->next) {
		if (!rel->gone && names(vm, rel->settings.vm, rel->settings.relationship,
					rel->settings.resource)) {
			return rel;
		}
	}
	return NULL;
}

struct replica *admin_find_replica(const struct engine *engine, const char *vm)
{
	for (struct replica *replica = engine->replicas; replica != NULL; replica = replica->next) {
		if (names(vm, replica->settings.vm, replica->settings.relationship,
			  replica->settings.resource)) {
			return replica;
		}
	}
	return NULL;
}

static const struct table_vm *find_announced(const struct engine *engine, const char *vm,
					     Vmreplica__Role role)
{
	const struct cluster_table *table = &engine->table;

	for (size_t i = 0; i < table->vm_count; i++) {
		const Vmreplica__VmStatus *status = table->vms[i].status;

		if (!table->vms[i].gone && status->role == role &&
		    names(vm, status->name, status->relationship, status->resource) &&
		    strcmp(table->vms[i].node, engine->config->node) != 0) {
			return &table->vms[i];
		}
	}
	return NULL;
}

void admin_pass_to_owner(struct admin_call *call, const Vmreplica__Admin__Request *request,
			 const char *vm, int timeout_ms)
{
	struct engine *engine = admin_call_engine(call);
	const struct table_vm *owner = find_announced(engine, vm, VMREPLICA__ROLE__ROLE_PRIMARY);

	if (owner == NULL) {
		owner = find_announced(engine, vm, VMREPLICA__ROLE__ROLE_REPLICA);
	}
	if (owner != NULL && request->to[0] == '\0') {
		admin_call_forward(call, owner->node, request, timeout_ms);
		return;
	}
	admin_call_fail(
		call, ENOENT,
		"vmreplica status shows all that are; one that is moving appears again in a moment",
		"no engine owns a protected VM called %s now", vm);
}

void admin_not_on_replica(struct admin_call *call, const char *vm, const char *what)
{
	admin_call_fail(call, EINVAL, "do it on the primary's side",
			"%s is a replica here: it cannot %s", vm, what);
}

/* ---- sync ---- */

struct sync_wait {
	struct admin_call *call;
	struct engine *engine;
	char relationship[RELATIONSHIP_LEN + 1];
};

static void sync_reply(struct admin_call *call, uint64_t seq, const char *cut_id)
{
	Vmreplica__Admin__Response response = VMREPLICA__ADMIN__RESPONSE__INIT;
	Vmreplica__Admin__SyncResponse sync = VMREPLICA__ADMIN__SYNC_RESPONSE__INIT;

	sync.seq = seq;
	sync.cut_id = vm_status_borrow(cut_id);
	response.body_case = VMREPLICA__ADMIN__RESPONSE__BODY_SYNC;
	response.sync = &sync;
	admin_call_reply(call, &response);
}

static void sync_done_cb(void *arg, int error, const char *text)
{
	struct sync_wait *wait = arg;
	struct relationship *rel = engine_find_relationship(wait->engine, wait->relationship);

	if (error == 0 && rel != NULL) {
		sync_reply(wait->call, rel->seq, rel->cut_id);
	} else {
		admin_call_fail(wait->call, error, "vmreplica status shows how it goes on", "%s",
				text);
	}
	free(wait);
}

void admin_sync(struct admin_call *call, const Vmreplica__Admin__Request *request)
{
	const Vmreplica__Admin__SyncRequest *sync = request->sync;
	struct engine *engine = admin_call_engine(call);
	struct relationship *rel = admin_find_relationship(engine, sync->vm);
	uint32_t timeout_s = sync->timeout_s > 0 && sync->timeout_s <= 86400 ? sync->timeout_s
									     : SYNC_WAIT_DEFAULT_S;
	struct sync_wait *wait;

	if (rel == NULL && admin_find_replica(engine, sync->vm) != NULL) {
		admin_not_on_replica(call, sync->vm, "start a cycle");
		return;
	}
	if (rel == NULL) {
		admin_pass_to_owner(call, request, sync->vm,
				    sync->wait ? (int)timeout_s * 1000 + 5000 : ADMIN_FORWARD_MS);
		return;
	}
	if (rel->suspended) {
		admin_call_fail(call, EBUSY, "vmreplica resume first",
				"replication of %s is paused", sync->vm);
		return;
	}
	if (!sync->wait) {
		relationship_request_sync(rel, 0, NULL, NULL);
		sync_reply(call, 0, "");
		return;
	}
	wait = calloc(1, sizeof(*wait));
	if (wait == NULL) {
		admin_call_fail(call, ENOMEM, "", "out of memory");
		return;
	}
	wait->call = call;
	wait->engine = engine;
	snprintf(wait->relationship, sizeof(wait->relationship), "%s", rel->settings.relationship);
	if (relationship_request_sync(rel, (int)timeout_s * 1000, sync_done_cb, wait) < 0) {
		free(wait);
		admin_call_fail(call, EBUSY, "try again in a moment", "%s is leaving this node",
				sync->vm);
	}
}
