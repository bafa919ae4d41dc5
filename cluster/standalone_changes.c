/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The changes of standalone's files; standalone_files.c reads them. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cluster/domain_resource.h"
#include "cluster/nvpair_list.h"
#include "cluster/standalone_files.h"
#include "cluster/standalone_layout.h"
#include "proto/validate.h"

_Static_assert(SETTINGS_FILE_ERROR_LEN <= VM_RESOURCE_ERROR_LEN, "sentences must fit");
_Static_assert(AUTHORIZATION_ERROR_LEN <= SETTINGS_FILE_ERROR_LEN, "sentences must fit");

#define VM_COMMENT "A protected virtual machine; the parameters of ocf:vmreplica:vm."

__attribute__((format(printf, 3, 4))) static int refuse(char error[VM_RESOURCE_ERROR_LEN],
							int result, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(error, VM_RESOURCE_ERROR_LEN, format, args);
	va_end(args);
	return result;
}

/* The pairs of the request on top of those of the file; a request's "" takes a pair out. */
static int merge_pairs(Vmreplica__Ipc__CibNvpair *const *pairs, size_t count,
		       const struct nvpair_list *old, struct nvpair_list *merged)
{
	for (size_t i = 0; i < count; i++) {
		if (pairs[i]->value[0] != '\0' &&
		    nvpair_list_add(merged, pairs[i]->name, pairs[i]->value) < 0) {
			return -ENOMEM;
		}
	}
	for (size_t i = 0; i < old->count; i++) {
		if (nvpair_find(pairs, count, old->pairs[i]->name) == NULL &&
		    nvpair_list_add(merged, old->pairs[i]->name, old->pairs[i]->value) < 0) {
			return -ENOMEM;
		}
	}
	return 0;
}

static int write_vm(const char *path, Vmreplica__Ipc__CibNvpair *const *pairs, size_t count,
		    const struct nvpair_list *old, char error[VM_RESOURCE_ERROR_LEN])
{
	struct nvpair_list merged = {0};
	int result = merge_pairs(pairs, count, old, &merged);

	if (result < 0) {
		(void)refuse(error, result, "out of memory");
	} else {
		result = settings_file_write(path, VM_COMMENT, &merged, error);
	}
	nvpair_list_destroy(&merged);
	return result;
}

int standalone_files_create_vm(const char *directory, const Vmreplica__Ipc__CibCreateVm *request,
			       char error[VM_RESOURCE_ERROR_LEN])
{
	struct nvpair_list old = {0};
	const struct nvpair_list none = {0};
	char path[SETTINGS_FILE_PATH_LEN];
	const char *theirs, *ours;
	int result = vm_resource_check_create(request, error);

	if (result < 0) {
		return result;
	}
	if (settings_file_path(directory, STANDALONE_VMS, request->resource, path) < 0) {
		return refuse(error, -ENAMETOOLONG, "the name of the file would be too long");
	}
	result = settings_file_read(path, &old, error);
	if (result == -ENOENT) {
		return write_vm(path, request->parameters, request->n_parameters, &none, error);
	}
	if (result < 0) {
		return result;
	}
	theirs = nvpair_find(old.pairs, old.count, "relationship");
	ours = nvpair_find(request->parameters, request->n_parameters, "relationship");
	if (theirs == NULL || strcmp(theirs, ours) != 0) {
		result = refuse(error, -EEXIST, "%.180s exists: rename or remove it", path);
	} else {
		result = write_vm(path, request->parameters, request->n_parameters, &none, error);
	}
	nvpair_list_destroy(&old);
	return result;
}

int standalone_files_update_vm(const char *directory, const Vmreplica__Ipc__CibUpdateVm *request,
			       char error[VM_RESOURCE_ERROR_LEN])
{
	struct nvpair_list old = {0};
	char path[SETTINGS_FILE_PATH_LEN];
	int result = vm_resource_check_update(request, error);

	if (result < 0) {
		return result;
	}
	if (settings_file_path(directory, STANDALONE_VMS, request->resource, path) < 0) {
		return refuse(error, -ENAMETOOLONG, "the name of the file would be too long");
	}
	result = settings_file_read(path, &old, error);
	if (result == 0) {
		result = write_vm(path, request->parameters, request->n_parameters, &old, error);
	}
	nvpair_list_destroy(&old);
	return result;
}

int standalone_files_delete_vm(const char *directory, const char *resource,
			       char error[VM_RESOURCE_ERROR_LEN])
{
	char path[SETTINGS_FILE_PATH_LEN];
	int result = vm_resource_check_delete(resource, error);

	if (result < 0) {
		return result;
	}
	if (settings_file_path(directory, STANDALONE_VMS, resource, path) < 0) {
		return refuse(error, -ENAMETOOLONG, "the name of the file would be too long");
	}
	result = settings_file_remove(path);
	if (result < 0) {
		return refuse(error, result, "%.180s cannot be removed: %s", path,
			      strerror(-result));
	}
	return 0;
}

struct search {
	const char *directory, *setting;
	char file[SETTINGS_FILE_PATH_LEN]; /* found: its name without ".conf" */
};

/* Admins name these files as they like: the entry inside tells which setting it is. */
static int find_authorization_cb(void *arg, const char *name)
{
	struct search *search = arg;
	struct authorization_entry entry;
	char error[SETTINGS_FILE_ERROR_LEN], setting[AUTHORIZATION_NAME_LEN];

	if (standalone_authorization_read(search->directory, name, &entry, error) < 0 ||
	    authorization_setting_name(entry.pattern, setting) < 0 ||
	    strcmp(setting, search->setting) != 0) {
		return 0;
	}
	(void)snprintf(search->file, sizeof(search->file), "%s", name);
	return 1;
}

static int remove_authorization(const char *directory, const char *name,
				char error[VM_RESOURCE_ERROR_LEN])
{
	struct search search = {.directory = directory, .setting = name};
	char path[SETTINGS_FILE_PATH_LEN];

	/* Two files may say the same pattern: all of them go. */
	for (;;) {
		int result = standalone_folder_each(directory, STANDALONE_AUTHORIZATIONS,
						    find_authorization_cb, &search);

		if (result == 0) {
			return 0;
		}
		if (result > 0) {
			result = settings_file_path(directory, STANDALONE_AUTHORIZATIONS,
						    search.file, path);
		}
		if (result == 0) {
			result = settings_file_remove(path);
		}
		if (result < 0) {
			return refuse(error, result, "the entry cannot be removed: %s",
				      strerror(-result));
		}
	}
}

static int write_authorization(const char *directory, const char *name, const char *value,
			       char error[VM_RESOURCE_ERROR_LEN])
{
	struct search search = {.directory = directory, .setting = name};
	struct authorization_entry entry;
	char setting[AUTHORIZATION_NAME_LEN];
	int result = authorization_decode(value, &entry, error);

	if (result < 0) {
		return result;
	}
	if (authorization_setting_name(entry.pattern, setting) < 0 || strcmp(setting, name) != 0) {
		return refuse(error, -EINVAL, "%s is not the name of an entry for %s", name,
			      entry.pattern);
	}
	if (standalone_folder_each(directory, STANDALONE_AUTHORIZATIONS, find_authorization_cb,
				   &search) != 1) {
		/* '*' is no letter for a file's name, and '_' is none of a site's. */
		(void)snprintf(search.file, sizeof(search.file), "%s", entry.pattern);
		if (search.file[0] == '*') {
			search.file[0] = '_';
		}
	}
	return standalone_authorization_write(directory, search.file, &entry, error);
}

static int write_setting(const char *directory, const char *name, const char *value,
			 char error[VM_RESOURCE_ERROR_LEN])
{
	Vmreplica__Ipc__CibNvpair pair = VMREPLICA__IPC__CIB_NVPAIR__INIT;
	Vmreplica__Ipc__CibNvpair *pairs[] = {&pair};
	struct nvpair_list old = {0}, merged = {0};
	char path[SETTINGS_FILE_PATH_LEN];
	char name_copy[RESOURCE_ID_MAX + 1], value_copy[VM_RESOURCE_VALUE_MAX + 1];
	int result = standalone_settings_path(directory, path);

	(void)snprintf(name_copy, sizeof(name_copy), "%s", name);
	(void)snprintf(value_copy, sizeof(value_copy), "%s", value);
	pair.name = name_copy;
	pair.value = value_copy;
	if (result == 0) {
		result = settings_file_read(path, &old, error);
	}
	if (result == 0 || result == -ENOENT) {
		result = merge_pairs(pairs, 1, &old, &merged);
	}
	if (result == 0) {
		result = settings_file_write(path, "Settings of vmreplica on this host.", &merged,
					     error);
	}
	nvpair_list_destroy(&old);
	nvpair_list_destroy(&merged);
	return result;
}

int standalone_files_set_setting(const char *directory, const char *name, const char *value,
				 char error[VM_RESOURCE_ERROR_LEN])
{
	int result;

	value = value != NULL ? value : "";
	result = vm_resource_check_setting(name, value, error);
	if (result < 0) {
		return result;
	}
	if (strncmp(name, AUTHORIZATION_PREFIX, sizeof(AUTHORIZATION_PREFIX) - 1) != 0) {
		return write_setting(directory, name, value, error);
	}
	return value[0] == '\0' ? remove_authorization(directory, name, error)
				: write_authorization(directory, name, value, error);
}

int standalone_files_switch_role(const char *directory, const Vmreplica__Ipc__CibSwitch *request,
				 char error[VM_RESOURCE_ERROR_LEN])
{
	Vmreplica__Ipc__CibUpdateVm update = VMREPLICA__IPC__CIB_UPDATE_VM__INIT;
	int result = domain_resource_check_switch(request, error);

	update.resource = request->resource;
	update.parameters = request->parameters;
	update.n_parameters = request->n_parameters;
	/* what is durable about a role goes before the role */
	for (size_t i = 0; i < request->n_settings && result == 0; i++) {
		result = standalone_files_set_setting(directory, request->settings[i]->name,
						      request->settings[i]->value, error);
	}
	if (result == 0 && request->n_parameters > 0) {
		result = standalone_files_update_vm(directory, &update, error);
	}
	return result;
}
