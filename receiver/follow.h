/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A primary's disks change while it is replicated: one is grown, added or removed. The others go on
 * as ever, and nothing is sent again.
 *
 *   grown    a layer of the new size over the top, before the first delta of that size; points keep
 *            the layers, and so the size, that they had
 *   added    an empty base; the sender's delta brings all of it
 *   removed  it stays until the cut that lacks it is committed, for the one before needs it; then
 * it is "leaving", and goes with the next cycle
 */
#ifndef VMR_RECEIVER_FOLLOW_H
#define VMR_RECEIVER_FOLLOW_H

#include "receiver/cycle.h"

/* Does the image have other disks than the cycle? store->lock is held. */
bool follow_is_due(const struct cycle *cycle);
/* Make the image fit the cycle, durably. All logs are applied first. store->lock is held, and given
 * up while it waits. 0 or the answer. */
int follow_disks(struct cycle *cycle, struct answer *answer);
/* In next, as the cycle is committed: what it lacks is leaving. */
void follow_record(const struct cycle *cycle, struct manifest *next);

#endif
