/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/source_bitmap.h"

#include <errno.h>
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "engine/source_error.h"
#include "engine/source_json.h"
#include "engine/source_rpc.h"

/* "flat" leaves out the description of each node's children, which QEMU would gather by reading the
 * images. */
static const char query[] =
	"{\"execute\":\"query-named-block-nodes\",\"arguments\":{\"flat\":true}}";

/* The disk whose newest image that node is. libvirt's node names first; the image's path where the
 * live definition showed no index. */
static size_t disk_of(const struct source_domain *domain, const char *node, const char *file,
		      const char *driver)
{
	for (size_t i = 0; i < domain->count; i++) {
		const char *path = domain->disks[i].path;

		if (domain->nodes[i] != NULL) {
			if (strcmp(domain->nodes[i], node) == 0) {
				return i;
			}
		} else if (path != NULL && file != NULL && strcmp(path, file) == 0 &&
			   driver != NULL && strcmp(driver, domain->disks[i].format) == 0) {
			return i;
		}
	}
	return SIZE_MAX;
}

int source_bitmaps_append(struct source_bitmaps *bitmaps, const char *text,
			  const char *relationship, const char *node, size_t disk, bool sound)
{
	struct source_bitmap bitmap = {.disk = disk, .sound = sound};
	struct source_bitmap *grown;

	if (text == NULL || !checkpoint_name_parse(text, &bitmap.name) ||
	    strcmp(bitmap.name.relationship, relationship) != 0) {
		return 0;
	}
	snprintf(bitmap.text, sizeof(bitmap.text), "%s", text);
	grown = reallocarray(bitmaps->items, bitmaps->count + 1, sizeof(*grown));
	if (grown == NULL) {
		return -ENOMEM;
	}
	bitmaps->items = grown;
	bitmap.node = strdup(node);
	if (bitmap.node == NULL) {
		return -ENOMEM;
	}
	grown[bitmaps->count++] = bitmap;
	return 0;
}

static bool is_true(const json_t *object, const char *key)
{
	return json_is_true(json_object_get(object, key));
}

/* Collect our bitmaps of one node, which is the newest image of disk. */
static int parse_node_bitmaps(const json_t *list, const char *relationship, const char *node,
			      size_t disk, struct source_bitmaps *bitmaps)
{
	const json_t *item;
	size_t index;
	int result = 0;

	json_array_foreach(list, index, item)
	{
		bool sound = is_true(item, "persistent") && is_true(item, "recording") &&
			     !is_true(item, "inconsistent");

		result = source_bitmaps_append(bitmaps,
					       json_string_value(json_object_get(item, "name")),
					       relationship, node, disk, sound);
		if (result != 0) {
			break;
		}
	}
	return result;
}

int source_bitmaps_parse(const char *json, const struct source_domain *domain,
			 const char *relationship, struct source_bitmaps *ret_bitmaps)
{
	cleanup_json json_t *root = json_loads(json, 0, NULL);
	cleanup_source_bitmaps struct source_bitmaps bitmaps = {0};
	const json_t *nodes = json_object_get(root, "return"), *node;
	size_t index;

	if (!json_is_array(nodes)) {
		return -EBADMSG;
	}
	json_array_foreach(nodes, index, node)
	{
		const char *name = json_string_value(json_object_get(node, "node-name"));
		size_t disk;
		int result;

		if (name == NULL) {
			return -EBADMSG;
		}
		disk = disk_of(domain, name, json_string_value(json_object_get(node, "file")),
			       json_string_value(json_object_get(node, "drv")));
		/* Below a disk's newest image they are of another time (a failover put that image
		 * over it): they say nothing of what is written now, and nobody can remove them. */
		result = disk == SIZE_MAX && is_true(node, "ro")
				 ? 0
				 : parse_node_bitmaps(json_object_get(node, "dirty-bitmaps"),
						      relationship, name, disk, &bitmaps);
		if (result != 0) {
			return result;
		}
	}
	*ret_bitmaps = bitmaps;
	bitmaps = (struct source_bitmaps){0};
	return 0;
}

int source_bitmaps_query(struct source_connection *connection, const char *vm,
			 const struct source_domain *domain, const char *relationship,
			 struct source_bitmaps *ret_bitmaps, char error[SOURCE_ERROR_LEN])
{
	cleanup_free char *reply = NULL;
	int result = source_rpc_monitor(connection, vm, query, &reply, error);

	if (result != 0) {
		return result;
	}
	result = source_bitmaps_parse(reply, domain, relationship, ret_bitmaps);
	if (result != 0) {
		return source_fail(result, error, "QEMU's list of block nodes of %s: %s", vm,
				   result == -ENOMEM ? "out of memory" : "not understood");
	}
	return 0;
}

void source_bitmaps_destroy(struct source_bitmaps *bitmaps)
{
	for (size_t i = 0; i < bitmaps->count; i++) {
		free(bitmaps->items[i].node);
	}
	free(bitmaps->items);
	*bitmaps = (struct source_bitmaps){0};
}

int source_bitmap_remove(struct source_connection *connection, const char *vm,
			 const struct source_bitmap *bitmap, char error[SOURCE_ERROR_LEN])
{
	cleanup_json json_t *command =
		json_pack("{s:s, s:{s:s, s:s}}", "execute", "block-dirty-bitmap-remove",
			  "arguments", "node", bitmap->node, "name", bitmap->text);
	cleanup_free char *text = command != NULL ? json_dumps(command, JSON_COMPACT) : NULL;
	cleanup_free char *reply = NULL;
	cleanup_json json_t *answer = NULL;
	const char *why;
	int result;

	if (text == NULL) {
		return source_fail(-ENOMEM, error, "out of memory");
	}
	result = source_rpc_monitor(connection, vm, text, &reply, error);
	if (result != 0) {
		return result;
	}
	/* QEMU's refusals come as an answer, not as an error of the call. */
	answer = json_loads(reply, 0, NULL);
	why = json_string_value(json_object_get(json_object_get(answer, "error"), "desc"));
	if (why != NULL) {
		return source_fail(-EIO, error, "QEMU does not remove the bitmap %s of %s: %s",
				   bitmap->text, vm, why);
	}
	return 0;
}
