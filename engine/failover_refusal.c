/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/failover_refusal.h"

#include <errno.h>

#define KIND(name) VMREPLICA__ADMIN__FAILOVER_KIND__FAILOVER_##name

void failover_refuse_primary(struct admin_call *call, Vmreplica__Admin__FailoverKind kind,
			     const char *vm)
{
	switch (kind) {
	case KIND(COMMIT):
		admin_call_fail(
			call, EALREADY,
			"the change of sides has made it final; the layers that it left are "
			"merged between cycles",
			"%s is the primary here, no failover of it is left to commit", vm);
		break;
	case KIND(CANCEL):
		admin_call_fail(call, EALREADY,
				"vmreplica failover --planned brings it to the other side; a "
				"reverse that was ordered there is cancelled there",
				"%s is the primary here, no failover of it is left to cancel", vm);
		break;
	case KIND(REVERSE):
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

const char *failover_refuse_replica(const struct replica *replica,
				    Vmreplica__Admin__FailoverKind kind, const char **ret_advice)
{
	const Vmreplica__Takeover *takeover =
		replica->status != NULL ? replica->status->takeover : NULL;
	bool failed_over =
		takeover != NULL && takeover->kind == VMREPLICA__TAKEOVER_KIND__TAKEOVER_FAILOVER;

	*ret_advice = "";
	if (!replica_is_open(replica)) {
		*ret_advice = "vmreplica status shows why";
		return "the replica's store is not open";
	}
	if (kind == KIND(TEST) && takeover != NULL && takeover->test_holder[0] != '\0') {
		*ret_advice = "vmreplica failover --test-cleanup ends it";
		return "a test failover of it stands already";
	}
	if (kind == KIND(UNPLANNED) && failed_over) {
		*ret_advice = "vmreplica failover --cancel goes back to what the other side "
			      "replicates, --commit makes it final, vmreplica reverse begins to "
			      "replicate back";
		return "it has failed over already";
	}
	if (kind == KIND(PLANNED) && failed_over) {
		*ret_advice = "vmreplica reverse begins to replicate back; a planned failover that "
			      "is not done yet goes on by itself: vmreplica jobs";
		return "it has failed over already";
	}
	if ((kind == KIND(CANCEL) || kind == KIND(COMMIT) || kind == KIND(REVERSE)) &&
	    !failed_over) {
		*ret_advice = "vmreplica status shows how it stands";
		return "it has not failed over";
	}
	if (kind == KIND(CANCEL) && takeover->committed) {
		return "the failover is committed: that is final";
	}
	return NULL;
}
