/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/domain_fit_devices.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "cluster/xml_tree.h"

/* Does <parent><enum name='...'> hold the value? Also true when there is no such enum: an older
 * libvirt says nothing of it. */
static bool offers(const xmlNode *parent, const char *list, const char *wanted)
{
	for (const xmlNode *node = xml_child(parent, "enum"); node != NULL;
	     node = xml_next(node, "enum")) {
		const char *name = xml_attribute(node, "name");

		if (name == NULL || strcmp(name, list) != 0) {
			continue;
		}
		for (const xmlNode *value = xml_child(node, "value"); value != NULL;
		     value = xml_next(value, "value")) {
			if (value->children != NULL && value->children->content != NULL &&
			    strcmp((const char *)value->children->content, wanted) == 0) {
				return true;
			}
		}
		return false;
	}
	return true;
}

static bool wants_secure_boot(const xmlNode *os)
{
	for (const xmlNode *feature = xml_child(xml_child(os, "firmware"), "feature");
	     feature != NULL; feature = xml_next(feature, "feature")) {
		const char *name = xml_attribute(feature, "name");
		const char *enabled = xml_attribute(feature, "enabled");

		if (name != NULL && strcmp(name, "secure-boot") == 0) {
			return enabled != NULL && strcmp(enabled, "yes") == 0;
		}
	}
	return false;
}

void domain_fit_firmware(const struct domain_fit_view *view)
{
	const xmlNode *os = xml_child(view->root, "os");
	const xmlNode *offered = xml_child(view->domain_capabilities, "os");
	const char *firmware = os != NULL ? xml_attribute(os, "firmware") : NULL;

	if (firmware == NULL || strcmp(firmware, "efi") != 0) {
		return;
	}
	if (!offers(offered, "firmware", "efi")) {
		sentence_list_add(&view->fit->refusals,
				  "%s has no UEFI firmware for the VM: install OVMF there",
				  view->node);
	} else if (wants_secure_boot(os) &&
		   !offers(xml_child(offered, "loader"), "secure", "yes")) {
		sentence_list_add(&view->fit->refusals,
				  "%s has no UEFI firmware with Secure Boot for the VM: install "
				  "OVMF's Secure Boot variant there",
				  view->node);
	}
}

/* One kind of device: where the VM says what it is, and which list of the host must hold it. */
struct device_fit {
	const char *element; /* below <devices> */
	const char *child;   /* its child with the attribute; NULL = the element itself */
	const char *attribute;
	const char *list;  /* <domainCapabilities><devices><element><enum name='list'> */
	const char *thing; /* for the sentence */
	const char *advice;
};

static const struct device_fit devices[] = {
	{"disk", "target", "bus", "bus", "disk bus", "put the disk on another bus"},
	{"disk", NULL, "model", "model", "disk model", "choose another model"},
	{"graphics", NULL, "type", "type", "graphics", "install QEMU's module for it there"},
	{"video", "model", "type", "modelType", "video model",
	 "install QEMU's module for it there, or choose another model"},
	{"rng", NULL, "model", "model", "random number device", "choose another model"},
	{"tpm", NULL, "model", "model", "TPM", "choose another model"},
	{"tpm", "backend", "type", "backendModel", "TPM by", "install swtpm there"},
	{"tpm", "backend", "version", "backendVersion", "TPM of version", "install swtpm there"},
	{"channel", NULL, "type", "type", "channel", "choose another kind of channel"},
};

static void check_device(const struct domain_fit_view *view, const struct device_fit *kind)
{
	const xmlNode *offered =
		xml_child(xml_child(view->domain_capabilities, "devices"), kind->element);

	for (const xmlNode *node = xml_child(xml_child(view->root, "devices"), kind->element);
	     node != NULL && offered != NULL; node = xml_next(node, kind->element)) {
		const xmlNode *at = kind->child != NULL ? xml_child(node, kind->child) : node;
		const char *value = at != NULL ? xml_attribute(at, kind->attribute) : NULL;

		if (value != NULL && !offers(offered, kind->list, value)) {
			sentence_list_add(&view->fit->refusals, "%s offers no %s %s: %s",
					  view->node, kind->thing, value, kind->advice);
		}
	}
}

void domain_fit_devices(const struct domain_fit_view *view)
{
	for (size_t i = 0; i < sizeof(devices) / sizeof(devices[0]); i++) {
		check_device(view, &devices[i]);
	}
}

/* ---- networks ---- */

static const xmlNode *find_named(const xmlNode *parent, const char *element, const char *wanted)
{
	for (const xmlNode *node = xml_child(parent, element); node != NULL;
	     node = xml_next(node, element)) {
		const char *name = xml_attribute(node, "name");

		if (name != NULL && strcmp(name, wanted) == 0) {
			return node;
		}
	}
	return NULL;
}

/* Until then libvirt refuses to start the VM. */
static void network_lacks(const struct domain_fit_view *view, const char *sentence)
{
	sentence_list_add(&view->fit->warnings, "%s", sentence);
	sentence_list_add(&view->fit->networks, "%s", sentence);
}

static void check_network(const struct domain_fit_view *view, const char *name)
{
	const xmlNode *network = find_named(view->host, "network", name);
	const char *active = network != NULL ? xml_attribute(network, "active") : NULL;
	char sentence[SENTENCE_LEN];

	if (network == NULL) {
		snprintf(sentence, sizeof(sentence),
			 "%s has no network %s: define it there (virsh net-define), or map the "
			 "VM's network to another: --map net:NAME=THERE",
			 view->node, name);
		network_lacks(view, sentence);
	} else if (active != NULL && strcmp(active, "no") == 0) {
		snprintf(sentence, sizeof(sentence),
			 "network %s is not started on %s: virsh net-start %s; virsh "
			 "net-autostart %s",
			 name, view->node, name, name);
		network_lacks(view, sentence);
	}
}

void domain_fit_networks(const struct domain_fit_view *view)
{
	for (const xmlNode *node = xml_child(xml_child(view->root, "devices"), "interface");
	     node != NULL; node = xml_next(node, "interface")) {
		const xmlNode *source = xml_child(node, "source");
		const char *network = source != NULL ? xml_attribute(source, "network") : NULL;
		const char *bridge = source != NULL ? xml_attribute(source, "bridge") : NULL;

		if (network != NULL) {
			check_network(view, network);
		} else if (bridge != NULL && find_named(view->host, "bridge", bridge) == NULL) {
			sentence_list_add(
				&view->fit->warnings,
				"%s has no bridge %s: make it there, or map it to another: "
				"--map bridge:NAME=THERE",
				view->node, bridge);
		}
	}
}
