/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `vmreplica failover --planned`, from either side, and what may be ordered of one under way. */
#ifndef VMR_ENGINE_ADMIN_PLANNED_H
#define VMR_ENGINE_ADMIN_PLANNED_H

#include "engine/admin_service.h"

/* A request for a VM whose primary is here. True: it was (and the call is taken). */
bool admin_planned(struct admin_call *call, const Vmreplica__Admin__FailoverRequest *request);
/* On the replica's side: the primary's is ordered to begin. Takes the call. */
void admin_planned_order(struct admin_call *call, const char *relationship);

#endif
