/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "admin/client.h"
#include "admin/command.h"
#include "admin/output.h"
#include "admin/verify_point.h"
#include "common/clock.h"

#define STATUS_DIFFERS 3
#define POLL_MS	       500
#define ID_LEN	       16
#define MOVE_MS	       120000

static const char help[] =
	"Usage: vmreplica verify VM [OPTION]...\n"
	"Prove that the replica of VM equals the primary, while the guest runs and replication "
	"goes\n"
	"on: both sides hash every block as it was at a cycle's cut. What differs is listed by "
	"disk,\n"
	"offset and length (in steps of 64 KiB). What takes longer than a cycle may last is "
	"compared\n"
	"in slices, each at the cut of its own cycle: \"equal\" then says of every block that it "
	"was\n"
	"the same at one of these cuts, not of all blocks that they were at one moment. Run it on\n"
	"the primary's side; Ctrl-C leaves it running.\n"
	"\n"
	"      --point POINT   check a recovery point instead (as --to of failover names it), on "
	"the\n"
	"                      replica's side: its layers, the logs that led to it and their "
	"hashes,\n"
	"                      and that it reads as they say. It is compared with these logs and "
	"not\n"
	"                      with the primary, whose disks have changed since\n"
	"      --one-cut       compare everything at the cut of one cycle: of all blocks at one "
	"moment.\n"
	"                      Replication waits for it meanwhile, and the scratch of that cycle "
	"grows\n"
	"      --cancel        end the verification that is under way\n" COMMON_HELP
	"\nExit status: 0 equal, 1 it could not be done, 2 wrong use, 3 something differs.\n";

enum { OPTION_CANCEL = OPTION_OWN, OPTION_POINT, OPTION_ONE_CUT };

struct verify_ask {
	struct common_options *common;
	struct client client;
	Vmreplica__Admin__VerifyRequest verify;
	char id[ID_LEN + 1];
	const Vmreplica__Admin__VerifyResponse *answer;
	bool running;	 /* ask again */
	int64_t lost_ms; /* monotonic: since when it cannot be found, 0 = it is there */
};

/* A VM that moves is nowhere for a moment, and takes its verification with it: begin anew. */
static bool verify_comes_back(struct verify_ask *ask, const Vmreplica__Admin__Response *response)
{
	int64_t now = clock_monotonic_ms();

	if (ask->id[0] == '\0' || (response->error != ESRCH && response->error != ENOENT)) {
		return false;
	}
	if (ask->lost_ms == 0) {
		ask->lost_ms = now;
		fputs("the VM moves, or its engine restarts: the verification begins anew\n",
		      stderr);
	}
	ask->verify.id = (char *)"";
	return now - ask->lost_ms < MOVE_MS;
}

static int verify_ask(struct verify_ask *ask)
{
	Vmreplica__Admin__Request request = VMREPLICA__ADMIN__REQUEST__INIT;
	const Vmreplica__Admin__Response *response = NULL;
	int rc, result;

	request.body_case = VMREPLICA__ADMIN__REQUEST__BODY_VERIFY;
	request.verify = &ask->verify;
	client_destroy(&ask->client);
	client_init(&ask->client);
	rc = client_exchange_engine(&ask->client, ask->common, &request, CLIENT_TIMEOUT_MS,
				    &response);
	if (rc == 0 && verify_comes_back(ask, response)) {
		ask->running = true;
		return STATUS_DONE;
	}
	result = client_judge(&ask->client, ask->common, rc, response,
			      VMREPLICA__ADMIN__RESPONSE__BODY_VERIFY);
	if (result == STATUS_DONE) {
		ask->lost_ms = 0;
		ask->running = strcmp(response->verify->state, "running") == 0;
		ask->answer = response->verify;
		snprintf(ask->id, sizeof(ask->id), "%.16s", response->verify->id);
		ask->verify.id = ask->id;
	}
	return result;
}

static void progress_show(const struct verify_ask *ask)
{
	char done[OUTPUT_TEXT_LEN], total[OUTPUT_TEXT_LEN];

	if (isatty(STDERR_FILENO) && ask->lost_ms == 0) {
		fprintf(stderr, "\r%s of %s compared ", output_bytes(ask->answer->done_bytes, done),
			output_bytes(ask->answer->total_bytes, total));
	}
}

static int answer_json(const Vmreplica__Admin__VerifyResponse *answer)
{
	json_t *differences = json_array();

	for (size_t i = 0; i < answer->n_differences; i++) {
		const Vmreplica__Admin__VerifyDifference *one = answer->differences[i];

		output_json_append(&differences, json_pack("{s:o, s:I, s:I}", "disk",
							   output_json_string(one->disk), "offset",
							   (json_int_t)one->offset, "length",
							   (json_int_t)one->length));
	}
	return output_json(
		json_pack(
			"{s:o, s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:o, s:o}", "vm",
			output_json_string(answer->vm), "state", output_json_string(answer->state),
			"compared_with", output_json_string(answer->what), "compared_bytes",
			(json_int_t)answer->done_bytes, "first_seq", (json_int_t)answer->first_seq,
			"last_seq", (json_int_t)answer->last_seq, "cuts", (json_int_t)answer->cuts,
			"differing_bytes", (json_int_t)answer->differing_bytes, "differences",
			differences, "text", output_json_string(answer->text)),
		false);
}

static int answer_print(const Vmreplica__Admin__VerifyResponse *answer)
{
	struct table table = {0};
	int result = STATUS_DONE;

	printf("%s: %s\n", answer->vm, answer->text);
	if (answer->n_differences == 0) {
		return STATUS_DONE;
	}
	table_begin(&table, "DISK", "OFFSET", "LENGTH", NULL);
	for (size_t i = 0; i < answer->n_differences; i++) {
		const Vmreplica__Admin__VerifyDifference *one = answer->differences[i];
		char offset[OUTPUT_TEXT_LEN], length[OUTPUT_TEXT_LEN];

		snprintf(offset, sizeof(offset), "%" PRIu64, one->offset);
		snprintf(length, sizeof(length), "%" PRIu64, one->length);
		table_row(&table, one->disk, offset, length, NULL);
	}
	if (table_print(&table, stdout) < 0) {
		result = command_failed("out of memory", "");
	}
	table_destroy(&table);
	return result;
}

static int verify_show(const struct common_options *common,
		       const Vmreplica__Admin__VerifyResponse *answer)
{
	int result;

	if (isatty(STDERR_FILENO)) {
		fputc('\n', stderr);
	}
	result = common->json ? answer_json(answer) : answer_print(answer);
	if (result != STATUS_DONE) {
		return result;
	}
	if (strcmp(answer->state, "done") != 0) {
		return STATUS_FAILED;
	}
	return answer->differing_bytes > 0 ? STATUS_DIFFERS : STATUS_DONE;
}

int command_verify(int argc, char **argv)
{
	static const struct option options[] = {COMMON_LONG_OPTIONS,
						{"cancel", no_argument, NULL, OPTION_CANCEL},
						{"point", required_argument, NULL, OPTION_POINT},
						{"one-cut", no_argument, NULL, OPTION_ONE_CUT},
						{0}};
	struct common_options common = {.command = "verify", .help = help};
	struct verify_ask ask = {.common = &common,
				 .verify = VMREPLICA__ADMIN__VERIFY_REQUEST__INIT};
	const char *point = NULL;
	bool cancel = false;
	int code, result;

	while ((code = command_next_option(&common, argc, argv, options)) != -1) {
		cancel = cancel || code == OPTION_CANCEL;
		ask.verify.one_cut = ask.verify.one_cut || code == OPTION_ONE_CUT;
		point = code == OPTION_POINT ? optarg : point;
	}
	if (command_vm_operand(&common, argc, argv) == NULL) {
		return STATUS_USAGE;
	}
	if (point != NULL) {
		return verify_point(&common, argv[optind], point);
	}
	ask.verify.vm = argv[optind];
	ask.verify.cancel = cancel;
	client_init(&ask.client);
	result = verify_ask(&ask);
	while (result == STATUS_DONE && !cancel && ask.running) {
		progress_show(&ask);
		clock_sleep_ms(POLL_MS);
		result = verify_ask(&ask);
	}
	if (result == STATUS_DONE) {
		result = verify_show(&common, ask.answer);
	}
	client_destroy(&ask.client);
	return result;
}
