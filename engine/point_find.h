/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finds the recovery point or cycle that an admin named (proto/point_select.h) in the list that the
 * receiver has. Control thread only. */
#ifndef VMR_ENGINE_POINT_FIND_H
#define VMR_ENGINE_POINT_FIND_H

#include "engine/replica.h"
#include "proto/ipc.pb-c.h"
#include "proto/point_select.h"

/* 0 with the point (borrowed for the call), or a negative errno with a sentence. */
typedef void (*point_find_cb)(void *arg, int error, const char *text,
			      const Vmreplica__Point *point);

/* done is called once, from the loop. 0, or -ENOTCONN (the store is not open), -ENOMEM, and done is
 * not called. */
int point_find(struct replica *replica, const struct point_wish *wish, point_find_cb done,
	       void *arg);

/* ---- from admin_points.c and the clock ---- */
/* False: the answer is to somebody else's question. */
bool point_find_answered(struct engine *engine, const Vmreplica__Ipc__ReplicaPoints *answer);
/* now_ms INT64_MAX: all fail, at the end. */
void point_find_tick(struct engine *engine, int64_t now_ms);

#endif
