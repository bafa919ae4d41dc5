/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/failover_refusal.h"

#include <errno.h>

void failover_refuse_primary(struct admin_call *call, Vmreplica__Admin__FailoverKind kind,
			     const char *vm)
{
	switch (kind) {
	case VMREPLICA__ADMIN__FAILOVER_KIND__FAILOVER_COMMIT:
		admin_call_fail(
			call, EALREADY,
			"the change of sides has made it final; the layers that it left are "
			"merged between cycles",
			"%s is the primary here, no failover of it is left to commit", vm);
		break;
	case VMREPLICA__ADMIN__FAILOVER_KIND__FAILOVER_CANCEL:
		admin_call_fail(call, EALREADY,
				"vmreplica failover --planned brings it to the other side",
				"%s is the primary here, no failover of it is left to cancel", vm);
		break;
	case VMREPLICA__ADMIN__FAILOVER_KIND__FAILOVER_REVERSE:
		admin_call_fail(call, EALREADY, "vmreplica status shows how replication goes on",
				"%s is the primary here and replicates to the other side already",
				vm);
		break;
	default:
		admin_call_fail(call, EINVAL,
				"order it on the replica's side; --planned goes from either side",
				"%s is a primary here", vm);
	}
}
