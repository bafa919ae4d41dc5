/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A replica on an old primary's side begins with that one's own disks: lent to the receiver, told
 * by STORE_ADOPT before its STORE_OPEN, until its first cycle is in the store. */
#ifndef VMR_ENGINE_REPLICA_ADOPT_H
#define VMR_ENGINE_REPLICA_ADOPT_H

#include "cluster/epoch.h"
#include "engine/adopted_disks.h"
#include "engine/handover.h"
#include "engine/source_define.h"

struct replica;

struct replica_adopt {
	bool wanted; /* the settings say so */
	struct adopt_order order;
	struct epoch epoch;		   /* the new primary's */
	char definition[PATH_LEN_MAX + 1]; /* that names them */
	struct source_defined_disk *disks; /* owned: lent */
	size_t count;
	int64_t retry_ms; /* monotonic: its end is recorded not before */
};

/* What the settings say; before the worker, which may not read them. */
void replica_adopt_note(struct replica *replica);
/* Lend the disks to users, but for those that exclude_disks names, when it is wanted; and again
 * what was lent to the store before. On a worker. 0 or a negative errno with a sentence. */
int replica_adopt_lend(struct replica *replica, const struct adopted_users *users, char *error,
		       size_t size);
/* Tell the receiver, when there are any. */
void replica_adopt_send(struct replica *replica);
/* With the first cycle in the store it is a replica as any other: the order goes. */
void replica_adopt_tick(struct replica *replica, int64_t now_ms);
void replica_adopt_destroy(struct replica *replica);

#endif
