/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The group of a host without a cluster: its engine and, if one runs, its broker. The engine
 * listens on a Unix socket, the broker connects to it; both get their own messages back, as in the
 * real group. Only root or the same user may connect.
 */
#ifndef VMR_CLUSTER_LOCAL_GROUP_H
#define VMR_CLUSTER_LOCAL_GROUP_H

#include "cluster/cpg.h"

struct local_group;

/* Join, from the loop. path: of the socket; listens: the engine's side. node and member as in
 * group_new (copied). NULL when out of memory. */
struct local_group *local_group_new(qb_loop_t *loop, const char *path, bool listens,
				    const char *node, const char *member,
				    const struct group_callbacks *callbacks, void *arg);
void local_group_free(struct local_group *group); /* leaves; no callbacks; NULL allowed */
/* As group_send. */
int local_group_send(struct local_group *group, const Vmreplica__Cluster__Message *message);

#endif
