/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the engines of the cluster announced: their nodes, storages and VMs. The newest word on each
 * VM survives its node, so that a new owner takes its statistics over. Control thread only. */
#ifndef VMR_ENGINE_CLUSTER_TABLE_H
#define VMR_ENGINE_CLUSTER_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/cluster.pb-c.h"
#include "proto/limits.h"

#define CLUSTER_TABLE_VMS_MAX 4096u

struct table_vm {
	Vmreplica__VmStatus *status; /* owned */
	char node[NODE_NAME_MAX + 1];
	uint64_t boot, seq;  /* of the announcement */
	int64_t received_ms; /* monotonic */
	int64_t detached_ms; /* monotonic, when it was first heard that its node let it go; 0 = it
				did not */
	bool gone;	     /* its node left, or announced it no longer */
};

struct table_node {
	Vmreplica__Cluster__Announcement *announcement; /* owned: the last one, its vms dropped */
	bool present;
	int64_t received_ms;
};

struct cluster_table {
	struct table_vm *vms; /* owned */
	size_t vm_count;
	struct table_node *nodes; /* owned */
	size_t node_count;
};

void cluster_table_destroy(struct cluster_table *table);
/* Take one part of an announcement over. 0 or -ENOMEM. */
int cluster_table_announce(struct cluster_table *table,
			   const Vmreplica__Cluster__Announcement *announcement, int64_t now_ms);
/* The node's engine left the group. */
void cluster_table_leave(struct cluster_table *table, const char *node);
/* The newest word on a relationship in that role; role UNKNOWN = any. NULL = never heard. */
const struct table_vm *cluster_table_find(const struct cluster_table *table,
					  const char *relationship, Vmreplica__Role role);
const struct table_node *cluster_table_find_node(const struct cluster_table *table,
						 const char *node);

#endif
