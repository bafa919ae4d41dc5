/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The recovery points of replicas here: asked of the receiver, which has them. Control thread. */
#ifndef VMR_ENGINE_ADMIN_POINTS_H
#define VMR_ENGINE_ADMIN_POINTS_H

#include "engine/engine.h"
#include "proto/ipc.pb-c.h"

/* The receiver's answer. */
void admin_points_answered(struct engine *engine, const Vmreplica__Ipc__ReplicaPoints *answer);
/* Questions that are too old (the receiver has died) fail. now_ms INT64_MAX: all, at the end. */
void admin_points_tick(struct engine *engine, int64_t now_ms);

#endif
