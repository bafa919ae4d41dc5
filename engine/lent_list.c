/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/lent_list.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "engine/wrap_file.h"

static int list_path(const char *directory, char path[PATH_MAX])
{
	return (size_t)snprintf(path, PATH_MAX, "%s" LENT_LIST_END, directory) < PATH_MAX
		       ? 0
		       : -ENAMETOOLONG;
}

json_t *lent_list_read(const char *directory)
{
	char path[PATH_MAX];
	cleanup_free char *text = NULL;
	json_t *list;
	int result = list_path(directory, path);

	result = result == 0 ? wrap_file_read(path, &text) : result;
	if (result < 0) {
		return result == -ENOENT ? json_array() : NULL;
	}
	list = json_loads(text, 0, NULL);
	if (!json_is_array(list)) {
		json_decref(list);
		return NULL;
	}
	return list;
}

bool lent_list_has(const json_t *list, const char *path)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *other = json_string_value(json_array_get(list, i));

		if (other != NULL && strcmp(other, path) == 0) {
			return true;
		}
	}
	return false;
}

bool lent_list_add(json_t *list, const char *path)
{
	return !lent_list_has(list, path) && json_array_append_new(list, json_string(path)) == 0;
}

int lent_list_write(const char *directory, const json_t *list)
{
	char path[PATH_MAX];
	cleanup_free char *text = list != NULL ? json_dumps(list, JSON_INDENT(1)) : NULL;
	int result = list_path(directory, path);

	if (result == 0 && text == NULL) {
		return -ENOMEM;
	}
	return result == 0 ? wrap_file_put(path, text) : result;
}
