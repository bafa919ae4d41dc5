/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a replica shows: to status, to the other engines, to crm_mon. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "engine/failover_job.h"
#include "cluster/domain_resource.h"
#include "engine/replica.h"

void replica_note_status(struct replica *replica, const Vmreplica__VmStatus *status)
{
	Vmreplica__VmStatus *copy = vm_status_copy(status);
	bool changed;

	if (copy == NULL) {
		return;
	}
	changed = replica->status == NULL || replica->status->state != copy->state ||
		  replica->status->health != copy->health || replica->status->seq != copy->seq ||
		  strcmp(replica->status->reason_code, copy->reason_code) != 0;
	vm_status_free(replica->status);
	replica->status = copy;
	if (changed) {
		engine_changed(replica->engine);
	}
}

void replica_note_word(struct replica *replica, const char *format, ...)
{
	char text[REASON_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	replica->word.seq = replica->status != NULL ? replica->status->seq : 0;
	if (strcmp(text, replica->word.text) != 0) {
		memcpy(replica->word.text, text, sizeof(text));
		engine_changed(replica->engine);
	}
}

/* What is worse goes before. */
static void fill_word(const struct replica *replica, Vmreplica__VmStatus *status)
{
	bool failed_over = status->takeover != NULL &&
			   status->takeover->kind == VMREPLICA__TAKEOVER_KIND__TAKEOVER_FAILOVER;

	if (replica->word.text[0] != '\0' && status->seq == replica->word.seq && !failed_over &&
	    status->health < VMREPLICA__HEALTH__HEALTH_CRITICAL) {
		status->health = VMREPLICA__HEALTH__HEALTH_WARNING;
		status->reason = vm_status_borrow(replica->word.text);
		status->reason_code = vm_status_borrow("handover");
	}
}

/* The receiver knows the store; name, place and peer are the engine's. */
void replica_fill_status(const struct replica *replica, struct vm_status_frame *frame)
{
	Vmreplica__VmStatus *status = &frame->status;

	vm_status_frame_init(frame);
	if (replica->status != NULL) {
		*status = *replica->status; /* its submessages stay the replica's */
	} else {
		status->state = VMREPLICA__STATE__STATE_WAITING_FOR_INITIAL_REPLICATION;
		status->health = VMREPLICA__HEALTH__HEALTH_WARNING;
		status->reason = vm_status_borrow(
			replica->error[0] != '\0' ? replica->error : "the store is not open yet");
		status->reason_code = vm_status_borrow("store-closed");
	}
	if (replica->phase == REPLICA_FAILED) {
		status->health = VMREPLICA__HEALTH__HEALTH_CRITICAL;
		status->reason = vm_status_borrow(replica->error);
		status->reason_code = vm_status_borrow("store-failed");
	}
	fill_word(replica, status);
	status->name = vm_status_borrow(replica->settings.vm);
	status->relationship = vm_status_borrow(replica->settings.relationship);
	status->role = VMREPLICA__ROLE__ROLE_REPLICA;
	status->owner = replica->engine->config->node;
	status->peer = vm_status_borrow(replica->settings.peer);
	status->resource = vm_status_borrow(replica->settings.resource);
	status->store = vm_status_borrow(replica->directory);
	status->frequency_s = replica->settings.frequency_s;
	status->app_interval_s = replica->settings.app_interval_s;
	status->suspended = replica->suspended;
	status->last_pause_ms = replica->last_pause_ms;
	status->paused_since_ms = replica->paused_since_ms;
	status->job = vm_status_borrow(
		failover_job_running_id(replica->engine, replica->settings.relationship));
	replica_definition_fill_status(replica->definition, status);
}

void replica_publish(struct replica *replica, int64_t now_ms)
{
	struct vm_status_frame frame;

	replica_fill_status(replica, &frame);
	/* by resource: replicas of two sites may have the same VM name here */
	health_attribute_publish(&replica->attribute, &replica->engine->cluster,
				 replica->settings.resource, &frame.status, now_ms);
}

/* The VM's own resource on the side where it was the primary before: named by ours. */
static const Vmreplica__Ipc__CibResource *own_resource(const struct replica *replica)
{
	const Vmreplica__Ipc__CibSettings *settings = engine_settings(replica->engine);
	const char *name = replica->settings.vm_resource;

	for (size_t i = 0; settings != NULL && name[0] != '\0' && i < settings->n_resources; i++) {
		if (strcmp(settings->resources[i]->id, name) == 0) {
			return settings->resources[i];
		}
	}
	return NULL;
}

const Vmreplica__Ipc__CibResource *replica_vm_resource(const struct replica *replica)
{
	const Vmreplica__Ipc__CibResource *own = own_resource(replica);

	return own != NULL ? own
			   : domain_resource_find(engine_settings(replica->engine),
						  replica->settings.relationship, false);
}

char *replica_definition_vm(const struct replica *replica, char *buf)
{
	const struct vm_settings *settings = &replica->settings;
	const Vmreplica__Ipc__CibResource *ours = domain_resource_find(
		engine_settings(replica->engine), settings->relationship, false);
	char id[RESOURCE_ID_MAX + 1];

	if (own_resource(replica) != NULL) {
		snprintf(buf, RESOURCE_ID_MAX + 1, "%s", settings->vm);
		return buf;
	}

	/* what the id would be if nothing else had it */
	domain_resource_id(NULL, settings->vm, settings->relationship, settings->peer, id);
	snprintf(buf, RESOURCE_ID_MAX + 1, "%s",
		 ours == NULL || strcmp(ours->id, id) == 0 ? settings->vm : ours->id);
	return buf;
}
