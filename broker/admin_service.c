/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "broker/admin_service.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "broker/admin_socket.h"
#include "common/clock.h"
#include "common/log.h"
#include "proto/validate.h"

static char *borrowed(const char *text)
{
	return (char *)(uintptr_t)text; /* packing only reads it */
}

void admin_service_answer(struct broker *broker, const struct admin_asker *asker,
			  const Vmreplica__Admin__Response *response)
{
	if (asker->local) {
		admin_socket_answer(broker->admin_socket, asker->id, response);
	} else if (broker->closing ||
		   forward_reply(broker->forward, asker->from, asker->id, response) < 0) {
		log_warning("the answer to %s is lost: the group cannot be reached", asker->from);
	}
}

void admin_service_fail(struct broker *broker, const struct admin_asker *asker, int error,
			bool usage, const char *text, const char *advice)
{
	Vmreplica__Admin__Response response = VMREPLICA__ADMIN__RESPONSE__INIT;

	response.error = error;
	response.text = borrowed(text);
	response.advice = borrowed(advice);
	response.usage = usage;
	admin_service_answer(broker, asker, &response);
}

/* ---- locate ---- */

/* What a peer with every right would be told. */
static const char *route_answer(const struct broker *broker, const struct route *route)
{
	if (route->moving || route->port == 0) {
		return locate_answer_to_string(LOCATE_MOVING);
	}
	return locate_answer_to_string(broker->options.relay == RELAY_ALWAYS ? LOCATE_RELAY
									     : LOCATE_REDIRECT);
}

static void handle_locate(struct broker *broker, const struct admin_asker *asker,
			  const Vmreplica__Admin__LocateRequest *request)
{
	Vmreplica__Admin__LocateResponse body = VMREPLICA__ADMIN__LOCATE_RESPONSE__INIT;
	Vmreplica__Admin__Response response = VMREPLICA__ADMIN__RESPONSE__INIT;
	const struct route *route = validate_uuid(request->vm)
					    ? routing_table_find(broker->routes, request->vm)
					    : routing_table_find_vm(broker->routes, request->vm);
	char text[256];

	if (!broker->quorate) {
		admin_service_fail(broker, asker, EAGAIN, false, broker->missing, "");
		return;
	}
	if (route == NULL) {
		snprintf(text, sizeof(text), "no protected VM is called %.*s", (int)VM_NAME_MAX,
			 request->vm);
		admin_service_fail(broker, asker, ENOENT, false, text,
				   "vmreplica status lists those that there are");
		return;
	}
	body.vm = borrowed(route->vm);
	body.relationship = borrowed(route->relationship);
	body.owner = borrowed(route->node);
	body.source = borrowed(route_source_to_string(route->source));
	body.age_ms = route->source == ROUTE_SOURCE_NONE
			      ? 0
			      : (uint64_t)(clock_monotonic_ms() - route->since_ms);
	body.broker = broker->config->node;
	body.answer = borrowed(route_answer(broker, route));
	body.host = borrowed(route->host);
	body.port = route->port;
	response.text = borrowed(route->why);
	response.body_case = VMREPLICA__ADMIN__RESPONSE__BODY_LOCATE;
	response.locate = &body;
	admin_service_answer(broker, asker, &response);
}

/* ---- the resource agent ---- */

static void answer_agent(struct broker *broker, const struct admin_asker *asker, const char *text)
{
	Vmreplica__Admin__AgentResponse body = VMREPLICA__ADMIN__AGENT_RESPONSE__INIT;
	Vmreplica__Admin__Response response = VMREPLICA__ADMIN__RESPONSE__INIT;

	body.running = true;
	body.ready = broker->serving;
	body.pid = (uint32_t)getpid();
	body.text = borrowed(text);
	response.body_case = VMREPLICA__ADMIN__RESPONSE__BODY_AGENT;
	response.agent = &body;
	admin_service_answer(broker, asker, &response);
}

/* The agent's parameters that can change without a restart. */
static void handle_reload(struct broker *broker, const struct admin_asker *asker,
			  const Vmreplica__Admin__AgentRequest *request)
{
	enum relay_mode relay = broker->options.relay;

	for (size_t i = 0; i < request->n_names && i < request->n_values; i++) {
		if (strcmp(request->names[i], "relay") == 0 &&
		    relay_mode_from_string(request->values[i], &relay) < 0) {
			admin_service_fail(broker, asker, EINVAL, true,
					   "relay must be never, auto or always", "");
			return;
		}
	}
	if (relay != broker->options.relay) {
		log_notice("relay is now %s", relay_mode_to_string(relay));
	}
	broker->options.relay = relay;
	if (broker_reload(broker) < 0) {
		admin_service_fail(broker, asker, EIO, false,
				   "the certificates could not be read again",
				   "see the broker's log; the old ones are still in use");
		return;
	}
	answer_agent(broker, asker, "reloaded");
}

static void handle_agent(struct broker *broker, const struct admin_asker *asker,
			 const Vmreplica__Admin__AgentRequest *request)
{
	if (!asker->local || !asker->is_root) {
		admin_service_fail(broker, asker, EPERM, false,
				   "only root on this node may do that", "");
		return;
	}
	switch (request->op) {
	case VMREPLICA__ADMIN__AGENT_REQUEST__OP__PING:
	case VMREPLICA__ADMIN__AGENT_REQUEST__OP__MONITOR:
		answer_agent(broker, asker, broker->serving ? "serving" : "starting");
		break;
	case VMREPLICA__ADMIN__AGENT_REQUEST__OP__RELOAD:
		handle_reload(broker, asker, request);
		break;
	case VMREPLICA__ADMIN__AGENT_REQUEST__OP__STOP_DAEMON:
		answer_agent(broker, asker, "stopping");
		broker_stop(broker);
		break;
	default:
		admin_service_fail(broker, asker, EOPNOTSUPP, true, "the broker does not do that",
				   "");
		break;
	}
}

void admin_service_handle(struct broker *broker, const struct admin_asker *asker,
			  const Vmreplica__Admin__Request *request)
{
	switch (request->body_case) {
	case VMREPLICA__ADMIN__REQUEST__BODY_LOCATE:
		handle_locate(broker, asker, request->locate);
		break;
	case VMREPLICA__ADMIN__REQUEST__BODY_BROKER:
		admin_report_handle(broker, asker);
		break;
	case VMREPLICA__ADMIN__REQUEST__BODY_AUTHORIZE:
		admin_authorize_handle(broker, asker, request->authorize);
		break;
	case VMREPLICA__ADMIN__REQUEST__BODY_AGENT:
		handle_agent(broker, asker, request->agent);
		break;
	default:
		admin_service_fail(broker, asker, EOPNOTSUPP, true,
				   "the broker does not answer that",
				   "ask the engine: its socket is " VMR_RUNDIR "/engine.sock");
		break;
	}
}
