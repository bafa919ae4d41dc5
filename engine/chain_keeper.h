/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a failover left under a VM that has become the primary here is put in order: its images
 * stand on the layers of the store that it failed over to (STANDING_CHAIN says where). Begun once a
 * cycle of this direction is committed, from when on the other side has all that this store was
 * kept for:
 *
 *   visit (the receiver opens the store): ADVANCE, COMMIT -> logs, lists and points go
 *   slices: the VM's QEMU merges layer after layer, each slice after a cycle
 *   visit: MERGED -> the files go; the order is taken away
 *
 * A slice keeps the relationship busy, for QEMU has one job of a disk; one that merges nothing in
 * its time is followed by one of twice that. Whatever is wanted of the VM ends a slice at once: its
 * move, a pause, a failover, an admin's sync. Another node or engine begins with the first visit
 * and finds done what is done. Control thread only.
 */
#ifndef VMR_ENGINE_CHAIN_KEEPER_H
#define VMR_ENGINE_CHAIN_KEEPER_H

#include "engine/relationship.h"

/* Look what is to be done; with the relationship's tick. */
void chain_keeper_tick(struct relationship *relationship, int64_t now_ms);
/* It has the store open, or has asked for it: the relationship is not let go before, unless that
 * takes too long. */
bool chain_keeper_holds(const struct relationship *relationship);
/* A slice is under way: no cycle can run meanwhile. */
bool chain_keeper_merges(const struct relationship *relationship);
/* With the relationship, that no worker has. */
void chain_keeper_free(struct relationship *relationship);

/* ---- from receiver_child.c, for stores that are no replica's here ---- */
void chain_keeper_opened(struct engine *engine, const char *relationship, int error,
			 const char *text);
void chain_keeper_closed(struct engine *engine, const char *relationship, int error,
			 const char *text);
void chain_keeper_receiver_lost(struct engine *engine);

#endif
