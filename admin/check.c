/* SPDX-License-Identifier: GPL-2.0-or-later */
/* check: whether all is fit for replication. The engine knows; without one, what can be seen from
 * here. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "admin/client.h"
#include "admin/command.h"
#include "admin/output.h"
#include "common/config.h"
#include "common/pki.h"

/* Every node is asked, and the other site: the engine gives them a minute. */
#define CHECK_TIMEOUT_MS 75000

static const char help[] = "Usage: vmreplica check [OPTION]... [VM]\n"
			   "Check whether all is fit for replication; with VM (its libvirt name or "
			   "resource id) also its\n"
			   "disks and its peer, before protect too. Each line says ok, or what is "
			   "wrong and what to do.\n"
			   "Exit status 1 when something is wrong.\n\n"
			   "      --peer ADDRESS  also try the broker at ADDRESS\n" COMMON_HELP;

enum { OPTION_PEER = OPTION_OWN };

static json_t *lines_to_json(const Vmreplica__Admin__CheckResponse *check)
{
	json_t *lines = json_array();

	for (size_t i = 0; i < check->n_lines; i++) {
		const Vmreplica__Admin__CheckLine *line = check->lines[i];

		output_json_append(&lines, json_pack("{s:o, s:o, s:o, s:o, s:o}", "item",
						     output_json_string(line->item), "node",
						     output_json_text(line->node), "verdict",
						     output_json_string(line->verdict), "text",
						     output_json_string(line->text), "advice",
						     output_json_text(line->advice)));
	}
	return json_pack("{s:o}", "lines", lines);
}

static void line_print(const Vmreplica__Admin__CheckLine *line)
{
	printf("%-8s %s%s%s: %s\n", line->verdict, line->node, line->node[0] != '\0' ? " " : "",
	       line->item, line->text);
	if (line->advice[0] != '\0' && strcmp(line->verdict, "ok") != 0) {
		printf("%-8s   -> %s\n", "", line->advice);
	}
}

static int check_show(const Vmreplica__Admin__CheckResponse *check, bool json)
{
	int result = json ? output_json(lines_to_json(check), false) : STATUS_DONE;

	for (size_t i = 0; i < check->n_lines; i++) {
		if (!json) {
			line_print(check->lines[i]);
		}
		if (strcmp(check->lines[i]->verdict, "fail") == 0) {
			result = STATUS_FAILED;
		}
	}
	return result;
}

/* The texts that a local line points to. */
struct local_line {
	char text[512];
	Vmreplica__Admin__CheckLine line;
};

static void local_line_set(struct local_line *local, const char *item, bool ok, const char *text,
			   const char *advice)
{
	static char verdicts[2][5] = {"fail", "ok"};

	vmreplica__admin__check_line__init(&local->line);
	snprintf(local->text, sizeof(local->text), "%s", text);
	local->line.item = (char *)item;
	local->line.verdict = verdicts[ok];
	local->line.text = local->text;
	local->line.advice = (char *)advice;
}

/* What this process can judge by itself: the configuration and this node's certificate. */
static size_t check_locally(struct local_line lines[2])
{
	char error[CONFIG_ERROR_LEN], trouble[PKI_ERROR_LEN] = "";
	struct config config;
	int rc = config_load(CONFIG_DEFAULT_PATH, &config, error);

	if (rc == -ENOENT) {
		config_destroy(&config);
		local_line_set(&lines[0], "configuration", false, CONFIG_DEFAULT_PATH " is missing",
			       "Write it: at least [site] name; see vmreplica.conf(5).");
		return 1;
	}
	local_line_set(&lines[0], "configuration", rc == 0,
		       rc == 0 ? CONFIG_DEFAULT_PATH " is right" : error,
		       "Correct the file; see vmreplica.conf(5).");
	if (rc < 0) {
		return 1;
	}
	rc = pki_check(config.tls_ca, config.tls_certificate, config.tls_key, trouble);
	local_line_set(
		&lines[1], "certificate", rc == 0,
		rc == 0 ? "certificate, key and CA fit together" : trouble,
		"Make one with `vmreplica pki issue` and put it in place; see vmreplica(1).");
	config_destroy(&config);
	return 2;
}

/* Without an engine: show that little, then let the complaint about the engine follow. */
static void check_show_local(bool json)
{
	Vmreplica__Admin__CheckResponse check = VMREPLICA__ADMIN__CHECK_RESPONSE__INIT;
	Vmreplica__Admin__CheckLine *pointers[2];
	struct local_line lines[2];

	check.n_lines = check_locally(lines);
	check.lines = pointers;
	for (size_t i = 0; i < check.n_lines; i++) {
		pointers[i] = &lines[i].line;
	}
	check_show(&check, json);
	fflush(stdout);
}

int command_check(int argc, char **argv)
{
	static const struct option options[] = {
		COMMON_LONG_OPTIONS, {"peer", required_argument, NULL, OPTION_PEER}, {0}};
	struct common_options common = {.command = "check", .help = help};
	Vmreplica__Admin__CheckRequest check = VMREPLICA__ADMIN__CHECK_REQUEST__INIT;
	Vmreplica__Admin__Request request = VMREPLICA__ADMIN__REQUEST__INIT;
	const Vmreplica__Admin__Response *response;
	struct client client;
	int result;

	while (command_next_option(&common, argc, argv, options) == OPTION_PEER) {
		check.peer = optarg;
	}
	if (optind < argc) {
		if (command_vm_operand(&common, argc, argv) == NULL) {
			return STATUS_USAGE;
		}
		check.vm = argv[optind];
	}
	request.body_case = VMREPLICA__ADMIN__REQUEST__BODY_CHECK;
	request.check = &check;
	client_init(&client);
	if (!client_engine_listens(&common)) {
		check_show_local(common.json);
	}
	result = client_ask(&client, &common, &request, CHECK_TIMEOUT_MS,
			    VMREPLICA__ADMIN__RESPONSE__BODY_CHECK, &response);
	if (result == STATUS_DONE) {
		result = check_show(response->check, common.json);
	}
	client_destroy(&client);
	return result;
}
