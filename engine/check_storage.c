/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/check_storage.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/authorization.h"

#define STORAGE_LOW (1ull << 30)

static bool is_listed(const struct check_storages *storages, const char *path)
{
	for (size_t i = 0; i < storages->count; i++) {
		if (strcmp(storages->items[i].path, path) == 0) {
			return true;
		}
	}
	return false;
}

static void take_storage(struct check_storages *storages, const struct storage_probe *probe,
			 const char *path)
{
	const struct storage_info *seen = storage_probe_find(probe, path);
	struct storage_info *item = &storages->items[storages->count];

	if (is_listed(storages, path) || (storages->examined && seen == NULL)) {
		return;
	}
	if (storages->examined) {
		*item = *seen;
	} else {
		snprintf(item->path, sizeof(item->path), "%s", path);
	}
	storages->count++;
}

int check_storages_collect(struct engine *engine, struct check_list *list,
			   struct check_storages *ret)
{
	const Vmreplica__Ipc__CibSettings *settings = engine_settings(engine);
	struct check_storages storages = {.examined = storage_probe_is_busy(engine->storages)};
	struct authorization_table table = {0};
	size_t broken = 0;

	if (settings == NULL || authorization_table_load(settings, &table, &broken) != 0) {
		return 0;
	}
	storages.items = calloc(table.count + 1, sizeof(*storages.items));
	for (size_t i = 0; storages.items != NULL && i < table.count; i++) {
		take_storage(&storages, engine->storages, table.entries[i].storage);
	}
	authorization_table_destroy(&table);
	if (storages.items == NULL) {
		return -ENOMEM;
	}
	if (broken > 0) {
		check_list_add(list, CHECK_FAIL, "authorization",
			       "add it again: vmreplica authorize add PATTERN --storage DIR",
			       "%zu authorization entries cannot be read and admit nobody", broken);
	}
	*ret = storages;
	return 0;
}

static void list_storage(const struct storage_info *info, struct check_list *list)
{
	if (!info->writable) { /* the error names the directory */
		check_list_add(
			list, CHECK_FAIL, "storage",
			"mount it, or make it writable for user vmreplica; vmreplica authorize "
			"names the directory",
			"%s", info->error);
		return;
	}
	if (info->free_bytes < STORAGE_LOW) {
		check_list_add(list, CHECK_WARNING, "storage",
			       "free or add space before it runs full", "%s has only %llu MiB free",
			       info->path, (unsigned long long)(info->free_bytes >> 20));
		return;
	}
	check_list_add(list, CHECK_OK, "storage", NULL, "%s is writable, %llu GiB free", info->path,
		       (unsigned long long)(info->free_bytes >> 30));
}

void check_storages_run(struct check_storages *storages, struct check_list *list)
{
	unsigned int uid, gid;

	storage_user(&uid, &gid);
	for (size_t i = 0; i < storages->count; i++) {
		if (!storages->examined) {
			storage_examine(&storages->items[i], uid, gid);
		}
		list_storage(&storages->items[i], list);
	}
}

void check_storages_destroy(struct check_storages *storages)
{
	free(storages->items);
	*storages = (struct check_storages){0};
}
