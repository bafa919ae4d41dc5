/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "admin/client.h"
#include "admin/command.h"
#include "admin/output.h"
#include "common/rate.h"
#include "proto/validate.h"

#define AUTHORIZE_TIMEOUT_MS 60000

static const char help[] =
	"Usage: vmreplica authorize add PATTERN --storage DIRECTORY [--group G] [--max-vms N]\n"
	"                               [--max-size SIZE]\n"
	"       vmreplica authorize remove PATTERN\n"
	"       vmreplica authorize list\n"
	"Say which sites may replicate to this cluster. PATTERN is a site's full name (a.example) "
	"or\n"
	"*.domain. Nobody may by default.\n\n"
	"      --storage DIRECTORY  where the replicas of the site are kept\n"
	"      --group G            trust group: its sites may send each other's replicas\n"
	"      --max-vms N          at most N replicas (default: no limit)\n"
	"      --max-size SIZE      at most so much disk in all, as the VMs see it, such as 500G "
	"or "
	"2T\n"
	"                           (default: no limit)\n" COMMON_HELP;

enum { OPTION_STORAGE = OPTION_OWN, OPTION_GROUP, OPTION_MAX_VMS, OPTION_MAX_SIZE };

static int authorize_option(const struct common_options *common, int code,
			    Vmreplica__Admin__AuthorizeEntry *entry)
{
	long long number;

	switch (code) {
	case OPTION_STORAGE:
		entry->storage = optarg;
		return validate_absolute_path(optarg)
			       ? STATUS_DONE
			       : command_misused(common, "\"%s\" is no absolute directory", optarg);
	case OPTION_GROUP:
		entry->group = optarg;
		return STATUS_DONE;
	case OPTION_MAX_SIZE:
		return rate_parse(optarg, &entry->max_size_bytes) == 0
			       ? STATUS_DONE
			       : command_misused(common, "\"%s\" is no size, such as 500G", optarg);
	default:
		if (!command_parse_number(optarg, 0, UINT32_MAX, &number)) {
			return command_misused(common, "\"%s\" is no number of VMs", optarg);
		}
		entry->max_vms = (uint32_t)number;
		return STATUS_DONE;
	}
}

static json_t *entries_to_json(const Vmreplica__Admin__AuthorizeResponse *answer)
{
	json_t *entries = json_array();

	for (size_t i = 0; i < answer->n_entries; i++) {
		const Vmreplica__Admin__AuthorizeEntry *entry = answer->entries[i];

		output_json_append(&entries,
				   json_pack("{s:o, s:o, s:o, s:I, s:I, s:I, s:I}", "pattern",
					     output_json_string(entry->pattern), "storage",
					     output_json_string(entry->storage), "group",
					     output_json_text(entry->group), "max_vms",
					     (json_int_t)entry->max_vms, "vms",
					     (json_int_t)entry->vms, "max_size_bytes",
					     (json_int_t)entry->max_size_bytes, "size_bytes",
					     (json_int_t)entry->size_bytes));
	}
	return json_pack("{s:o}", "entries", entries);
}

static int entries_print(const Vmreplica__Admin__AuthorizeResponse *answer)
{
	struct table table = {0};
	int rc;

	if (answer->n_entries == 0) {
		puts("No site may replicate to here.");
		return STATUS_DONE;
	}
	table_begin(&table, "SITES", "GROUP", "VMS", "AT MOST", "SIZE", "AT MOST", "STORAGE", NULL);
	for (size_t i = 0; i < answer->n_entries; i++) {
		const Vmreplica__Admin__AuthorizeEntry *entry = answer->entries[i];
		char vms[16], most[16] = "", size[OUTPUT_TEXT_LEN], most_size[OUTPUT_TEXT_LEN] = "";

		snprintf(vms, sizeof(vms), "%" PRIu32, entry->vms);
		if (entry->max_vms > 0) {
			snprintf(most, sizeof(most), "%" PRIu32, entry->max_vms);
		}
		if (entry->max_size_bytes > 0) {
			output_bytes(entry->max_size_bytes, most_size);
		}
		table_row(&table, entry->pattern, entry->group, vms, most,
			  output_bytes(entry->size_bytes, size), most_size, entry->storage, NULL);
	}
	rc = table_print(&table, stdout);
	table_destroy(&table);
	return rc == 0 ? STATUS_DONE : command_failed("out of memory", NULL);
}

static int authorize_show(const Vmreplica__Admin__AuthorizeRequest *asked,
			  const Vmreplica__Admin__AuthorizeResponse *answer)
{
	switch (asked->op) {
	case VMREPLICA__ADMIN__AUTHORIZE_REQUEST__OP__ADD:
		printf("%s may replicate to here, into %s\n", asked->entry->pattern,
		       asked->entry->storage);
		return STATUS_DONE;
	case VMREPLICA__ADMIN__AUTHORIZE_REQUEST__OP__REMOVE:
		printf("%s may not replicate to here any more\n", asked->entry->pattern);
		return STATUS_DONE;
	default:
		return entries_print(answer);
	}
}

static int authorize_ask(const struct common_options *common,
			 Vmreplica__Admin__AuthorizeRequest *authorize)
{
	Vmreplica__Admin__Request request = VMREPLICA__ADMIN__REQUEST__INIT;
	const Vmreplica__Admin__Response *response;
	struct client client;
	int result;

	request.body_case = VMREPLICA__ADMIN__REQUEST__BODY_AUTHORIZE;
	request.authorize = authorize;
	client_init(&client);
	result = client_ask(&client, common, &request, AUTHORIZE_TIMEOUT_MS,
			    VMREPLICA__ADMIN__RESPONSE__BODY_AUTHORIZE, &response);
	if (result == STATUS_DONE && common->json) {
		result = output_json(entries_to_json(response->authorize), false);
	} else if (result == STATUS_DONE) {
		result = authorize_show(authorize, response->authorize);
	}
	client_destroy(&client);
	return result;
}

/* The operands: what to do, and for add and remove with which pattern. */
static int authorize_operands(const struct common_options *common, int argc, char **argv,
			      Vmreplica__Admin__AuthorizeRequest *authorize)
{
	const char *action = optind < argc ? argv[optind] : "";
	bool add = strcmp(action, "add") == 0, list = strcmp(action, "list") == 0;
	int operands = argc - optind;

	if (!add && !list && strcmp(action, "remove") != 0) {
		return command_misused(common, "say add, remove or list");
	}
	if (operands != (list ? 1 : 2)) {
		return command_misused(common, list ? "list takes no operand"
						    : "give one site, such as a.example");
	}
	if (!list && !validate_site_pattern(argv[optind + 1])) {
		return command_misused(common, "\"%s\" is neither a site's name nor *.domain",
				       argv[optind + 1]);
	}
	if (add && authorize->entry->storage[0] == '\0') {
		return command_misused(common, "say where replicas go with --storage DIRECTORY");
	}
	authorize->op = add    ? VMREPLICA__ADMIN__AUTHORIZE_REQUEST__OP__ADD
			: list ? VMREPLICA__ADMIN__AUTHORIZE_REQUEST__OP__LIST
			       : VMREPLICA__ADMIN__AUTHORIZE_REQUEST__OP__REMOVE;
	if (!list) {
		authorize->entry->pattern = argv[optind + 1];
	}
	return STATUS_DONE;
}

int command_authorize(int argc, char **argv)
{
	static const struct option options[] = {
		COMMON_LONG_OPTIONS,
		{"storage", required_argument, NULL, OPTION_STORAGE},
		{"group", required_argument, NULL, OPTION_GROUP},
		{"max-vms", required_argument, NULL, OPTION_MAX_VMS},
		{"max-size", required_argument, NULL, OPTION_MAX_SIZE},
		{0}};
	struct common_options common = {.command = "authorize", .help = help};
	Vmreplica__Admin__AuthorizeEntry entry = VMREPLICA__ADMIN__AUTHORIZE_ENTRY__INIT;
	Vmreplica__Admin__AuthorizeRequest authorize = VMREPLICA__ADMIN__AUTHORIZE_REQUEST__INIT;
	int code;

	authorize.entry = &entry;
	while ((code = command_next_option(&common, argc, argv, options)) != -1) {
		if (authorize_option(&common, code, &entry) != STATUS_DONE) {
			return STATUS_USAGE;
		}
	}
	if (authorize_operands(&common, argc, argv, &authorize) != STATUS_DONE) {
		return STATUS_USAGE;
	}
	return authorize_ask(&common, &authorize);
}
