/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/failover_place.h"

#include <string.h>

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

const char *failover_place(const struct engine *engine, const char *storage)
{
	const struct table_node *here =
		cluster_table_find_node(&engine->table, engine->config->node);
	const Vmreplica__Cluster__Storage *ours = here != NULL ? find_storage(here, storage) : NULL;

	for (size_t i = 0; ours != NULL && i < engine->table.node_count; i++) {
		const struct table_node *node = &engine->table.nodes[i];
		const Vmreplica__Cluster__Storage *theirs = find_storage(node, storage);

		if (node != here && theirs != NULL && theirs->id[0] != '\0' &&
		    strcmp(theirs->id, ours->id) == 0) {
			return "";
		}
	}
	return engine->config->node;
}
