/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A replica VM's network interfaces: the guest's side is the peer's, the network is this site's. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/sha256.h"
#include "engine/domain_own.h"

#define MAC_LEN 17

static bool mac_is_valid(const char *mac)
{
	if (strlen(mac) != MAC_LEN) {
		return false;
	}
	for (size_t i = 0; i < MAC_LEN; i++) {
		if (i % 3 == 2 ? mac[i] != ':' : !isxdigit((unsigned char)mac[i])) {
			return false;
		}
	}
	return true;
}

/* In QEMU's own range, the same at each making of one test's VM. */
static bool make_test_mac(const struct domain_walk *walk, char mac[MAC_LEN + 1])
{
	uint8_t digest[SHA256_LEN];
	char seed[64];
	int len = snprintf(seed, sizeof(seed), "%.36s %u", walk->options->test->uuid,
			   walk->interfaces);

	if (sha256_of(seed, (size_t)len, digest) < 0) {
		return false;
	}
	snprintf(mac, MAC_LEN + 1, "52:54:00:%02x:%02x:%02x", digest[0], digest[1], digest[2]);
	return true;
}

static void write_mac(struct domain_walk *walk, const xmlNode *node)
{
	cleanup_free char *mac = domain_value(domain_child(node, "mac"), "address");
	char test_mac[MAC_LEN + 1];
	const char *address = mac;

	if (walk->options->test != NULL) {
		walk->failed |= !make_test_mac(walk, test_mac);
		address = test_mac;
	} else if (mac == NULL || !mac_is_valid(mac)) {
		sentence_list_add(walk->notes, "an interface has no MAC address: libvirt makes one "
					       "at each start");
		return;
	}
	domain_start(walk, "mac");
	domain_attribute(walk, "address", address);
	domain_end(walk);
}

/* What the interface hangs on there. False: nothing that could be mapped. */
static bool read_network(const xmlNode *node, struct network *network)
{
	static const struct {
		const char *type, *attribute;
		enum network_kind kind;
	} sources[] = {
		{"network", "network", NETWORK_NET},
		{"bridge", "bridge", NETWORK_BRIDGE},
		{"direct", "dev", NETWORK_DIRECT},
	};

	for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {
		cleanup_free char *name = NULL;

		if (!domain_value_is(node, "type", sources[i].type)) {
			continue;
		}
		name = domain_value(domain_child(node, "source"), sources[i].attribute);
		if (name == NULL || !network_name_is_valid(name)) {
			return false;
		}
		network->kind = sources[i].kind;
		snprintf(network->name, sizeof(network->name), "%s", name);
		return true;
	}
	return false;
}

/* An admin has said what stands here for the network that it hangs on there. */
static bool is_mapped(const struct domain_walk *walk, const xmlNode *node)
{
	struct network there, here;

	return read_network(node, &there) &&
	       network_map_names(walk->options->networks, &there, &here);
}

/* The guest's cable is pulled, or in another network: which one is all that matters. */
static bool choose_test_network(const struct domain_walk *walk, const xmlNode *node,
				struct network *network)
{
	const struct replica_domain_test *test = walk->options->test;
	const xmlNode *own = domain_own_interface(walk, node);

	if (test != NULL && test->network != NULL) {
		network->kind = NETWORK_NET;
		snprintf(network->name, sizeof(network->name), "%s", test->network);
		return true;
	}
	return test != NULL && !is_mapped(walk, node) && own != NULL &&
	       read_network(own, network) && network->kind != NETWORK_DIRECT;
}

static bool choose_network(struct domain_walk *walk, const xmlNode *node, struct network *network)
{
	cleanup_free char *type = domain_value(node, "type");
	struct network there;

	if (choose_test_network(walk, node, network)) {
		return true;
	}
	if (!read_network(node, &there)) {
		sentence_list_add(walk->notes,
				  "an interface of type %.20s hangs on what only its host has: the "
				  "replica VM starts without it",
				  type != NULL ? type : "none");
		return false;
	}
	if (!network_map_find(walk->options->networks, &there, network)) {
		sentence_list_add(walk->notes,
				  "an interface hangs on %s of its host: the replica VM starts "
				  "without it unless it is mapped: --map direct:%s=net:NAME",
				  there.name, there.name);
		return false;
	}
	return true;
}

static void write_link(struct domain_walk *walk, const xmlNode *node)
{
	const struct replica_domain_test *test = walk->options->test;
	bool pulled = test != NULL && test->network == NULL;

	if (pulled || domain_value_is(domain_child(node, "link"), "state", "down")) {
		domain_start(walk, "link");
		domain_attribute(walk, "state", "down");
		domain_end(walk);
	}
}

static void write_source(struct domain_walk *walk, const struct network *network)
{
	domain_start(walk, "source");
	domain_attribute(walk, network->kind == NETWORK_BRIDGE ? "bridge" : "network",
			 network->name);
	domain_end(walk);
}

/* own is what the VM had here: it hangs where it did. */
static void write_interface(struct domain_walk *walk, const xmlNode *node,
			    const struct domain_rule *rule, const xmlNode *own,
			    const struct network *network)
{
	cleanup_free char *type =
		own != NULL ? domain_value(own, "type")
			    : strdup(network->kind == NETWORK_BRIDGE ? "bridge" : "network");

	domain_start(walk, "interface");
	domain_attribute(walk, "type", type != NULL ? type : "network");
	domain_copy_attributes(walk, node, rule);
	write_mac(walk, node);
	if (own != NULL) {
		domain_own_write_interface(walk, own);
	} else {
		write_source(walk, network);
	}
	write_link(walk, node);
	domain_copy_children(walk, node, rule->path);
	domain_end(walk);
}

void domain_make_interface(struct domain_walk *walk, const xmlNode *node,
			   const struct domain_rule *rule)
{
	bool home = walk->options->test == NULL && !is_mapped(walk, node);
	const xmlNode *own = home ? domain_own_interface(walk, node) : NULL;
	struct network network;

	walk->interfaces++;
	if (own != NULL && !read_network(own, &network)) {
		domain_own_write(walk, own, node, rule->path); /* what no list knows */
	} else if (own != NULL || choose_network(walk, node, &network)) {
		write_interface(walk, node, rule, own, &network);
	}
}
