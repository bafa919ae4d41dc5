/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the receiver that runs was let reach, and what it is to reach besides: that takes a new one
 * (receiver_child.c). Nothing that a receiver was let reach once is taken out before the engine
 * ends; file permissions go with each store. Control thread only.
 */
#ifndef VMR_ENGINE_RECEIVER_REACH_H
#define VMR_ENGINE_RECEIVER_REACH_H

#include <stdbool.h>

#include "engine/engine.h"
#include "engine/store_reach.h"
#include "proto/ipc.pb-c.h"

struct receiver_reach;

/* engine is borrowed. NULL when out of memory. */
struct receiver_reach *receiver_reach_new(struct engine *engine);
void receiver_reach_free(struct receiver_reach *reach); /* NULL allowed; no worker runs any more */

/* Was the receiver let reach all of wanted? Otherwise that is remembered. */
bool receiver_reach_has(struct receiver_reach *reach, const struct store_reach *wanted);
/* The same of a store that is looked at first, on a worker: false until then. Looked at anew after
 * each true. */
bool receiver_reach_has_store(struct receiver_reach *reach, const char *directory);
/* Something is remembered. */
bool receiver_reach_is_due(const struct receiver_reach *reach);

/* A new receiver is told of all there is. *ret_places is the caller's, its strings are reach's.
 * Returns their number. */
size_t receiver_reach_tell(struct receiver_reach *reach, char ***ret_places);

#endif
