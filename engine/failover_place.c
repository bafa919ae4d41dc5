/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/failover_place.h"

#include <stdio.h>
#include <string.h>

#include "cluster/placement.h"

static const Vmreplica__Cluster__Storage *find_storage(const struct table_node *node,
						       const char *path)
{
	for (size_t i = 0; i < node->announcement->n_storages; i++) {
		if (strcmp(node->announcement->storages[i]->path, path) == 0) {
			return node->announcement->storages[i];
		}
	}
	return NULL;
}

/* Every node of the cluster has announced itself once, be it off by now. */
static bool all_are_known(const struct engine *engine)
{
	const struct placement *placement =
		engine->cluster.ops->placement((struct cluster *)(uintptr_t)&engine->cluster);
	bool known = placement != NULL;

	for (size_t i = 0; known && i < placement->node_count; i++) {
		known = cluster_table_find_node(&engine->table, placement->nodes[i].name) != NULL;
	}
	return known;
}

enum failover_place failover_place_look(const struct engine *engine, const char *storage)
{
	const struct table_node *here =
		cluster_table_find_node(&engine->table, engine->config->node);
	const Vmreplica__Cluster__Storage *ours = here != NULL ? find_storage(here, storage) : NULL;

	for (size_t i = 0; ours != NULL && i < engine->table.node_count; i++) {
		const struct table_node *node = &engine->table.nodes[i];
		const Vmreplica__Cluster__Storage *theirs = find_storage(node, storage);

		if (node != here && theirs != NULL && theirs->id[0] != '\0' &&
		    strcmp(theirs->id, ours->id) == 0) {
			return FAILOVER_PLACE_SHARED;
		}
	}
	return ours != NULL && all_are_known(engine) ? FAILOVER_PLACE_HERE : FAILOVER_PLACE_UNKNOWN;
}

void failover_place_warn(struct failover_job *job, const char *storage, const char *vm)
{
	const struct engine *engine = job->engine;

	switch (engine->config->standalone ? FAILOVER_PLACE_SHARED
					   : failover_place_look(engine, storage)) {
	case FAILOVER_PLACE_HERE:
		failover_job_warn(job,
				  "%.200s is %s's own: the replica here is bound to that node, and "
				  "so is %s, also when it comes home",
				  storage, engine->config->node, vm);
		break;
	case FAILOVER_PLACE_UNKNOWN:
		failover_job_warn(job,
				  "whether other nodes have %.200s is not known: if they have not, "
				  "bind %s to %s when it comes home",
				  storage, vm, engine->config->node);
		break;
	case FAILOVER_PLACE_SHARED:
		break;
	}
}

const char *failover_place(const struct engine *engine, const char *storage)
{
	return failover_place_look(engine, storage) == FAILOVER_PLACE_SHARED ? ""
									     : engine->config->node;
}
