/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/extended.h"

#include <stdio.h>
#include <string.h>

#include "cluster/domain_resource.h"
#include "cluster/vm_resource.h"
#include "engine/protect.h"
#include "engine/replica.h"

static bool is_ours(const Vmreplica__Ipc__CibResource *resource)
{
	return strcmp(resource->type, VM_RESOURCE_AGENT) == 0;
}

static bool is_replica(const Vmreplica__Ipc__CibResource *resource)
{
	return is_ours(resource) &&
	       strcmp(protect_parameter(resource, "role"), "replica") == 0;
}

const Vmreplica__Ipc__CibResource *
extended_find_replica(const Vmreplica__Ipc__CibSettings *settings, const char *vm)
{
	for (size_t i = 0; settings != NULL && i < settings->n_resources; i++) {
		const Vmreplica__Ipc__CibResource *resource = settings->resources[i];

		if (is_replica(resource) &&
		    (strcmp(resource->id, vm) == 0 ||
		     strcmp(protect_parameter(resource, "vm"), vm) == 0 ||
		     strcmp(protect_parameter(resource, "relationship"), vm) == 0)) {
			return resource;
		}
	}
	return NULL;
}

const Vmreplica__Ipc__CibResource *extended_find_source(const Vmreplica__Ipc__CibSettings *settings,
							const char *vm_resource)
{
	for (size_t i = 0; settings != NULL && i < settings->n_resources; i++) {
		if (is_replica(settings->resources[i]) &&
		    strcmp(settings->resources[i]->id, vm_resource) == 0) {
			return settings->resources[i];
		}
	}
	return NULL;
}

bool extended_is_other_vm(const Vmreplica__Ipc__CibSettings *settings, const char *vm)
{
	for (size_t i = 0; settings != NULL && i < settings->n_resources; i++) {
		const Vmreplica__Ipc__CibResource *resource = settings->resources[i];
		bool made = strcmp(resource->type, VIRTUAL_DOMAIN_AGENT) != 0;

		for (size_t k = 0; k < resource->n_meta && !made; k++) {
			made = strcmp(resource->meta[k]->name, DOMAIN_META_RELATIONSHIP) == 0;
		}
		if (!made && strcmp(resource->id, vm) == 0) {
			return true;
		}
	}
	return false;
}

static const struct replica *replica_attached(const struct engine *engine, const char *resource)
{
	for (const struct replica *replica = engine->replicas; replica != NULL;
	     replica = replica->next) {
		if (strcmp(replica->settings.resource, resource) == 0) {
			return replica;
		}
	}
	return NULL;
}

/* The VM runs, or may run, on the store. */
static bool has_failed_over(const struct replica *replica)
{
	return replica->status != NULL && replica->status->takeover != NULL &&
	       replica->status->takeover->kind == VMREPLICA__TAKEOVER_KIND__TAKEOVER_FAILOVER;
}

bool extended_lender_fill(struct engine *engine, const struct vm_settings *settings,
			  struct canceller *canceller, struct replica_lender *lender)
{
	const struct replica *replica;
	const Vmreplica__Ipc__CibResource *resource;

	if (settings->vm_resource[0] == '\0') {
		return false;
	}
	*lender = (struct replica_lender){
		.engine = engine, .socket_directory = ENGINE_LENT_DIR, .canceller = canceller};
	snprintf(lender->reader, sizeof(lender->reader), "%s", settings->relationship);
	replica = replica_attached(engine, settings->vm_resource);
	if (replica != NULL) {
		memcpy(lender->relationship, replica->settings.relationship,
		       sizeof(lender->relationship));
		memcpy(lender->directory, replica->directory, sizeof(lender->directory));
		return !has_failed_over(replica);
	}
	/* not here now: asking says so */
	resource = extended_find_source(engine_settings(engine), settings->vm_resource);
	if (resource != NULL) {
		snprintf(lender->relationship, sizeof(lender->relationship), "%s",
			 protect_parameter(resource, "relationship"));
	}
	return resource != NULL;
}

const Vmreplica__Ipc__CibResource *
extended_find_relationship(const Vmreplica__Ipc__CibSettings *settings, const char *vm_resource)
{
	for (size_t i = 0; settings != NULL && i < settings->n_resources; i++) {
		if (is_ours(settings->resources[i]) &&
		    strcmp(settings->resources[i]->id, vm_resource) == 0) {
			return settings->resources[i];
		}
	}
	return NULL;
}

const char *extended_barrier(const struct engine *engine, const struct vm_settings *settings)
{
	const Vmreplica__Ipc__CibResource *resource =
		extended_find_relationship(engine_settings(engine), settings->vm_resource);
	const struct replica *replica =
		resource != NULL ? replica_attached(engine, settings->vm_resource) : NULL;

	if (resource != NULL && is_replica(resource)) {
		return replica != NULL && has_failed_over(replica)
			       ? "it has failed over to here, and is no primary yet: vmreplica "
				 "reverse makes it one, and replication goes on"
			       : NULL;
	}
	if (resource != NULL && strcmp(protect_parameter(resource, "vm"), settings->vm) != 0) {
		return "it has failed over to here and runs under another name: vmreplica "
		       "unprotect this relationship, and protect the VM by that name";
	}
	return NULL;
}

bool extended_reads_store(struct engine *engine, const struct vm_settings *settings)
{
	struct replica_lender unused;

	return extended_lender_fill(engine, settings, NULL, &unused);
}
