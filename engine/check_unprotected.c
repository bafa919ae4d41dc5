/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/check_unprotected.h"

#include <stdio.h>
#include <string.h>

#include "cluster/vm_resource.h"

const char *check_protected_name(const Vmreplica__Ipc__CibSettings *settings, const char *vm)
{
	for (size_t i = 0; settings != NULL && i < settings->n_resources; i++) {
		const Vmreplica__Ipc__CibResource *resource = settings->resources[i];

		if (strcmp(resource->type, VM_RESOURCE_AGENT) == 0 &&
		    (strcmp(protect_parameter(resource, "vm"), vm) == 0 ||
		     strcmp(protect_parameter(resource, "vm_resource"), vm) == 0 ||
		     strcmp(protect_parameter(resource, "relationship"), vm) == 0 ||
		     strcmp(resource->id, vm) == 0)) {
			return protect_parameter(resource, "vm");
		}
	}
	return NULL;
}

/* Problems are "disk NAME: ..." or of the VM as a whole. */
static bool has_problem(const Vmreplica__Admin__InspectResponse *answer, const char *disk)
{
	char prefix[DISK_NAME_MAX + 8];
	int len = snprintf(prefix, sizeof(prefix), "disk %s:", disk);

	for (size_t i = 0; i < answer->n_problems; i++) {
		if (strncmp(answer->problems[i], prefix, (size_t)len) == 0) {
			return true;
		}
	}
	return false;
}

void check_unprotected_list(struct check_list *list, const char *vm,
			    const Vmreplica__Admin__InspectResponse *answer)
{
	char item[VM_NAME_MAX + 8];

	snprintf(item, sizeof(item), "VM %s", vm);
	check_list_add(list, CHECK_OK, item, NULL, "not protected yet, %s",
		       answer->running ? "runs on this node" : "shut off");
	snprintf(item, sizeof(item), "disks %s", vm);
	for (size_t i = 0; i < answer->n_disks; i++) {
		const Vmreplica__DiskStatus *disk = answer->disks[i];

		if (!has_problem(answer, disk->name)) {
			check_list_add(list, CHECK_OK, item, NULL, "%s: %s, %llu MiB", disk->name,
				       disk->top, (unsigned long long)(disk->size_bytes >> 20));
		}
	}
	for (size_t i = 0; i < answer->n_problems; i++) {
		check_list_add(list, CHECK_FAIL, item,
			       "change it, or leave the disk out: vmreplica protect --exclude-disk",
			       "%s", answer->problems[i]);
	}
}
