/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <unistd.h>

#include "admin/client.h"
#include "admin/command.h"
#include "admin/output.h"
#include "admin/status_output.h"

static const char help[] =
	"Usage: vmreplica status [OPTION]... [VM]\n"
	"Show the replication of every VM of this cluster, or all details of one.\n\n"
	"      --watch         show it again every second until interrupted\n" COMMON_HELP;

enum { OPTION_WATCH = OPTION_OWN };

static int show(const Vmreplica__Admin__StatusResponse *status, const char *vm, bool json,
		bool watch)
{
	if (json) {
		return output_json(status_to_json(status), watch);
	}
	if (watch && isatty(STDOUT_FILENO)) {
		fputs("\033[H\033[J", stdout);
	}
	if (vm != NULL) {
		status_print_details(status, stdout);
	} else if (status_print_table(status, stdout) < 0) {
		return command_failed("out of memory", NULL);
	}
	return STATUS_DONE;
}

static int status_once(const struct common_options *common, const char *vm, bool watch,
		       bool *ret_lost)
{
	Vmreplica__Admin__StatusRequest status = VMREPLICA__ADMIN__STATUS_REQUEST__INIT;
	Vmreplica__Admin__Request request = VMREPLICA__ADMIN__REQUEST__INIT;
	const Vmreplica__Admin__Response *response;
	struct client client;
	int result;

	if (vm != NULL) {
		status.vm = (char *)vm;
	}
	request.body_case = VMREPLICA__ADMIN__REQUEST__BODY_STATUS;
	request.status = &status;
	client_init(&client);
	result = client_ask(&client, common, &request, CLIENT_TIMEOUT_MS,
			    VMREPLICA__ADMIN__RESPONSE__BODY_STATUS, &response);
	if (result == STATUS_DONE && vm != NULL && response->status->n_vms == 0) {
		char text[160];

		snprintf(text, sizeof(text), "VM %s is not replicated to or from here", vm);
		result = command_failed(text,
					"`vmreplica status` lists what is; `vmreplica protect` "
					"begins to replicate a VM.");
	} else if (result == STATUS_DONE) {
		result = show(response->status, vm, common->json, watch);
	}
	*ret_lost = client.lost;
	client_destroy(&client);
	return result;
}

int command_status(int argc, char **argv)
{
	static const struct option options[] = {
		COMMON_LONG_OPTIONS, {"watch", no_argument, NULL, OPTION_WATCH}, {0}};
	struct common_options common = {.command = "status", .help = help};
	const char *vm = NULL;
	bool watch = false, lost = false;
	int result;

	while (command_next_option(&common, argc, argv, options) == OPTION_WATCH) {
		watch = true;
	}
	if (optind < argc && (vm = command_vm_operand(&common, argc, argv)) == NULL) {
		return STATUS_USAGE;
	}
	do {
		result = status_once(&common, vm, watch, &lost);
	} while (watch && command_goes_on(&common, result, lost));
	return result;
}
