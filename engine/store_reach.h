/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the receiver must be able to open for a store: the storage that it lies in, and the disks of
 * VMs outside of that which were lent to it. A receiver is restricted to such places when it starts
 * (common/confine.h), to what is there then: a file system that is mounted over one of them later,
 * or a file that is put in its place, is another place.
 */
#ifndef VMR_ENGINE_STORE_REACH_H
#define VMR_ENGINE_STORE_REACH_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "engine/source_define.h"

struct store_place {
	char *path; /* owned; absolute, without links */
	dev_t device;
	ino_t inode;
};

struct store_reach {
	struct store_place *places; /* owned */
	size_t count;
};

/* The places of the store in directory, which is <storage>/<site>/<name> and need not be there yet:
 * the storage, what the store names by links, what of disks (of adopted_disks_lend) is elsewhere;
 * and what these stand on. Only what receiver may read and write already. *ret_reach is the
 * caller's. 0 or a negative errno. Blocking. */
int store_reach_find(const char *directory, const struct source_defined_disk *disks, size_t count,
		     uid_t receiver, struct store_reach *ret_reach);

/* Are all places of wanted in reach, as they are now? */
bool store_reach_covers(const struct store_reach *reach, const struct store_reach *wanted);

/* Add the places of more, which replace those of the same path. 0 or -ENOMEM. */
int store_reach_join(struct store_reach *reach, const struct store_reach *more);

void store_reach_destroy(struct store_reach *reach);

#endif
