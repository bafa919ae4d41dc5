/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `vmreplica failover` and `vmreplica reverse`: the order, then the job that came of it. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "admin/client.h"
#include "admin/command.h"
#include "admin/job_output.h"
#include "admin/output.h"

/* The other side is asked first, and may be silent. */
#define ORDER_TIMEOUT_MS 70000

static const char help[] =
	"Usage: vmreplica failover VM --test [--to POINT] [--network NET]\n"
	"       vmreplica failover VM --test-cleanup\n"
	"       vmreplica failover VM --planned\n"
	"       vmreplica failover VM --unplanned [--to POINT] [--force]\n"
	"       vmreplica failover VM --cancel [--force] | --commit\n"
	"Run the VM on the replica's side, and give the order there. --planned may be given on\n"
	"either side.\n"
	"The steps are printed as they come; interrupted, the job goes on (vmreplica jobs).\n\n"
	"      --test          run VM-test on a recovery point, with its cables pulled, while\n"
	"                      replication goes on\n"
	"      --test-cleanup  end the test: nothing of it is left\n"
	"      --planned       hand the VM over to the other side; nothing is lost\n"
	"      --unplanned     the primary is gone: run the VM here\n"
	"      --cancel        after --unplanned: stop the VM here, give up what it wrote, and\n"
	"                      receive again from where it was. While --planned is under way, on\n"
	"                      the primary's side: take it back, and start the VM where it was,\n"
	"                      once the other side has promised not to take it; on the side that\n"
	"                      has taken the VM and cannot start it: give it back\n"
	"      --commit        make the failover final: the other points go, the images are\n"
	"                      merged\n"
	"      --to POINT      latest (default), latest-app, seq:N, or the newest at or before a\n"
	"                      time such as 2026-11-22T10:31:00Z; vmreplica points lists them\n"
	"      --network NET   for --test: a libvirt network that leads nowhere else\n"
	"      --force         with --unplanned: although the primary's side lives. What has "
	"not\n"
	"                      been replicated is given up, and the VM may run on there: stop it.\n"
	"                      With --cancel of a planned one: without that promise. Make sure\n"
	"                      that the VM does not run on the other side, or it runs twice\n"
	"      --no-wait       do not follow the job\n" COMMON_HELP;

static const char reverse_help[] =
	"Usage: vmreplica reverse VM [OPTION]...\n"
	"After a failover: replicate VM back to where it came from. What both sides still have in\n"
	"common is not sent again. When that cannot be told (a power cut takes the bitmaps), all is\n"
	"compared: how much, and for about how long, is said first.\n\n"
	"      --no-wait       do not follow the job\n" COMMON_HELP;

enum {
	OPTION_TEST = OPTION_OWN,
	OPTION_CLEANUP,
	OPTION_PLANNED,
	OPTION_UNPLANNED,
	OPTION_CANCEL,
	OPTION_COMMIT,
	OPTION_TO,
	OPTION_NETWORK,
	OPTION_FORCE,
	OPTION_NO_WAIT,
};

static const struct option failover_options[] = {
	COMMON_LONG_OPTIONS,
	{"test", no_argument, NULL, OPTION_TEST},
	{"test-cleanup", no_argument, NULL, OPTION_CLEANUP},
	{"planned", no_argument, NULL, OPTION_PLANNED},
	{"unplanned", no_argument, NULL, OPTION_UNPLANNED},
	{"cancel", no_argument, NULL, OPTION_CANCEL},
	{"commit", no_argument, NULL, OPTION_COMMIT},
	{"to", required_argument, NULL, OPTION_TO},
	{"network", required_argument, NULL, OPTION_NETWORK},
	{"force", no_argument, NULL, OPTION_FORCE},
	{"no-wait", no_argument, NULL, OPTION_NO_WAIT},
	{0},
};

struct failover {
	struct common_options common;
	Vmreplica__Admin__FailoverRequest request;
	unsigned int kinds; /* named */
	bool no_wait;
};

static void take_kind(struct failover *failover, Vmreplica__Admin__FailoverKind kind)
{
	failover->request.kind = kind;
	failover->kinds++;
}

static void take_option(struct failover *failover, int code)
{
	switch (code) {
	case OPTION_TEST:
		take_kind(failover, VMREPLICA__ADMIN__FAILOVER_KIND__FAILOVER_TEST);
		break;
	case OPTION_CLEANUP:
		take_kind(failover, VMREPLICA__ADMIN__FAILOVER_KIND__FAILOVER_TEST_CLEANUP);
		break;
	case OPTION_PLANNED:
		take_kind(failover, VMREPLICA__ADMIN__FAILOVER_KIND__FAILOVER_PLANNED);
		break;
	case OPTION_UNPLANNED:
		take_kind(failover, VMREPLICA__ADMIN__FAILOVER_KIND__FAILOVER_UNPLANNED);
		break;
	case OPTION_CANCEL:
		take_kind(failover, VMREPLICA__ADMIN__FAILOVER_KIND__FAILOVER_CANCEL);
		break;
	case OPTION_COMMIT:
		take_kind(failover, VMREPLICA__ADMIN__FAILOVER_KIND__FAILOVER_COMMIT);
		break;
	case OPTION_TO:
		failover->request.to = optarg;
		break;
	case OPTION_NETWORK:
		failover->request.network = optarg;
		break;
	case OPTION_FORCE:
		failover->request.force = true;
		break;
	default:
		failover->no_wait = true;
		break;
	}
}

static bool kind_is(const struct failover *failover, Vmreplica__Admin__FailoverKind kind)
{
	return failover->request.kind == kind;
}

static bool begins(const struct failover *failover)
{
	return kind_is(failover, VMREPLICA__ADMIN__FAILOVER_KIND__FAILOVER_TEST) ||
	       kind_is(failover, VMREPLICA__ADMIN__FAILOVER_KIND__FAILOVER_UNPLANNED);
}

/* STATUS_DONE when the words fit together. */
static int failover_check(const struct failover *failover)
{
	const struct common_options *common = &failover->common;

	if (failover->kinds != 1) {
		return command_misused(common, "say one of --test, --test-cleanup, --planned, "
					       "--unplanned, --cancel and --commit");
	}
	if (failover->request.to[0] != '\0' && !begins(failover)) {
		return command_misused(common, "--to goes with --test and --unplanned");
	}
	if (failover->request.network[0] != '\0' &&
	    !kind_is(failover, VMREPLICA__ADMIN__FAILOVER_KIND__FAILOVER_TEST)) {
		return command_misused(common, "--network goes with --test");
	}
	if (failover->request.force &&
	    !kind_is(failover, VMREPLICA__ADMIN__FAILOVER_KIND__FAILOVER_UNPLANNED) &&
	    !kind_is(failover, VMREPLICA__ADMIN__FAILOVER_KIND__FAILOVER_CANCEL)) {
		return command_misused(common, "--force goes with --unplanned and --cancel");
	}
	return STATUS_DONE;
}

static int order(struct failover *failover, struct client *client,
		 const Vmreplica__Admin__FailoverResponse **ret_response)
{
	Vmreplica__Admin__Request request = VMREPLICA__ADMIN__REQUEST__INIT;
	const Vmreplica__Admin__Response *response;
	int result;

	request.body_case = VMREPLICA__ADMIN__REQUEST__BODY_FAILOVER;
	request.failover = &failover->request;
	client_init(client);
	result = client_ask(client, &failover->common, &request, ORDER_TIMEOUT_MS,
			    VMREPLICA__ADMIN__RESPONSE__BODY_FAILOVER, &response);
	if (result == STATUS_DONE) {
		*ret_response = response->failover;
	}
	return result;
}

/* What it would come to, before anything is begun. */
static int tell_estimate(struct failover *failover)
{
	const Vmreplica__Admin__FailoverResponse *response;
	struct client client;
	char took[OUTPUT_TEXT_LEN];
	int result;

	failover->request.estimate = true;
	result = order(failover, &client, &response);
	failover->request.estimate = false;
	if (result == STATUS_DONE && !failover->common.json) {
		printf("%s: %s", failover->request.vm, response->text);
		if (response->expected_s > 0) {
			printf(", about %s", output_duration(response->expected_s, took));
		}
		putchar('\n');
		fflush(stdout);
	}
	client_destroy(&client);
	return result;
}

static int failover_order(struct failover *failover)
{
	const Vmreplica__Admin__FailoverResponse *response;
	struct client client;
	char id[64] = "";
	int result = begins(failover) ? tell_estimate(failover) : STATUS_DONE;

	if (result != STATUS_DONE) {
		return result;
	}
	result = order(failover, &client, &response);
	if (result == STATUS_DONE) {
		for (size_t i = 0; i < response->n_warnings; i++) {
			fprintf(stderr, "warning: %s\n", response->warnings[i]);
		}
		snprintf(id, sizeof(id), "%s", response->job);
	}
	client_destroy(&client);
	if (result != STATUS_DONE) {
		return result;
	}
	if (failover->no_wait && failover->common.json) {
		return output_json(json_pack("{s:s}", "job", id), false);
	}
	if (!failover->common.json) {
		printf("job %s\n", id);
	}
	return failover->no_wait ? STATUS_DONE : job_follow(&failover->common, id);
}

int command_failover(int argc, char **argv)
{
	struct failover failover = {.common = {.command = "failover", .help = help}};
	int code;

	vmreplica__admin__failover_request__init(&failover.request);
	while ((code = command_next_option(&failover.common, argc, argv, failover_options)) != -1) {
		take_option(&failover, code);
	}
	if (command_vm_operand(&failover.common, argc, argv) == NULL) {
		return STATUS_USAGE;
	}
	failover.request.vm = argv[optind];
	code = failover_check(&failover);
	return code != STATUS_DONE ? code : failover_order(&failover);
}

int command_reverse(int argc, char **argv)
{
	static const struct option options[] = {
		COMMON_LONG_OPTIONS, {"no-wait", no_argument, NULL, OPTION_NO_WAIT}, {0}};
	struct failover failover = {.common = {.command = "reverse", .help = reverse_help}};
	int code;

	vmreplica__admin__failover_request__init(&failover.request);
	failover.request.kind = VMREPLICA__ADMIN__FAILOVER_KIND__FAILOVER_REVERSE;
	while ((code = command_next_option(&failover.common, argc, argv, options)) != -1) {
		take_option(&failover, code);
	}
	if (command_vm_operand(&failover.common, argc, argv) == NULL) {
		return STATUS_USAGE;
	}
	failover.request.vm = argv[optind];
	return failover_order(&failover);
}
