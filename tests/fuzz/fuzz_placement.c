/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The XML that Pacemaker hands us, of any bytes: as crm_mon's output (placement) and as a
 * configuration (settings). What a snapshot says must hold together: sorted, every resource
 * findable, a running one on a node, an unknown one with a reason.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "cluster/cib_settings.h"
#include "cluster/placement.h"
#include "cluster/xml_tree.h"
#include "fuzz.h"
#include "mutate_xml.h"

static void check_resource(const struct placement *placement,
			   const struct placement_resource *resource)
{
	const struct placement_resource *found = placement_find(placement, resource->id);

	assert(found != NULL && strcmp(found->id, resource->id) == 0);
	assert(resource->agent != NULL && resource->role != NULL);
	assert(resource->state != PLACEMENT_RUNNING || resource->node != NULL);
	assert((resource->state == PLACEMENT_UNKNOWN) == (resource->why != NULL));
	if (resource->state == PLACEMENT_RUNNING) {
		assert(placement_agent_runs_on(placement, resource->agent, resource->node));
		assert(placement_find_node(placement, resource->node)->online);
	}
}

static void check_placement(struct placement *placement)
{
	struct placement_candidate candidate = {.free_bytes = 1, .writable = true};
	const char *why = "";

	for (size_t i = 0; i < placement->resource_count; i++) {
		check_resource(placement, &placement->resources[i]);
		assert(i == 0 ||
		       strcmp(placement->resources[i - 1].id, placement->resources[i].id) <= 0);
	}
	for (size_t i = 0; i < placement->node_count; i++) {
		candidate.node = placement->nodes[i].name;
		assert(placement_find_node(placement, candidate.node) != NULL);
		assert(placement_choose(placement, &candidate, 1, 1, &why) != NULL ||
		       why[0] != '\0');
	}
	placement_unref(placement);
}

static void check_settings(const uint8_t *data, size_t size)
{
	xmlDoc *doc = xml_document_read((const char *)data, size);
	const xmlNode *root = doc != NULL ? xmlDocGetRootElement(doc) : NULL;
	const xmlNode *configuration = xml_child(root, "configuration");

	if (root != NULL) {
		Vmreplica__Ipc__CibSettings *settings =
			cib_settings_read(configuration != NULL ? configuration : root);

		assert(settings != NULL);
		vmreplica__ipc__cib_settings__free_unpacked(settings, NULL);
	}
	xmlFreeDoc(doc);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct placement *placement = NULL;
	const char *error = NULL;

	if (placement_parse((const char *)data, size, &placement, &error) == 0) {
		check_placement(placement);
	} else {
		assert(placement == NULL && error != NULL);
	}
	check_settings(data, size);
	return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
	struct mutate mutate;

	mutate_init(&mutate, seed);
	return mutate_xml(&mutate, data, size, max_size);
}

size_t LLVMFuzzerCustomCrossOver(const uint8_t *data1, size_t size1, const uint8_t *data2,
				 size_t size2, uint8_t *out, size_t max_size, unsigned int seed)
{
	struct mutate mutate;

	mutate_init(&mutate, seed);
	return mutate_xml_cross(&mutate, data1, size1, data2, size2, out, max_size);
}
