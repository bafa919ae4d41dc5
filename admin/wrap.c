/* SPDX-License-Identifier: GPL-2.0-or-later */
/* wrap and unwrap: qcow2 headers over raw disks. */
#include <stdio.h>

#include "admin/client.h"
#include "admin/command.h"
#include "admin/output.h"
#include "proto/limits.h"
#include "proto/validate.h"

/* A guest may take minutes to shut down (--restart), and each node has its turn. */
#define WRAP_TIMEOUT_MS 900000

static const char wrap_help[] =
	"Usage: vmreplica wrap VM [OPTION]...\n"
	"Put a qcow2 header in front of each raw disk of VM, so that its changes can be tracked "
	"and it\n"
	"can be protected. The disk itself is not touched and stays readable as it is; it takes no "
	"time,\n"
	"whatever its size. VM must be shut off meanwhile.\n\n"
	"      --directory DIR      where the headers of block devices go; all nodes where VM may "
	"run\n"
	"                           must share it (default: beside VM's definition). That of a raw "
	"file\n"
	"                           lies beside the file\n"
	"      --exclude-disk DISK  leave a disk as it is, by its target name; may be repeated\n"
	"      --restart            have VM shut down before, and started again afterwards\n"
	"      --dry-run            only tell what would be done\n" COMMON_HELP;

static const char unwrap_help[] =
	"Usage: vmreplica unwrap VM [OPTION]...\n"
	"Take the headers that `vmreplica wrap` made away again. VM must be shut off meanwhile. What "
	"it has\n"
	"written to images above them, since it failed over and came home, is merged into the raw "
	"disks\n"
	"first.\n\n"
	"      --exclude-disk DISK  leave a disk wrapped, by its target name; may be repeated\n"
	"      --force              also while VM is protected: what was tracked is lost, and it "
	"is\n"
	"                           resynchronized once it is wrapped again\n"
	"      --restart            have VM shut down before, and started again afterwards\n"
	"      --dry-run            only tell what would be done\n" COMMON_HELP;

enum {
	OPTION_DIRECTORY = OPTION_OWN,
	OPTION_EXCLUDE,
	OPTION_RESTART,
	OPTION_DRY_RUN,
	OPTION_FORCE
};

static json_t *texts_to_json(char *const *items, size_t count)
{
	json_t *array = json_array();

	for (size_t i = 0; i < count; i++) {
		output_json_append(&array, output_json_string(items[i]));
	}
	return array;
}

static int show(const struct common_options *common, const Vmreplica__Admin__WrapRequest *wrap,
		const Vmreplica__Admin__WrapResponse *answer)
{
	if (common->json) {
		return output_json(
			json_pack("{s:o, s:b, s:b, s:o, s:o}", "vm", output_json_string(wrap->vm),
				  "dry_run", (int)wrap->dry_run, "already", (int)answer->already,
				  "steps", texts_to_json(answer->steps, answer->n_steps),
				  "warnings", texts_to_json(answer->warnings, answer->n_warnings)),
			false);
	}
	for (size_t i = 0; i < answer->n_warnings; i++) {
		fprintf(stderr, "vmreplica: warning: %s\n", answer->warnings[i]);
	}
	for (size_t i = 0; i < answer->n_steps; i++) {
		puts(answer->steps[i]);
	}
	if (wrap->dry_run) {
		printf("%s: nothing was changed\n", wrap->vm);
	} else if (answer->already) {
		printf("%s is wrapped already\n", wrap->vm);
	} else {
		printf("%s is %s\n", wrap->vm, wrap->unwrap ? "unwrapped" : "wrapped");
	}
	return STATUS_DONE;
}

static int ask(const struct common_options *common, Vmreplica__Admin__WrapRequest *wrap)
{
	Vmreplica__Admin__Request request = VMREPLICA__ADMIN__REQUEST__INIT;
	const Vmreplica__Admin__Response *response;
	struct client client;
	int result;

	request.body_case = VMREPLICA__ADMIN__REQUEST__BODY_WRAP;
	request.wrap = wrap;
	client_init(&client);
	result = client_ask(&client, common, &request, WRAP_TIMEOUT_MS,
			    VMREPLICA__ADMIN__RESPONSE__BODY_WRAP, &response);
	if (result == STATUS_DONE) {
		result = show(common, wrap, response->wrap);
	}
	client_destroy(&client);
	return result;
}

/* One option into the request. Returns STATUS_DONE or STATUS_USAGE. */
static int take_option(const struct common_options *common, int code,
		       Vmreplica__Admin__WrapRequest *wrap)
{
	switch (code) {
	case OPTION_DIRECTORY:
		wrap->directory = optarg;
		return optarg[0] == '/'
			       ? STATUS_DONE
			       : command_misused(common, "the directory \"%s\" is no absolute path",
						 optarg);
	case OPTION_EXCLUDE:
		if (!validate_disk_name(optarg) || wrap->n_exclude_disks == DISKS_MAX) {
			return command_misused(common,
					       "\"%s\" is no disk: give a target name such as vdb",
					       optarg);
		}
		wrap->exclude_disks[wrap->n_exclude_disks++] = optarg;
		return STATUS_DONE;
	case OPTION_RESTART:
		wrap->restart = true;
		return STATUS_DONE;
	case OPTION_FORCE:
		wrap->force = true;
		return STATUS_DONE;
	default:
		wrap->dry_run = true;
		return STATUS_DONE;
	}
}

static int run(struct common_options *common, const struct option *options, bool unwrap, int argc,
	       char **argv)
{
	Vmreplica__Admin__WrapRequest wrap = VMREPLICA__ADMIN__WRAP_REQUEST__INIT;
	char *excluded[DISKS_MAX];
	int code;

	wrap.exclude_disks = excluded;
	wrap.unwrap = unwrap;
	while ((code = command_next_option(common, argc, argv, options)) != -1) {
		if (take_option(common, code, &wrap) != STATUS_DONE) {
			return STATUS_USAGE;
		}
	}
	if (command_vm_operand(common, argc, argv) == NULL) {
		return STATUS_USAGE;
	}
	wrap.vm = argv[optind];
	return ask(common, &wrap);
}

int command_wrap(int argc, char **argv)
{
	static const struct option options[] = {
		COMMON_LONG_OPTIONS,
		{"directory", required_argument, NULL, OPTION_DIRECTORY},
		{"exclude-disk", required_argument, NULL, OPTION_EXCLUDE},
		{"restart", no_argument, NULL, OPTION_RESTART},
		{"dry-run", no_argument, NULL, OPTION_DRY_RUN},
		{0}};
	struct common_options common = {.command = "wrap", .help = wrap_help};

	return run(&common, options, false, argc, argv);
}

int command_unwrap(int argc, char **argv)
{
	static const struct option options[] = {
		COMMON_LONG_OPTIONS,
		{"exclude-disk", required_argument, NULL, OPTION_EXCLUDE},
		{"force", no_argument, NULL, OPTION_FORCE},
		{"restart", no_argument, NULL, OPTION_RESTART},
		{"dry-run", no_argument, NULL, OPTION_DRY_RUN},
		{0}};
	struct common_options common = {.command = "unwrap", .help = unwrap_help};

	return run(&common, options, true, argc, argv);
}
