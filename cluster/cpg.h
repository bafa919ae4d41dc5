/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The process group "vmreplica" over Corosync's CPG, AGREED order. TRY_AGAIN is the only
 * back-pressure there is (cpg_flow_control_state_get is a stub), so messages wait in a queue and a
 * timer tries again.
 *
 * An engine and a broker of one node are two members. CPG tells (node id, pid) only; each process
 * therefore says what it is in a Presence message when it joins and whenever another one joins.
 */
#ifndef VMR_CLUSTER_CPG_H
#define VMR_CLUSTER_CPG_H

#include <qb/qbloop.h>
#include <stdbool.h>

#include "proto/cluster.pb-c.h"

#define GROUP_NAME "vmreplica"

struct group_callbacks {
	void (*message_cb)(void *arg, const Vmreplica__Cluster__Message *message, bool from_self);
	void (*member_cb)(void *arg, const char *node, const char *member, bool joined);
};

struct group;

/* Join now or later (backs off) and stay joined. node and member are what others are told of us
 * (copied). NULL when out of memory. */
struct group *group_new(qb_loop_t *loop, const char *node, const char *member,
			const struct group_callbacks *callbacks, void *arg);
void group_free(struct group *group); /* leaves; no callbacks; NULL allowed */
/* Queue a message. 0, -EMSGSIZE, -ENOTCONN while not joined, -ENOBUFS when the queue is full,
 * -ENOMEM. */
int group_send(struct group *group, const Vmreplica__Cluster__Message *message);

#endif
