/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cluster/cluster.h"

#include <errno.h>
#include <string.h>

#include "cluster/implementations.h"

int cluster_init(struct cluster *cluster, qb_loop_t *loop, const struct config *config,
		 const char *member_name, const struct cluster_callbacks *callbacks, void *arg)
{
	if (strcmp(member_name, CLUSTER_MEMBER_ENGINE) != 0 &&
	    strcmp(member_name, CLUSTER_MEMBER_BROKER) != 0) {
		return -EINVAL;
	}
	*cluster = (struct cluster){
		.ops = config->standalone ? &cluster_standalone_ops : &cluster_pacemaker_ops,
		.loop = loop,
		.config = config,
		.member_name = member_name,
		.callbacks = *callbacks,
		.arg = arg,
	};
	return 0;
}
