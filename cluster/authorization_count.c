/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which replicas an authorization entry has let in. Pure. */
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

/* Does the pattern stand for nodes of this site ("a1.a.example" and "*.a.example" do for
 * a.example)? */
static bool pattern_is_within(const char *pattern, const char *site)
{
	size_t pattern_len = strlen(pattern), site_len = strlen(site);

	return pattern_len > site_len && pattern[pattern_len - site_len - 1] == '.' &&
	       strcasecmp(pattern + pattern_len - site_len, site) == 0;
}

const struct authorization_entry *authorization_site_entry(const struct authorization_table *table,
							   const char *site)
{
	const struct authorization_entry *entry = authorization_match_name(table, site);

	for (size_t i = 0; entry == NULL && i < table->count; i++) {
		if (pattern_is_within(table->entries[i].pattern, site)) {
			entry = &table->entries[i];
		}
	}
	return entry;
}

uint32_t authorization_count_replicas(const struct authorization_table *table,
				      const struct authorization_entry *entry,
				      const Vmreplica__Ipc__CibSettings *settings)
{
	uint32_t count = 0;

	for (size_t i = 0; settings != NULL && i < settings->n_resources; i++) {
		const Vmreplica__Ipc__CibResource *resource = settings->resources[i];
		const char *peer = parameter(resource, "peer");

		if (strcmp(resource->type, "ocf:vmreplica:vm") == 0 &&
		    strcasecmp(parameter(resource, "role"), "replica") == 0 && peer[0] != '\0' &&
		    authorization_site_entry(table, peer) == entry) {
			count++;
		}
	}
	return count;
}
