/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "broker/locate.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "proto/version.h"

const char *locate_answer_to_string(enum locate_answer answer)
{
	static const char *const words[] = {"REDIRECT", "RELAY", "MOVING", "NOT_FOUND", "DENIED"};

	return answer <= LOCATE_DENIED ? words[answer] : "unknown";
}

char *locate_names_join(const char *const *names, char *buf, size_t size)
{
	size_t used = 0;

	buf[0] = '\0';
	for (; names != NULL && *names != NULL && used < size; names++) {
		int n = snprintf(buf + used, size - used, "%s%s", used == 0 ? "" : ", ", *names);

		used += n < 0 ? size : (size_t)n;
	}
	return buf;
}

static void answer_denied(struct locate_output *output, const char *code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void answer_denied(struct locate_output *output, const char *code, const char *format, ...)
{
	va_list args;

	output->answer = LOCATE_DENIED;
	snprintf(output->code, sizeof(output->code), "%s", code);
	va_start(args, format);
	vsnprintf(output->reason, sizeof(output->reason), format, args);
	va_end(args);
}

static void answer_moving(struct locate_output *output, uint32_t retry_ms, const char *reason)
{
	output->answer = LOCATE_MOVING;
	output->retry_ms = retry_ms;
	snprintf(output->reason, sizeof(output->reason), "%s", reason);
}

bool locate_connection_may_ask(const struct locate_input *input, struct locate_output *ret_output)
{
	const struct version_range theirs = {.min = input->version_min, .max = input->version_max};
	struct locate_output output = {.answer = LOCATE_DENIED};
	char names[256], why[160];

	if (version_choose(version_ours(), theirs) == 0) {
		locate_names_join(input->names, names, sizeof(names));
		answer_denied(&output, "version", "no common protocol with %s: %s", names,
			      version_explain(version_ours(), theirs, why, sizeof(why)));
	} else if (!input->quorate) {
		answer_denied(&output, "no-quorum", "%s",
			      input->missing[0] != '\0' ? input->missing
							: "the cluster has no quorum");
	} else {
		return true;
	}
	*ret_output = output;
	return false;
}

static bool peer_is_authorized(const struct locate_input *input, struct locate_output *output)
{
	char names[256];

	if (authorization_match(input->authorizations, input->names) != NULL) {
		return true;
	}
	locate_names_join(input->names, names, sizeof(names));
	answer_denied(
		output, "not-authorized",
		"no authorization entry matches %s: on this cluster run vmreplica authorize add "
		"SITE --storage DIRECTORY",
		names[0] == '\0' ? "the certificate (it has no DNS name)" : names);
	return false;
}

/* The route stands and belongs to the peer: where does it lead? */
static void decide_route(const struct locate_input *input, struct locate_output *output)
{
	const struct route *route = input->route;

	if (route->moving || route->port == 0 || route->host[0] == '\0') {
		bool stopped = route->node[0] == '\0' && route->moving;

		answer_moving(output, stopped ? LOCATE_RETRY_STOPPED_MS : LOCATE_RETRY_MOVING_MS,
			      route->moving ? route->why
					    : "its node has not announced where it listens");
	} else if (input->relay == RELAY_ALWAYS ||
		   (input->relay == RELAY_AUTO && input->relay_wanted)) {
		output->answer = LOCATE_RELAY;
	} else if (input->relay_wanted) {
		answer_denied(output, "relay-disabled",
			      "the broker does not relay (relay=never): make %s port %u reachable "
			      "for the sender, "
			      "or set the broker resource's relay parameter to auto",
			      route->host, route->port);
	} else {
		output->answer = LOCATE_REDIRECT;
	}
}

void locate_decide(const struct locate_input *input, struct locate_output *ret_output)
{
	struct locate_output output = {.answer = LOCATE_NOT_FOUND};
	char names[256];

	if (!locate_connection_may_ask(input, &output)) {
		*ret_output = output;
		return;
	}
	if (!input->settled) {
		answer_moving(&output, LOCATE_RETRY_STARTING_MS, "the broker has just started");
		*ret_output = output;
		return;
	}
	if (!peer_is_authorized(input, &output)) {
		*ret_output = output;
		return;
	}
	if (input->route == NULL) {
		snprintf(output.reason, sizeof(output.reason),
			 "no VM here has relationship %.36s: protect it again, or unprotect it on "
			 "the primary side",
			 input->relationship);
	} else if (input->route->role == VMREPLICA__ROLE__ROLE_PRIMARY) {
		snprintf(output.reason, sizeof(output.reason),
			 "relationship %.36s has its primary on this side", input->relationship);
	} else if (!authorization_allows(input->authorizations, input->names, input->route->peer)) {
		locate_names_join(input->names, names, sizeof(names));
		answer_denied(
			&output, "other-peer",
			"relationship %.36s belongs to %s, and %s shares no trust group with it",
			input->relationship, input->route->peer, names);
	} else {
		decide_route(input, &output);
	}
	*ret_output = output;
}
