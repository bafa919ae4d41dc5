/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/wrap_domain.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "engine/source_disk.h"
#include "engine/source_error.h"
#include "engine/source_libxml.h"
#include "proto/validate.h"

/* What one <disk> is, as far as wrapping goes. */
struct disk_view {
	xmlNode *node, *source, *driver;
	char name[DISK_NAME_MAX + 1];
	char path[PATH_MAX]; /* "" = neither a file nor a block device */
	bool block, raw;
};

static xmlNode *child_of(xmlNode *node, const char *name)
{
	return (xmlNode *)(uintptr_t)source_libxml_child(node, name);
}

static bool view_disk(xmlNode *node, struct disk_view *ret_view)
{
	struct disk_view view = {.node = node,
				 .source = child_of(node, "source"),
				 .driver = child_of(node, "driver")};
	cleanup_free char *type = source_libxml_attribute(node, "type");
	cleanup_free char *format = source_libxml_attribute(view.driver, "type");
	cleanup_free char *target =
		source_libxml_attribute(source_libxml_child(node, "target"), "dev");
	cleanup_free char *path = NULL;

	if (strcmp((const char *)node->name, "disk") != 0 || source_disk_is_skipped(node) ||
	    source_libxml_child(node, "shareable") != NULL ||
	    source_libxml_attribute_is(node, "device", "lun") || target == NULL ||
	    strlen(target) > DISK_NAME_MAX || !validate_disk_name(target)) {
		return false;
	}
	view.block = type != NULL && strcmp(type, "block") == 0;
	view.raw = format == NULL || strcmp(format, "raw") == 0;
	if (type == NULL || view.block || strcmp(type, "file") == 0) {
		path = source_libxml_attribute(view.source, view.block ? "dev" : "file");
	}
	if (path == NULL || path[0] != '/' || strlen(path) >= sizeof(view.path) ||
	    (!view.raw && strcmp(format, "qcow2") != 0)) {
		return false;
	}
	snprintf(view.path, sizeof(view.path), "%s", path);
	snprintf(view.name, sizeof(view.name), "%s", target);
	*ret_view = view;
	return true;
}

static xmlNode *devices_of(xmlDocPtr document)
{
	return document != NULL ? child_of(xmlDocGetRootElement(document), "devices") : NULL;
}

static int list_disks(const char *xml, bool raw, struct wrap_disk *disks, size_t *ret_count,
		      char error[SOURCE_ERROR_LEN])
{
	cleanup_xml_doc xmlDocPtr document = source_libxml_parse(xml);
	xmlNode *devices = devices_of(document);
	struct disk_view view;
	size_t count = 0;

	if (devices == NULL) {
		return source_fail(-EBADMSG, error, "the VM's definition is not understood");
	}
	for (xmlNode *node = devices->children; node != NULL; node = node->next) {
		if (!view_disk(node, &view) || view.raw != raw || (!raw && view.block)) {
			continue;
		}
		if (count == DISKS_MAX) {
			return source_fail(-E2BIG, error, "the VM has more than %u disks",
					   DISKS_MAX);
		}
		disks[count] = (struct wrap_disk){.block = view.block};
		memcpy(disks[count].name, view.name, sizeof(view.name));
		memcpy(raw ? disks[count].raw : disks[count].header, view.path, sizeof(view.path));
		count++;
	}
	*ret_count = count;
	return 0;
}

int wrap_domain_raw(const char *xml, struct wrap_disk *disks, size_t *ret_count,
		    char error[SOURCE_ERROR_LEN])
{
	return list_disks(xml, true, disks, ret_count, error);
}

int wrap_domain_qcow2(const char *xml, struct wrap_disk *disks, size_t *ret_count,
		      char error[SOURCE_ERROR_LEN])
{
	return list_disks(xml, false, disks, ret_count, error);
}

static void set(xmlNode *node, const char *name, const char *value)
{
	xmlSetProp(node, (const xmlChar *)name, (const xmlChar *)value);
}

static void unset(xmlNode *node, const char *name)
{
	xmlUnsetProp(node, (const xmlChar *)name);
}

static void point_disk(struct disk_view *view, const char *path, bool block, const char *format)
{
	set(view->node, "type", block ? "block" : "file");
	unset(view->source, block ? "file" : "dev");
	set(view->source, block ? "dev" : "file", path);
	if (view->driver == NULL) {
		view->driver = xmlNewChild(view->node, NULL, (const xmlChar *)"driver", NULL);
		set(view->driver, "name", "qemu");
	}
	set(view->driver, "type", format);
}

/* An image of a store is none of libvirt's to label, the raw disk is. */
static void label_again(struct disk_view *view)
{
	xmlNode *label = child_of(view->source, "seclabel");

	if (label != NULL && source_libxml_attribute_is(label, "relabel", "no")) {
		xmlUnlinkNode(label);
		xmlFreeNode(label);
	}
}

static bool replace_disk(struct disk_view *view, const struct wrap_disk *disk, bool wrap)
{
	bool above = !wrap && disk->image[0] != '\0';
	const char *old = wrap ? disk->raw : above ? disk->image : disk->header;

	if (strcmp(view->name, disk->name) != 0 || view->raw != wrap ||
	    strcmp(view->path, old) != 0) {
		return false;
	}
	if (above) {
		label_again(view);
	}
	point_disk(view, wrap ? disk->header : disk->raw, !wrap && disk->block,
		   wrap ? "qcow2" : "raw");
	return true;
}

/* The document without a declaration: comments beside the root stay. */
static char *print_document(xmlDocPtr document)
{
	xmlBufferPtr buffer = xmlBufferCreate();
	char *text = NULL;
	bool good = buffer != NULL;

	for (xmlNode *node = document->children; good && node != NULL; node = node->next) {
		good = xmlNodeDump(buffer, document, node, 0, 0) >= 0 &&
		       xmlBufferCat(buffer, (const xmlChar *)"\n") == 0;
	}
	if (good) {
		text = strdup((const char *)xmlBufferContent(buffer));
	}
	if (buffer != NULL) {
		xmlBufferFree(buffer);
	}
	return text;
}

int wrap_domain_replace(const char *xml, const struct wrap_disk *disks, size_t count, bool wrap,
			char **ret_xml, size_t *ret_changed)
{
	cleanup_xml_doc xmlDocPtr document = source_libxml_parse(xml);
	xmlNode *devices = devices_of(document);
	struct disk_view view;
	size_t changed = 0;
	char *text;

	if (devices == NULL) {
		return -EBADMSG;
	}
	for (xmlNode *node = devices->children; node != NULL; node = node->next) {
		bool known = view_disk(node, &view);

		for (size_t i = 0; known && i < count; i++) {
			if (replace_disk(&view, &disks[i], wrap)) {
				changed++;
				break;
			}
		}
	}
	text = print_document(document);
	if (text == NULL) {
		return -ENOMEM;
	}
	*ret_xml = text;
	*ret_changed = changed;
	return 0;
}
