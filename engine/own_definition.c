/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/own_definition.h"

#include <stdio.h>
#include <string.h>

#include "cluster/nvpair_list.h"
#include "engine/host_vm.h"

bool own_definition_find(const struct engine *engine, const char *relationship,
			 const char *vm_resource, char buf[PATH_LEN_MAX + 1])
{
	const Vmreplica__Ipc__CibSettings *settings = engine_settings(engine);

	buf[0] = '\0';
	if (engine->config->standalone) {
		host_vm_definition(relationship, buf);
		return true;
	}
	for (size_t i = 0; settings != NULL && i < settings->n_resources; i++) {
		const Vmreplica__Ipc__CibResource *resource = settings->resources[i];
		const char *config =
			nvpair_find(resource->parameters, resource->n_parameters, "config");

		if (strcmp(resource->id, vm_resource) == 0 && config != NULL) {
			snprintf(buf, PATH_LEN_MAX + 1, "%s", config);
			return true;
		}
	}
	return false;
}
