/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/domain_own.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cluster/xml_tree.h"
#include "common/cleanup.h"

/* ---- what came changed ---- */

static bool is_wanted(const struct domain_walk *walk)
{
	return walk->own != NULL && walk->options->test == NULL;
}

static const xmlNode *find_device(const struct domain_walk *walk, const char *name)
{
	return xml_child(domain_child(walk->own, "devices"), name);
}

static size_t place_of(const xmlNode *node)
{
	size_t place = 0;

	for (const xmlNode *before = node->prev; before != NULL; before = before->prev) {
		place += xml_is(before, (const char *)node->name);
	}
	return place;
}

static bool is_same_mac(const xmlNode *a, const xmlNode *b)
{
	cleanup_free char *mine = domain_value(domain_child(a, "mac"), "address");
	cleanup_free char *theirs = domain_value(domain_child(b, "mac"), "address");

	/* without one libvirt makes one at each start, and the place is all there is */
	return mine == NULL ? place_of(a) == place_of(b)
			    : theirs != NULL && strcasecmp(mine, theirs) == 0;
}

const xmlNode *domain_own_interface(const struct domain_walk *walk, const xmlNode *theirs)
{
	const xmlNode *own = find_device(walk, "interface");

	while (own != NULL && !is_same_mac(own, theirs)) {
		own = xml_next(own, "interface");
	}
	return own;
}

/* Would the list change it? Its back end is the host's then. */
static bool is_changed(const xmlNode *own)
{
	const xmlNode *backend = domain_child(own, "backend");
	cleanup_free char *source = domain_content(backend);

	if (xml_is(own, "graphics")) {
		return true; /* where it listens, and its password */
	}
	if (xml_is(own, "rng")) {
		return !domain_value_is(backend, "model", "builtin") &&
		       (source == NULL || strcmp(source, "/dev/urandom") != 0);
	}
	return !domain_value_is(own, "type", "pty") || domain_child(own, "log") != NULL;
}

/* Is it the same one to the guest? */
static bool is_same_device(const xmlNode *own, const xmlNode *theirs)
{
	const xmlNode *target = domain_child(own, "target"),
		      *other = domain_child(theirs, "target");

	if (xml_is(own, "graphics")) {
		cleanup_free char *type = domain_value(own, "type");

		return type != NULL && domain_value_is(theirs, "type", type);
	}
	if (xml_is(own, "rng") || target == NULL || other == NULL) {
		return place_of(own) == place_of(theirs);
	}
	return domain_own_is_same(target, other, "port") &&
	       (xml_is(own, "serial") || domain_own_is_same(target, other, "type"));
}

bool domain_own_replaces(struct domain_walk *walk, const xmlNode *theirs)
{
	const char *name = (const char *)theirs->name;
	const xmlNode *own = is_wanted(walk) ? find_device(walk, name) : NULL;
	char path[DOMAIN_PATH_LEN];

	while (own != NULL && !is_same_device(own, theirs)) {
		own = xml_next(own, name);
	}
	if (own == NULL || !is_changed(own)) {
		return false;
	}
	snprintf(path, sizeof(path), "devices/%s", name);
	domain_own_write(walk, own, theirs, path);
	return true;
}

static void write_unlisted(struct domain_walk *walk, const xmlNode *own, const char *path,
			   const char *too)
{
	for (const xmlNode *child = own->children; child != NULL; child = child->next) {
		const char *name = (const char *)child->name;
		char child_path[DOMAIN_PATH_LEN];

		if (child->type != XML_ELEMENT_NODE) {
			continue;
		}
		snprintf(child_path, sizeof(child_path), "%s/%s", path, name);
		if (domain_rule_lists(too, name) || domain_rule_find(child_path) == NULL) {
			domain_own_write_child(walk, child);
		}
	}
}

void domain_own_write_interface(struct domain_walk *walk, const xmlNode *own)
{
	if (!walk->options->own->quiet) {
		sentence_list_add(
			walk->notes,
			"an interface hangs on what this side's own definition has it on");
	}
	write_unlisted(walk, own, "devices/interface", "source target");
}

static const xmlNode *find_disk(const struct domain_walk *walk, const char *target)
{
	const xmlNode *disk = find_device(walk, "disk");

	while (disk != NULL && !domain_value_is(domain_child(disk, "target"), "dev", target)) {
		disk = xml_next(disk, "disk");
	}
	return disk;
}

void domain_own_write_limits(struct domain_walk *walk, const char *target)
{
	const xmlNode *disk = is_wanted(walk) ? find_disk(walk, target) : NULL;

	if (domain_child(disk, "iotune") != NULL) {
		domain_own_write_child(walk, domain_child(disk, "iotune"));
	}
}

/* ---- what did not come ---- */

bool domain_own_has_kernel(const struct domain_walk *walk)
{
	return is_wanted(walk) && domain_child(domain_child(walk->own, "os"), "kernel") != NULL;
}

static bool is_replicated(const struct domain_walk *walk, const char *target)
{
	for (size_t i = 0; i < walk->options->disk_count; i++) {
		if (strcmp(walk->options->disks[i].target, target) == 0) {
			return true;
		}
	}
	return false;
}

static bool is_excluded(const struct replica_domain_own *own, const char *target)
{
	for (size_t i = 0; i < own->excluded_count; i++) {
		if (strcmp(own->excluded[i], target) == 0) {
			return true;
		}
	}
	return false;
}

/* A drive, or a disk that never was replicated. One that was, and is no more, was taken away. */
static bool is_disk_missing(struct domain_walk *walk, const xmlNode *own)
{
	cleanup_free char *target = domain_value(domain_child(own, "target"), "dev");
	cleanup_free char *device = domain_value(own, "device");
	bool drive = device != NULL && strcmp(device, "disk") != 0;

	if (target == NULL || (!drive && !is_excluded(walk->options->own, target))) {
		return false;
	}
	if (is_replicated(walk, target)) {
		sentence_list_add(walk->notes,
				  "%s %.32s of this side's own definition is not put back: the "
				  "other side replicates a disk of that name",
				  drive ? "drive" : "disk", target);
		return false;
	}
	return true;
}

/* Would nothing of it have come through the list? Asked of the list itself. */
static bool is_refused(const struct domain_walk *walk, const xmlNode *own, const char *path)
{
	struct sentence_list notes = {0};
	struct replica_domain_options options = {.name = walk->options->name};
	struct domain_walk trial = {.options = &options, .notes = &notes, .theirs = walk->own};
	xmlBuffer *buffer = xmlBufferCreate();
	bool refused = false;

	trial.writer = buffer != NULL ? xmlNewTextWriterMemory(buffer, 0) : NULL;
	if (trial.writer != NULL) {
		domain_copy(&trial, own, path);
		xmlTextWriterFlush(trial.writer);
		refused = !trial.failed && xmlBufferLength(buffer) == 0;
		xmlFreeTextWriter(trial.writer);
	}
	xmlBufferFree(buffer);
	sentence_list_destroy(&notes);
	return refused;
}

static const xmlNode *their_interface(const struct domain_walk *walk, const xmlNode *own)
{
	const xmlNode *node = xml_child(domain_child(walk->theirs, "devices"), "interface");

	while (node != NULL && !is_same_mac(own, node)) {
		node = xml_next(node, "interface");
	}
	return node;
}

/* Of what the list knows: does it make nothing of it, and has the other side nothing in its place?
 */
static bool is_device_missing(struct domain_walk *walk, const xmlNode *own,
			      const struct domain_rule *rule)
{
	cleanup_free char *content = domain_content(own);

	switch (rule->make) {
	case DOMAIN_MAKE_DISK:
		return is_disk_missing(walk, own);
	case DOMAIN_MAKE_EMULATOR:
		return !domain_emulator_is_usual(content);
	case DOMAIN_MAKE_INTERFACE:
		return their_interface(walk, own) == NULL && is_refused(walk, own, rule->path);
	case DOMAIN_MAKE_TPM:
		return domain_child(domain_child(walk->theirs, "devices"), "tpm") == NULL &&
		       is_refused(walk, own, rule->path);
	case DOMAIN_MAKE_CHANNEL:
	case DOMAIN_MAKE_INPUT:
	case DOMAIN_MAKE_GRAPHICS:
		return is_refused(walk, own, rule->path);
	case DOMAIN_DROP_QUIETLY: /* libvirt's own, but a sound card may name its audio */
		return xml_is(own, "audio") && find_device(walk, "sound") != NULL;
	default:
		return false;
	}
}

static bool is_missing(struct domain_walk *walk, const xmlNode *own, const char *path)
{
	const struct domain_rule *rule = own->ns == NULL ? domain_rule_find(path) : NULL;

	if (strcmp(path, "os/kernel") == 0 || strcmp(path, "os/initrd") == 0 ||
	    strcmp(path, "os/cmdline") == 0) {
		return domain_own_has_kernel(walk) && !walk->kernel_taken;
	}
	if (strcmp(path, "seclabel") == 0) {
		sentence_list_add(walk->notes,
				  "the security label of this side's own definition is not put "
				  "back: the images are readable to QEMU's usual user alone");
		return false;
	}
	return rule == NULL || is_device_missing(walk, own, rule);
}

void domain_own_put_back(struct domain_walk *walk, const char *path)
{
	static const char *const containers[] = {"", "os", "features", "devices"};
	const xmlNode *parent = NULL;
	char child_path[DOMAIN_PATH_LEN];

	for (size_t i = 0; i < sizeof(containers) / sizeof(containers[0]); i++) {
		if (is_wanted(walk) && strcmp(path, containers[i]) == 0) {
			parent = path[0] == '\0' ? walk->own : domain_child(walk->own, path);
		}
	}
	for (const xmlNode *child = parent != NULL ? parent->children : NULL; child != NULL;
	     child = child->next) {
		if (child->type != XML_ELEMENT_NODE) {
			continue;
		}
		snprintf(child_path, sizeof(child_path), "%s%s%s", path, path[0] != '\0' ? "/" : "",
			 (const char *)child->name);
		if (is_missing(walk, child, child_path)) {
			domain_own_write(walk, child, NULL, child_path);
		}
	}
}
