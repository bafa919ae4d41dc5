/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/source_offline.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/log.h"
#include "engine/source_error.h"
#include "engine/source_json.h"
#include "engine/source_tool.h"

#define TOOL_TIMEOUT_MS 20000

/* Flags of a bitmap in the image: "auto" = recording when a QEMU opens it, "in-use" = its QEMU did
 * not close it. */
static bool has_flag(const json_t *item, const char *flag)
{
	const json_t *flags = json_object_get(item, "flags"), *one;
	size_t index;

	json_array_foreach(flags, index, one)
	{
		if (json_is_string(one) && strcmp(json_string_value(one), flag) == 0) {
			return true;
		}
	}
	return false;
}

int source_offline_parse(const char *json, const char *relationship, const char *path, size_t disk,
			 struct source_bitmaps *bitmaps)
{
	cleanup_json json_t *root = json_loads(json, 0, NULL);
	const json_t *data = json_object_get(json_object_get(root, "format-specific"), "data");
	const json_t *item;
	size_t index;

	if (!json_is_object(data)) {
		return -EBADMSG;
	}
	json_array_foreach(json_object_get(data, "bitmaps"), index, item)
	{
		bool sound = has_flag(item, "auto") && !has_flag(item, "in-use");
		int result = source_bitmaps_append(bitmaps,
						   json_string_value(json_object_get(item, "name")),
						   relationship, path, disk, sound);

		if (result != 0) {
			return result;
		}
	}
	return 0;
}

static int query_image(const struct source_disk *disk, const char *relationship, size_t index,
		       struct source_bitmaps *bitmaps, char error[SOURCE_ERROR_LEN])
{
	const char *const argv[] = {"qemu-img", "info",	      "-U", "--output=json",
				    "-f",	disk->format, "--", disk->path,
				    NULL};
	cleanup_free char *output = NULL;
	int result = source_tool_run(argv, TOOL_TIMEOUT_MS, &output, error);

	if (result != 0) {
		return result;
	}
	result = source_offline_parse(output, relationship, disk->path, index, bitmaps);
	if (result != 0) {
		return source_fail(result, error, "what qemu-img says of %s is not understood",
				   disk->path);
	}
	return 0;
}

int source_offline_bitmaps(const struct source_domain *domain, const char *relationship,
			   struct source_bitmaps *ret_bitmaps, char error[SOURCE_ERROR_LEN])
{
	cleanup_source_bitmaps struct source_bitmaps bitmaps = {0};

	for (size_t i = 0; i < domain->count; i++) {
		int result = 0;

		if (source_disk_is_replicated(&domain->disks[i])) {
			result = query_image(&domain->disks[i], relationship, i, &bitmaps, error);
		}
		if (result != 0) {
			return result;
		}
	}
	*ret_bitmaps = bitmaps;
	bitmaps = (struct source_bitmaps){0};
	return 0;
}

int source_offline_remove(const char *path, const char *name, char error[SOURCE_ERROR_LEN])
{
	const char *const argv[] = {"qemu-img", "bitmap", "--remove", "-f", "qcow2",
				    "--",	path,	  name,	      NULL};

	return source_tool_run(argv, TOOL_TIMEOUT_MS, NULL, error);
}

static int add_one(const char *path, const char *name, char error[SOURCE_ERROR_LEN])
{
	const char *const argv[] = {"qemu-img", "bitmap", "--add", "-f", "qcow2",
				    "--",	path,	  name,	   NULL};
	int result = source_tool_run(argv, TOOL_TIMEOUT_MS, NULL, error);

	/* The one failure to expect: a QEMU has got hold of the image first. */
	return result == -EIO ? -EAGAIN : result;
}

int source_offline_add(const struct source_domain *domain, const char *name,
		       char error[SOURCE_ERROR_LEN])
{
	char ignored[SOURCE_ERROR_LEN];
	size_t done = 0;
	int result = 0;

	while (done < domain->count && result == 0) {
		if (source_disk_is_replicated(&domain->disks[done])) {
			result = add_one(domain->disks[done].path, name, error);
		}
		done += result == 0;
	}
	while (result != 0 && done-- > 0) {
		if (source_disk_is_replicated(&domain->disks[done]) &&
		    source_offline_remove(domain->disks[done].path, name, ignored) != 0) {
			log_warning("bitmap %s is left in %s: %s", name, domain->disks[done].path,
				    ignored);
		}
	}
	return result;
}
