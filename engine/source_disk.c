/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/source_disk.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "engine/source_image.h"
#include "engine/source_libxml.h"
#include "proto/validate.h"

/* One <disk> while it is looked at. */
struct examined {
	const xmlNode *node, *source, *driver;
	struct source_disk *disk;
};

__attribute__((format(printf, 2, 3))) static int set_problem(struct source_disk *disk,
							     const char *format, ...)
{
	va_list args;
	int length;

	va_start(args, format);
	length = vasprintf(&disk->problem, format, args);
	va_end(args);
	if (length < 0) {
		disk->problem = NULL;
		return -ENOMEM;
	}
	return 0;
}

/* A disk that can only be left out. */
static int set_obstacle(struct source_disk *disk, const char *what)
{
	return set_problem(disk, "%s %s; leave it out with --exclude-disk %s", disk->name, what,
			   disk->name);
}

/* What an element of the definition says against replicating a disk. */
static const struct {
	const char *element, *what;
} obstacles[] = {
	{"shareable", "is shareable, and what several VMs write cannot be cut at one instant"},
	{"transient", "is transient: what the guest writes is thrown away when it stops"},
	{"encryption", "is encrypted, and encrypted disks cannot be replicated yet"},
};

/* Problems that the definition shows. 0 (also with a problem set) or -ENOMEM. */
static int examine_definition(const struct examined *look, const char *type)
{
	struct source_disk *disk = look->disk;

	if (source_libxml_attribute_is(look->node, "device", "lun")) {
		return set_obstacle(disk, "is a passed-through SCSI device, which has no image to "
					  "track changes in");
	}
	if (strcmp(type, "network") == 0) {
		return set_obstacle(disk, "is a network disk, and those come with a later release");
	}
	if (strcmp(type, "file") != 0 && strcmp(type, "block") != 0) {
		return set_problem(
			disk,
			"%s has the source type '%s'; define it by the path of its image, "
			"or leave it out with --exclude-disk %s",
			disk->name, type, disk->name);
	}
	if (disk->path == NULL) {
		return set_problem(disk,
				   "%s has no image; give it one, or leave it out with "
				   "--exclude-disk %s",
				   disk->name, disk->name);
	}
	for (size_t i = 0; i < sizeof(obstacles) / sizeof(obstacles[0]); i++) {
		if (source_libxml_child(look->node, obstacles[i].element) != NULL ||
		    source_libxml_child(look->source, obstacles[i].element) != NULL) {
			return set_obstacle(disk, obstacles[i].what);
		}
	}
	return 0;
}

/* A qcow2 header over a raw disk, as `vmreplica wrap` makes it; anything else with a data file is
 * refused: what QEMU does not keep as plain bytes there cannot be given back as a raw disk. */
static int examine_wrapped(struct source_disk *disk, const struct source_image *image,
			   const char *vm)
{
	uint64_t size;
	int result;

	if (!image->data_file_raw || image->data_file[0] != '/' || image->has_backing) {
		return set_problem(
			disk,
			"%s is a qcow2 image with a data file of its own that is not a raw disk as "
			"vmreplica wrap makes it (data_file_raw=on, an absolute path, no backing "
			"file); convert it to one plain qcow2 image, or leave it out with "
			"--exclude-disk %s",
			disk->name, disk->name);
	}
	result = source_image_raw_size(image->data_file, &size);
	if (result != 0) {
		return set_problem(
			disk,
			"%s: the raw disk %s of its header %s cannot be read: %s; bring it back",
			disk->name, image->data_file, disk->path, strerror(-result));
	}
	if (size < image->size_bytes) {
		return set_problem(disk,
				   "%s: the raw disk %s is shorter than its header %s says; "
				   "vmreplica unwrap %s and wrap it again",
				   disk->name, image->data_file, disk->path, vm);
	}
	disk->data_path = strdup(image->data_file);
	return disk->data_path != NULL ? 0 : -ENOMEM;
}

static int examine_qcow2(struct source_disk *disk, const struct source_image *image, const char *vm)
{
	const char *name = disk->name;

	if (image->version == 0) {
		return set_problem(
			disk,
			"%s is defined as qcow2, but %s is not a qcow2 image; correct its "
			"definition",
			name, disk->path);
	}
	if (image->version < 3) {
		return set_problem(
			disk,
			"%s is a qcow2 image of version 2 (compat 0.10), which cannot hold "
			"dirty bitmaps; upgrade it while the VM is shut off: qemu-img amend "
			"-f qcow2 -o compat=1.1 %s",
			name, disk->path);
	}
	if (image->encrypted) {
		return set_problem(
			disk,
			"%s is encrypted; encrypted disks cannot be replicated yet; leave "
			"it out with --exclude-disk %s",
			name, name);
	}
	return image->has_data_file ? examine_wrapped(disk, image, vm) : 0;
}

/* Problems that the image shows, and its size. */
static int examine_image(struct source_disk *disk, const char *vm)
{
	struct source_image image;
	const char *name = disk->name;
	int result = source_image_examine(disk->path, &image);

	if (result != 0) {
		return set_problem(
			disk,
			"%s: its image %s cannot be read: %s; make it readable for root on "
			"this node",
			name, disk->path, strerror(-result));
	}
	disk->size_bytes = image.size_bytes;
	if (image.size_bytes > DISK_SIZE_MAX) {
		return set_problem(disk,
				   "%s is larger than 1 PiB; leave it out with --exclude-disk %s",
				   name, name);
	}
	if (strcmp(disk->format, "raw") == 0) {
		return set_problem(disk,
				   "%s is a raw disk, in which no changes can be tracked; wrap it: "
				   "vmreplica wrap %s (its bytes stay as they are; the VM must be "
				   "shut off for a second), or leave it out with --exclude-disk %s",
				   name, vm, name);
	}
	if (strcmp(disk->format, "qcow2") != 0) {
		return set_problem(
			disk,
			"%s has the format %s; convert it to qcow2, or leave it out with "
			"--exclude-disk %s",
			name, disk->format, name);
	}
	return examine_qcow2(disk, &image, vm);
}

static bool is_excluded(const char *name, const char *const *exclude)
{
	while (exclude != NULL && *exclude != NULL) {
		if (strcmp(*exclude++, name) == 0) {
			return true;
		}
	}
	return false;
}

bool source_disk_is_skipped(const xmlNode *node)
{
	return source_libxml_attribute_is(node, "device", "cdrom") ||
	       source_libxml_attribute_is(node, "device", "floppy") ||
	       source_libxml_child(node, "readonly") != NULL;
}

/* Copy a name or mark the disk as unusable: names travel, and the peer checks them by the same
 * rule. */
static int take_name(const struct examined *look, size_t position)
{
	struct source_disk *disk = look->disk;
	cleanup_free char *target =
		source_libxml_attribute(source_libxml_child(look->node, "target"), "dev");

	if (target != NULL && strlen(target) <= DISK_NAME_MAX && validate_disk_name(target)) {
		snprintf(disk->name, sizeof(disk->name), "%s", target);
		return 0;
	}
	snprintf(disk->name, sizeof(disk->name), "disk%zu", position);
	return set_problem(disk, "%s has %s; correct its definition", disk->name,
			   target == NULL ? "no target name" : "a target name that is not usable");
}

static int take_paths(const struct examined *look, const char *type)
{
	struct source_disk *disk = look->disk;

	disk->path =
		source_libxml_attribute(look->source, strcmp(type, "block") == 0 ? "dev" : "file");
	disk->format = source_libxml_attribute(look->driver, "type");
	if (disk->format == NULL) {
		disk->format = strdup("raw"); /* libvirt's own default */
	}
	return disk->format != NULL ? 0 : -ENOMEM;
}

int source_disk_examine(const xmlNode *node, const char *vm, const char *const *exclude,
			size_t position, struct source_disk *disk)
{
	struct examined examined = {
		.node = node,
		.source = source_libxml_child(node, "source"),
		.driver = source_libxml_child(node, "driver"),
		.disk = disk,
	};
	const struct examined *look = &examined;
	cleanup_free char *type = source_libxml_attribute(node, "type");
	const char *kind = type != NULL ? type : "file";
	int result = take_paths(look, kind);

	if (result == 0) {
		result = take_name(look, position);
	}
	if (result != 0 || disk->problem != NULL) {
		return result;
	}
	disk->excluded = is_excluded(disk->name, exclude);
	if (disk->excluded) {
		return 0;
	}
	result = examine_definition(look, kind);
	if (result == 0 && disk->problem == NULL) {
		result = examine_image(disk, vm);
	}
	return result;
}
