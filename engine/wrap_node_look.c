/* SPDX-License-Identifier: GPL-2.0-or-later */
/* wrap_node.h's LOOK: which disks there are to wrap or unwrap, and where their headers go. */
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "engine/source_error.h"
#include "engine/source_image.h"
#include "engine/storage_probe.h"
#include "engine/wrap_file.h"
#include "engine/wrap_header.h"
#include "engine/wrap_layers.h"
#include "engine/wrap_node.h"
#include "engine/wrap_record.h"

#define DEFAULT_DIRECTORY "/var/lib/libvirt/images" /* no definition's file shows a place */

static int find_place(struct wrap_node *node, struct wrap_disk *disk)
{
	char config[PATH_LEN_MAX + 1];
	const char *directory = node->directory;
	int len;

	if (!disk->block) {
		len = snprintf(disk->header, sizeof(disk->header), "%s" WRAP_HEADER_SUFFIX,
			       disk->raw);
	} else {
		memcpy(config, node->config, sizeof(config));
		if (directory[0] == '\0') {
			directory = config[0] != '\0' ? dirname(config) : DEFAULT_DIRECTORY;
		}
		len = snprintf(disk->header, sizeof(disk->header), "%s/%s-%s" WRAP_HEADER_SUFFIX,
			       directory, node->vm, disk->name);
	}
	return len < PATH_MAX
		       ? 0
		       : source_fail(-ENAMETOOLONG, node->error, "%s: too long a path", disk->raw);
}

static int look_at_raw(struct wrap_node *node, struct wrap_disk *disk)
{
	struct source_image image;
	struct stat status;
	int result = source_image_examine(disk->raw, &image);

	if (result < 0 || stat(disk->raw, &status) < 0) {
		result = result < 0 ? result : -errno;
		return source_fail(result, node->error,
				   "the raw disk %s of %s cannot be read on %s: %s", disk->raw,
				   disk->name, node->node, strerror(-result));
	}
	/* a guest may well keep an image in its disk: the size is the raw disk's own */
	disk->block = S_ISBLK(status.st_mode);
	result = source_image_raw_size(disk->raw, &disk->size_bytes);
	if (result < 0) {
		return source_fail(result, node->error, "%s: %s", disk->raw, strerror(-result));
	}
	return find_place(node, disk);
}

static void take_raw(struct wrap_disk *disk, const char *raw, uint64_t size_bytes)
{
	struct stat status;

	snprintf(disk->raw, sizeof(disk->raw), "%s", raw);
	disk->block = stat(raw, &status) == 0 && S_ISBLK(status.st_mode);
	disk->size_bytes = size_bytes;
}

static bool take_header(struct wrap_disk *disk)
{
	struct source_image image;
	struct wrap_record record;
	struct wrap_notes notes;

	if (source_image_examine(disk->header, &image) != 0 || !image.has_data_file ||
	    !image.data_file_raw || image.data_file[0] != '/') {
		return false;
	}
	wrap_record_read(disk->header, &record, &notes);
	take_raw(disk, image.data_file, image.size_bytes);
	disk->granted = notes.granted;
	return true;
}

/* Its header is gone: another node's unwrap removed it, while this node was away and its definition
 * went on to name it. What the definition said before the wrap is kept. */
static bool take_kept(struct wrap_disk *disk, const struct wrap_disk *before, size_t count)
{
	uint64_t size_bytes;

	if (access(disk->header, F_OK) == 0 || errno != ENOENT) {
		return false;
	}
	for (size_t i = 0; i < count; i++) {
		if (strcmp(before[i].name, disk->name) == 0 &&
		    source_image_raw_size(before[i].raw, &size_bytes) == 0) {
			take_raw(disk, before[i].raw, size_bytes);
			return true;
		}
	}
	return false;
}

/* Since its VM came home from the other side, an image of a store stands on the header. */
static bool take_above(struct wrap_node *node, struct wrap_disk *disk)
{
	unsigned int receiver, group;
	char header[PATH_MAX];

	if (!wrap_layers_find(disk->header, header)) {
		return false;
	}
	storage_user(&receiver, &group);
	memcpy(disk->image, disk->header, sizeof(disk->image));
	memcpy(disk->header, header, sizeof(header));
	if (!node->unwrap || !take_header(disk) || !wrap_layers_is_lent(disk, receiver)) {
		node->above = true;
		return false;
	}
	return true;
}

/* The raw disks of the definition as it was before the wrap; none when it is not kept. */
static size_t read_before(const struct wrap_node *node, struct wrap_disk *before)
{
	char path[PATH_LEN_MAX + 64], error[SOURCE_ERROR_LEN];
	cleanup_free char *xml = NULL;
	size_t count = 0;

	wrap_node_kept_path(node, false, path, sizeof(path));
	if (wrap_file_read(path, &xml) < 0 || wrap_domain_raw(xml, before, &count, error) < 0) {
		return 0;
	}
	return count;
}

/* Of the qcow2 disks those that wrap has made stay. */
static int keep_wrapped(struct wrap_node *node)
{
	cleanup_free struct wrap_disk *before = calloc(DISKS_MAX, sizeof(*before));
	size_t kept = 0, count;

	if (before == NULL) {
		return source_fail(-ENOMEM, node->error, "out of memory");
	}
	count = node->unwrap ? read_before(node, before) : 0;
	for (size_t i = 0; i < node->count; i++) {
		struct wrap_disk *disk = &node->disks[i];

		bool wrapped = wrap_header_is_name(disk->header) &&
			       (take_header(disk) || take_kept(disk, before, count));

		if (wrapped || take_above(node, disk)) {
			node->disks[kept++] = *disk;
		}
	}
	node->count = kept;
	return 0;
}

int wrap_node_look(struct wrap_node *node)
{
	cleanup_free char *xml = NULL;
	int result = wrap_node_read(node, &xml);

	if (result == 0 && !node->unwrap) {
		result = wrap_domain_raw(xml, node->disks, &node->count, node->error);
		for (size_t i = 0; result == 0 && i < node->count; i++) {
			result = look_at_raw(node, &node->disks[i]);
		}
	}
	if (result == 0 && (node->unwrap || node->count == 0)) {
		result = wrap_domain_qcow2(xml, node->disks, &node->count, node->error);
		result = result == 0 ? keep_wrapped(node) : result;
		node->wrapped = result == 0 && !node->unwrap;
	}
	return result;
}
