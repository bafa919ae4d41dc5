/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cluster/guard_resource.h"

#include <string.h>

#include "cluster/nvpair_list.h"

bool guard_resource_exists(const Vmreplica__Ipc__CibSettings *settings, const char *relationship)
{
	for (size_t i = 0; settings != NULL && i < settings->n_resources; i++) {
		const Vmreplica__Ipc__CibResource *resource = settings->resources[i];
		const char *of =
			nvpair_find(resource->parameters, resource->n_parameters, "relationship");

		if (strcmp(resource->type, GUARD_RESOURCE_AGENT) == 0 && of != NULL &&
		    strcmp(of, relationship) == 0) {
			return true;
		}
	}
	return settings == NULL;
}
