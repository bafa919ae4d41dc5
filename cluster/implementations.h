/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The two implementations of cluster.h, known to cluster.c alone. */
#ifndef VMR_CLUSTER_IMPLEMENTATIONS_H
#define VMR_CLUSTER_IMPLEMENTATIONS_H

#include "cluster/cluster.h"

extern const struct cluster_ops cluster_pacemaker_ops;
extern const struct cluster_ops cluster_standalone_ops;

#endif
