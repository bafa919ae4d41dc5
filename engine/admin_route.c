/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which handler answers a request, and on which node. */
#include <errno.h>
#include <string.h>

#include "engine/admin_service.h"
#include "engine/transfer.h"

#define CHECK_FORWARD_MS 65000 /* a check takes up to a minute */

/* Longer than a forwarded request's own work may take. */
static int route_timeout_ms(const Vmreplica__Admin__Request *request)
{
	if (request->body_case == VMREPLICA__ADMIN__REQUEST__BODY_SYNC && request->sync->wait) {
		return (int)(request->sync->timeout_s > 0 && request->sync->timeout_s < 86400
				     ? request->sync->timeout_s * 1000
				     : 3600 * 1000) +
		       5000;
	}
	return request->body_case == VMREPLICA__ADMIN__REQUEST__BODY_CHECK ? CHECK_FORWARD_MS
									   : ADMIN_FORWARD_MS;
}

static void route_local(struct admin_call *call, const Vmreplica__Admin__Request *request)
{
	switch (request->body_case) {
	case VMREPLICA__ADMIN__REQUEST__BODY_STATUS:
		admin_status(call, request->status);
		break;
	case VMREPLICA__ADMIN__REQUEST__BODY_EVENTS:
		admin_events(call, request->events);
		break;
	case VMREPLICA__ADMIN__REQUEST__BODY_CHECK:
		admin_check(call, request->check);
		break;
	case VMREPLICA__ADMIN__REQUEST__BODY_SYNC:
		admin_sync(call, request);
		break;
	case VMREPLICA__ADMIN__REQUEST__BODY_PAUSE:
		admin_pause(call, request);
		break;
	case VMREPLICA__ADMIN__REQUEST__BODY_RESUME:
		admin_resume(call, request);
		break;
	case VMREPLICA__ADMIN__REQUEST__BODY_RESYNC:
		admin_resync(call, request);
		break;
	case VMREPLICA__ADMIN__REQUEST__BODY_POINTS:
		admin_points(call, request);
		break;
	case VMREPLICA__ADMIN__REQUEST__BODY_EXPORT:
		admin_export(call, request);
		break;
	case VMREPLICA__ADMIN__REQUEST__BODY_IMPORT:
		admin_import(call, request);
		break;
	case VMREPLICA__ADMIN__REQUEST__BODY_VERIFY:
		admin_verify(call, request);
		break;
	case VMREPLICA__ADMIN__REQUEST__BODY_FAILOVER:
		admin_failover(call, request);
		break;
	case VMREPLICA__ADMIN__REQUEST__BODY_JOBS:
		admin_jobs(call, request->jobs);
		break;
	case VMREPLICA__ADMIN__REQUEST__BODY_AGENT:
		admin_agent(call, request->agent);
		break;
	case VMREPLICA__ADMIN__REQUEST__BODY_INSPECT:
		admin_inspect(call, request->inspect);
		break;
	case VMREPLICA__ADMIN__REQUEST__BODY_STORE:
		admin_store(call, request->store);
		break;
	case VMREPLICA__ADMIN__REQUEST__BODY_FIT:
		admin_fit(call, request->fit);
		break;
	case VMREPLICA__ADMIN__REQUEST__BODY_PEER_ORDER:
		admin_peer_order(call, request->peer_order);
		break;
	case VMREPLICA__ADMIN__REQUEST__BODY_GUARD:
		admin_guard(call, request->guard);
		break;
	case VMREPLICA__ADMIN__REQUEST__BODY_RELEASE:
		admin_release(call, request->release);
		break;
	case VMREPLICA__ADMIN__REQUEST__BODY_WRAP:
		admin_wrap(call, request->wrap);
		break;
	case VMREPLICA__ADMIN__REQUEST__BODY_WRAP_NODE:
		admin_wrap_node(call, request->wrap_node);
		break;
	case VMREPLICA__ADMIN__REQUEST__BODY_PROTECT:
		admin_protect(call, request->protect);
		break;
	case VMREPLICA__ADMIN__REQUEST__BODY_UNPROTECT:
		admin_unprotect(call, request->unprotect);
		break;
	case VMREPLICA__ADMIN__REQUEST__BODY_AUTHORIZE:
		admin_authorize(call, request);
		break;
	case VMREPLICA__ADMIN__REQUEST__BODY_LOCATE:
	case VMREPLICA__ADMIN__REQUEST__BODY_BROKER:
		admin_call_forward(call, FORWARD_BROKER, request, ADMIN_FORWARD_MS);
		break;
	default:
		admin_call_fail(call, ENOSYS, "update the older of the two",
				"this engine does not know the request");
	}
}

void admin_route(struct admin_call *call, const Vmreplica__Admin__Request *request)
{
	struct engine *engine = admin_call_engine(call);

	if (request->to[0] == '\0' || strcmp(request->to, engine->config->node) == 0) {
		route_local(call, request);
	} else {
		admin_call_forward(call, request->to, request, route_timeout_ms(request));
	}
}
