/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cluster/standalone_layout.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/rate.h"

#define FILES_MAX 4096 /* in one folder */

static int conf_filter(const struct dirent *entry)
{
	size_t length = strlen(entry->d_name);

	return length > sizeof(".conf") - 1 && entry->d_name[0] != '.' &&
	       strcmp(entry->d_name + length - (sizeof(".conf") - 1), ".conf") == 0;
}

int standalone_folder_each(const char *directory, const char *folder, standalone_file_cb cb,
			   void *arg)
{
	struct dirent **entries = NULL;
	char path[SETTINGS_FILE_PATH_LEN];
	int count, result = 0;

	if (snprintf(path, sizeof(path), "%s/%s", directory, folder) >= (int)sizeof(path)) {
		return -ENAMETOOLONG;
	}
	count = scandir(path, &entries, conf_filter, alphasort);
	if (count < 0 && errno != ENOENT) {
		result = -errno;
		log_error("%s cannot be read: %s; going on with what was read before", path,
			  strerror(-result));
	}
	for (int i = 0; i < count; i++) {
		char *name = entries[i]->d_name;

		name[strlen(name) - (sizeof(".conf") - 1)] = '\0';
		if (result == 0 && i < FILES_MAX) {
			result = cb(arg, name);
		}
		free(entries[i]);
	}
	free(entries);
	return result;
}

int standalone_settings_path(const char *directory, char buf[SETTINGS_FILE_PATH_LEN])
{
	int length = snprintf(buf, SETTINGS_FILE_PATH_LEN, "%s/settings.conf", directory);

	return length < SETTINGS_FILE_PATH_LEN ? 0 : -ENAMETOOLONG;
}

static const char *value_or_empty(const struct nvpair_list *list, const char *name)
{
	const char *value = nvpair_find(list->pairs, list->count, name);

	return value != NULL ? value : "";
}

/* Only these keys; a typo is an error, never ignored. */
static int check_keys(const struct nvpair_list *list, char error[SETTINGS_FILE_ERROR_LEN])
{
	static const char *const known[] = {"pattern", "storage", "group", "max-vms", "max-size"};

	for (size_t i = 0; i < list->count; i++) {
		size_t j = 0;

		while (j < sizeof(known) / sizeof(known[0]) &&
		       strcmp(known[j], list->pairs[i]->name) != 0) {
			j++;
		}
		if (j == sizeof(known) / sizeof(known[0])) {
			(void)snprintf(error, SETTINGS_FILE_ERROR_LEN, "unknown key \"%.64s\"",
				       list->pairs[i]->name);
			return -EINVAL;
		}
	}
	return 0;
}

static int parse_entry(const struct nvpair_list *list, struct authorization_entry *ret_entry,
		       char error[SETTINGS_FILE_ERROR_LEN])
{
	const char *number = value_or_empty(list, "max-vms");
	char *end;
	const char *size = value_or_empty(list, "max-size");
	uint64_t max_size_bytes = 0;
	unsigned long max_vms;
	int rc;

	errno = 0;
	max_vms = strtoul(number, &end, 10);
	if (*end != '\0' || errno != 0 || max_vms > UINT32_MAX || strchr(number, '-') != NULL) {
		(void)snprintf(error, SETTINGS_FILE_ERROR_LEN, "max-vms is not a number");
		return -EINVAL;
	}
	if (size[0] != '\0' && rate_parse(size, &max_size_bytes) < 0) {
		(void)snprintf(error, SETTINGS_FILE_ERROR_LEN,
			       "max-size is not a size: give bytes, such as 500G");
		return -EINVAL;
	}
	rc = authorization_entry_init(ret_entry, value_or_empty(list, "pattern"),
				      value_or_empty(list, "storage"),
				      value_or_empty(list, "group"), (uint32_t)max_vms, error);
	if (rc == 0) {
		ret_entry->max_size_bytes = max_size_bytes;
	}
	return rc;
}

int standalone_authorization_read(const char *directory, const char *name,
				  struct authorization_entry *ret_entry,
				  char error[SETTINGS_FILE_ERROR_LEN])
{
	struct nvpair_list list = {0};
	char path[SETTINGS_FILE_PATH_LEN];
	int result = settings_file_path(directory, STANDALONE_AUTHORIZATIONS, name, path);

	if (result == 0) {
		result = settings_file_read(path, &list, error);
	}
	if (result == 0) {
		result = check_keys(&list, error);
	}
	if (result == 0) {
		result = parse_entry(&list, ret_entry, error);
	}
	nvpair_list_destroy(&list);
	return result;
}

int standalone_authorization_write(const char *directory, const char *name,
				   const struct authorization_entry *entry,
				   char error[SETTINGS_FILE_ERROR_LEN])
{
	struct nvpair_list list = {0};
	char path[SETTINGS_FILE_PATH_LEN];
	char number[16], size[24];
	int result = settings_file_path(directory, STANDALONE_AUTHORIZATIONS, name, path);

	(void)snprintf(number, sizeof(number), "%u", entry->max_vms);
	(void)snprintf(size, sizeof(size), "%" PRIu64, entry->max_size_bytes);
	if (result < 0 || nvpair_list_add(&list, "pattern", entry->pattern) < 0 ||
	    nvpair_list_add(&list, "storage", entry->storage) < 0 ||
	    nvpair_list_add(&list, "group", entry->group[0] != '\0' ? entry->group : "-") < 0 ||
	    nvpair_list_add(&list, "max-vms", number) < 0 ||
	    (entry->max_size_bytes != 0 && nvpair_list_add(&list, "max-size", size) < 0)) {
		result = -ENOMEM;
		(void)snprintf(error, SETTINGS_FILE_ERROR_LEN, "out of memory");
	}
	if (result == 0) {
		result = settings_file_write(path, "Who may replicate to this host, and where to.",
					     &list, error);
	}
	nvpair_list_destroy(&list);
	return result;
}
