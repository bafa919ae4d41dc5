/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files that an admin edits, of any bytes: vmreplica.conf, and the files of "name = value" lines of
 * a host without a cluster. A configuration that is taken has every setting, in its limits; a list
 * that is read can be written and is read as the same, or is refused with a sentence.
 */
#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "cluster/settings_file.h"
#include "cluster/standalone_vm.h"
#include "common/config.h"
#include "common/dns_name.h"
#include "engine/vm_settings.h"
#include "fuzz.h"
#include "mutate_pieces.h"
#include "scratch_file.h"

static void check_config(const char *path)
{
	char error[CONFIG_ERROR_LEN] = "", site[64];
	struct config config = {0};
	int r = config_load(path, &config, error);

	if (r < 0) {
		assert(error[0] != '\0' && config.site == NULL);
		return;
	}
	assert(dns_name_is_valid(config.site) && config.node[0] != '\0');
	assert(config.port != 0 && config.broker_port != 0);
	assert(config.tls_ca[0] == '/' && config.tls_key[0] == '/');
	assert(config.scratch_directory[0] == '/' && config.log_level[0] != '\0');
	assert(config.boot_directory[0] == '\0' || config.boot_directory[0] == '/');
	assert(relay_mode_to_string(config.relay)[0] != '\0');
	config_site_short(config.site, site, sizeof(site));
	assert(site[0] != '\0' && strchr(site, '.') == NULL);
	config_destroy(&config);
}

static void check_same(const struct nvpair_list *list, const struct nvpair_list *other)
{
	assert(list->count == other->count);
	for (size_t i = 0; i < list->count; i++) {
		assert(strcmp(list->pairs[i]->name, other->pairs[i]->name) == 0);
		assert(strcmp(list->pairs[i]->value, other->pairs[i]->value) == 0);
	}
}

static void check_pairs(const char *path)
{
	char error[SETTINGS_FILE_ERROR_LEN] = "";
	struct nvpair_list list = {0}, again = {0};

	if (settings_file_read(path, &list, error) < 0) {
		assert(error[0] != '\0');
		return;
	}
	if (settings_file_write(path, "fuzz", &list, error) == 0) {
		int r = settings_file_read(path, &again, error);

		assert(r == 0);
		check_same(&list, &again);
		nvpair_list_destroy(&again);
	} else {
		assert(error[0] != '\0');
	}
	nvpair_list_destroy(&list);
}

/* The parameters of a VM's resource. */
static void check_parameters(const struct nvpair_list *list)
{
	Vmreplica__Ipc__CibResource resource = VMREPLICA__IPC__CIB_RESOURCE__INIT;
	char error[VM_SETTINGS_ERROR_LEN] = "", id[] = "web1-replica";
	struct vm_settings settings = {0};

	resource.id = id;
	resource.parameters = list->pairs;
	resource.n_parameters = list->count;
	if (vm_settings_from_resource(&resource, &settings, error) < 0) {
		assert(error[0] != '\0');
		return;
	}
	assert(settings.frequency_s >= FREQUENCY_MIN_S && settings.frequency_s <= FREQUENCY_MAX_S);
	assert(settings.points <= POINTS_MAX && settings.exclude_count <= DISKS_MAX);
	assert(settings.point_interval_s <= POINT_INTERVAL_MAX_S);
	assert(settings.vm[0] != '\0' && strchr(settings.vm, '/') == NULL);
	if (settings.role == VMREPLICA__ROLE__ROLE_PRIMARY) {
		assert(settings.peer_host[0] != '\0' && settings.peer_port != 0);
	} else {
		assert(settings.storage[0] == '/' && dns_name_is_valid(settings.peer));
	}
	vm_settings_destroy(&settings);
}

static void check_vm(const char *path)
{
	char error[SETTINGS_FILE_ERROR_LEN] = "";
	struct standalone_vm vm = {0};

	if (standalone_vm_load(path, &vm, error) < 0) {
		assert(error[0] != '\0');
		return;
	}
	for (size_t i = 0; i < vm.settings.count; i++) {
		(void)standalone_vm_of_setting(vm.settings.pairs[i]->name);
	}
	check_parameters(&vm.parameters);
	standalone_vm_destroy(&vm);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_config(scratch_file_put("conf", data, size));
	check_vm(scratch_file_put("conf", data, size));
	check_pairs(scratch_file_put("conf", data, size));
	return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
	struct mutate mutate;

	mutate_init(&mutate, seed);
	return mutate_lines(&mutate, data, size, max_size);
}
