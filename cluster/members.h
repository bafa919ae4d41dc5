/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which processes of the group are known by name. Pure. */
#ifndef VMR_CLUSTER_MEMBERS_H
#define VMR_CLUSTER_MEMBERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/limits.h"

#define MEMBER_NAME_MAX 15u

struct member {
	uint32_t node_id;
	uint32_t pid;
	char node[NODE_NAME_MAX + 1];
	char name[MEMBER_NAME_MAX + 1]; /* "engine" or "broker" */
};

struct members {
	struct member *entries; /* owned */
	size_t count, room;
};

/* The process said what it is. 1 when that is new, 0 when known already, -EINVAL for unusable
 * names, -ENOMEM. */
int members_learn(struct members *members, uint32_t node_id, uint32_t pid, const char *node,
		  const char *name);
/* The process has gone: true with *ret_member filled when it had said what it was. */
bool members_forget(struct members *members, uint32_t node_id, uint32_t pid,
		    struct member *ret_member);
/* Take any entry out, for saying goodbye to all; false when none is left. */
bool members_pop(struct members *members, struct member *ret_member);
void members_destroy(struct members *members);

#endif
