/* SPDX-License-Identifier: GPL-2.0-or-later */
/* export and import: an initial copy on media. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "admin/client.h"
#include "admin/command.h"
#include "admin/output.h"
#include "common/clock.h"

#define POLL_MS 500
#define ID_LEN	16

static const char export_help[] =
	"Usage: vmreplica export VM DIRECTORY [OPTION]...\n"
	"Write VM's disks, all as of one moment while it runs, into DIRECTORY, to be carried to "
	"the\n"
	"other side and imported there. The VM must be protected with --existing-copy; only what\n"
	"changes after the export travels over the line. Run it as root on the VM's node.\n"
	"Interrupted, the next export into the same directory goes on where it "
	"was.\n\n" COMMON_HELP;

static const char import_help[] =
	"Usage: vmreplica import DIRECTORY [--vm VM] [OPTION]...\n"
	"Make the images in DIRECTORY the replica's first image: those of vmreplica export, which\n"
	"are checked and then lack only what has changed since; or an existing copy of VM, "
	"restored\n"
	"from a backup for instance, in files called after its disks (vda.qcow2, vda.raw or\n"
	"vda.img), which is compared, so that only differing blocks travel. Run it as root on the\n"
	"replica's node, once the VM is protected with --existing-copy.\n\n"
	"      --vm VM         whose copy it is\n" COMMON_HELP;

enum { OPTION_VM = OPTION_OWN };

static void progress_show(const Vmreplica__Admin__TransferResponse *answer)
{
	char done[OUTPUT_TEXT_LEN], total[OUTPUT_TEXT_LEN];

	if (isatty(STDERR_FILENO)) {
		fprintf(stderr, "\r%s of %s ", output_bytes(answer->done_bytes, done),
			output_bytes(answer->total_bytes, total));
	}
}

static int outcome_show(const struct common_options *common,
			const Vmreplica__Admin__TransferResponse *answer)
{
	bool done = strcmp(answer->state, "done") == 0;

	if (isatty(STDERR_FILENO)) {
		fputc('\n', stderr);
	}
	if (common->json) {
		int result = output_json(json_pack("{s:o, s:o, s:I, s:I, s:o}", "vm",
						   output_json_text(answer->vm), "state",
						   output_json_string(answer->state), "done_bytes",
						   (json_int_t)answer->done_bytes, "total_bytes",
						   (json_int_t)answer->total_bytes, "text",
						   output_json_string(answer->text)),
					 false);

		return result == STATUS_DONE && !done ? STATUS_FAILED : result;
	}
	if (!done) {
		return command_failed(answer->text, answer->advice);
	}
	puts(answer->text);
	return STATUS_DONE;
}

/* Ask until it is over; id is the request's. */
static int transfer_follow(struct common_options *common, Vmreplica__Admin__Request *request,
			   char **id)
{
	const Vmreplica__Admin__Response *response = NULL;
	char text[ID_LEN + 1];
	struct client client;
	int result;

	client_init(&client);
	result = client_ask(&client, common, request, CLIENT_TIMEOUT_MS,
			    VMREPLICA__ADMIN__RESPONSE__BODY_TRANSFER, &response);
	while (result == STATUS_DONE && strcmp(response->transfer->state, "running") == 0) {
		snprintf(text, sizeof(text), "%.16s", response->transfer->id);
		*id = text;
		progress_show(response->transfer);
		clock_sleep_ms(POLL_MS);
		client_destroy(&client);
		client_init(&client);
		result = client_ask(&client, common, request, CLIENT_TIMEOUT_MS,
				    VMREPLICA__ADMIN__RESPONSE__BODY_TRANSFER, &response);
	}
	if (result == STATUS_DONE) {
		result = outcome_show(common, response->transfer);
	}
	client_destroy(&client);
	return result;
}

/* The engine's working directory is another one. */
static bool directory_resolve(const char *given, char path[PATH_MAX])
{
	char here[PATH_MAX];

	if (given[0] == '/') {
		return snprintf(path, PATH_MAX, "%s", given) < PATH_MAX;
	}
	return getcwd(here, sizeof(here)) != NULL &&
	       snprintf(path, PATH_MAX, "%s/%s", here, given) < PATH_MAX;
}

static const struct option export_options[] = {COMMON_LONG_OPTIONS, {0}};

int command_export(int argc, char **argv)
{
	struct common_options common = {.command = "export", .help = export_help};
	Vmreplica__Admin__ExportRequest export = VMREPLICA__ADMIN__EXPORT_REQUEST__INIT;
	Vmreplica__Admin__Request request = VMREPLICA__ADMIN__REQUEST__INIT;
	char path[PATH_MAX];

	command_next_option(&common, argc, argv, export_options);
	if (optind + 2 != argc) {
		return command_misused(&common, "name the VM and the directory");
	}
	if (!directory_resolve(argv[optind + 1], path)) {
		return command_misused(&common, "the directory's name is too long");
	}
	export.vm = argv[optind];
	export.directory = path;
	request.body_case = VMREPLICA__ADMIN__REQUEST__BODY_EXPORT;
	request.export = &export;
	return transfer_follow(&common, &request, &export.id);
}

int command_import(int argc, char **argv)
{
	static const struct option options[] = {
		COMMON_LONG_OPTIONS, {"vm", required_argument, NULL, OPTION_VM}, {0}};
	struct common_options common = {.command = "import", .help = import_help};
	Vmreplica__Admin__ImportRequest import = VMREPLICA__ADMIN__IMPORT_REQUEST__INIT;
	Vmreplica__Admin__Request request = VMREPLICA__ADMIN__REQUEST__INIT;
	char path[PATH_MAX];

	while (command_next_option(&common, argc, argv, options) == OPTION_VM) {
		import.vm = optarg;
	}
	if (optind + 1 != argc) {
		return command_misused(&common, "name the directory");
	}
	if (!directory_resolve(argv[optind], path)) {
		return command_misused(&common, "the directory's name is too long");
	}
	import.directory = path;
	request.body_case = VMREPLICA__ADMIN__REQUEST__BODY_IMPORT;
	request.import = &import;
	return transfer_follow(&common, &request, &import.id);
}
