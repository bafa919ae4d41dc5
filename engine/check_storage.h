/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The part of a check that looks at the storage which authorization entries name. */
#ifndef VMR_ENGINE_CHECK_STORAGE_H
#define VMR_ENGINE_CHECK_STORAGE_H

#include "engine/check_list.h"
#include "engine/storage_probe.h"

/* Copies of what the worker needs; begins as {0}. */
struct check_storages {
	struct storage_info *items; /* owned */
	size_t count;
	bool examined; /* they are what was seen last: a look is under way, and may hang */
};

/* Take the storages of this node; a line for entries that cannot be read. 0 or -ENOMEM. Control
 * thread. */
int check_storages_collect(struct engine *engine, struct check_list *list,
			   struct check_storages *ret);
/* Look at each now, and a line for it. Blocking: workers only. */
void check_storages_run(struct check_storages *storages, struct check_list *list);
void check_storages_destroy(struct check_storages *storages);

#endif
