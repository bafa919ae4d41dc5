/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The directory of the store that adopts an old primary's disks, and what its engine leaves there.
 * Blocks: workers only. */
#ifndef VMR_ENGINE_GIVE_WAY_KEEP_H
#define VMR_ENGINE_GIVE_WAY_KEEP_H

#include <sys/types.h>

#include "engine/give_way.h"
#include "engine/source.h"

#define GIVE_WAY_KEPT_SUFFIX ".adopted" /* of a definition that is moved aside */

struct give_way_store {
	int fd; /* the caller's to close */
	uid_t uid;
	gid_t gid; /* the receiver's */
	char directory[PATH_LEN_MAX + 1];
};

/* Make it, when it is not there, and open it. 0, or a negative errno with a sentence in way->text.
 */
int give_way_store_open(struct give_way *way, struct give_way_store *ret_store);
/* The definition that the VM has here is kept for when it comes home (kept_definition.h): before
 * anything else of it changes. One that a failover made lies where the replica's goes, and is moved
 * aside; way->definition says where it is. 0, or a negative errno with a sentence in way->text. */
int give_way_keep_definition(struct give_way *way);
/* The VM's definition, as a cycle would have brought it, and what it keeps beside its disks. A
 * failure is logged: nothing but a failover before the first cycle needs them. */
void give_way_keep(struct give_way *way, const struct source *source);

#endif
