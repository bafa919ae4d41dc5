/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A replica VM's disks: the guest's side is the peer's, the image is the store's. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "engine/domain_own.h"

static bool bus_is_known(const xmlNode *target)
{
	static const char *const buses[] = {"virtio", "scsi", "sata", "ide", "usb"};

	for (size_t i = 0; i < sizeof(buses) / sizeof(buses[0]); i++) {
		if (domain_value_is(target, "bus", buses[i])) {
			return true;
		}
	}
	return false;
}

/* Index of a replicated disk, disk_count when it is none. */
static size_t find_disk(const struct domain_walk *walk, const char *target)
{
	size_t i = 0;

	while (i < walk->options->disk_count &&
	       strcmp(walk->options->disks[i].target, target) != 0) {
		i++;
	}
	return i;
}

/* libvirt would take the whole chain of images over for QEMU's user, and leave it so. */
static void write_source(struct domain_walk *walk, const char *path)
{
	domain_start(walk, "source");
	domain_attribute(walk, "file", path);
	domain_start(walk, "seclabel");
	domain_attribute(walk, "model", "dac");
	domain_attribute(walk, "relabel", "no");
	domain_end(walk);
	domain_end(walk);
}

static void write_driver(struct domain_walk *walk, const xmlNode *driver)
{
	domain_start(walk, "driver");
	domain_attribute(walk, "name", "qemu");
	domain_attribute(walk, "type", "qcow2");
	if (driver != NULL) {
		domain_copy_attributes(walk, driver, domain_rule_find("devices/disk/driver"));
	}
	domain_end(walk);
}

static void write_rest(struct domain_walk *walk, const xmlNode *node)
{
	bool driver_seen = false;

	for (const xmlNode *child = node->children; child != NULL; child = child->next) {
		char path[DOMAIN_PATH_LEN];

		if (child->type != XML_ELEMENT_NODE) {
			continue;
		}
		if (strcmp((const char *)child->name, "driver") == 0 && child->ns == NULL) {
			if (driver_seen) {
				sentence_list_add(walk->notes, "element devices/disk/driver stands "
							       "there twice: the first counts");
			}
			driver_seen = true;
			continue; /* written already */
		}
		snprintf(path, sizeof(path), "devices/disk/%s", (const char *)child->name);
		domain_copy(walk, child, path);
	}
}

void domain_make_disk(struct domain_walk *walk, const xmlNode *node, const struct domain_rule *rule)
{
	cleanup_free char *device = domain_value(node, "device");
	const xmlNode *target = domain_child(node, "target");
	cleanup_free char *name = domain_value(target, "dev");
	size_t disk = find_disk(walk, name != NULL ? name : "");

	if (device != NULL && strcmp(device, "disk") != 0) {
		sentence_list_add(walk->notes, "drive %.32s (%.16s) is not taken over",
				  name != NULL ? name : "", device);
		return;
	}
	if (disk == walk->options->disk_count) {
		sentence_list_add(walk->notes,
				  "disk %.32s is not replicated: the replica VM starts without it",
				  name != NULL ? name : "");
		return;
	}
	if (walk->disk_seen[disk] || !bus_is_known(target)) {
		sentence_list_add(walk->notes, "disk %.32s %s", name,
				  walk->disk_seen[disk] ? "stands there twice: the first counts"
							: "hangs on a bus that is not taken over");
		return;
	}
	walk->disk_seen[disk] = true;
	domain_start(walk, "disk");
	domain_attribute(walk, "type", "file");
	domain_attribute(walk, "device", "disk");
	domain_copy_attributes(walk, node, rule);
	write_driver(walk, domain_child(node, "driver"));
	write_source(walk, walk->options->disks[disk].path);
	write_rest(walk, node);
	domain_own_write_limits(walk, name);
	domain_end(walk);
}
