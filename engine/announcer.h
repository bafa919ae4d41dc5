/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What this node tells the cluster over the group: its VMs, their states and counters, its
 * storages. Soon after a change, each 2 s while something moves, else each 30 s. Control thread
 * only. */
#ifndef VMR_ENGINE_ANNOUNCER_H
#define VMR_ENGINE_ANNOUNCER_H

#include "engine/engine.h"

#define ANNOUNCE_MOVING_MS 2000
#define ANNOUNCE_IDLE_MS   30000
#define ANNOUNCE_GAP_MS	   100 /* changes that come together travel together */

/* engine is borrowed. NULL when out of memory. */
struct announcer *announcer_new(struct engine *engine);
void announcer_free(struct announcer *announcer); /* NULL allowed */
/* A VM that left this node (copied): in the next announcement once more, with paused_since_ms set;
 * not after that. */
void announcer_add_detached(struct announcer *announcer, const Vmreplica__VmStatus *status);
/* Announce soon. */
void announcer_touch(struct announcer *announcer);
/* Announce when it is time. Returns when to come back (monotonic). */
int64_t announcer_tick(struct announcer *announcer, int64_t now_ms);

#endif
