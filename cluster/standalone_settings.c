/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The changes of standalone's settings: authorization entries, what belongs to one VM's
 * relationship (in that VM's file), and the rest (settings.conf). */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cluster/nvpair_list.h"
#include "cluster/standalone_files.h"
#include "cluster/standalone_layout.h"
#include "cluster/standalone_vm.h"
#include "cluster/switch_condition.h"
#include "common/cleanup.h"

_Static_assert(AUTHORIZATION_ERROR_LEN <= SETTINGS_FILE_ERROR_LEN, "sentences must fit");

#define SETTINGS_COMMENT "Settings of vmreplica on this host."

__attribute__((format(printf, 3, 4))) static int refuse(char error[VM_RESOURCE_ERROR_LEN],
							int result, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(error, VM_RESOURCE_ERROR_LEN, format, args);
	va_end(args);
	return result;
}

/* ---- authorization entries ---- */

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

/* ---- settings.conf ---- */

static bool would_change(const struct nvpair_list *list, Vmreplica__Ipc__CibNvpair *const *pairs,
			 size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const char *present = nvpair_find(list->pairs, list->count, pairs[i]->name);

		if (strcmp(present != NULL ? present : "", pairs[i]->value) != 0) {
			return true;
		}
	}
	return false;
}

static int common_change(const char *directory, Vmreplica__Ipc__CibNvpair *const *pairs,
			 size_t count, char error[VM_RESOURCE_ERROR_LEN])
{
	struct nvpair_list list = {0};
	char path[SETTINGS_FILE_PATH_LEN];
	int result = standalone_settings_path(directory, path);

	if (result == 0) {
		result = settings_file_read(path, &list, error);
		result = result == -ENOENT ? 0 : result;
	}
	if (result == 0 && would_change(&list, pairs, count)) {
		result = standalone_pairs_change(&list, pairs, count);
		if (result == 0) {
			result = settings_file_write(path, SETTINGS_COMMENT, &list, error);
		}
	}
	nvpair_list_destroy(&list);
	return result;
}

/* What was set before the VM's file was there, or by a version that had all in settings.conf: first
 * into the file, then out of settings.conf, and neither changes what holds. */
int standalone_settings_gather(const char *directory, const char *path, struct standalone_vm *vm,
			       const char *relationship, char error[VM_RESOURCE_ERROR_LEN])
{
	struct nvpair_list common = {0}, gone = {0};
	char common_path[SETTINGS_FILE_PATH_LEN];
	int result = standalone_settings_path(directory, common_path);

	if (result == 0) {
		result = settings_file_read(common_path, &common, error);
		result = result == -ENOENT ? 0 : result;
	}
	for (size_t i = 0; i < common.count && result == 0; i++) {
		const char *of = standalone_vm_of_setting(common.pairs[i]->name);

		if (of != NULL && strcmp(of, relationship) == 0 &&
		    (nvpair_list_add(&vm->settings, common.pairs[i]->name, common.pairs[i]->value) <
			     0 ||
		     nvpair_list_add(&gone, common.pairs[i]->name, "") < 0)) {
			result = refuse(error, -ENOMEM, "out of memory");
		}
	}
	if (result == 0 && gone.count > 0) {
		result = standalone_vm_store(path, vm, error);
		if (result == 0) {
			result = common_change(directory, gone.pairs, gone.count, error);
		}
	}
	nvpair_list_destroy(&common);
	nvpair_list_destroy(&gone);
	return result;
}

/* ---- one of them ---- */

int standalone_settings_change(const char *directory, Vmreplica__Ipc__CibNvpair *const *pairs,
			       size_t count, char error[VM_RESOURCE_ERROR_LEN])
{
	const char *relationship = count > 0 ? standalone_vm_of_setting(pairs[0]->name) : NULL;
	struct standalone_vm vm = {0};
	char path[SETTINGS_FILE_PATH_LEN];
	int result = -ENOENT;

	for (size_t i = 1; i < count; i++) {
		const char *other = standalone_vm_of_setting(pairs[i]->name);

		if (relationship == NULL || other == NULL || strcmp(other, relationship) != 0) {
			return refuse(error, -EINVAL,
				      "settings of more than one VM cannot change at once");
		}
	}
	if (relationship != NULL) {
		result = standalone_vm_find(directory, relationship, path);
	}
	if (result == -ENOENT) {
		return common_change(directory, pairs, count, error);
	}
	result = result < 0 ? refuse(error, result, "the VM's file is not found: %s",
				     strerror(-result))
			    : standalone_vm_load(path, &vm, error);
	if (result == 0) {
		result = standalone_settings_gather(directory, path, &vm, relationship, error);
	}
	for (size_t i = 0; i < count && result == 0; i++) {
		result = switch_condition_setting(
			pairs[i]->name, pairs[i]->value,
			nvpair_find(vm.settings.pairs, vm.settings.count, pairs[i]->name), error);
	}
	if (result == 0 && would_change(&vm.settings, pairs, count)) {
		result = standalone_pairs_change(&vm.settings, pairs, count);
		if (result == 0) {
			result = standalone_vm_store(path, &vm, error);
		}
	}
	standalone_vm_destroy(&vm);
	return result;
}

static int set_one(const char *directory, const char *name, const char *value,
		   char error[VM_RESOURCE_ERROR_LEN])
{
	Vmreplica__Ipc__CibNvpair pair = VMREPLICA__IPC__CIB_NVPAIR__INIT, *pairs[] = {&pair};

	pair.name = (char *)(uintptr_t)name; /* only read */
	pair.value = (char *)(uintptr_t)value;
	return standalone_settings_change(directory, pairs, 1, error);
}

int standalone_files_set_setting(const char *directory, const char *name, const char *value,
				 char error[VM_RESOURCE_ERROR_LEN])
{
	cleanup_close int lock = -1;
	int result;

	value = value != NULL ? value : "";
	result = vm_resource_check_setting(name, value, error);
	if (result < 0) {
		return result;
	}
	lock = standalone_lock(directory);
	if (lock < 0) {
		return refuse(error, lock, "%.180s: %s", directory, strerror(-lock));
	}
	if (strncmp(name, AUTHORIZATION_PREFIX, sizeof(AUTHORIZATION_PREFIX) - 1) != 0) {
		return set_one(directory, name, value, error);
	}
	return value[0] == '\0' ? remove_authorization(directory, name, error)
				: write_authorization(directory, name, value, error);
}
