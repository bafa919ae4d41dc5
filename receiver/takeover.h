/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A VM of ours on a replica store.
 *
 * TEST: it begins from a point or a cycle while replication, points and applying go on. The layers
 * that it reads are pinned; a cycle between two points is rebuilt in layers of its own. CLEANUP
 * takes all that back. One at a time.
 *
 * FAILOVER: the store is its. The epoch is raised, streams are refused, nothing is applied, merged
 * or dropped, the daemon has ended; what the VM writes goes to overlays (overlay.h). CANCEL goes
 * back to receiving, COMMIT makes it final.
 *
 * What stands is in the manifest (takeover records), so every request may be given again after
 * whatever has happened, and goes on or gives the same answer.
 *
 * Order of a failover: epoch and record durable (streams are refused from here on); streams,
 * applier and merger ended; daemon ended, fingerprints; layers for replayed logs recorded, then
 * filled; overlays made; "ready" recorded; answered. Of a cancel: epoch raised and record gone;
 * files removed. What a crash leaves between is removed at the next open, or made anew when asked
 * again.
 */
#ifndef VMR_RECEIVER_TAKEOVER_H
#define VMR_RECEIVER_TAKEOVER_H

#include "proto/ipc.pb-c.h"
#include "receiver/receiver.h"

struct store;

/* Requests of the engine, answered by STORE_TAKEN with their id. What comes while another request
 * of the same store is under way waits for it; an end gives up what it ends. Control thread. */
void takeover_request(struct receiver *receiver, const Vmreplica__Ipc__StoreTakeover *request);
void takeover_end_request(struct receiver *receiver,
			  const Vmreplica__Ipc__StoreTakeoverEnd *request);

/* The file is written into the store, which alone the receiver may write. */
void takeover_extents_request(struct receiver *receiver,
			      const Vmreplica__Ipc__StoreExtents *request);

/* Wait until no request works on the store, for timeout_ms at most (closing makes it give up).
 * store->lock is held. 0 or -ETIMEDOUT. */
int takeover_wait_idle(struct store *store, int timeout_ms);

#endif
