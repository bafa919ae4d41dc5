/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which replicas an authorization entry has let in, and how large they are. Pure. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "cluster/authorize.h"

static const char *parameter(const Vmreplica__Ipc__CibResource *resource, const char *name)
{
	for (size_t i = 0; i < resource->n_parameters; i++) {
		if (strcmp(resource->parameters[i]->name, name) == 0) {
			return resource->parameters[i]->value;
		}
	}
	return "";
}

bool authorization_resource_counts(const Vmreplica__Ipc__CibResource *resource,
				   const char **ret_site, const char **ret_relationship)
{
	*ret_site = parameter(resource, "peer");
	*ret_relationship = parameter(resource, "relationship");
	return strcmp(resource->type, "ocf:vmreplica:vm") == 0 &&
	       strcasecmp(parameter(resource, "role"), "replica") == 0 && (*ret_site)[0] != '\0';
}

void authorization_usage_add(struct authorization_usage *usage, uint64_t size_bytes)
{
	usage->vms++;
	if (__builtin_add_overflow(usage->bytes, size_bytes, &usage->bytes)) {
		usage->bytes = UINT64_MAX;
	}
}

void authorization_usage_of(const struct authorization_table *table,
			    const struct authorization_entry *entry,
			    const Vmreplica__Ipc__CibSettings *settings, const char *except,
			    authorization_size_cb size, void *arg,
			    struct authorization_usage *ret_usage)
{
	*ret_usage = (struct authorization_usage){0, 0};
	for (size_t i = 0; settings != NULL && i < settings->n_resources; i++) {
		const char *site, *relationship;

		if (authorization_resource_counts(settings->resources[i], &site, &relationship) &&
		    (except == NULL || strcmp(relationship, except) != 0) &&
		    authorization_site_entry(table, site) == entry) {
			authorization_usage_add(ret_usage,
						size != NULL ? size(arg, relationship) : 0);
		}
	}
}

bool authorization_has_room(const struct authorization_entry *entry,
			    const struct authorization_usage *usage, uint64_t size_bytes)
{
	return entry->max_size_bytes == 0 || (size_bytes <= entry->max_size_bytes &&
					      usage->bytes <= entry->max_size_bytes - size_bytes);
}

char *authorization_explain_room(const struct authorization_entry *entry,
				 const struct authorization_usage *usage, uint64_t size_bytes,
				 char buf[AUTHORIZATION_ROOM_LEN])
{
	snprintf(buf, AUTHORIZATION_ROOM_LEN,
		 "the authorization entry %.100s allows %llu MiB of disks in all, its other "
		 "replicas "
		 "have %llu, this one would have %llu: raise its --max-size, or remove replicas",
		 entry->pattern, (unsigned long long)(entry->max_size_bytes >> 20),
		 (unsigned long long)(usage->bytes >> 20), (unsigned long long)(size_bytes >> 20));
	return buf;
}
