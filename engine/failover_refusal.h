/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What of a failover cannot be ordered as things stand. */
#ifndef VMR_ENGINE_FAILOVER_REFUSAL_H
#define VMR_ENGINE_FAILOVER_REFUSAL_H

#include "engine/admin_service.h"
#include "engine/replica.h"

/* Once the roles have changed nothing of a failover is left to decide: answer call so. */
void failover_refuse_primary(struct admin_call *call, Vmreplica__Admin__FailoverKind kind,
			     const char *vm);
/* Of a replica here: a sentence why kind cannot be ordered, with what to do in *ret_advice; NULL
 * when nothing is in the way. Both are static text. */
const char *failover_refuse_replica(const struct replica *replica,
				    Vmreplica__Admin__FailoverKind kind, const char **ret_advice);

#endif
