/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where a VM on a replica's store may run. */
#ifndef VMR_ENGINE_FAILOVER_PLACE_H
#define VMR_ENGINE_FAILOVER_PLACE_H

#include "engine/failover_job.h"

enum failover_place {
	FAILOVER_PLACE_UNKNOWN, /* not all nodes have said what they have */
	FAILOVER_PLACE_SHARED,	/* another node has the same storage */
	FAILOVER_PLACE_HERE,	/* it is this node's own */
};

/* What is known of a storage of this node. */
enum failover_place failover_place_look(const struct engine *engine, const char *storage);
/* Warn of what it means for VM when this side becomes its replica there: nothing where the storage
 * is shared, or without a cluster. */
void failover_place_warn(struct failover_job *job, const char *storage, const char *vm);

/* "" when another node has the same storage, which is shared then; else this node's name: the store
 * is nowhere else. Borrowed from the configuration. */
const char *failover_place(const struct engine *engine, const char *storage);

#endif
