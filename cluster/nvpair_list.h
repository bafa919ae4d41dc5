/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A list of name and value, ascending by name, as the messages hold it. */
#ifndef VMR_CLUSTER_NVPAIR_LIST_H
#define VMR_CLUSTER_NVPAIR_LIST_H

#include <stddef.h>

#include "proto/ipc.pb-c.h"

/* Zero-initialize. Once handed to a message, its ..__free_unpacked frees it. */
struct nvpair_list {
	Vmreplica__Ipc__CibNvpair **pairs; /* owned */
	size_t count;
};

/* Add copies in their place; a name that is there already keeps its value. 0 or -ENOMEM. */
int nvpair_list_add(struct nvpair_list *list, const char *name, const char *value);
/* The value of a name, or NULL. Borrowed. */
const char *nvpair_find(Vmreplica__Ipc__CibNvpair *const *pairs, size_t count, const char *name);
void nvpair_list_destroy(struct nvpair_list *list);

#endif
