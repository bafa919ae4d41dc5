/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Keeps the definition of a replica VM up to date beside its store: made anew from what the peer
 * sent last (replica_domain.h) whenever a cycle was committed, the top images or the map of
 * networks changed, and written when it differs. Control thread only; the work is a worker's.
 */
#ifndef VMR_ENGINE_REPLICA_DEFINITION_H
#define VMR_ENGINE_REPLICA_DEFINITION_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/engine.h"

#define DEFINITION_NOTES_MAX 8 /* that a status carries: it goes round the cluster */

struct replica;
struct replica_definition;

/* replica is borrowed. NULL when out of memory. */
struct replica_definition *replica_definition_new(struct replica *replica);
/* Not while it is busy, unless the workers have ended. NULL allowed. */
void replica_definition_free(struct replica_definition *definition);
bool replica_definition_is_busy(const struct replica_definition *definition); /* NULL: no */
/* A stop must wait: what is written here may not come after what the next owner writes. Not so long
 * that the replica's deadline_ms leaves no time for its lock: storage that hangs is no reason to
 * have this node fenced. */
bool replica_definition_holds(const struct replica_definition *definition, int64_t now_ms);
/* Begin when something changed. NULL allowed. */
void replica_definition_tick(struct replica_definition *definition, int64_t now_ms);
/* What it knows, borrowed until the next tick. NULL allowed. */
void replica_definition_fill_status(struct replica_definition *definition,
				    Vmreplica__VmStatus *status);

#endif
