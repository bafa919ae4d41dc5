/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Why the layers of a store are not merged: what its health shows of that, and an event where it
 * begins and where it ends. store->lock is held in all of these; only the merge worker calls. */
#ifndef VMR_RECEIVER_MERGE_TROUBLE_H
#define VMR_RECEIVER_MERGE_TROUBLE_H

#include "receiver/merge.h"

/* A flush failed: what the lower layer holds is not known any more, nor is a point over it what it
 * was. It is never written again, those points go, and the replica is compared with the primary.
 * Points of other chains, or of layers below it, are what they were: all that may be left to fail
 * over to. */
int merge_trouble_distrust(struct store *store, const char *why, struct answer *answer);
/* What is to be merged is in use, or (any other plan) not: an event once it begins. */
void merge_trouble_pinned(struct store *store, const struct merge_plan *plan);

/* The lower layer of the manifest's merge cannot be given size bytes, for the reason error. True
 * when it is a disk of the VM: nothing is merged into it from now on, until it is tried again. */
bool merge_trouble_unfit(struct store *store, uint64_t size, const char *error);
/* Is it time to try those again? They count as fit from then on. */
void merge_trouble_retry(struct store *store);
/* A merge could not go on, for this reason: -ENOSPC when that is room, else -EBUSY. */
int merge_trouble_wait(struct store *store, const struct answer *answer);
/* Nothing keeps merges from going on, but for layers that are unfit. */
void merge_trouble_progress(struct store *store);

#endif
