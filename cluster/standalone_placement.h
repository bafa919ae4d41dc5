/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The placement of a host without a cluster: everything runs here. Pure. */
#ifndef VMR_CLUSTER_STANDALONE_PLACEMENT_H
#define VMR_CLUSTER_STANDALONE_PLACEMENT_H

#include "cluster/placement.h"
#include "proto/ipc.pb-c.h"

/* A snapshot (one reference) with the engine, the broker and the VMs of settings on node. NULL when
 * out of memory. */
struct placement *standalone_placement_make(const char *node,
					    const Vmreplica__Ipc__CibSettings *settings);

#endif
