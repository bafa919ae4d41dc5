/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How large a replica may be: what its site's authorization entry leaves it (--max-size). */
#ifndef VMR_RECEIVER_ROOM_H
#define VMR_RECEIVER_ROOM_H

#include "receiver/plan.h"
#include "receiver/store.h"

/* The sum of the disks' sizes; UINT64_MAX = as much, or more. */
uint64_t room_of_disks(const struct plan_disk *disks, size_t count);
/* May the replica's disks have size_bytes together? What it has, it keeps: an entry that was
 * lowered ends no replication, it forbids growth. store->lock is held. 0, or DENIED that names the
 * entry. */
int room_check(const struct store *store, uint64_t size_bytes, struct answer *answer);

#endif
