/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Taking the sums of layers that have none: in the background, at the rate of merges and after
 * them, behind replication. A layer is looked through once, from then on merges carry its sums on.
 */
#ifndef VMR_RECEIVER_SUMS_FILL_H
#define VMR_RECEIVER_SUMS_FILL_H

#include "receiver/point_list.h"
#include "receiver/merge_turn.h"
#include "receiver/store.h"

/* Go on taking sums until there is none missing, turn is over or something else comes
 * first. store->lock is held, and let go while data is read; store->merging is set. 0: nothing more
 * to do now; 1: there is. */
int sums_fill(struct store *store, const struct merge_turn *turn);

/* Make the sums that an earlier owner of the store took our own, before anything is done with
 * them. store->lock is held, and let go while they are copied; store->merging is set. What cannot
 * be copied is taken anew. */
void sums_renew_all(struct store *store);

/* Does no kept log bear out what layer index of a chain of disks holds? items: the points, as
 * point_list_make without cycles lists them. Pure. */
bool sums_layer_is_alone(const struct manifest *manifest, const struct point_item *items,
			 const struct manifest_disk *disk, size_t index);

#endif
