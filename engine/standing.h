/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Standing orders: what an admin told one relationship and what outlives moves of the VM and
 * restarts of engines. Each is a cluster setting (of a single host: in its file of settings), named
 * by the relationship. Control thread only.
 */
#ifndef VMR_ENGINE_STANDING_H
#define VMR_ENGINE_STANDING_H

#include "cluster/standing_order.h"
#include "engine/engine.h"

/* The name of the setting: order is a prefix of cluster/standing_order.h. */
void standing_name(const char *order, const char *relationship, char name[STANDING_NAME_LEN]);
/* Its value, or NULL: not given (or the settings are not known yet). Valid until the loop goes on.
 */
const char *standing_get(const struct engine *engine, const char *order, const char *relationship);
bool standing_is_suspended(const struct engine *engine, const char *relationship);
bool standing_is_released(const struct engine *engine, const char *relationship);
/* Give (value) or take away (NULL) an order. done is called exactly once, perhaps before this
 * returns. */
void standing_set(struct engine *engine, const char *order, const char *relationship,
		  const char *value, cluster_done_cb done, void *arg);

#endif
