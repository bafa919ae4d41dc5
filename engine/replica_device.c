/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The devices of a replica VM whose back end is the host's: consoles, channels, input, graphics,
 * random numbers, TPM. Disks and interfaces are in replica_disk.c and replica_interface.c. */
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "engine/domain_own.h"

/* <node type='...'>, attributes and children by rule. */
static void make_typed(struct domain_walk *walk, const xmlNode *node,
		       const struct domain_rule *rule, const char *type)
{
	domain_start(walk, (const char *)node->name);
	domain_attribute(walk, "type", type);
	domain_copy_attributes(walk, node, rule);
	domain_copy_children(walk, node, rule->path);
	domain_end(walk);
}

/* The guest keeps its port; what it leads to on the host becomes a pty, which virsh console opens.
 * A console on a serial port is that port once more: one word is enough. */
void domain_make_serial(struct domain_walk *walk, const xmlNode *node,
			const struct domain_rule *rule)
{
	bool serial = strcmp((const char *)node->name, "serial") == 0;
	bool mirror = !serial && domain_value_is(domain_child(node, "target"), "type", "serial");

	if (domain_own_replaces(walk, node)) {
		return;
	}
	if (!domain_value_is(node, "type", "pty") && !mirror) {
		cleanup_free char *type = domain_value(node, "type");

		sentence_list_add(walk->notes, "a %s of type %.20s is a pty on the replica side",
				  serial ? "serial port" : "console", type != NULL ? type : "no");
	}
	make_typed(walk, node, rule, "pty");
}

/* libvirt makes the socket's path when none is given. */
void domain_make_channel(struct domain_walk *walk, const xmlNode *node,
			 const struct domain_rule *rule)
{
	static const char *const types[] = {"unix", "pty", "spicevmc"};
	const xmlNode *target = domain_child(node, "target");
	cleanup_free char *name = domain_value(target, "name");

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (domain_value_is(node, "type", types[i]) &&
		    domain_value_is(target, "type", "virtio")) {
			make_typed(walk, node, rule, types[i]);
			return;
		}
	}
	sentence_list_add(walk->notes, "the channel %.64s leads to the host and is not taken over",
			  name != NULL ? name : "(no name)");
}

void domain_make_input(struct domain_walk *walk, const xmlNode *node,
		       const struct domain_rule *rule)
{
	if (!domain_value_is(node, "type", "mouse") && !domain_value_is(node, "type", "tablet") &&
	    !domain_value_is(node, "type", "keyboard")) {
		sentence_list_add(walk->notes,
				  "an input device of the host is passed through: the replica VM "
				  "starts without it");
		return;
	}
	domain_start(walk, "input");
	domain_copy_attributes(walk, node, rule);
	domain_copy_children(walk, node, rule->path);
	domain_end(walk);
}

static void write_listen(struct domain_walk *walk)
{
	domain_start(walk, "listen");
	domain_attribute(walk, "type", "address");
	domain_attribute(walk, "address", "127.0.0.1");
	domain_end(walk);
}

/* Without the peer's password a console may be reached from its own host alone. */
void domain_make_graphics(struct domain_walk *walk, const xmlNode *node,
			  const struct domain_rule *rule)
{
	cleanup_free char *type = domain_value(node, "type");
	cleanup_free char *passwd = domain_value(node, "passwd");

	if (domain_own_replaces(walk, node)) {
		return;
	}
	if (type == NULL || (strcmp(type, "vnc") != 0 && strcmp(type, "spice") != 0)) {
		sentence_list_add(walk->notes, "graphics of type %.20s are not taken over",
				  type != NULL ? type : "none");
		return;
	}
	if (passwd != NULL) {
		sentence_list_add(walk->notes, "the password of the %s console is not taken over",
				  type);
	}
	domain_start(walk, "graphics");
	domain_attribute(walk, "type", type);
	domain_attribute(walk, "port", "-1");
	domain_attribute(walk, "autoport", "yes");
	domain_attribute(walk, "listen", "127.0.0.1");
	domain_copy_attributes(walk, node, rule);
	write_listen(walk);
	domain_copy_children(walk, node, rule->path);
	domain_end(walk);
}

void domain_make_rng(struct domain_walk *walk, const xmlNode *node, const struct domain_rule *rule)
{
	const xmlNode *backend = domain_child(node, "backend");
	bool builtin = domain_value_is(backend, "model", "builtin");
	cleanup_free char *source = domain_content(backend);

	if (domain_own_replaces(walk, node)) {
		return;
	}
	if (!builtin && (source == NULL || (strcmp(source, "/dev/urandom") != 0 &&
					    strcmp(source, "/dev/random") != 0))) {
		sentence_list_add(walk->notes,
				  "random numbers come from /dev/urandom on the replica side");
	}
	domain_start(walk, "rng");
	domain_copy_attributes(walk, node, rule);
	domain_copy_children(walk, node, rule->path);
	domain_start(walk, "backend");
	domain_attribute(walk, "model", builtin ? "builtin" : "random");
	if (!builtin) {
		domain_text(walk, "/dev/urandom");
	}
	domain_end(walk);
	domain_end(walk);
}

void domain_make_tpm(struct domain_walk *walk, const xmlNode *node, const struct domain_rule *rule)
{
	const xmlNode *backend = domain_child(node, "backend");

	if (!domain_value_is(backend, "type", "emulator")) {
		sentence_list_add(walk->notes,
				  "the TPM of the host is passed through: the replica VM starts "
				  "without it");
		return;
	}
	domain_start(walk, "tpm");
	domain_copy_attributes(walk, node, rule);
	domain_start(walk, "backend");
	domain_attribute(walk, "type", "emulator");
	domain_attribute(walk, "version",
			 domain_value_is(backend, "version", "1.2") ? "1.2" : "2.0");
	/* VirtualDomain's domains are transient: libvirt would remove the TPM at each stop. A
	 * test's goes with it. */
	if (walk->options->test == NULL) {
		domain_attribute(walk, "persistent_state", "yes");
	}
	domain_end(walk);
	domain_copy_children(walk, node, rule->path);
	domain_end(walk);
}
