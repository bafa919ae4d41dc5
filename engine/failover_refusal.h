/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What of a failover cannot be ordered where the VM is the primary. */
#ifndef VMR_ENGINE_FAILOVER_REFUSAL_H
#define VMR_ENGINE_FAILOVER_REFUSAL_H

#include "engine/admin_service.h"

/* Once the roles have changed nothing of a failover is left to decide: answer call so. */
void failover_refuse_primary(struct admin_call *call, Vmreplica__Admin__FailoverKind kind,
			     const char *vm);

#endif
