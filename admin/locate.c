/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <stdio.h>

#include "admin/client.h"
#include "admin/command.h"
#include "admin/output.h"

static const char help[] =
	"Usage: vmreplica locate VM [OPTION]...\n"
	"Ask the broker who owns VM, how it knows, and how old that is.\n\n" COMMON_HELP;

static int locate_show(const struct common_options *common,
		       const Vmreplica__Admin__LocateResponse *answer)
{
	char age[OUTPUT_TEXT_LEN];

	if (common->json) {
		return output_json(json_pack("{s:o, s:o, s:o, s:o, s:I, s:o, s:o, s:o, s:I}", "vm",
					     output_json_string(answer->vm), "relationship",
					     output_json_text(answer->relationship), "owner",
					     output_json_text(answer->owner), "source",
					     output_json_text(answer->source), "age_ms",
					     (json_int_t)answer->age_ms, "broker",
					     output_json_text(answer->broker), "answer",
					     output_json_text(answer->answer), "host",
					     output_json_text(answer->host), "port",
					     (json_int_t)answer->port),
				   false);
	}
	printf("%s: %s", answer->vm, answer->owner[0] != '\0' ? answer->owner : "no owner");
	if (answer->source[0] != '\0') {
		printf(", known from %s %s ago", answer->source,
		       output_duration((int64_t)(answer->age_ms / 1000), age));
	}
	printf("\nThe broker on %s answers %s",
	       answer->broker[0] != '\0' ? answer->broker : "no node", answer->answer);
	if (answer->host[0] != '\0') {
		printf(" to %s port %" PRIu32, answer->host, answer->port);
	}
	putchar('\n');
	return STATUS_DONE;
}

int command_locate(int argc, char **argv)
{
	static const struct option options[] = {COMMON_LONG_OPTIONS, {0}};
	struct common_options common = {.command = "locate", .help = help};
	Vmreplica__Admin__LocateRequest locate = VMREPLICA__ADMIN__LOCATE_REQUEST__INIT;
	Vmreplica__Admin__Request request = VMREPLICA__ADMIN__REQUEST__INIT;
	const Vmreplica__Admin__Response *response;
	struct client client;
	int result;

	command_next_option(&common, argc, argv, options);
	if (command_vm_operand(&common, argc, argv) == NULL) {
		return STATUS_USAGE;
	}
	locate.vm = argv[optind];
	request.body_case = VMREPLICA__ADMIN__REQUEST__BODY_LOCATE;
	request.locate = &locate;
	client_init(&client);
	result = client_ask(&client, &common, &request, CLIENT_TIMEOUT_MS,
			    VMREPLICA__ADMIN__RESPONSE__BODY_LOCATE, &response);
	if (result == STATUS_DONE) {
		result = locate_show(&common, response->locate);
	}
	client_destroy(&client);
	return result;
}
