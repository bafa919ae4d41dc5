/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/check_guard.h"

#include <stdio.h>
#include <string.h>

#include "cluster/domain_resource.h"
#include "cluster/guard_resource.h"
#include "cluster/pcs_commands.h"
#include "engine/protect.h"

#define ADVICE_LEN 1024

static bool is_virtual_domain(const Vmreplica__Ipc__CibSettings *settings, const char *id)
{
	for (size_t i = 0; i < settings->n_resources; i++) {
		if (strcmp(settings->resources[i]->id, id) == 0) {
			return strcmp(settings->resources[i]->type, VM_RESOURCE_AGENT) != 0;
		}
	}
	return false;
}

/* What a guard stands before: the VM's own resource. NULL: it is none of Pacemaker's, or ours is a
 * replica's that is replicated on, which nobody starts. */
static const char *guarded_resource(const Vmreplica__Ipc__CibSettings *settings,
				    const Vmreplica__Ipc__CibResource *ours)
{
	const char *named = protect_parameter(ours, "vm_resource");
	const Vmreplica__Ipc__CibResource *made =
		domain_resource_find(settings, protect_parameter(ours, "relationship"), false);

	if (named[0] != '\0') {
		return is_virtual_domain(settings, named) ? named : NULL;
	}
	return made != NULL ? made->id : NULL;
}

static void warn(const Vmreplica__Ipc__CibResource *ours, const char *vm_resource,
		 struct check_list *list)
{
	struct pcs_commands commands;
	char item[RESOURCE_ID_MAX + 8], advice[ADVICE_LEN] = "";
	size_t used = 0;

	if (pcs_commands_create_guard(vm_resource, protect_parameter(ours, "relationship"),
				      &commands) < 0) {
		return;
	}
	for (size_t i = 0; i < commands.count && used < sizeof(advice); i++) {
		used += (size_t)snprintf(advice + used, sizeof(advice) - used, "%s%s",
					 i > 0 ? " && " : "", commands.lines[i]);
	}
	snprintf(item, sizeof(item), "guard %s", vm_resource);
	check_list_add(list, CHECK_WARNING, item, advice,
		       "there is none: when this site comes back after a failover, nothing keeps "
		       "Pacemaker from starting %s here while it runs on the other side",
		       vm_resource);
	pcs_commands_destroy(&commands);
}

void check_guards(const Vmreplica__Ipc__CibSettings *settings, const char *vm,
		  struct check_list *list)
{
	for (size_t i = 0; settings != NULL && i < settings->n_resources; i++) {
		const Vmreplica__Ipc__CibResource *ours = settings->resources[i];
		const char *vm_resource;

		if (strcmp(ours->type, VM_RESOURCE_AGENT) != 0 ||
		    (vm[0] != '\0' && strcmp(protect_parameter(ours, "vm"), vm) != 0)) {
			continue;
		}
		vm_resource = guarded_resource(settings, ours);
		if (vm_resource != NULL &&
		    !guard_resource_exists(settings, protect_parameter(ours, "relationship"))) {
			warn(ours, vm_resource, list);
		}
	}
}
