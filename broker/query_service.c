/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "broker/query_service.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/locate_service.h"
#include "common/log.h"

#define QUERY_RETRY_MS	 1000u
#define QUERY_FORWARD_MS 3000 /* a guard waits for the answer while its VM starts */

/* One QUERY whose owner is asked. */
struct query_wait {
	struct broker *broker;
	uint64_t session_id;
	char relationship[RELATIONSHIP_LEN + 1];
	char site[SITE_NAME_MAX + 1];
};

static char *borrowed(const char *text)
{
	return (char *)(uintptr_t)text; /* packing only reads */
}

void query_service_busy(struct peer_session *session, const char *code, const char *reason)
{
	Vmreplica__Wire__Busy busy = VMREPLICA__WIRE__BUSY__INIT;

	busy.code = borrowed(code);
	busy.reason = borrowed(reason);
	busy.retry_ms = QUERY_RETRY_MS;
	peer_session_reply(session, FRAME_BUSY, &busy.base);
}

static bool session_carries(const void *arg, const char *host)
{
	return peer_session_carries(arg, host);
}

static void judge(struct broker *broker, const struct peer_session *session,
		  const char *relationship, const char *site, struct peer_side *ret_side)
{
	struct peer_identity peer = {
		.names = peer_session_names(session),
		.carries = session_carries,
		.arg = session,
	};
	struct peer_side_world world = {
		.authorizations = &broker->authorizations,
		.settings = broker->cluster.ops->settings(&broker->cluster),
		.placement = broker->cluster.ops->placement(&broker->cluster),
		.own_site = broker->config->site,
	};

	peer_side_judge(&world, &peer, relationship, site, ret_side);
}

bool query_service_admit(struct broker *broker, struct peer_session *session,
			 const Vmreplica__Wire__Version *version, const char *relationship,
			 const char *site, struct peer_side *ret_side)
{
	if (!locate_service_admit(broker, session, version)) {
		return false;
	}
	judge(broker, session, relationship, site, ret_side);
	if (ret_side->outcome == PEER_SIDE_DENIED) {
		locate_service_deny(broker, session, ret_side->code, ret_side->reason);
	} else if (ret_side->outcome == PEER_SIDE_STARTING) {
		query_service_busy(
			session, "starting",
			"the broker has not read the cluster's configuration yet: ask again");
	}
	return ret_side->outcome == PEER_SIDE_OK || ret_side->outcome == PEER_SIDE_UNKNOWN;
}

/* status: what the owner says, NULL when none does. */
static void query_answer(const char *site, struct peer_session *session,
			 const struct peer_side *side, const Vmreplica__VmStatus *status)
{
	Vmreplica__Wire__QueryAnswer answer = VMREPLICA__WIRE__QUERY_ANSWER__INIT;
	struct epoch epoch = side->epoch, told;
	Vmreplica__Epoch message;

	answer.site = borrowed(site);
	answer.known = side->outcome == PEER_SIDE_OK;
	answer.role = side->role;
	answer.vm_running = side->vm_running;
	answer.failing_over = side->failing_over;
	answer.authorized = side->entry != NULL;
	answer.storage = side->entry != NULL ? borrowed(side->entry->storage) : answer.storage;
	if (status != NULL) {
		epoch_from_message(status->epoch, &told);
		epoch = told.number > epoch.number ? told : epoch;
		answer.state = status->state;
		answer.node = status->owner;
		answer.seq = status->seq;
		answer.job = status->job;
		answer.reason = status->reason;
	}
	if (answer.known && epoch.number > 0) {
		epoch_to_message(&epoch, &message);
		answer.epoch = &message;
	}
	peer_session_reply(session, FRAME_QUERY_ANSWER, &answer.base);
}

/* The owner's word on the relationship, in the role that the configuration gives it. */
static const Vmreplica__VmStatus *find_status(const Vmreplica__Admin__Response *response,
					      const char *relationship, Vmreplica__Role role)
{
	if (response == NULL || response->error != 0 ||
	    response->body_case != VMREPLICA__ADMIN__RESPONSE__BODY_STATUS) {
		return NULL;
	}
	for (size_t i = 0; i < response->status->n_vms; i++) {
		const Vmreplica__VmStatus *status = response->status->vms[i];

		if (strcmp(status->relationship, relationship) == 0 && status->role == role) {
			return status;
		}
	}
	return NULL;
}

static void query_reply_cb(void *arg, int error, const Vmreplica__Admin__Response *response)
{
	struct query_wait *wait = arg;
	struct broker *broker = wait->broker;
	struct peer_session *session =
		error == -ECANCELED ? NULL
				    : access_point_find(broker->access_point, wait->session_id);
	struct peer_side side;

	if (session != NULL) {
		/* again: the configuration may have changed meanwhile */
		judge(broker, session, wait->relationship, wait->site, &side);
		query_answer(broker->config->site, session, &side,
			     error < 0 ? NULL
				       : find_status(response, wait->relationship, side.role));
	}
	free(wait);
}

static bool query_ask_owner(struct broker *broker, struct peer_session *session,
			    const struct route *route, const Vmreplica__Wire__Query *query)
{
	Vmreplica__Admin__Request request = VMREPLICA__ADMIN__REQUEST__INIT;
	Vmreplica__Admin__StatusRequest status = VMREPLICA__ADMIN__STATUS_REQUEST__INIT;
	struct query_wait *wait = calloc(1, sizeof(*wait));

	if (wait == NULL) {
		return false;
	}
	wait->broker = broker;
	wait->session_id = session->id;
	snprintf(wait->relationship, sizeof(wait->relationship), "%s", query->relationship);
	snprintf(wait->site, sizeof(wait->site), "%s", query->site);
	status.vm = query->relationship;
	request.to = borrowed(route->node);
	request.body_case = VMREPLICA__ADMIN__REQUEST__BODY_STATUS;
	request.status = &status;
	if (forward_request(broker->forward, route->node, &request, QUERY_FORWARD_MS,
			    query_reply_cb, wait) < 0) {
		free(wait);
		return false;
	}
	return true;
}

void query_service_handle(struct broker *broker, struct peer_session *session,
			  const Vmreplica__Wire__Query *query)
{
	const struct route *route = routing_table_find(broker->routes, query->relationship);
	struct peer_side side;

	if (!query_service_admit(broker, session, query->version, query->relationship, query->site,
				 &side)) {
		return;
	}
	if (side.outcome != PEER_SIDE_OK || route == NULL ||
	    routing_table_find_node(broker->routes, route->node) == NULL ||
	    !query_ask_owner(broker, session, route, query)) {
		query_answer(broker->config->site, session, &side, NULL);
	}
}
