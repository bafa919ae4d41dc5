/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cluster/standalone_vm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "cluster/standalone_layout.h"
#include "cluster/vm_resource.h"
#include "proto/validate.h"

#define VM_COMMENT                                                                                 \
	"A protected virtual machine; the parameters of ocf:vmreplica:vm. Lines that begin with "  \
	"vmreplica- are vmreplica's own."

void standalone_vm_destroy(struct standalone_vm *vm)
{
	nvpair_list_destroy(&vm->parameters);
	nvpair_list_destroy(&vm->settings);
}

static bool is_setting(const char *name)
{
	return strncmp(name, CIB_SETTING_PREFIX, sizeof(CIB_SETTING_PREFIX) - 1) == 0;
}

const char *standalone_vm_of_setting(const char *name)
{
	size_t len = strlen(name);
	const char *relationship;

	if (!is_setting(name) || len <= sizeof(CIB_SETTING_PREFIX) + RELATIONSHIP_LEN) {
		return NULL;
	}
	relationship = name + len - RELATIONSHIP_LEN;
	return relationship[-1] == '-' && validate_uuid(relationship) ? relationship : NULL;
}

/* In the file the names go without the relationship: it is said there once. */
static int add_setting(struct nvpair_list *settings, const char *name, const char *value,
		       const char *relationship, char error[SETTINGS_FILE_ERROR_LEN])
{
	char whole[RESOURCE_ID_MAX + 1], why[VM_RESOURCE_ERROR_LEN];

	if (relationship == NULL || !validate_uuid(relationship) ||
	    snprintf(whole, sizeof(whole), "%s-%s", name, relationship) >= (int)sizeof(whole) ||
	    vm_resource_check_setting(whole, value, why) < 0) {
		(void)snprintf(error, SETTINGS_FILE_ERROR_LEN, "%.64s is no setting of vmreplica",
			       name);
		return -EINVAL;
	}
	if (nvpair_list_add(settings, whole, value) < 0) {
		(void)snprintf(error, SETTINGS_FILE_ERROR_LEN, "out of memory");
		return -ENOMEM;
	}
	return 0;
}

static int split(const struct nvpair_list *all, struct standalone_vm *vm,
		 char error[SETTINGS_FILE_ERROR_LEN])
{
	const char *relationship = nvpair_find(all->pairs, all->count, "relationship");
	int result = 0;

	for (size_t i = 0; i < all->count && result == 0; i++) {
		const char *name = all->pairs[i]->name, *value = all->pairs[i]->value;

		if (is_setting(name)) {
			result = add_setting(&vm->settings, name, value, relationship, error);
		} else if (nvpair_list_add(&vm->parameters, name, value) < 0) {
			(void)snprintf(error, SETTINGS_FILE_ERROR_LEN, "out of memory");
			result = -ENOMEM;
		}
	}
	return result;
}

int standalone_vm_load(const char *path, struct standalone_vm *ret_vm,
		       char error[SETTINGS_FILE_ERROR_LEN])
{
	struct standalone_vm vm = {0};
	struct nvpair_list all = {0};
	int result = settings_file_read(path, &all, error);

	if (result == 0) {
		result = split(&all, &vm, error);
	}
	nvpair_list_destroy(&all);
	if (result < 0) {
		standalone_vm_destroy(&vm);
		return result;
	}
	*ret_vm = vm;
	return 0;
}

int standalone_vm_store(const char *path, const struct standalone_vm *vm,
			char error[SETTINGS_FILE_ERROR_LEN])
{
	struct nvpair_list all = {0};
	char name[RESOURCE_ID_MAX + 1];
	int result = standalone_pairs_change(&all, vm->parameters.pairs, vm->parameters.count);

	for (size_t i = 0; i < vm->settings.count && result == 0; i++) {
		const char *whole = vm->settings.pairs[i]->name;
		size_t len = strlen(whole) - RELATIONSHIP_LEN - 1;

		(void)snprintf(name, sizeof(name), "%.*s", (int)len, whole);
		result = nvpair_list_add(&all, name, vm->settings.pairs[i]->value);
	}
	if (result == 0) {
		result = settings_file_write(path, VM_COMMENT, &all, error);
	} else {
		(void)snprintf(error, SETTINGS_FILE_ERROR_LEN, "out of memory");
	}
	nvpair_list_destroy(&all);
	return result;
}

/* ---- which file ---- */

struct search {
	const char *directory, *relationship;
	char *path;
};

static int find_cb(void *arg, const char *name)
{
	struct search *search = arg;
	char error[SETTINGS_FILE_ERROR_LEN];
	struct nvpair_list list = {0};
	const char *relationship;
	bool found;

	if (settings_file_path(search->directory, STANDALONE_VMS, name, search->path) < 0 ||
	    settings_file_read(search->path, &list, error) < 0) {
		return 0;
	}
	relationship = nvpair_find(list.pairs, list.count, "relationship");
	found = relationship != NULL && strcmp(relationship, search->relationship) == 0;
	nvpair_list_destroy(&list);
	return found ? 1 : 0;
}

int standalone_vm_find(const char *directory, const char *relationship,
		       char ret_path[SETTINGS_FILE_PATH_LEN])
{
	struct search search = {directory, relationship, ret_path};
	int result = standalone_folder_each(directory, STANDALONE_VMS, find_cb, &search);

	return result == 0 ? -ENOENT : result < 0 ? result : 0;
}

int standalone_pairs_change(struct nvpair_list *list, Vmreplica__Ipc__CibNvpair *const *pairs,
			    size_t count)
{
	struct nvpair_list merged = {0};
	int result = 0;

	for (size_t i = 0; i < count && result == 0; i++) {
		if (pairs[i]->value[0] != '\0') {
			result = nvpair_list_add(&merged, pairs[i]->name, pairs[i]->value);
		}
	}
	for (size_t i = 0; i < list->count && result == 0; i++) {
		if (nvpair_find(pairs, count, list->pairs[i]->name) == NULL) {
			result = nvpair_list_add(&merged, list->pairs[i]->name,
						 list->pairs[i]->value);
		}
	}
	if (result < 0) {
		nvpair_list_destroy(&merged);
		return result;
	}
	nvpair_list_destroy(list);
	*list = merged;
	return 0;
}

int standalone_lock(const char *directory)
{
	int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int result;

	if (fd < 0) {
		return -errno;
	}
	do {
		result = flock(fd, LOCK_EX) == 0 ? 0 : -errno;
	} while (result == -EINTR);
	if (result < 0) {
		close(fd);
		return result;
	}
	return fd;
}
