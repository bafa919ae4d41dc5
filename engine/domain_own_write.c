/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writing elements of this side's own definition as they stand there. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cluster/xml_tree.h"
#include "common/cleanup.h"
#include "engine/domain_own.h"

/* What of a place on a bus may differ, and it is one place all the same. A slot has one device, or
 * the functions of one. */
#define NOT_THE_PLACE "type function multifunction"

/* ---- writing as it stands ---- */

static void write_attributes(struct domain_walk *walk, const xmlNode *node)
{
	for (const xmlAttr *attr = node->properties; attr != NULL; attr = attr->next) {
		xmlChar *value = xmlNodeGetContent((const xmlNode *)attr);
		const xmlNs *ns = attr->ns;

		walk->failed |= value == NULL ||
				xmlTextWriterWriteAttributeNS(
					walk->writer, ns != NULL ? ns->prefix : NULL, attr->name,
					ns != NULL ? ns->href : NULL, value) < 0;
		xmlFree(value);
	}
}

/* The namespace is told once, at the uppermost of what is put back. */
static void write_start(struct domain_walk *walk, const xmlNode *node, bool uppermost)
{
	const xmlNs *ns = node->ns;
	bool told = !uppermost && ns != NULL && node->parent->ns == ns;

	walk->failed |=
		xmlTextWriterStartElementNS(walk->writer, ns != NULL ? ns->prefix : NULL,
					    node->name, ns != NULL && !told ? ns->href : NULL) < 0;
}

/* skip: children of this one that stay out, as words. Depth is bounded by domain_document.h. */
static void write_whole(struct domain_walk *walk, const xmlNode *node, const char *skip,
			bool uppermost)
{
	bool has_elements = xmlFirstElementChild((xmlNode *)(uintptr_t)node) != NULL;

	write_start(walk, node, uppermost);
	write_attributes(walk, node);
	for (const xmlNode *child = node->children; child != NULL; child = child->next) {
		if (child->type == XML_ELEMENT_NODE) {
			if (!domain_rule_lists(skip, (const char *)child->name)) {
				write_whole(walk, child, "", false);
			}
		} else if (!has_elements && (child->type == XML_TEXT_NODE ||
					     child->type == XML_CDATA_SECTION_NODE)) {
			domain_text(walk, (const char *)child->content);
		}
	}
	domain_end(walk);
}

/* VirtualDomain takes the VM's name from a line that looks like this one. */
static bool has_name(const xmlNode *node)
{
	bool found = node->type == XML_ELEMENT_NODE && node->ns == NULL &&
		     strcmp((const char *)node->name, "name") == 0;

	for (const xmlNode *child = node->children; child != NULL && !found; child = child->next) {
		found = child->type == XML_ELEMENT_NODE && has_name(child);
	}
	return found;
}

/* ---- places ---- */

/* Numbers in whatever base; what is not said is 0. */
bool domain_own_is_same(const xmlNode *a, const xmlNode *b, const char *name)
{
	cleanup_free char *mine = domain_value(a, name), *theirs = domain_value(b, name);
	const char *left = mine != NULL ? mine : "0", *right = theirs != NULL ? theirs : "0";
	char *left_end, *right_end;
	unsigned long long x = strtoull(left, &left_end, 0), y = strtoull(right, &right_end, 0);

	return *left_end == '\0' && *right_end == '\0' ? x == y : strcasecmp(left, right) == 0;
}

static bool is_same_place(const xmlNode *a, const xmlNode *b)
{
	cleanup_free char *type = domain_value(a, "type");

	if (type == NULL || !domain_value_is(b, "type", type)) {
		return false;
	}
	for (const xmlAttr *attr = a->properties; attr != NULL; attr = attr->next) {
		if (!domain_rule_lists(NOT_THE_PLACE, (const char *)attr->name) &&
		    !domain_own_is_same(a, b, (const char *)attr->name)) {
			return false;
		}
	}
	return true;
}

/* "ide" and "scsi" both have a controller 0. */
static bool is_other_bus(const xmlNode *a, const xmlNode *b)
{
	cleanup_free char *bus = domain_value(domain_child(a, "target"), "bus");
	cleanup_free char *other = domain_value(domain_child(b, "target"), "bus");

	return bus != NULL && other != NULL && strcmp(bus, other) != 0;
}

static bool has_pci_bus(const struct domain_walk *walk, const xmlNode *address)
{
	const xmlNode *devices = domain_child(walk->theirs, "devices");
	cleanup_free char *bus = domain_value(address, "bus");

	if (!domain_value_is(address, "type", "pci") || bus == NULL || strtoul(bus, NULL, 0) == 0) {
		return true;
	}
	for (const xmlNode *node = xml_child(devices, "controller"); node != NULL;
	     node = xml_next(node, "controller")) {
		cleanup_free char *index = domain_value(node, "index");

		if (domain_value_is(node, "type", "pci") && index != NULL &&
		    strtoul(index, NULL, 0) == strtoul(bus, NULL, 0)) {
			return true;
		}
	}
	return false;
}

/* Which of its children stay out, as words: libvirt refuses two devices in one place. */
static const char *find_clash(const struct domain_walk *walk, const xmlNode *own,
			      const xmlNode *theirs)
{
	const xmlNode *devices = domain_child(walk->theirs, "devices");
	const xmlNode *address = domain_child(own, "address"), *boot = domain_child(own, "boot");
	bool address_clashes = address != NULL && !has_pci_bus(walk, address);
	/* libvirt takes an order of devices, or of kinds of them, and not both */
	bool boot_clashes = domain_child(domain_child(walk->theirs, "os"), "boot") != NULL;

	for (const xmlNode *node = devices != NULL ? devices->children : NULL; node != NULL;
	     node = node->next) {
		const xmlNode *other = domain_child(node, "address");
		const xmlNode *other_boot = domain_child(node, "boot");

		if (node->type != XML_ELEMENT_NODE || node == theirs) {
			continue;
		}
		address_clashes |= address != NULL && other != NULL &&
				   is_same_place(address, other) && !is_other_bus(own, node);
		boot_clashes |= boot != NULL && other_boot != NULL &&
				domain_own_is_same(boot, other_boot, "order");
	}
	boot_clashes &= boot != NULL;
	return address_clashes ? (boot_clashes ? "address boot" : "address")
			       : (boot_clashes ? "boot" : "");
}

void domain_own_write(struct domain_walk *walk, const xmlNode *own, const xmlNode *theirs,
		      const char *path)
{
	if (has_name(own)) {
		sentence_list_add(walk->notes,
				  "%s of this side's own definition is not put back: VirtualDomain "
				  "would take its <name> for the VM's",
				  path);
		return;
	}
	if (!walk->options->own->quiet) {
		sentence_list_add(walk->notes, "%s is as this side's own definition had it", path);
	}
	write_whole(walk, own, find_clash(walk, own, theirs), true);
}

void domain_own_write_child(struct domain_walk *walk, const xmlNode *own)
{
	write_whole(walk, own, "", true);
}
