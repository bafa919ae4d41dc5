/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "broker/locate_service.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"

/* protobuf-c's strings are not const, and packing only reads them. */
static char *borrowed(const char *text)
{
	return (char *)(uintptr_t)text;
}

void locate_service_deny(struct broker *broker, struct peer_session *session, const char *code,
			 const char *reason)
{
	Vmreplica__Wire__Denied denied = VMREPLICA__WIRE__DENIED__INIT;
	char peer[DENIAL_PEER_LEN];

	broker_record_denial(broker, broker_peer_label(session, peer, sizeof(peer)), reason);
	denied.code = borrowed(code);
	denied.reason = borrowed(reason);
	peer_session_reply(session, FRAME_DENIED, &denied.base);
}

static void input_init(const struct broker *broker, const struct peer_session *session,
		       const Vmreplica__Wire__Version *version, struct locate_input *ret_input)
{
	*ret_input = (struct locate_input){
		.version_min = version != NULL ? version->min : 0,
		.version_max = version != NULL ? version->max : 0,
		.relationship = "",
		.names = peer_session_names(session),
		.authorizations = &broker->authorizations,
		.relay = broker->options.relay,
		.quorate = broker->quorate,
		.missing = broker->missing,
		.settled = broker_is_settled(broker),
	};
}

bool locate_service_admit(struct broker *broker, struct peer_session *session,
			  const Vmreplica__Wire__Version *version)
{
	struct locate_output output;
	struct locate_input input;

	input_init(broker, session, version, &input);
	if (locate_connection_may_ask(&input, &output)) {
		return true;
	}
	locate_service_deny(broker, session, output.code, output.reason);
	return false;
}

static void answer_redirect(struct peer_session *session, const struct route *route)
{
	Vmreplica__Wire__Redirect redirect = VMREPLICA__WIRE__REDIRECT__INIT;

	redirect.node = borrowed(route->node);
	redirect.host = borrowed(route->host);
	redirect.port = route->port;
	redirect.name = borrowed(route->name);
	peer_session_reply(session, FRAME_REDIRECT, &redirect.base);
}

static void answer_moving(struct peer_session *session, uint32_t retry_ms, const char *reason)
{
	Vmreplica__Wire__Moving moving = VMREPLICA__WIRE__MOVING__INIT;

	moving.retry_ms = retry_ms;
	moving.reason = borrowed(reason);
	peer_session_reply(session, FRAME_MOVING, &moving.base);
}

static void answer_relay(struct broker *broker, struct peer_session *session,
			 const struct route *route)
{
	Vmreplica__Wire__Relay relay = VMREPLICA__WIRE__RELAY__INIT;
	struct token_target target = {.port = route->port};
	char token[TOKEN_LEN + 1];
	int rc;

	snprintf(target.relationship, sizeof(target.relationship), "%s", route->relationship);
	snprintf(target.node, sizeof(target.node), "%s", route->node);
	snprintf(target.host, sizeof(target.host), "%s", route->host);
	broker_peer_label(session, target.peer, sizeof(target.peer));
	rc = token_table_issue(broker->tokens, &target, clock_monotonic_ms(), token);
	if (rc < 0) {
		log_warning("no relay token for %s: %s", target.peer, strerror(-rc));
		answer_moving(session, LOCATE_RETRY_STOPPED_MS,
			      "the broker has no relay token left: too many are asked for");
		return;
	}
	relay.token = token;
	relay.node = borrowed(route->node);
	relay.name = borrowed(route->name);
	relay.valid_ms = TOKEN_VALID_MS;
	peer_session_reply(session, FRAME_RELAY, &relay.base);
}

static void answer_not_found(struct peer_session *session, const char *reason)
{
	Vmreplica__Wire__NotFound not_found = VMREPLICA__WIRE__NOT_FOUND__INIT;

	not_found.reason = borrowed(reason);
	peer_session_reply(session, FRAME_NOT_FOUND, &not_found.base);
}

void locate_service_handle(struct broker *broker, struct peer_session *session,
			   const Vmreplica__Wire__Locate *locate)
{
	struct locate_output output;
	struct locate_input input;

	broker->lookups++;
	input_init(broker, session, locate->version, &input);
	input.relationship = locate->relationship;
	input.relay_wanted = locate->relay;
	input.route = routing_table_find(broker->routes, locate->relationship);
	locate_decide(&input, &output);
	log_debug("%s asks for %s: %s %s", session->address, locate->relationship,
		  locate_answer_to_string(output.answer), output.reason);
	switch (output.answer) {
	case LOCATE_REDIRECT:
		answer_redirect(session, input.route);
		break;
	case LOCATE_RELAY:
		answer_relay(broker, session, input.route);
		break;
	case LOCATE_MOVING:
		answer_moving(session, output.retry_ms, output.reason);
		break;
	case LOCATE_NOT_FOUND:
		answer_not_found(session, output.reason);
		break;
	case LOCATE_DENIED:
		locate_service_deny(broker, session, output.code, output.reason);
		break;
	}
}
