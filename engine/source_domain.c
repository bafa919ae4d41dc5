/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/source_domain.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "engine/source_error.h"
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

/* Problems that the definition shows. 0 (also with a problem set) or -ENOMEM. */
static int examine_definition(const struct examined *look, const char *type)
{
	struct source_disk *disk = look->disk;
	const char *name = disk->name;

	if (source_libxml_attribute_is(look->node, "device", "lun")) {
		return set_problem(
			disk,
			"%s is a passed-through SCSI device, which has no image to track "
			"changes in; leave it out with --exclude-disk %s",
			name, name);
	}
	if (strcmp(type, "network") == 0) {
		return set_problem(
			disk,
			"%s is a network disk; those come with a later release; leave it "
			"out with --exclude-disk %s",
			name, name);
	}
	if (strcmp(type, "file") != 0 && strcmp(type, "block") != 0) {
		return set_problem(
			disk,
			"%s has the source type '%s'; define it by the path of its image, "
			"or leave it out with --exclude-disk %s",
			name, type, name);
	}
	if (disk->path == NULL) {
		return set_problem(disk,
				   "%s has no image; give it one, or leave it out with "
				   "--exclude-disk %s",
				   name, name);
	}
	if (source_libxml_child(look->node, "shareable") != NULL) {
		return set_problem(
			disk,
			"%s is shareable; a disk that several VMs write cannot be cut at "
			"one instant; leave it out with --exclude-disk %s",
			name, name);
	}
	if (source_libxml_child(look->node, "transient") != NULL) {
		return set_problem(disk,
				   "%s is transient: what the guest writes is thrown away when it "
				   "stops; leave it out with --exclude-disk %s",
				   name, name);
	}
	if (source_libxml_child(look->node, "encryption") != NULL ||
	    source_libxml_child(look->source, "encryption") != NULL) {
		return set_problem(
			disk,
			"%s is encrypted; encrypted disks cannot be replicated yet; leave "
			"it out with --exclude-disk %s",
			name, name);
	}
	return 0;
}

static int examine_qcow2(struct source_disk *disk, const struct source_image *image)
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
	return 0;
}

/* Problems that the image shows, and its size. */
static int examine_image(struct source_disk *disk)
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
				   "%s is a raw disk; replicating those comes with a later release "
				   "(wrap); until then convert it to qcow2, or leave it out with "
				   "--exclude-disk %s",
				   name, name);
	}
	if (strcmp(disk->format, "qcow2") != 0) {
		return set_problem(
			disk,
			"%s has the format %s; convert it to qcow2, or leave it out with "
			"--exclude-disk %s",
			name, disk->format, name);
	}
	return examine_qcow2(disk, &image);
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

/* Removable media and read-only disks hold nothing that the guest writes. */
static bool is_skipped(const xmlNode *node)
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

static int examine_disk(const struct examined *look, const char *const *exclude, size_t position)
{
	struct source_disk *disk = look->disk;
	cleanup_free char *type = source_libxml_attribute(look->node, "type");
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
		result = examine_image(disk);
	}
	return result;
}

/* libvirt names the block node of an image after the index that it shows in the live XML. */
static char *node_of(const struct examined *look)
{
	cleanup_free char *index = source_libxml_attribute(look->source, "index");
	char *node;

	if (index == NULL || asprintf(&node, "libvirt-%s-format", index) < 0) {
		return NULL;
	}
	return node;
}

static int add_disk(struct source_domain *domain, const xmlNode *node, const char *const *exclude)
{
	struct examined look = {
		.node = node,
		.source = source_libxml_child(node, "source"),
		.driver = source_libxml_child(node, "driver"),
		.disk = &domain->disks[domain->count],
	};

	domain->nodes[domain->count] = node_of(&look);
	return examine_disk(&look, exclude, domain->count++);
}

/* <label>+64055:+109</label> of <seclabel model='dac'>: QEMU's user and group. */
static void take_owner(struct source_domain *domain, const xmlNode *root)
{
	for (const xmlNode *node = root->children; node != NULL; node = node->next) {
		unsigned int uid, gid;
		const xmlNode *label;
		xmlChar *text;

		if (strcmp((const char *)node->name, "seclabel") != 0 ||
		    !source_libxml_attribute_is(node, "model", "dac")) {
			continue;
		}
		label = source_libxml_child(node, "label");
		text = label != NULL ? xmlNodeGetContent(label) : NULL;
		if (text != NULL && sscanf((const char *)text, "+%u:+%u", &uid, &gid) == 2) {
			domain->uid = uid;
			domain->gid = gid;
			domain->has_owner = true;
		}
		xmlFree(text);
	}
}

static int parse_disks(struct source_domain *domain, const xmlNode *devices,
		       const char *const *exclude, char error[SOURCE_ERROR_LEN])
{
	int result = 0;

	domain->disks = calloc(DISKS_MAX, sizeof(*domain->disks));
	domain->nodes = calloc(DISKS_MAX, sizeof(*domain->nodes));
	if (domain->disks == NULL || domain->nodes == NULL) {
		return source_fail(-ENOMEM, error, "out of memory");
	}
	for (const xmlNode *node = devices->children; node != NULL && result == 0;
	     node = node->next) {
		if (strcmp((const char *)node->name, "disk") != 0 || is_skipped(node)) {
			continue;
		}
		if (domain->count == DISKS_MAX) {
			return source_fail(-E2BIG, error, "the VM has more than %u disks",
					   DISKS_MAX);
		}
		result = add_disk(domain, node, exclude);
	}
	return result == 0 ? 0 : source_fail(result, error, "out of memory");
}

int source_domain_parse(const char *xml, const char *const *exclude,
			struct source_domain *ret_domain, char error[SOURCE_ERROR_LEN])
{
	cleanup_xml_doc xmlDocPtr document = source_libxml_parse(xml);
	const xmlNode *root = document != NULL ? xmlDocGetRootElement(document) : NULL;
	const xmlNode *devices = source_libxml_child(root, "devices");
	struct source_domain domain = {0};
	int result;

	if (devices == NULL) {
		return source_fail(-EBADMSG, error,
				   "libvirt's definition of the VM has no devices: not understood");
	}
	result = parse_disks(&domain, devices, exclude, error);
	if (result != 0) {
		source_domain_destroy(&domain);
		return result;
	}
	take_owner(&domain, root);
	*ret_domain = domain;
	return 0;
}

void source_domain_destroy(struct source_domain *domain)
{
	for (size_t i = 0; i < domain->count; i++) {
		free(domain->disks[i].path);
		free(domain->disks[i].format);
		free(domain->disks[i].problem);
		free(domain->nodes[i]);
	}
	free(domain->disks);
	free(domain->nodes);
	*domain = (struct source_domain){0};
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

bool source_domain_same_disks(const struct source_domain *a, const struct source_domain *b)
{
	if (a->count != b->count) {
		return false;
	}
	for (size_t i = 0; i < a->count; i++) {
		const struct source_disk *one = &a->disks[i], *other = &b->disks[i];

		if (strcmp(one->name, other->name) != 0 || one->size_bytes != other->size_bytes ||
		    one->excluded != other->excluded || !same_text(one->path, other->path) ||
		    !same_text(one->problem, other->problem)) {
			return false;
		}
	}
	return true;
}

bool source_disk_is_replicated(const struct source_disk *disk)
{
	return !disk->excluded && disk->problem == NULL;
}
