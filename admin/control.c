/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What an administrator tells a running replication: sync, pause, resume, resync. */
#include <inttypes.h>
#include <stdio.h>

#include "admin/client.h"
#include "admin/command.h"
#include "admin/output.h"

/* Pausing lets a running cycle finish within its grace time. */
#define CONTROL_TIMEOUT_MS 60000
#define SYNC_TIMEOUT_S	   3600

static const char sync_help[] =
	"Usage: vmreplica sync VM [OPTION]...\n"
	"Run a replication cycle now.\n\n"
	"      --wait            return when the other side has committed it\n"
	"      --timeout SECONDS wait that long at most (default 3600)\n" COMMON_HELP;

static const char pause_help[] = "Usage: vmreplica pause VM [OPTION]...\n"
				 "Pause the replication of VM until `vmreplica resume`.\n\n"
				 "      --release         also remove our bitmaps from its disks, "
				 "for tools that refuse them;\n"
				 "                        resume then resynchronizes\n" COMMON_HELP;

static const char resume_help[] = "Usage: vmreplica resume VM [OPTION]...\n"
				  "Go on replicating VM after a pause.\n\n" COMMON_HELP;

static const char resync_help[] =
	"Usage: vmreplica resync VM [OPTION]...\n"
	"Compare digests of VM's disks on both sides and send what differs.\n\n" COMMON_HELP;

enum { OPTION_WAIT = OPTION_OWN, OPTION_TIMEOUT, OPTION_RELEASE };

static int sync_show(const struct common_options *common, const char *vm, bool waited,
		     const Vmreplica__Admin__SyncResponse *answer)
{
	if (common->json) {
		return output_json(json_pack("{s:o, s:b, s:I, s:o}", "vm", output_json_string(vm),
					     "committed", (int)waited, "seq",
					     (json_int_t)answer->seq, "cut_id",
					     output_json_text(answer->cut_id)),
				   false);
	}
	if (waited) {
		printf("%s: cycle %" PRIu64 " is committed on the other side\n", vm, answer->seq);
	} else {
		printf("%s: a cycle begins\n", vm);
	}
	return STATUS_DONE;
}

int command_sync(int argc, char **argv)
{
	static const struct option options[] = {
		COMMON_LONG_OPTIONS,
		{"wait", no_argument, NULL, OPTION_WAIT},
		{"timeout", required_argument, NULL, OPTION_TIMEOUT},
		{0}};
	struct common_options common = {.command = "sync", .help = sync_help};
	Vmreplica__Admin__SyncRequest sync_ = VMREPLICA__ADMIN__SYNC_REQUEST__INIT;
	Vmreplica__Admin__Request request = VMREPLICA__ADMIN__REQUEST__INIT;
	const Vmreplica__Admin__Response *response;
	long long timeout_s = SYNC_TIMEOUT_S;
	struct client client;
	int code, result;

	while ((code = command_next_option(&common, argc, argv, options)) != -1) {
		sync_.wait = sync_.wait || code == OPTION_WAIT;
		if (code == OPTION_TIMEOUT && !command_parse_number(optarg, 1, 86400, &timeout_s)) {
			return command_misused(&common, "timeout \"%s\" is not 1 to 86400 seconds",
					       optarg);
		}
	}
	if (command_vm_operand(&common, argc, argv) == NULL) {
		return STATUS_USAGE;
	}
	sync_.vm = argv[optind];
	sync_.timeout_s = (uint32_t)timeout_s;
	request.body_case = VMREPLICA__ADMIN__REQUEST__BODY_SYNC;
	request.sync = &sync_;
	client_init(&client);
	result = client_ask(&client, &common, &request,
			    sync_.wait ? (int)timeout_s * 1000 + 5000 : CLIENT_TIMEOUT_MS,
			    VMREPLICA__ADMIN__RESPONSE__BODY_SYNC, &response);
	if (result == STATUS_DONE) {
		result = sync_show(&common, sync_.vm, sync_.wait, response->sync);
	}
	client_destroy(&client);
	return result;
}

/* Ask what is answered by a sentence, and print that. */
static int control_ask(const struct common_options *common,
		       const Vmreplica__Admin__Request *request)
{
	const Vmreplica__Admin__Response *response;
	struct client client;
	int result;

	client_init(&client);
	result = client_ask(&client, common, request, CONTROL_TIMEOUT_MS,
			    VMREPLICA__ADMIN__RESPONSE__BODY_DONE, &response);
	if (result == STATUS_DONE && common->json) {
		result = output_json(
			json_pack("{s:o}", "text", output_json_string(response->done->text)),
			false);
	} else if (result == STATUS_DONE && response->done->text[0] != '\0') {
		puts(response->done->text);
	}
	client_destroy(&client);
	return result;
}

int command_pause(int argc, char **argv)
{
	static const struct option options[] = {
		COMMON_LONG_OPTIONS, {"release", no_argument, NULL, OPTION_RELEASE}, {0}};
	struct common_options common = {.command = "pause", .help = pause_help};
	Vmreplica__Admin__PauseRequest pause_ = VMREPLICA__ADMIN__PAUSE_REQUEST__INIT;
	Vmreplica__Admin__Request request = VMREPLICA__ADMIN__REQUEST__INIT;

	while (command_next_option(&common, argc, argv, options) == OPTION_RELEASE) {
		pause_.release = true;
	}
	if (command_vm_operand(&common, argc, argv) == NULL) {
		return STATUS_USAGE;
	}
	pause_.vm = argv[optind];
	request.body_case = VMREPLICA__ADMIN__REQUEST__BODY_PAUSE;
	request.pause = &pause_;
	return control_ask(&common, &request);
}

static const struct option plain_options[] = {COMMON_LONG_OPTIONS, {0}};

int command_resume(int argc, char **argv)
{
	struct common_options common = {.command = "resume", .help = resume_help};
	Vmreplica__Admin__ResumeRequest resume = VMREPLICA__ADMIN__RESUME_REQUEST__INIT;
	Vmreplica__Admin__Request request = VMREPLICA__ADMIN__REQUEST__INIT;

	command_next_option(&common, argc, argv, plain_options);
	if (command_vm_operand(&common, argc, argv) == NULL) {
		return STATUS_USAGE;
	}
	resume.vm = argv[optind];
	request.body_case = VMREPLICA__ADMIN__REQUEST__BODY_RESUME;
	request.resume = &resume;
	return control_ask(&common, &request);
}

int command_resync(int argc, char **argv)
{
	struct common_options common = {.command = "resync", .help = resync_help};
	Vmreplica__Admin__ResyncRequest resync = VMREPLICA__ADMIN__RESYNC_REQUEST__INIT;
	Vmreplica__Admin__Request request = VMREPLICA__ADMIN__REQUEST__INIT;

	command_next_option(&common, argc, argv, plain_options);
	if (command_vm_operand(&common, argc, argv) == NULL) {
		return STATUS_USAGE;
	}
	resync.vm = argv[optind];
	request.body_case = VMREPLICA__ADMIN__REQUEST__BODY_RESYNC;
	request.resync = &resync;
	return control_ask(&common, &request);
}
