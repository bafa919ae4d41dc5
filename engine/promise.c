/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/promise.h"

static enum promise_verdict later(const char *why, const char **ret_why)
{
	*ret_why = why;
	return PROMISE_LATER;
}

enum promise_verdict promise_judge(const struct promise_facts *facts, const char **ret_why)
{
	*ret_why = "";
	if (epoch_equal(&facts->known, &facts->order)) {
		/* taken in the moment of the promise: it is given back, not started */
		return facts->is_refused && !facts->is_started
			       ? later("it was taken there, and is being given back: vmreplica "
				       "failover --cancel there where that does not come to an end",
				       ret_why)
			       : PROMISE_TOO_LATE;
	}
	if (facts->under_way) {
		return later("a failover of it is under way there: vmreplica jobs there", ret_why);
	}
	if (facts->known.number >= facts->order.number) {
		return PROMISE_TOO_LATE;
	}
	if (!facts->is_replica) {
		return later("that side is not its replica: vmreplica status there", ret_why);
	}
	if (facts->failed_over) {
		return later("it has failed over there: vmreplica status there", ret_why);
	}
	return PROMISE_GIVEN;
}
