/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The newest state of a store that is a point in time, lent to a reader beside replication: the
 * sender of extended replication, which reads the layers through a read-only server of its own. Its
 * layer, and so all below it, is pinned until it is given back or the lease is over. That state is
 * a layer boundary, not a recovery point: it is not listed, and what was put over it is merged when
 * the pin is gone.
 */
#ifndef VMR_RECEIVER_LEND_H
#define VMR_RECEIVER_LEND_H

#include "proto/ipc.pb-c.h"
#include "receiver/receiver.h"
#include "receiver/store.h"

/* Holders of such pins; behind it stands the relationship that reads. */
#define LEND_HOLDER_PREFIX "extended-"

/* Answered by STORE_LENT, from a worker. Control thread. */
void lend(struct receiver *receiver, const Vmreplica__Ipc__StoreLend *request);
/* Without an answer. Control thread. */
void lend_end(struct receiver *receiver, const Vmreplica__Ipc__StoreLendEnd *request);

/* The store was opened; its lock is held: a reader from before gets one more lease. */
void lend_opened(struct store *store);
/* Is a lease over, so that lend_expire_run is due? Control thread. */
bool lend_is_over(struct store *store, int64_t now_ms);
/* Take back whatever is lent. A worker's job; arg is the store. */
int lend_expire_run(void *arg);

#endif
