/* SPDX-License-Identifier: GPL-2.0-or-later */
/* authorize: the broker does it, so that its own table shows the change when it answers. A cluster
 * that has none yet (or none now) is served by the engine that was asked: the entries are in the
 * cluster's settings either way. */
#include "cluster/authorize.h"
#include "engine/admin_service.h"

static void answered_cb(void *arg, const Vmreplica__Admin__Response *response)
{
	if (response != NULL) { /* else the service frees the call with itself */
		admin_call_reply(arg, response);
	}
}

void admin_authorize(struct admin_call *call, const Vmreplica__Admin__Request *request)
{
	struct engine *engine = admin_call_engine(call);

	if (engine->brokers > 0 && request->to[0] == '\0') {
		admin_call_forward(call, FORWARD_BROKER, request, ADMIN_FORWARD_MS);
	} else {
		authorizer_handle(engine->authorizer, request->authorize,
				  engine->quorate ? NULL : engine->missing, answered_cb, call);
	}
}
