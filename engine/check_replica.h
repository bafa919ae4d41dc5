/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The part of a check that looks at the replicas of this node: would their VMs start here? */
#ifndef VMR_ENGINE_CHECK_REPLICA_H
#define VMR_ENGINE_CHECK_REPLICA_H

#include "common/config.h"
#include "engine/check_list.h"
#include "engine/engine.h"
#include "engine/source.h"
#include "proto/network_map.h"

/* Copies of what the worker needs; begins as {0}. */
struct check_replicas {
	struct check_replica *items; /* owned */
	size_t count;
};

/* Take the replicas of this node; vm: that one alone, "" = all. 0 or -ENOMEM. Control thread. */
int check_replicas_collect(const struct engine *engine, const char *vm, struct check_replicas *ret);
/* A line for each, and one for everything that its VM lacks. Blocking: workers only. */
void check_replicas_run(const struct check_replicas *replicas, const struct config *config,
			struct source_connection *libvirt, struct check_list *list);
void check_replicas_destroy(struct check_replicas *replicas);

#endif
