/* SPDX-License-Identifier: GPL-2.0-or-later */
/* wrap_node.h's LOOK: which disks there are to wrap or unwrap, and where their headers go. */
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/cleanup.h"
#include "engine/source_error.h"
#include "engine/source_image.h"
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

/* Of the qcow2 disks those that wrap has made stay. */
static void keep_wrapped(struct wrap_node *node)
{
	size_t kept = 0;

	for (size_t i = 0; i < node->count; i++) {
		struct wrap_disk *disk = &node->disks[i];
		size_t len = strlen(disk->header), suffix = strlen(WRAP_HEADER_SUFFIX);
		struct source_image image;
		struct wrap_record record;
		struct wrap_notes notes;
		struct stat status;

		if (len <= suffix || strcmp(disk->header + len - suffix, WRAP_HEADER_SUFFIX) != 0 ||
		    source_image_examine(disk->header, &image) != 0 || !image.has_data_file ||
		    !image.data_file_raw || image.data_file[0] != '/') {
			continue;
		}
		wrap_record_read(disk->header, &record, &notes);
		snprintf(disk->raw, sizeof(disk->raw), "%s", image.data_file);
		disk->block = stat(disk->raw, &status) == 0 && S_ISBLK(status.st_mode);
		disk->size_bytes = image.size_bytes;
		disk->granted = notes.granted;
		node->disks[kept++] = *disk;
	}
	node->count = kept;
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
		keep_wrapped(node);
		node->wrapped = result == 0 && !node->unwrap;
	}
	return result;
}
