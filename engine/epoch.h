/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The highest epoch that this site knows of a relationship: the cluster's setting
 * (cluster/epoch.h), or the first one where there is none. Control thread only.
 */
#ifndef VMR_ENGINE_EPOCH_H
#define VMR_ENGINE_EPOCH_H

#include "cluster/epoch.h"
#include "engine/engine.h"

/* What the setting says; absent: the first epoch, held by primary_site. A setting that cannot be
 * read counts as the highest of all, held by nobody: better no replication than two primaries. */
void engine_epoch_known(const struct engine *engine, const char *relationship,
			const char *primary_site, struct epoch *ret_epoch);
/* Make epoch durable when it is higher than what is known, never lower. One that gives the VM back
 * to this side brings, in the same change, what a primary's resource has of order and colocation.
 * done is called once, perhaps before this returns: 0 also when as much is known already. */
void engine_epoch_store(struct engine *engine, const char *relationship, const struct epoch *epoch,
			cluster_done_cb done, void *arg);
/* Has this side promised never to take this epoch (STANDING_REFUSED)? */
bool engine_epoch_is_refused(const struct engine *engine, const char *relationship,
			     const struct epoch *epoch);

#endif
