/* SPDX-License-Identifier: GPL-2.0-or-later */
/* status, events and check. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "engine/admin_service.h"
#include "engine/check.h"
#include "engine/epoch.h"
#include "engine/protect.h"
#include "engine/relationship.h"
#include "engine/replica.h"

#define STATUS_MOVING_MS    120000 /* so long a VM that was let go is taken to be moving */
#define STATUS_WARNINGS_MAX 64
#define STATUS_WARNING_LEN  (ENGINE_MISSING_LEN + 128)

struct status_answer {
	struct admin_call *call;
	const char *vm; /* "" = all */
	Vmreplica__VmStatus **vms;
	struct vm_status_frame **frames; /* of vms made here; NULL for those of the table */
	size_t count, capacity;
	char texts[STATUS_WARNINGS_MAX][STATUS_WARNING_LEN];
	char *warnings[STATUS_WARNINGS_MAX];
	size_t warning_count;
};

static bool status_matches(const struct status_answer *answer, const Vmreplica__VmStatus *status)
{
	return answer->vm[0] == '\0' || strcmp(answer->vm, status->name) == 0 ||
	       strcmp(answer->vm, status->relationship) == 0 ||
	       strcmp(answer->vm, status->resource) == 0;
}

/* Takes frame (may be NULL). */
static void status_add(struct status_answer *answer, Vmreplica__VmStatus *status,
		       struct vm_status_frame *frame)
{
	if (answer->count == answer->capacity || !status_matches(answer, status)) {
		free(frame);
		return;
	}
	answer->frames[answer->count] = frame;
	answer->vms[answer->count++] = status;
}

static void status_add_own(struct status_answer *answer, struct engine *engine)
{
	for (struct relationship *rel = engine->relationships; rel != NULL; rel = rel->next) {
		struct vm_status_frame *frame = rel->gone ? NULL : malloc(sizeof(*frame));

		if (frame != NULL) {
			/* the state keeps up with the progress shown beside it */
			relationship_note_progress(rel);
			relationship_fill_status(rel, frame);
			status_add(answer, &frame->status, frame);
		}
	}
	for (struct replica *replica = engine->replicas; replica != NULL; replica = replica->next) {
		struct vm_status_frame *frame = malloc(sizeof(*frame));

		if (frame != NULL) {
			replica_fill_status(replica, frame);
			status_add(answer, &frame->status, frame);
		}
	}
}

static bool status_is_own(const struct engine *engine, const Vmreplica__VmStatus *status)
{
	if (status->role == VMREPLICA__ROLE__ROLE_REPLICA) {
		return engine_find_replica(engine, status->relationship) != NULL;
	}
	return engine_find_relationship(engine, status->relationship) != NULL;
}

__attribute__((format(printf, 2, 3))) static void status_warn(struct status_answer *answer,
							      const char *format, ...)
{
	va_list args;

	if (answer->warning_count < STATUS_WARNINGS_MAX) {
		char *text = answer->texts[answer->warning_count];

		va_start(args, format);
		vsnprintf(text, STATUS_WARNING_LEN, format, args);
		va_end(args);
		answer->warnings[answer->warning_count++] = text;
	}
}

/* Is there still a resource for it? While the configuration is not known: yes. A VM that is
 * protected anew gets a resource of the same name, but of another relationship. */
static bool status_is_configured(struct engine *engine, const Vmreplica__VmStatus *status)
{
	const Vmreplica__Ipc__CibSettings *settings = engine_settings(engine);

	for (size_t i = 0; settings != NULL && i < settings->n_resources; i++) {
		if (strcmp(protect_parameter(settings->resources[i], "relationship"),
			   status->relationship) == 0) {
			return true;
		}
	}
	return settings == NULL;
}

/* It was told in the role that the VM had here before its side changed. */
static bool status_is_past(struct engine *engine, const Vmreplica__VmStatus *status)
{
	const Vmreplica__Ipc__CibSettings *settings = engine_settings(engine);

	for (size_t i = 0; settings != NULL && i < settings->n_resources; i++) {
		const Vmreplica__Ipc__CibResource *resource = settings->resources[i];

		if (strcmp(protect_parameter(resource, "relationship"), status->relationship) ==
		    0) {
			return strcmp(protect_parameter(resource, "role"),
				      role_to_string(status->role)) != 0;
		}
	}
	return false;
}

/* The time since it was heard counts as well: an owner that has nothing to tell for a while falls
 * behind all the same. */
static void behind_add(Vmreplica__VmStatus *status, const struct table_vm *heard)
{
	if (status->behind_s >= 0) {
		status->behind_s += (clock_monotonic_ms() - heard->received_ms) / 1000;
	}
}

static void status_add_heard(struct status_answer *answer, const struct table_vm *vm)
{
	struct vm_status_frame *frame = malloc(sizeof(*frame));

	if (frame == NULL) {
		status_add(answer, vm->status, NULL);
		return;
	}
	frame->status = *vm->status; /* borrows all that hangs on it */
	behind_add(&frame->status, vm);
	status_add(answer, &frame->status, frame);
}

/* What others own. A VM whose node is gone is shown as last heard; one that its node let go is
 * shown until another one takes it, or until its resource is deleted. */
static void status_add_announced(struct status_answer *answer, struct engine *engine)
{
	const struct cluster_table *table = &engine->table;

	for (size_t i = 0; i < table->vm_count; i++) {
		const struct table_vm *vm = &table->vms[i];
		const struct table_node *node = cluster_table_find_node(table, vm->node);

		if (cluster_table_find(table, vm->status->relationship, vm->status->role) != vm ||
		    status_is_own(engine, vm->status) || status_is_past(engine, vm->status) ||
		    (vm->gone && node != NULL && node->present && vm->detached_ms == 0) ||
		    ((vm->gone || vm->detached_ms != 0) &&
		     !status_is_configured(engine, vm->status)) ||
		    (vm->detached_ms != 0 &&
		     clock_monotonic_ms() - vm->detached_ms > STATUS_MOVING_MS)) {
			continue;
		}
		if (vm->gone && vm->detached_ms == 0) {
			status_warn(answer, "%s: as last heard from %s, whose engine has left",
				    vm->status->name, vm->node);
		}
		status_add_heard(answer, vm);
	}
}

static bool status_has(const struct status_answer *answer, const char *relationship,
		       Vmreplica__Role role)
{
	for (size_t i = 0; i < answer->count; i++) {
		if (answer->vms[i]->role == role &&
		    strcmp(answer->vms[i]->relationship, relationship) == 0) {
			return true;
		}
	}
	return false;
}

/* The last word on it, or what its resource says of it. */
static void configured_fill(struct vm_status_frame *frame, const struct table_vm *heard,
			    const Vmreplica__Ipc__CibResource *resource, Vmreplica__Role role)
{
	vm_status_frame_init(frame);
	if (heard != NULL) {
		frame->status = *heard->status;
		behind_add(&frame->status, heard);
	} else {
		frame->status.name = vm_status_borrow(protect_parameter(resource, "vm"));
		frame->status.relationship =
			vm_status_borrow(protect_parameter(resource, "relationship"));
		frame->status.role = role;
		frame->status.state = VMREPLICA__STATE__STATE_WAITING_FOR_INITIAL_REPLICATION;
		frame->status.peer = vm_status_borrow(protect_parameter(resource, "peer"));
		frame->status.resource = resource->id;
		frame->status.vm_resource =
			vm_status_borrow(protect_parameter(resource, "vm_resource"));
		frame->status.frequency_s =
			(uint32_t)strtoul(protect_parameter(resource, "frequency"), NULL, 10);
	}
	frame->status.owner = vm_status_borrow("");
	frame->status.health = VMREPLICA__HEALTH__HEALTH_WARNING;
	frame->status.reason_code = vm_status_borrow("not-started");
	frame->status.reason = vm_status_borrow("its resource is started on no node: pcs status "
						"says why");
}

/* A primary that does not run because it was failed over, as the guard that asked has recorded. */
static void configured_judge_epoch(struct vm_status_frame *frame, const struct engine *engine)
{
	const char *site = engine->config->site;
	struct epoch known;

	engine_epoch_known(engine, frame->status.relationship, site, &known);
	if (frame->status.role != VMREPLICA__ROLE__ROLE_PRIMARY || epoch_is_held_by(&known, site)) {
		return;
	}
	snprintf(frame->reason, sizeof(frame->reason),
		 "it was failed over: %s holds epoch %" PRIu64
		 ". Make this side the replica: vmreplica reverse %s there",
		 known.site, known.number, frame->status.name);
	frame->status.health = VMREPLICA__HEALTH__HEALTH_CRITICAL;
	frame->status.reason_code = vm_status_borrow("epoch");
	frame->status.reason = frame->reason;
}

/* What no node owns now, because its resource has just been made, or is stopped: it is protected
 * all the same, and nobody should have to miss it in order to notice. */
static void status_add_configured(struct status_answer *answer, struct engine *engine)
{
	const Vmreplica__Ipc__CibSettings *settings = engine_settings(engine);

	for (size_t i = 0; settings != NULL && i < settings->n_resources; i++) {
		const Vmreplica__Ipc__CibResource *resource = settings->resources[i];
		const char *relationship = protect_parameter(resource, "relationship");
		Vmreplica__Role role = strcmp(protect_parameter(resource, "role"), "replica") == 0
					       ? VMREPLICA__ROLE__ROLE_REPLICA
					       : VMREPLICA__ROLE__ROLE_PRIMARY;
		struct vm_status_frame *frame;

		if (relationship[0] == '\0' || status_has(answer, relationship, role)) {
			continue;
		}
		frame = malloc(sizeof(*frame));
		if (frame != NULL) {
			configured_fill(frame,
					cluster_table_find(&engine->table, relationship, role),
					resource, role);
			configured_judge_epoch(frame, engine);
			status_add(answer, &frame->status, frame);
		}
	}
}

/* Certificates that run out, on whatever node. */
static void status_add_certificates(struct status_answer *answer, const struct engine *engine)
{
	for (size_t i = 0; i < engine->table.node_count; i++) {
		const struct table_node *node = &engine->table.nodes[i];

		if (node->present && node->announcement->certificate[0] != '\0') {
			status_warn(answer, "node %s: %s", node->announcement->node,
				    node->announcement->certificate);
		}
	}
}

static void status_add_warnings(struct status_answer *answer, struct engine *engine)
{
	struct cluster *cluster = &engine->cluster;
	const struct placement *placement = cluster->ops->placement(cluster);

	if (!cluster->ops->is_quorate(cluster)) {
		status_warn(answer, "no quorum: %s", engine->missing);
	}
	status_add_certificates(answer, engine);
	for (size_t i = 0; placement != NULL && i < placement->node_count; i++) {
		const struct placement_node *node = &placement->nodes[i];
		const struct table_node *known =
			cluster_table_find_node(&engine->table, node->name);

		if (node->online && strcmp(node->name, engine->config->node) != 0 &&
		    (known == NULL || !known->present)) {
			status_warn(answer, "node %s is online without an engine%s", node->name,
				    "");
		}
	}
}

void admin_status(struct admin_call *call, const Vmreplica__Admin__StatusRequest *request)
{
	struct engine *engine = admin_call_engine(call);
	Vmreplica__Admin__Response response = VMREPLICA__ADMIN__RESPONSE__INIT;
	Vmreplica__Admin__StatusResponse status = VMREPLICA__ADMIN__STATUS_RESPONSE__INIT;
	struct status_answer *answer = calloc(1, sizeof(*answer));

	if (answer == NULL) {
		admin_call_fail(call, ENOMEM, "", "out of memory");
		return;
	}
	answer->vm = request->vm;
	answer->capacity = engine->table.vm_count + 2 * CLUSTER_TABLE_VMS_MAX;
	answer->vms = calloc(answer->capacity, sizeof(*answer->vms));
	answer->frames = calloc(answer->capacity, sizeof(*answer->frames));
	if (answer->vms != NULL && answer->frames != NULL) {
		status_add_own(answer, engine);
		status_add_announced(answer, engine);
		status_add_configured(answer, engine);
		status_add_warnings(answer, engine);
	}
	status.vms = answer->vms;
	status.n_vms = answer->count;
	status.warnings = answer->warnings;
	status.n_warnings = answer->warning_count;
	response.body_case = VMREPLICA__ADMIN__RESPONSE__BODY_STATUS;
	response.status = &status;
	if (request->vm[0] != '\0' && answer->count == 0) {
		admin_call_fail(call, ENOENT, "vmreplica status shows all that are",
				"no protected VM is called %s", request->vm);
	} else {
		admin_call_reply(call, &response);
	}
	for (size_t i = 0; i < answer->count; i++) {
		free(answer->frames[i]);
	}
	free(answer->vms);
	free(answer->frames);
	free(answer);
}

static uint64_t events_after(const Vmreplica__Admin__EventsRequest *request, const char *node)
{
	for (size_t i = 0; i < request->n_after_node && i < request->n_after_id; i++) {
		if (strcmp(request->after_node[i], node) == 0) {
			return request->after_id[i];
		}
	}
	return 0;
}

/* The names of the other nodes with an engine: pointers into the table, the array to free. */
static size_t events_other_nodes(const struct engine *engine, char ***ret_nodes)
{
	const struct cluster_table *table = &engine->table;
	char **nodes = calloc(table->node_count + 1, sizeof(*nodes));
	size_t count = 0;

	for (size_t i = 0; nodes != NULL && i < table->node_count; i++) {
		const struct table_node *node = &table->nodes[i];

		if (node->present && strcmp(node->announcement->node, engine->config->node) != 0) {
			nodes[count++] = node->announcement->node;
		}
	}
	*ret_nodes = nodes;
	return count;
}

void admin_events(struct admin_call *call, const Vmreplica__Admin__EventsRequest *request)
{
	struct engine *engine = admin_call_engine(call);
	Vmreplica__Admin__Response response = VMREPLICA__ADMIN__RESPONSE__INIT;
	Vmreplica__Admin__EventsResponse events = VMREPLICA__ADMIN__EVENTS_RESPONSE__INIT;
	Vmreplica__Event *list = calloc(EVENT_RING_SIZE, sizeof(*list));
	Vmreplica__Event **pointers = calloc(EVENT_RING_SIZE, sizeof(*pointers));
	uint64_t after = events_after(request, engine->config->node);
	const struct event_entry *entry;

	while (list != NULL && pointers != NULL && events.n_events < EVENT_RING_SIZE &&
	       (entry = event_ring_next(&engine->events, after)) != NULL) {
		Vmreplica__Event *event = &list[events.n_events];

		vmreplica__event__init(event);
		event->id = after = entry->id;
		event->time_ms = entry->time_ms;
		event->node = engine->config->node;
		event->severity = vm_status_borrow(entry->severity);
		event->vm = vm_status_borrow(entry->vm);
		event->text = vm_status_borrow(entry->text);
		pointers[events.n_events++] = event;
	}
	events.events = pointers;
	events.n_nodes = events_other_nodes(engine, &events.nodes);
	response.body_case = VMREPLICA__ADMIN__RESPONSE__BODY_EVENTS;
	response.events = &events;
	admin_call_reply(call, &response);
	free(events.nodes);
	free(list);
	free(pointers);
}

static void checked_cb(void *arg, int error, const char *text, const char *advice,
		       const Vmreplica__Admin__CheckResponse *check)
{
	Vmreplica__Admin__Response response = VMREPLICA__ADMIN__RESPONSE__INIT;

	if (error < 0) {
		admin_call_fail(arg, error, advice, "%s", text);
		return;
	}
	response.body_case = VMREPLICA__ADMIN__RESPONSE__BODY_CHECK;
	response.check = (Vmreplica__Admin__CheckResponse *)(uintptr_t)check;
	admin_call_reply(arg, &response);
}

void admin_check(struct admin_call *call, const Vmreplica__Admin__CheckRequest *request)
{
	int result = check_start(admin_call_engine(call), request, checked_cb, call);

	if (result < 0) {
		admin_call_fail(call, result, "try again", "the check cannot be started: %s",
				strerror(-result));
	}
}
