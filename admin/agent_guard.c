/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "admin/agent_guard.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "admin/client.h"
#include "proto/validate.h"

#define GUARD_ANSWER_MS 300 /* as for the other requests: the engine's answer still finds us */

static int guard_status(const Vmreplica__Admin__Response *response)
{
	if (response->error != 0 || response->usage) {
		printf("%s\n",
		       response->text[0] != '\0' ? response->text : strerror(response->error));
		return response->usage ? STATUS_USAGE : AGENT_SILENT;
	}
	if (response->body_case != VMREPLICA__ADMIN__RESPONSE__BODY_GUARD) {
		puts("the engine answers something else: restart it after an upgrade");
		return AGENT_SILENT;
	}
	puts(response->guard->text);
	if (response->guard->may_start) {
		return STATUS_DONE;
	}
	return response->guard->peer_answered ? STATUS_FAILED : AGENT_SILENT;
}

int agent_guard(const struct common_options *common, const char *word, const char *relationship,
		int timeout_ms)
{
	Vmreplica__Admin__Request request = VMREPLICA__ADMIN__REQUEST__INIT;
	Vmreplica__Admin__GuardRequest guard = VMREPLICA__ADMIN__GUARD_REQUEST__INIT;
	const Vmreplica__Admin__Response *response;
	struct client client;
	char path[256];
	int rc, status;

	guard.local = strcmp(word, "monitor") == 0;
	guard.blind = strcmp(word, "blind") == 0;
	if (!guard.local && !guard.blind && strcmp(word, "start") != 0) {
		return command_misused(common, "say guard start, monitor or blind");
	}
	if (!validate_uuid(relationship)) {
		return command_misused(common, "name the relationship: relationship=UUID");
	}
	guard.relationship = (char *)(uintptr_t)relationship;
	guard.timeout_ms = timeout_ms > 2 * GUARD_ANSWER_MS
				   ? (uint32_t)(timeout_ms - GUARD_ANSWER_MS)
				   : (uint32_t)timeout_ms;
	request.body_case = VMREPLICA__ADMIN__REQUEST__BODY_GUARD;
	request.guard = &guard;
	client_socket_path("engine", path, sizeof(path));
	client_init(&client);
	rc = client_exchange(&client, common->socket != NULL ? common->socket : path, &request,
			     timeout_ms, &response);
	if (rc < 0) {
		printf("vmreplica-engine does not answer: %s\n", strerror(-rc));
	}
	status = rc < 0 ? AGENT_SILENT : guard_status(response);
	client_destroy(&client);
	return status;
}
