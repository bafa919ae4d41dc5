/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What admins ask the broker: from the local socket, or from any node over the group (to
 * "@broker"). Answers locate, broker, authorize, and for the resource agent ping, reload and stop.
 */
#ifndef VMR_BROKER_ADMIN_SERVICE_H
#define VMR_BROKER_ADMIN_SERVICE_H

#include "broker/broker.h"
#include "proto/admin.pb-c.h"

/* Who asked: kept by value until the answer is there. */
struct admin_asker {
	bool local;		      /* the socket; else the group */
	bool is_root;		      /* local: the agent's requests need it */
	uint64_t id;		      /* local: connection; group: request */
	char from[NODE_NAME_MAX + 1]; /* group: node */
};

/* Answer the request now or later. */
void admin_service_handle(struct broker *broker, const struct admin_asker *asker,
			  const Vmreplica__Admin__Request *request);

/* Send an answer where it belongs; the asker may be gone. */
void admin_service_answer(struct broker *broker, const struct admin_asker *asker,
			  const Vmreplica__Admin__Response *response);
/* Answer with a failure: error a positive errno, usage: the request itself was wrong. */
void admin_service_fail(struct broker *broker, const struct admin_asker *asker, int error,
			bool usage, const char *text, const char *advice);

/* AuthorizeRequest (admin_authorize.c). */
void admin_authorize_handle(struct broker *broker, const struct admin_asker *asker,
			    const Vmreplica__Admin__AuthorizeRequest *request);
/* BrokerRequest (admin_report.c). */
void admin_report_handle(struct broker *broker, const struct admin_asker *asker);

#endif
