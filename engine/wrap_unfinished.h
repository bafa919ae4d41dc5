/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A VM that wrap or unwrap has shut off (--restart) is not to stay off because the engine died
 * meanwhile. So it stands in the cluster's settings, by the node whose engine does it, from the
 * moment that the VM is stopped until it is started; an engine that finds it there without a job of
 * its own, or by a node that is gone, starts the VM. Control thread only.
 */
#ifndef VMR_ENGINE_WRAP_UNFINISHED_H
#define VMR_ENGINE_WRAP_UNFINISHED_H

#include "engine/engine.h"
#include "proto/limits.h"

#define WRAP_UNFINISHED	    "vmreplica-wrapping-" /* and the node */
#define WRAP_UNFINISHED_LEN (sizeof(WRAP_UNFINISHED) + NODE_NAME_MAX)

/* The setting for a node. Its value: the VM's resource, or of a host without a cluster the VM. */
void wrap_unfinished_name(const char *node, char name[WRAP_UNFINISHED_LEN]);
void wrap_unfinished_tick(struct engine *engine, int64_t now_ms);

#endif
