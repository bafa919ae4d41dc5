/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/peer_contact.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cluster/vm_resource.h"
#include "common/config.h"
#include "engine/replica.h"
#include "engine/standing.h"

static const char *parameter(const Vmreplica__Ipc__CibResource *resource, const char *name)
{
	for (size_t i = 0; i < resource->n_parameters; i++) {
		if (strcmp(resource->parameters[i]->name, name) == 0) {
			return resource->parameters[i]->value;
		}
	}
	return "";
}

static bool is_meant(const Vmreplica__Ipc__CibResource *resource, const char *name)
{
	return strcmp(resource->type, VM_RESOURCE_AGENT) == 0 &&
	       (strcmp(parameter(resource, "relationship"), name) == 0 ||
		strcmp(resource->id, name) == 0 || strcmp(parameter(resource, "vm"), name) == 0);
}

/* A primary goes before a replica of the same name. */
static const Vmreplica__Ipc__CibResource *find(const Vmreplica__Ipc__CibSettings *settings,
					       const char *name)
{
	const Vmreplica__Ipc__CibResource *found = NULL;

	for (size_t i = 0; i < settings->n_resources; i++) {
		const Vmreplica__Ipc__CibResource *resource = settings->resources[i];

		if (is_meant(resource, name) &&
		    (found == NULL || strcmp(parameter(resource, "role"), "primary") == 0)) {
			found = resource;
		}
	}
	return found;
}

/* The replica side knows the primary's broker from its HELLOs, or of when it was the primary. */
static void find_told_address(const struct engine *engine, struct peer_contact *contact)
{
	const struct table_vm *heard = cluster_table_find(&engine->table, contact->relationship,
							  VMREPLICA__ROLE__ROLE_REPLICA);
	const struct replica *replica = engine_find_replica(engine, contact->relationship);
	const Vmreplica__VmStatus *status = replica != NULL && replica->status != NULL
						    ? replica->status
					    : heard != NULL ? heard->status
							    : NULL;

	const char *told = status != NULL && status->peer_address[0] != '\0'
				   ? status->peer_address
				   : standing_get(engine, STANDING_BROKER, contact->relationship);

	if (told != NULL) {
		peer_address_parse(told, BROKER_PORT, contact->host, &contact->port);
	}
}

int peer_contact_find(const struct engine *engine, const char *name,
		      struct peer_contact *ret_contact)
{
	const Vmreplica__Ipc__CibSettings *settings = engine_settings(engine);
	const Vmreplica__Ipc__CibResource *resource;
	char error[VM_SETTINGS_ERROR_LEN];
	struct vm_settings vm = {0};

	if (settings == NULL) {
		return -EAGAIN;
	}
	resource = find(settings, name);
	if (resource == NULL) {
		return -ENOENT;
	}
	if (vm_settings_from_resource(resource, &vm, error) < 0) {
		return -EINVAL;
	}
	memset(ret_contact, 0, sizeof(*ret_contact));
	memcpy(ret_contact->relationship, vm.relationship, sizeof(vm.relationship));
	memcpy(ret_contact->vm, vm.vm, sizeof(vm.vm));
	memcpy(ret_contact->resource, vm.resource, sizeof(vm.resource));
	memcpy(ret_contact->vm_resource, vm.vm_resource, sizeof(vm.vm_resource));
	ret_contact->role = vm.role;
	if (vm.role == VMREPLICA__ROLE__ROLE_PRIMARY) {
		memcpy(ret_contact->host, vm.peer_host, sizeof(vm.peer_host));
		ret_contact->port = vm.peer_port;
	} else {
		snprintf(ret_contact->site, sizeof(ret_contact->site), "%.*s", (int)SITE_NAME_MAX,
			 vm.peer);
		find_told_address(engine, ret_contact);
	}
	vm_settings_destroy(&vm);
	return 0;
}

char *peer_contact_format(const struct peer_contact *contact, char buf[ENGINE_ADDRESS_LEN])
{
	buf[0] = '\0';
	if (contact->host[0] != '\0') {
		snprintf(buf, ENGINE_ADDRESS_LEN,
			 strchr(contact->host, ':') != NULL ? "[%s]:%u" : "%s:%u", contact->host,
			 contact->port);
	}
	return buf;
}

struct locate_client peer_contact_client(const struct peer_contact *contact, struct tls_store *tls)
{
	return (struct locate_client){.tls = tls, .host = contact->host, .port = contact->port};
}
