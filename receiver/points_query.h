/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The engine asks for the recovery points of a store. */
#ifndef VMR_RECEIVER_POINTS_QUERY_H
#define VMR_RECEIVER_POINTS_QUERY_H

#include "proto/ipc.pb-c.h"
#include "receiver/receiver.h"

/* Answered by REPLICA_POINTS, from a worker. Control thread. */
void points_query(struct receiver *receiver, const Vmreplica__Ipc__PointsQuery *request);

#endif
