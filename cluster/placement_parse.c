/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * crm_mon's XML into a snapshot. The document names its version (api-version); element and
 * attribute names used here are stable since api 2.0, and what a version lacks keeps its neutral
 * value.
 */
#include "cluster/placement.h"

#include <errno.h>
#include <libxml/tree.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/placement_build.h"
#include "cluster/xml_tree.h"

#define PLACEMENT_XML_MAX (16u * 1024u * 1024u)
#define NESTING_MAX	  8 /* clone in group in bundle: three are possible */

#define cleanup_builder __attribute__((cleanup(placement_builder_destroy)))

/* The attribute's value, owned by the snapshot; NULL when absent. */
static const char *attribute(struct placement_builder *builder, const xmlNode *node,
			     const char *name)
{
	return placement_builder_text(builder, xml_attribute(node, name));
}

static void parse_summary(struct placement_builder *builder, const xmlNode *summary)
{
	for (const xmlNode *node = summary->children; node != NULL; node = node->next) {
		if (xml_is(node, "current_dc")) {
			builder->placement->dc = attribute(builder, node, "name");
			builder->placement->quorate = xml_flag(node, "with_quorum");
		} else if (xml_is(node, "cluster_options")) {
			builder->placement->stonith_enabled = xml_flag(node, "stonith-enabled");
			builder->placement->maintenance_mode = xml_flag(node, "maintenance-mode");
		}
	}
}

static int parse_node(struct placement_builder *builder, const xmlNode *element)
{
	const char *name = attribute(builder, element, "name");
	struct placement_node *node;

	if (name == NULL) {
		return -EBADMSG;
	}
	node = placement_builder_node(builder);
	if (node == NULL) {
		return -ENOMEM;
	}
	node->name = name;
	node->online = xml_flag(element, "online");
	node->standby = xml_flag(element, "standby") || xml_flag(element, "standby_onfail");
	node->maintenance = xml_flag(element, "maintenance");
	node->pending = xml_flag(element, "pending");
	node->unclean = xml_flag(element, "unclean");
	node->shutdown = xml_flag(element, "shutdown");
	return 0;
}

/* A transition in progress, by the role ("Starting", ...: Pacemaker 2.1) or the pending operation
 * (older and newer). A recurring monitor is pending too, and moves nothing. */
static bool resource_is_moving(const struct placement_resource *resource)
{
	static const char *const words[] = {"Starting",	 "Stopping", "Migrating",
					    "Promoting", "Demoting", "Restarting"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(resource->role, words[i]) == 0 ||
		    (resource->pending != NULL && strcmp(resource->pending, words[i]) == 0)) {
			return true;
		}
	}
	return false;
}

static void resource_judge(struct placement_resource *resource, unsigned long running_on)
{
	resource->state = PLACEMENT_UNKNOWN;
	if (resource->blocked) {
		resource->why = "blocked after a failure";
	} else if (resource->failed) {
		resource->why = "failed";
	} else if (resource_is_moving(resource)) {
		resource->state = PLACEMENT_MOVING;
	} else if (running_on > 1) {
		resource->why = "running on several nodes";
	} else if (running_on == 0) {
		resource->state = PLACEMENT_STOPPED;
	} else if (resource->node == NULL) {
		resource->why = "its node is not named";
	} else {
		resource->state = PLACEMENT_RUNNING;
	}
}

/* The first node below element, and how many there are. */
static size_t resource_nodes(struct placement_builder *builder, const xmlNode *element,
			     const char **ret_node)
{
	size_t count = 0;

	for (const xmlNode *node = element->children; node != NULL; node = node->next) {
		if (xml_is(node, "node")) {
			if (count++ == 0) {
				*ret_node = attribute(builder, node, "name");
			}
		}
	}
	return count;
}

static int parse_resource(struct placement_builder *builder, const xmlNode *element)
{
	struct placement *placement = builder->placement;
	const char *id = attribute(builder, element, "id");
	const char *agent = attribute(builder, element, "resource_agent");
	const char *role = attribute(builder, element, "role");
	const char *count_text = attribute(builder, element, "nodes_running_on");
	struct placement_resource *resource;
	unsigned long running_on;
	size_t named;

	if (id == NULL || agent == NULL || role == NULL || count_text == NULL) {
		return -EBADMSG;
	}
	resource = placement_builder_resource(builder);
	if (resource == NULL) {
		return -ENOMEM;
	}
	resource->id = id;
	resource->agent = agent;
	resource->role = role;
	resource->pending = attribute(builder, element, "pending");
	resource->managed = xml_flag(element, "managed");
	resource->failed = xml_flag(element, "failed") && !xml_flag(element, "failure_ignored");
	resource->blocked = xml_flag(element, "blocked");
	resource->orphaned = xml_flag(element, "orphaned");
	resource->maintenance = xml_flag(element, "maintenance") || placement->maintenance_mode;
	named = resource_nodes(builder, element, &resource->node);
	running_on = strtoul(count_text, NULL, 10);
	if (named > running_on) {
		running_on = named;
	}
	if (running_on != 1) {
		resource->node = NULL;
	}
	resource_judge(resource, running_on);
	return 0;
}

static int parse_resources(struct placement_builder *builder, const xmlNode *parent, int depth)
{
	if (depth > NESTING_MAX) {
		return -EBADMSG;
	}
	for (const xmlNode *node = parent->children; node != NULL; node = node->next) {
		int error = 0;

		if (xml_is(node, "resource")) {
			error = parse_resource(builder, node);
		} else if (xml_is(node, "clone") || xml_is(node, "group") ||
			   xml_is(node, "bundle") || xml_is(node, "replica")) {
			error = parse_resources(builder, node, depth + 1);
		}
		if (error < 0) {
			return error;
		}
	}
	return 0;
}

static int parse_nodes(struct placement_builder *builder, const xmlNode *parent)
{
	for (const xmlNode *node = parent->children; node != NULL; node = node->next) {
		int error = 0;

		if (xml_is(node, "node")) {
			error = parse_node(builder, node);
		}
		if (error < 0) {
			return error;
		}
	}
	return 0;
}

static struct placement_node *find_node(struct placement *placement, const char *name)
{
	const struct placement_node *found = placement_find_node(placement, name);

	return found != NULL ? &placement->nodes[found - placement->nodes] : NULL;
}

static void parse_attributes(struct placement_builder *builder, const xmlNode *section)
{
	for (const xmlNode *element = section->children; element != NULL; element = element->next) {
		struct placement_node *node = NULL;

		if (xml_is(element, "node") && xml_attribute(element, "name") != NULL) {
			node = find_node(builder->placement, xml_attribute(element, "name"));
		}
		for (const xmlNode *pair = element->children; node != NULL && pair != NULL;
		     pair = pair->next) {
			const char *name = NULL;

			if (xml_is(pair, "attribute")) {
				name = attribute(builder, pair, "name");
			}
			if (name != NULL && strcmp(name, "vmreplica-replication-address") == 0) {
				node->replication_address = attribute(builder, pair, "value");
			}
		}
	}
}

/* An offline or unclean node's resources are where Pacemaker last knew them: not a place to send
 * anything. */
static void doubt_unclean_nodes(struct placement *placement)
{
	for (size_t i = 0; i < placement->resource_count; i++) {
		struct placement_resource *resource = &placement->resources[i];
		const struct placement_node *node = NULL;

		if (resource->node == NULL ||
		    (resource->state != PLACEMENT_RUNNING && resource->state != PLACEMENT_MOVING)) {
			continue;
		}
		node = placement_find_node(placement, resource->node);
		if (node == NULL || node->unclean || !node->online) {
			resource->state = PLACEMENT_UNKNOWN;
			resource->why = "its node does not answer and is not fenced yet";
		}
	}
}

static int parse_sections(struct placement_builder *builder, const xmlNode *root,
			  const char **ret_error)
{
	const xmlNode *summary = xml_child(root, "summary");
	const xmlNode *nodes = xml_child(root, "nodes");
	const xmlNode *resources = xml_child(root, "resources");
	const xmlNode *attributes = xml_child(root, "node_attributes");

	*ret_error = "crm_mon's XML lacks its summary or nodes: is this Pacemaker 2.0 or newer?";
	if (summary == NULL || nodes == NULL) {
		return -EBADMSG;
	}
	parse_summary(builder, summary);
	*ret_error = "crm_mon's XML has a node or resource without the attributes that its schema "
		     "demands";
	if (parse_nodes(builder, nodes) < 0 ||
	    (resources != NULL && parse_resources(builder, resources, 0) < 0)) {
		return -EBADMSG;
	}
	placement_builder_sort(builder);
	if (attributes != NULL) {
		parse_attributes(builder, attributes);
	}
	doubt_unclean_nodes(builder->placement);
	return 0;
}

int placement_parse(const char *xml, size_t len, struct placement **ret_placement,
		    const char **ret_error)
{
	cleanup_builder struct placement_builder builder = {0};
	cleanup_xml_doc xmlDoc *doc = NULL;
	const char *unused = NULL;
	const xmlNode *root;

	ret_error = ret_error != NULL ? ret_error : &unused;
	*ret_error = "crm_mon printed no XML, or more than 16 MiB of it";
	if (xml == NULL || len == 0 || len > PLACEMENT_XML_MAX) {
		return -EBADMSG;
	}
	doc = xml_document_read(xml, len);
	root = doc != NULL ? xmlDocGetRootElement(doc) : NULL;
	*ret_error = "crm_mon's output is not well-formed XML of Pacemaker";
	if (root == NULL || (!xml_is(root, "pacemaker-result") && !xml_is(root, "crm_mon"))) {
		return -EBADMSG;
	}
	if (placement_builder_init(&builder) < 0) {
		*ret_error = "out of memory";
		return -ENOMEM;
	}
	if (parse_sections(&builder, root, ret_error) < 0) {
		return -EBADMSG;
	}
	*ret_placement = placement_builder_finish(&builder);
	return 0;
}
