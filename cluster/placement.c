/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Questions to a snapshot of placement. Pure; the parse is in placement_parse.c. */
#include "cluster/placement.h"

#include <string.h>

/* First of the entries with that id: instances of a clone share theirs. */
const struct placement_resource *placement_find(const struct placement *placement, const char *id)
{
	size_t low = 0;
	size_t high = placement->resource_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(placement->resources[middle].id, id) < 0) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	if (low < placement->resource_count && strcmp(placement->resources[low].id, id) == 0) {
		return &placement->resources[low];
	}
	return NULL;
}

const struct placement_node *placement_find_node(const struct placement *placement,
						 const char *name)
{
	size_t low = 0;
	size_t high = placement->node_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(placement->nodes[middle].name, name) < 0) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	if (low < placement->node_count && strcmp(placement->nodes[low].name, name) == 0) {
		return &placement->nodes[low];
	}
	return NULL;
}

const char *placement_node_address(const struct placement *placement, const char *node,
				   const char *configured)
{
	const struct placement_node *found =
		placement != NULL ? placement_find_node(placement, node) : NULL;

	if (found != NULL && found->replication_address != NULL &&
	    found->replication_address[0] != '\0') {
		return found->replication_address;
	}
	return configured != NULL && configured[0] != '\0' ? configured : NULL;
}

bool placement_agent_runs_on(const struct placement *placement, const char *agent, const char *node)
{
	for (size_t i = 0; i < placement->resource_count; i++) {
		const struct placement_resource *resource = &placement->resources[i];

		if (resource->state == PLACEMENT_RUNNING && resource->node != NULL &&
		    strcmp(resource->agent, agent) == 0 && strcmp(resource->node, node) == 0) {
			return true;
		}
	}
	return false;
}

/* How far a candidate came, in the order of the checks: the sentence is about the one that came
 * furthest. */
enum suitability {
	SUIT_NONE,
	SUIT_NODE,
	SUIT_ENGINE,
	SUIT_STORAGE,
	SUIT_ROOM,
};

static enum suitability candidate_suitability(const struct placement *placement,
					      const struct placement_candidate *candidate,
					      uint64_t need_bytes)
{
	const struct placement_node *node = placement_find_node(placement, candidate->node);

	if (node == NULL || !node->online || node->standby || node->maintenance || node->pending ||
	    node->unclean || node->shutdown) {
		return SUIT_NONE;
	}
	if (!placement_agent_runs_on(placement, "ocf:vmreplica:engine", candidate->node)) {
		return SUIT_NODE;
	}
	if (!candidate->writable) {
		return SUIT_ENGINE;
	}
	return candidate->free_bytes < need_bytes ? SUIT_STORAGE : SUIT_ROOM;
}

static const char *suitability_why(enum suitability best, bool any)
{
	if (!any) {
		return "no node announces that storage: check the path of the authorization entry "
		       "and that "
		       "vmreplica-engine runs";
	}
	switch (best) {
	case SUIT_NONE:
		return "every node is offline, in standby, in maintenance or leaving: bring one "
		       "back online";
	case SUIT_NODE:
		return "vmreplica-engine runs on no healthy node: start the engine clone";
	case SUIT_ENGINE:
		return "the storage is writable on no healthy node: mount it and make user "
		       "vmreplica its owner";
	case SUIT_STORAGE:
	case SUIT_ROOM:
		break;
	}
	return "the storage has too little free space on every healthy node: free some or "
	       "authorize another "
	       "storage";
}

static bool candidate_is_better(const struct placement_candidate *a,
				const struct placement_candidate *b)
{
	if (a->replicas != b->replicas) {
		return a->replicas < b->replicas;
	}
	if (a->free_bytes != b->free_bytes) {
		return a->free_bytes > b->free_bytes;
	}
	return strcmp(a->node, b->node) < 0;
}

const char *placement_choose(const struct placement *placement,
			     const struct placement_candidate *candidates, size_t count,
			     uint64_t need_bytes, const char **ret_why)
{
	const struct placement_candidate *chosen = NULL;
	enum suitability best = SUIT_NONE;

	for (size_t i = 0; i < count; i++) {
		enum suitability suitability =
			candidate_suitability(placement, &candidates[i], need_bytes);

		if (suitability > best) {
			best = suitability;
		}
		if (suitability == SUIT_ROOM &&
		    (chosen == NULL || candidate_is_better(&candidates[i], chosen))) {
			chosen = &candidates[i];
		}
	}
	if (chosen == NULL) {
		*ret_why = suitability_why(best, count > 0);
		return NULL;
	}
	return chosen->node;
}
