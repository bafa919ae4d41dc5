/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Merging layers in the background: once no point ends with a layer any more, the layer over it is
 * written into it, and goes. Sparse: what is allocated in a layer is asked for, data is written,
 * zeros are made with WRITE_ZEROES, holes stay holes. Until all is durable in the lower layer the
 * upper one stays in the chain, so that at every moment, and after every crash, what is read
 * through the upper one and through all above it is the same.
 *
 * Order: merge recorded in the manifest (the lower layer's fingerprint does not hold from then on);
 * data copied, flushed; "copied" recorded; the layer above pointed to the lower one in its header;
 * the manifest without the merged layer; its file removed. A crash anywhere goes on from what the
 * manifest says.
 */
#ifndef VMR_RECEIVER_MERGE_H
#define VMR_RECEIVER_MERGE_H

#include "receiver/store.h"

/* A store without points gets a layer with each move; so many may lie there before they are worth a
 * merge. */
#define MERGE_PLAIN_LAYERS 8u

enum merge_choice {
	MERGE_NONE,   /* every layer below the tops ends a point */
	MERGE_READY,  /* layer of disk can go into the one below it */
	MERGE_PINNED, /* it could, but somebody reads it or a layer above */
};

struct merge_plan {
	enum merge_choice choice;
	size_t disk, layer;		/* indexes into the current image; layer > 0 */
	const struct manifest_pin *pin; /* borrowed from the manifest */
};

/* What to merge next. One that was begun comes first. Pure. */
void merge_plan(const struct manifest *manifest, struct merge_plan *ret_plan);

/* There may be something to merge. Any thread, lock held or not. */
void merge_kick(struct store *store);

/* Worker: let go of points as the settings say, then merge as long as there is something to, the
 * store is open, and nobody holds merges off. 0: done; 1: there is more, later; -ENOSPC: it waits for
 * room; other negative: failed, and reported. arg is a store. */
int merge_run(void *arg);

/* Keep merges from running, after ending the one that runs (it goes on later from where it was).
 * store->lock is held, and let go while waiting. 0 or -ETIMEDOUT (then nothing is held off). */
int merge_hold(struct store *store, int timeout_ms);
void merge_release(struct store *store);

#endif
