/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/source_domain.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "engine/source_disk.h"
#include "engine/source_error.h"
#include "engine/source_libxml.h"

/* libvirt names the block node of an image after the index that it shows in the live XML. */
static char *node_of(const xmlNode *disk)
{
	cleanup_free char *index =
		source_libxml_attribute(source_libxml_child(disk, "source"), "index");
	char *node;

	if (index == NULL || asprintf(&node, "libvirt-%s-format", index) < 0) {
		return NULL;
	}
	return node;
}

static int add_disk(struct source_domain *domain, const xmlNode *node, const char *vm,
		    const char *const *exclude)
{
	size_t index = domain->count++;

	domain->nodes[index] = node_of(node);
	return source_disk_examine(node, vm, exclude, index, &domain->disks[index]);
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

static int parse_disks(struct source_domain *domain, const xmlNode *devices, const char *vm,
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
		if (strcmp((const char *)node->name, "disk") != 0 || source_disk_is_skipped(node)) {
			continue;
		}
		if (domain->count == DISKS_MAX) {
			return source_fail(-E2BIG, error, "the VM has more than %u disks",
					   DISKS_MAX);
		}
		result = add_disk(domain, node, vm, exclude);
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
	const xmlNode *name;
	xmlChar *text;
	int result;

	if (devices == NULL) {
		return source_fail(-EBADMSG, error,
				   "libvirt's definition of the VM has no devices: not understood");
	}
	name = source_libxml_child(root, "name");
	text = name != NULL ? xmlNodeGetContent(name) : NULL;
	result = parse_disks(&domain, devices, text != NULL ? (const char *)text : "VM", exclude,
			     error);
	xmlFree(text);
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
		free(domain->disks[i].data_path);
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
		    !same_text(one->data_path, other->data_path) ||
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
