/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which Pacemaker resource is the VM that an admin named. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cluster/vm_resource.h"
#include "common/cleanup.h"
#include "engine/protect.h"
#include "proto/validate.h"

#define DOMAIN_FILE_MAX (1024u * 1024u)

const char *protect_parameter(const Vmreplica__Ipc__CibResource *resource, const char *name)
{
	for (size_t i = 0; i < resource->n_parameters; i++) {
		if (strcmp(resource->parameters[i]->name, name) == 0) {
			return resource->parameters[i]->value;
		}
	}
	return "";
}

const Vmreplica__Ipc__CibResource *protect_find(const Vmreplica__Ipc__CibSettings *settings,
						const char *vm)
{
	for (size_t i = 0; settings != NULL && i < settings->n_resources; i++) {
		const Vmreplica__Ipc__CibResource *resource = settings->resources[i];

		if (strcmp(resource->type, VM_RESOURCE_AGENT) == 0 &&
		    strcmp(protect_parameter(resource, "role"), "primary") == 0 &&
		    (strcmp(protect_parameter(resource, "vm"), vm) == 0 ||
		     strcmp(protect_parameter(resource, "vm_resource"), vm) == 0 ||
		     strcmp(protect_parameter(resource, "relationship"), vm) == 0 ||
		     strcmp(resource->id, vm) == 0)) {
			return resource;
		}
	}
	return NULL;
}

int protect_vm_list(struct protect_vm *vm, const Vmreplica__Ipc__CibSettings *settings)
{
	vm->candidates = calloc(PROTECT_CONFIGS_MAX, sizeof(*vm->candidates));
	if (vm->candidates == NULL) {
		return -ENOMEM;
	}
	for (size_t i = 0;
	     settings != NULL && i < settings->n_resources && vm->count < PROTECT_CONFIGS_MAX;
	     i++) {
		const Vmreplica__Ipc__CibResource *resource = settings->resources[i];

		if (strcmp(resource->type, VIRTUAL_DOMAIN_AGENT) == 0) {
			snprintf(vm->candidates[vm->count].id, sizeof(vm->candidates[0].id), "%s",
				 resource->id);
			snprintf(vm->candidates[vm->count].config, sizeof(vm->candidates[0].config),
				 "%s", protect_parameter(resource, "config"));
			vm->count++;
		}
	}
	return 0;
}

void protect_vm_destroy(struct protect_vm *vm)
{
	free(vm->candidates);
	vm->candidates = NULL;
}

int protect_domain_name(const char *xml, char *name, size_t size)
{
	static const char open_tag[] = "<name>", close_tag[] = "</name>";
	const char *start = strstr(xml, open_tag), *end;

	if (start == NULL) {
		return -ENOENT;
	}
	start += sizeof(open_tag) - 1;
	end = strstr(start, close_tag);
	if (end == NULL || end == start || (size_t)(end - start) >= size) {
		return -ENOENT;
	}
	memcpy(name, start, (size_t)(end - start));
	name[end - start] = '\0';
	return 0;
}

static int read_domain_name(const char *path, char *name, size_t size)
{
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	cleanup_free char *text = malloc(DOMAIN_FILE_MAX + 1);
	size_t len = 0;
	ssize_t got;

	if (fd < 0 || text == NULL) {
		return -ENOENT;
	}
	while (len < DOMAIN_FILE_MAX && (got = read(fd, text + len, DOMAIN_FILE_MAX - len)) > 0) {
		len += (size_t)got;
	}
	text[len] = '\0';
	return protect_domain_name(text, name, size);
}

int protect_vm_choose(struct protect_vm *vm)
{
	size_t by_id = SIZE_MAX;

	for (size_t i = 0; i < vm->count; i++) {
		char name[VM_NAME_MAX + 1];
		bool known = read_domain_name(vm->candidates[i].config, name, sizeof(name)) == 0;

		if (known && strcmp(name, vm->asked) == 0) {
			memcpy(vm->name, name, sizeof(name));
			memcpy(vm->resource, vm->candidates[i].id, sizeof(vm->resource));
			return 0;
		}
		if (strcmp(vm->candidates[i].id, vm->asked) == 0) {
			by_id = i;
			/* its file may lie on another node only; an id that is too long for a VM's
			 * name leaves it empty */
			snprintf(vm->name, sizeof(vm->name), "%s",
				 known					? name
				 : strlen(vm->asked) < sizeof(vm->name) ? vm->asked
									: "");
		}
	}
	if (by_id == SIZE_MAX) {
		return -ENOENT;
	}
	memcpy(vm->resource, vm->candidates[by_id].id, sizeof(vm->resource));
	return validate_vm_name(vm->name) ? 0 : -ENOENT;
}
