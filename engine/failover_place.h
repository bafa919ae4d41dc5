/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where a VM on a replica's store may run. */
#ifndef VMR_ENGINE_FAILOVER_PLACE_H
#define VMR_ENGINE_FAILOVER_PLACE_H

#include "engine/engine.h"

/* "" when another node has the same storage, which is shared then; else this node's name: the store
 * is nowhere else. Borrowed from the configuration. */
const char *failover_place(const struct engine *engine, const char *storage);

#endif
