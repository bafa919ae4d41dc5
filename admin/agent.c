/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The hand of the resource agents (agents/): hidden from the overview, its options and exit
 * statuses are a contract with them and with nobody else. vmreplica agent ping DAEMON --timeout MS
 *   vmreplica agent reload DAEMON --timeout MS NAME=VALUE...
 *   vmreplica agent guard start|monitor|blind --timeout MS relationship=UUID
 *   vmreplica agent vm start|stop|monitor|reload --resource ID --timeout MS NAME=VALUE...
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/agent_guard.h"
#include "admin/client.h"
#include "admin/command.h"
#include "common/cleanup.h"
#include "proto/validate.h"

#define AGENT_AGAIN	  4 /* not yet: ask again soon */
#define AGENT_NOT_RUNNING 7 /* OCF's own code */

#define GUARD_OPERAND	 "relationship="
#define AGENT_TIMEOUT_MS 10000
/* The daemon gets that much less time than we wait, so that its answer still finds us. */
#define AGENT_ANSWER_MS 300

static const char help[] =
	"Usage: vmreplica agent ping engine|broker [--timeout MS]\n"
	"       vmreplica agent reload engine|broker [--timeout MS] NAME=VALUE...\n"
	"       vmreplica agent vm start|stop|monitor|reload --resource ID [--timeout MS] "
	"NAME=VALUE...\n"
	"       vmreplica agent guard start|monitor|blind [--timeout MS] relationship=UUID\n"
	"For the resource agents of vmreplica. Exit status 0 done, 1 refused, 2 wrong use, 3 no "
	"answer,\n"
	"7 not running.\n";

enum { OPTION_RESOURCE = OPTION_OWN, OPTION_TIMEOUT };

struct agent_call {
	const char *daemon; /* "engine" or "broker" */
	Vmreplica__Admin__AgentRequest request;
	int timeout_ms;
};

/* Split the NAME=VALUE operands (in place) into the request's parallel lists. */
static int call_set_parameters(const struct common_options *common, struct agent_call *call,
			       char **operands, size_t count)
{
	call->request.names = calloc(count + 1, sizeof(char *));
	call->request.values = calloc(count + 1, sizeof(char *));
	if (call->request.names == NULL || call->request.values == NULL) {
		return command_failed("out of memory", NULL);
	}
	for (size_t i = 0; i < count; i++) {
		char *equals = strchr(operands[i], '=');

		if (equals == NULL || equals == operands[i]) {
			return command_misused(common, "\"%s\" is not NAME=VALUE", operands[i]);
		}
		*equals = '\0';
		call->request.names[i] = operands[i];
		call->request.values[i] = equals + 1;
	}
	call->request.n_names = call->request.n_values = count;
	return STATUS_DONE;
}

static bool operation_from_word(const char *word, Vmreplica__Admin__AgentRequest__Op *ret_op)
{
	static const struct {
		const char *word;
		Vmreplica__Admin__AgentRequest__Op op;
	} words[] = {{"start", VMREPLICA__ADMIN__AGENT_REQUEST__OP__START},
		     {"stop", VMREPLICA__ADMIN__AGENT_REQUEST__OP__STOP},
		     {"monitor", VMREPLICA__ADMIN__AGENT_REQUEST__OP__MONITOR},
		     {"reload", VMREPLICA__ADMIN__AGENT_REQUEST__OP__RELOAD}};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(word, words[i].word) == 0) {
			*ret_op = words[i].op;
			return true;
		}
	}
	return false;
}

static bool is_daemon(const char *word)
{
	return strcmp(word, "engine") == 0 || strcmp(word, "broker") == 0;
}

/* operands: what, with what, then parameters. */
static int call_set_operands(const struct common_options *common, struct agent_call *call,
			     char **operands, size_t count)
{
	bool is_ping = count >= 2 && strcmp(operands[0], "ping") == 0;
	bool is_reload = count >= 2 && strcmp(operands[0], "reload") == 0;
	bool is_vm = count >= 2 && strcmp(operands[0], "vm") == 0;

	call->daemon = "engine";
	if ((is_ping || is_reload) && is_daemon(operands[1])) {
		call->daemon = operands[1];
		call->request.op = is_ping ? VMREPLICA__ADMIN__AGENT_REQUEST__OP__PING
					   : VMREPLICA__ADMIN__AGENT_REQUEST__OP__RELOAD;
	} else if (!is_vm || !operation_from_word(operands[1], &call->request.op)) {
		return command_misused(common, "say ping, reload or vm, and with what");
	}
	if (is_vm && !validate_resource_id(call->request.resource)) {
		return command_misused(common, "name the resource with --resource ID");
	}
	return call_set_parameters(common, call, operands + 2, count - 2);
}

/* What the exit status says of an answer. */
static int answer_status(const struct agent_call *call, const Vmreplica__Admin__Response *response)
{
	Vmreplica__Admin__AgentRequest__Op op = call->request.op;

	if (response->error != 0 || response->usage) {
		const char *text =
			response->text[0] != '\0' ? response->text : strerror(response->error);

		fprintf(stderr, "%s%s%s\n", text, response->advice[0] != '\0' ? ": " : "",
			response->advice);
		if (response->usage) {
			return STATUS_USAGE;
		}
		return response->error == EAGAIN ? AGENT_AGAIN : STATUS_FAILED;
	}
	if (response->body_case != VMREPLICA__ADMIN__RESPONSE__BODY_AGENT) {
		fputs("the daemon answers something else: restart it after an upgrade\n", stderr);
		return STATUS_FAILED;
	}
	if (response->agent->text[0] != '\0') {
		puts(response->agent->text);
	}
	if (call->request.resource[0] != '\0' && !response->agent->running &&
	    (op == VMREPLICA__ADMIN__AGENT_REQUEST__OP__MONITOR ||
	     op == VMREPLICA__ADMIN__AGENT_REQUEST__OP__RELOAD)) {
		return AGENT_NOT_RUNNING;
	}
	return STATUS_DONE;
}

static int call_run(const struct common_options *common, struct agent_call *call)
{
	Vmreplica__Admin__Request request = VMREPLICA__ADMIN__REQUEST__INIT;
	const Vmreplica__Admin__Response *response;
	struct client client;
	char path[256];
	int rc, status;

	client_socket_path(call->daemon, path, sizeof(path));
	call->request.timeout_ms = call->timeout_ms > 2 * AGENT_ANSWER_MS
					   ? (uint32_t)(call->timeout_ms - AGENT_ANSWER_MS)
					   : (uint32_t)call->timeout_ms;
	request.body_case = VMREPLICA__ADMIN__REQUEST__BODY_AGENT;
	request.agent = &call->request;
	client_init(&client);
	rc = client_exchange(&client, common->socket != NULL ? common->socket : path, &request,
			     call->timeout_ms, &response);
	if (rc < 0) {
		fprintf(stderr, "vmreplica-%s does not answer: %s\n", call->daemon, strerror(-rc));
		status = rc == -EBADMSG || rc == -EPROTO ? STATUS_FAILED : AGENT_SILENT;
	} else {
		status = answer_status(call, response);
	}
	client_destroy(&client);
	return status;
}

int command_agent(int argc, char **argv)
{
	static const struct option options[] = {
		COMMON_LONG_OPTIONS,
		{"resource", required_argument, NULL, OPTION_RESOURCE},
		{"timeout", required_argument, NULL, OPTION_TIMEOUT},
		{0}};
	struct common_options common = {.command = "agent", .help = help};
	struct agent_call call = {.timeout_ms = AGENT_TIMEOUT_MS};
	long long timeout_ms;
	int code, status;

	vmreplica__admin__agent_request__init(&call.request);
	while ((code = command_next_option(&common, argc, argv, options)) != -1) {
		if (code == OPTION_RESOURCE) {
			call.request.resource = optarg;
		} else if (!command_parse_number(optarg, 1, 3600000, &timeout_ms)) {
			return command_misused(&common, "\"%s\" is no number of milliseconds",
					       optarg);
		} else {
			call.timeout_ms = (int)timeout_ms;
		}
	}
	if (argc - optind == 3 && strcmp(argv[optind], "guard") == 0 &&
	    strncmp(argv[optind + 2], GUARD_OPERAND, strlen(GUARD_OPERAND)) == 0) {
		return agent_guard(&common, argv[optind + 1],
				   argv[optind + 2] + strlen(GUARD_OPERAND), call.timeout_ms);
	}
	status = call_set_operands(&common, &call, argv + optind, (size_t)(argc - optind));
	if (status == STATUS_DONE) {
		status = call_run(&common, &call);
	}
	free(call.request.names);
	free(call.request.values);
	return status;
}
