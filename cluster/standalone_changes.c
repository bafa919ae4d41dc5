/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The changes of the VMs' files; standalone_settings.c has those of the settings,
 * standalone_files.c reads all. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cluster/domain_resource.h"
#include "cluster/nvpair_list.h"
#include "cluster/standalone_files.h"
#include "cluster/standalone_layout.h"
#include "cluster/standalone_vm.h"
#include "cluster/switch_condition.h"
#include "common/cleanup.h"

_Static_assert(SETTINGS_FILE_ERROR_LEN <= VM_RESOURCE_ERROR_LEN, "sentences must fit");

__attribute__((format(printf, 3, 4))) static int refuse(char error[VM_RESOURCE_ERROR_LEN],
							int result, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(error, VM_RESOURCE_ERROR_LEN, format, args);
	va_end(args);
	return result;
}

/* The lock, and the path of the resource's file. A descriptor to close, or a negative errno with a
 * sentence. */
static int begin(const char *directory, const char *resource, char path[SETTINGS_FILE_PATH_LEN],
		 char error[VM_RESOURCE_ERROR_LEN])
{
	int lock;

	if (settings_file_path(directory, STANDALONE_VMS, resource, path) < 0) {
		return refuse(error, -ENAMETOOLONG, "the name of the file would be too long");
	}
	lock = standalone_lock(directory);
	return lock >= 0 ? lock : refuse(error, lock, "%.180s: %s", directory, strerror(-lock));
}

static const char *relationship_of(const struct standalone_vm *vm)
{
	const char *relationship =
		nvpair_find(vm->parameters.pairs, vm->parameters.count, "relationship");

	return relationship != NULL ? relationship : "";
}

int standalone_files_create_vm(const char *directory, const Vmreplica__Ipc__CibCreateVm *request,
			       char error[VM_RESOURCE_ERROR_LEN])
{
	struct standalone_vm vm = {0};
	char path[SETTINGS_FILE_PATH_LEN];
	const char *ours = nvpair_find(request->parameters, request->n_parameters, "relationship");
	int result = vm_resource_check_create(request, error);
	cleanup_close int lock = -1;

	if (result < 0) {
		return result;
	}
	lock = begin(directory, request->resource, path, error);
	if (lock < 0) {
		return lock;
	}
	result = standalone_vm_load(path, &vm, error);
	if (result == 0 && strcmp(relationship_of(&vm), ours) != 0) {
		result = refuse(error, -EEXIST, "%.180s exists: rename or remove it", path);
	}
	if (result == 0 || result == -ENOENT) {
		nvpair_list_destroy(&vm.parameters); /* the settings stay */
		result = standalone_pairs_change(&vm.parameters, request->parameters,
						 request->n_parameters);
		result = result < 0 ? refuse(error, result, "out of memory")
				    : standalone_vm_store(path, &vm, error);
	}
	standalone_vm_destroy(&vm);
	return result;
}

static const char *standing_setting(void *arg, const char *name)
{
	const struct standalone_vm *vm = arg;

	return nvpair_find(vm->settings.pairs, vm->settings.count, name);
}

/* Parameters and settings of one VM, in one rename. */
static int change_vm(const char *directory, const Vmreplica__Ipc__CibSwitch *request,
		     char error[VM_RESOURCE_ERROR_LEN])
{
	struct standalone_vm vm = {0};
	char path[SETTINGS_FILE_PATH_LEN];
	cleanup_close int lock = begin(directory, request->resource, path, error);
	int result;

	if (lock < 0) {
		return lock;
	}
	result = standalone_vm_load(path, &vm, error);
	for (size_t i = 0; i < request->n_settings && result == 0; i++) {
		const char *of = standalone_vm_of_setting(request->settings[i]->name);

		if (of == NULL || strcmp(of, relationship_of(&vm)) != 0) {
			result = refuse(error, -EINVAL, "%.64s is no setting of %.64s",
					request->settings[i]->name, request->resource);
		}
	}
	if (result == 0 && request->n_settings > 0) {
		result = standalone_settings_gather(directory, path, &vm, relationship_of(&vm),
						    error);
	}
	if (result == 0) {
		result = switch_condition_check(
			request, nvpair_find(vm.parameters.pairs, vm.parameters.count, "role"),
			standing_setting, &vm, error);
	}
	if (result == 0 &&
	    (standalone_pairs_change(&vm.parameters, request->parameters, request->n_parameters) <
		     0 ||
	     standalone_pairs_change(&vm.settings, request->settings, request->n_settings) < 0)) {
		result = refuse(error, -ENOMEM, "out of memory");
	}
	if (result == 0) {
		result = standalone_vm_store(path, &vm, error);
	}
	standalone_vm_destroy(&vm);
	return result;
}

int standalone_files_update_vm(const char *directory, const Vmreplica__Ipc__CibUpdateVm *request,
			       char error[VM_RESOURCE_ERROR_LEN])
{
	Vmreplica__Ipc__CibSwitch change = VMREPLICA__IPC__CIB_SWITCH__INIT;
	int result = vm_resource_check_update(request, error);

	change.resource = request->resource;
	change.parameters = request->parameters;
	change.n_parameters = request->n_parameters;
	return result < 0 ? result : change_vm(directory, &change, error);
}

int standalone_files_delete_vm(const char *directory, const char *resource,
			       char error[VM_RESOURCE_ERROR_LEN])
{
	char path[SETTINGS_FILE_PATH_LEN];
	int result = vm_resource_check_delete(resource, error);
	cleanup_close int lock = -1;

	if (result < 0) {
		return result;
	}
	lock = begin(directory, resource, path, error);
	if (lock < 0) {
		return lock;
	}
	result = settings_file_remove(path);
	if (result < 0) {
		return refuse(error, result, "%.180s cannot be removed: %s", path,
			      strerror(-result));
	}
	return 0;
}

int standalone_files_switch_role(const char *directory, const Vmreplica__Ipc__CibSwitch *request,
				 char error[VM_RESOURCE_ERROR_LEN])
{
	cleanup_close int lock = -1;
	int result = domain_resource_check_switch(request, error);

	if (result < 0) {
		return result;
	}
	if (request->resource[0] != '\0') {
		return change_vm(directory, request, error);
	}
	lock = standalone_lock(directory);
	if (lock < 0) {
		return refuse(error, lock, "%.180s: %s", directory, strerror(-lock));
	}
	return standalone_settings_change(directory, request->settings, request->n_settings, error);
}
