/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The definition that a VM had on this side before this side became its replica: kept beside the
 * store (store_directory_own) when it does, by root, because from then on the VM's resource names
 * the replica's, and what the other side sends back lacks all that never went there. When the VM
 * comes home the two are put together (domain_own.h).
 */
#ifndef VMR_ENGINE_KEPT_DEFINITION_H
#define VMR_ENGINE_KEPT_DEFINITION_H

#include <stdbool.h>

#include "engine/replica_domain.h"

struct replica;

/* Begins as {0}. */
struct kept_definition {
	char path[PATH_LEN_MAX + 1];
	bool was_own; /* the VM was this side's: its resource is named by ours since. Without a
			 cluster nothing tells, but the file */
	bool is_lost; /* it was, and what was kept of it is not there */
	char excluded[DISKS_MAX][DISK_NAME_MAX + 1];
	struct replica_domain_own own; /* its text is owned; NULL = not loaded, or not there */
};

/* Where it would be, and which disks are not replicated. Control thread. */
void kept_definition_take(struct kept_definition *kept, const struct replica *replica);
/* Read it. NULL where there is none; was the VM this side's own, notes gets what that means.
 * Blocks: workers only. Borrowed from kept. */
const struct replica_domain_own *kept_definition_load(struct kept_definition *kept,
						      struct sentence_list *notes);
void kept_definition_destroy(struct kept_definition *kept);

#endif
