/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "broker/replica_resource.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/config.h"

void replica_resource_id(const char *vm, const char *site, char ret_id[RESOURCE_ID_MAX + 1])
{
	char site_short[SITE_NAME_MAX + 1];

	config_site_short(site, site_short, sizeof(site_short));
	/* Both parts are bounded, so that the whole fits whatever they are. */
	snprintf(ret_id, RESOURCE_ID_MAX + 1, "%s%.*s-%.*s-replica",
		 isalpha((unsigned char)vm[0]) ? "" : "vm-", (int)VM_NAME_MAX, vm,
		 (int)(RESOURCE_ID_MAX - VM_NAME_MAX - 16), site_short);
	for (char *c = ret_id; *c != '\0'; c++) {
		if (!isalnum((unsigned char)*c) && *c != '.' && *c != '-') {
			*c = '_';
		}
	}
}

bool replica_names_contain(const char *const *names, const char *name)
{
	for (; names != NULL && *names != NULL; names++) {
		if (strcasecmp(*names, name) == 0) {
			return true;
		}
	}
	return false;
}

const struct routing_storage *replica_node_storage(const struct routing_node *node,
						   const char *path)
{
	for (size_t i = 0; i < node->storage_count; i++) {
		if (strcmp(node->storages[i].path, path) == 0) {
			return &node->storages[i];
		}
	}
	return NULL;
}

static bool resource_is_vm(const Vmreplica__Ipc__CibResource *resource)
{
	return strcmp(resource->type, ROUTING_RESOURCE_TYPE) == 0;
}

bool replica_resource_has(const Vmreplica__Ipc__CibResource *resource, const char *name,
			  const char *value)
{
	const char *present = routing_parameter(resource, name);

	return present != NULL && strcasecmp(present, value) == 0;
}

const Vmreplica__Ipc__CibResource *
replica_resource_find(const Vmreplica__Ipc__CibSettings *settings, const char *relationship)
{
	for (size_t i = 0; settings != NULL && i < settings->n_resources; i++) {
		if (resource_is_vm(settings->resources[i]) &&
		    replica_resource_has(settings->resources[i], "relationship", relationship)) {
			return settings->resources[i];
		}
	}
	return NULL;
}

const Vmreplica__Ipc__CibResource *
replica_resource_find_id(const Vmreplica__Ipc__CibSettings *settings, const char *id)
{
	for (size_t i = 0; settings != NULL && i < settings->n_resources; i++) {
		if (strcmp(settings->resources[i]->id, id) == 0) {
			return settings->resources[i];
		}
	}
	return NULL;
}

void replica_deny(char code[REPLICA_CODE_LEN], char reason[REASON_MAX + 1], const char *word,
		  const char *format, ...)
{
	va_list args;

	snprintf(code, REPLICA_CODE_LEN, "%s", word);
	va_start(args, format);
	vsnprintf(reason, REASON_MAX + 1, format, args);
	va_end(args);
}
