/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cluster/standalone_files.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/authorization.h"
#include "cluster/nvpair_list.h"
#include "cluster/settings_file.h"
#include "cluster/standalone_layout.h"
#include "cluster/standalone_vm.h"
#include "common/cleanup.h"
#include "common/log.h"

typedef Vmreplica__Ipc__CibSettings cib_settings;
typedef Vmreplica__Ipc__CibResource cib_resource;

struct reading {
	const char *directory;
	const cib_settings *previous;
	cib_settings *settings;
	struct nvpair_list values; /* of the settings */
};

/* The same checks that a cluster's resource passes before it is made. */
static int check_vm(const char *resource, const struct nvpair_list *list,
		    char error[VM_RESOURCE_ERROR_LEN])
{
	Vmreplica__Ipc__CibCreateVm request = VMREPLICA__IPC__CIB_CREATE_VM__INIT;
	char clone[] = CIB_ENGINE_CLONE_DEFAULT;
	cleanup_free char *id = strdup(resource);

	if (id == NULL) {
		return -ENOMEM;
	}
	request.resource = id;
	request.engine_clone = clone;
	request.parameters = list->pairs;
	request.n_parameters = list->count;
	return vm_resource_check_create(&request, error);
}

static int resource_add(cib_settings *settings, const char *id, struct nvpair_list *list)
{
	cib_resource **grown =
		reallocarray(settings->resources, settings->n_resources + 1, sizeof(*grown));
	cib_resource *resource;

	if (grown == NULL) {
		return -ENOMEM;
	}
	settings->resources = grown;
	resource = malloc(sizeof(*resource));
	if (resource == NULL) {
		return -ENOMEM;
	}
	vmreplica__ipc__cib_resource__init(resource);
	grown[settings->n_resources++] = resource;
	resource->id = strdup(id);
	resource->type = strdup(VM_RESOURCE_AGENT);
	resource->parameters = list->pairs;
	resource->n_parameters = list->count;
	*list = (struct nvpair_list){0};
	return resource->id != NULL && resource->type != NULL ? 0 : -ENOMEM;
}

/* What the file said when it could last be read, as a copy. False when it never could. */
static bool previous_copy(const cib_settings *previous, const char *id, struct standalone_vm *vm)
{
	const cib_resource *resource = NULL;
	const char *relationship;

	for (size_t i = 0; previous != NULL && i < previous->n_resources; i++) {
		if (strcmp(previous->resources[i]->id, id) == 0) {
			resource = previous->resources[i];
		}
	}
	if (resource == NULL || standalone_pairs_change(&vm->parameters, resource->parameters,
							resource->n_parameters) < 0) {
		return false;
	}
	relationship = nvpair_find(resource->parameters, resource->n_parameters, "relationship");
	for (size_t i = 0; i < previous->n_settings; i++) {
		const char *of = standalone_vm_of_setting(previous->settings[i]->name);

		if (of != NULL && relationship != NULL && strcmp(of, relationship) == 0 &&
		    nvpair_list_add(&vm->settings, previous->settings[i]->name,
				    previous->settings[i]->value) < 0) {
			return false;
		}
	}
	return true;
}

static int vm_add(struct reading *reading, const char *name, struct standalone_vm *vm)
{
	int result = resource_add(reading->settings, name, &vm->parameters);

	for (size_t i = 0; i < vm->settings.count && result == 0; i++) {
		result = nvpair_list_add(&reading->values, vm->settings.pairs[i]->name,
					 vm->settings.pairs[i]->value);
	}
	return result;
}

static int read_vm_cb(void *arg, const char *name)
{
	struct reading *reading = arg;
	struct standalone_vm vm = {0};
	char error[SETTINGS_FILE_ERROR_LEN] = "";
	char path[SETTINGS_FILE_PATH_LEN];
	int result = settings_file_path(reading->directory, STANDALONE_VMS, name, path);
	bool usable;

	if (result == 0) {
		result = standalone_vm_load(path, &vm, error);
	}
	if (result == 0) {
		result = check_vm(name, &vm.parameters, error);
	}
	usable = result == 0;
	if (!usable) {
		standalone_vm_destroy(&vm);
		usable = previous_copy(reading->previous, name, &vm);
		log_error("%s/%s.conf: %s; %s", STANDALONE_VMS, name, error,
			  usable ? "going on with what it said before" : "the VM is left out");
	}
	result = usable ? vm_add(reading, name, &vm) : 0;
	standalone_vm_destroy(&vm);
	return result;
}

static int read_authorization_cb(void *arg, const char *name)
{
	struct reading *reading = arg;
	struct authorization_entry entry;
	char error[SETTINGS_FILE_ERROR_LEN] = "";
	char setting[AUTHORIZATION_NAME_LEN], value[AUTHORIZATION_VALUE_LEN];

	if (standalone_authorization_read(reading->directory, name, &entry, error) < 0 ||
	    authorization_setting_name(entry.pattern, setting) < 0) {
		log_error("%s/%s.conf: %s; it authorizes nobody", STANDALONE_AUTHORIZATIONS, name,
			  error);
		return 0;
	}
	return nvpair_list_add(&reading->values, setting, authorization_encode(&entry, value));
}

/* The settings that are no authorization. What a VM's file says of its own counts more. */
static int read_other_settings(struct reading *reading)
{
	struct nvpair_list list = {0};
	char error[SETTINGS_FILE_ERROR_LEN] = "";
	char path[SETTINGS_FILE_PATH_LEN];
	int result = standalone_settings_path(reading->directory, path);

	if (result == 0) {
		result = settings_file_read(path, &list, error);
	}
	if (result < 0) {
		if (result != -ENOENT) {
			log_error("%s", error);
		}
		return 0;
	}
	for (size_t i = 0; i < list.count && result == 0; i++) {
		if (vm_resource_check_setting(list.pairs[i]->name, list.pairs[i]->value, error) <
		    0) {
			log_error("%s: %s", path, error);
			continue;
		}
		result = nvpair_list_add(&reading->values, list.pairs[i]->name,
					 list.pairs[i]->value);
	}
	nvpair_list_destroy(&list);
	return result;
}

cib_settings *standalone_files_read(const char *directory, const cib_settings *previous)
{
	struct reading reading = {.directory = directory, .previous = previous};
	int result;

	reading.settings = malloc(sizeof(*reading.settings));
	if (reading.settings == NULL) {
		return NULL;
	}
	vmreplica__ipc__cib_settings__init(reading.settings);
	result = standalone_folder_each(directory, STANDALONE_VMS, read_vm_cb, &reading);
	if (result == 0) {
		result = standalone_folder_each(directory, STANDALONE_AUTHORIZATIONS,
						read_authorization_cb, &reading);
	}
	if (result == 0) {
		result = read_other_settings(&reading);
	}
	reading.settings->settings = reading.values.pairs;
	reading.settings->n_settings = reading.values.count;
	if (result < 0) {
		vmreplica__ipc__cib_settings__free_unpacked(reading.settings, NULL);
		return NULL;
	}
	return reading.settings;
}
