/* SPDX-License-Identifier: GPL-2.0-or-later */
/* protect and unprotect. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "admin/client.h"
#include "admin/command.h"
#include "admin/output.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/rate.h"
#include "proto/limits.h"
#include "proto/names.h"
#include "proto/network_map.h"
#include "proto/point_select.h"
#include "proto/resync_policy.h"
#include "proto/validate.h"

/* Both sides make a resource and wait for their clusters. */
#define PROTECT_TIMEOUT_MS 120000

static const char protect_help[] =
	"Usage: vmreplica protect VM --to ADDRESS [OPTION]...\n"
	"Replicate VM to the site whose broker has ADDRESS (host or host:port). The other site "
	"must\n"
	"have authorized this one.\n\n"
	"      --to ADDRESS         the broker of the other site\n"
	"      --frequency SECONDS  time between two cycles, from 5 (default 300)\n"
	"      --points N           recovery points to keep, 0 to 168 (default 24)\n"
	"      --point-interval SECONDS  between two recovery points (default 3600)\n"
	"      --app-interval SECONDS  between application-consistent ones, for which the guest "
	"is\n"
	"                              frozen for a moment by its qemu-guest-agent (0: none)\n"
	"      --exclude-disk DISK  leave a disk out, by its target name; may be repeated\n"
	"      --bandwidth RATE     bytes per second at most, for instance 20M\n"
	"      --map KIND:HERE=THERE\n"
	"                           the network there that stands for one here, for instance\n"
	"                           net:prod=dr, bridge:br0=br7 or direct:eth0=net:dr; may be "
	"repeated\n"
	"      --resync auto|manual|HH:MM-HH:MM\n"
	"                           when a needed resynchronization may begin by itself: at once\n"
	"                           (default), never, or in that window of local time\n"
	"      --start-at TIME      begin the initial replication then, for instance\n"
	"                           2026-11-22T22:00:00Z or, in local time, 2026-11-22T22:00;\n"
	"                           vmreplica sync begins it at once\n"
	"      --existing-copy      send no initial copy: one is imported on the other side (see\n"
	"                           vmreplica import --help), and only what differs travels\n"
	"      --force              also when the VM would not start on the other side as it is\n"
	"      --dry-run            only print the pcs commands that would do the "
	"same\n" COMMON_HELP;

static const char unprotect_help[] =
	"Usage: vmreplica unprotect VM [OPTION]...\n"
	"End the replication of VM on both sides and delete the replica.\n\n"
	"      --force              also when the other side cannot be reached: its replica stays\n"
	"      --keep-replica       leave the replica's files on the other side\n" COMMON_HELP;

enum {
	OPTION_TO = OPTION_OWN,
	OPTION_FREQUENCY,
	OPTION_EXCLUDE,
	OPTION_POINTS,
	OPTION_POINT_INTERVAL,
	OPTION_APP_INTERVAL,
	OPTION_BANDWIDTH,
	OPTION_DRY_RUN,
	OPTION_MAP,
	OPTION_FORCE,
	OPTION_KEEP,
	OPTION_RESYNC,
	OPTION_START_AT,
	OPTION_EXISTING_COPY,
};

static bool address_is_plausible(const char *address)
{
	size_t len = strlen(address);

	return len > 0 && len < 256 &&
	       strspn(address, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
			       ".-_:[]%") == len;
}

/* One of the numbers of recovery points. */
static int points_option(const struct common_options *common, int code,
			 Vmreplica__PointSettings *points)
{
	unsigned int max = code == OPTION_POINTS ? POINTS_MAX : POINT_INTERVAL_MAX_S;
	uint32_t *to = code == OPTION_POINTS	       ? &points->points
		       : code == OPTION_POINT_INTERVAL ? &points->interval_s
						       : &points->app_interval_s;
	long long number;

	if (!command_parse_number(optarg, 0, max, &number)) {
		return command_misused(common, "\"%s\" is not a whole number from 0 to %u", optarg,
				       max);
	}
	*to = (uint32_t)number;
	return STATUS_DONE;
}

/* All of them together are looked at, because two may contradict each other. */
static int protect_map(const struct common_options *common,
		       Vmreplica__Admin__ProtectRequest *protect)
{
	struct network_map map = {0};
	char error[NETWORK_MAP_ERROR_LEN];
	int result = 0;

	for (size_t i = 0; i < protect->n_maps && result == 0; i++) {
		result = network_map_add(&map, protect->maps[i], error);
	}
	if (result < 0 || network_map_add(&map, optarg, error) < 0) {
		return command_misused(common, "--map %s", error);
	}
	if (protect->n_maps == NETWORK_MAPS_MAX) {
		return command_misused(common, "--map is given too often");
	}
	protect->maps[protect->n_maps++] = optarg;
	return STATUS_DONE;
}

/* With its offset, or in local time, which is then this node's. */
static bool start_parse(const char *text, int64_t *ret_ms)
{
	static const char *const formats[] = {"%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M",
					      "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M"};
	char error[POINT_SELECT_ERROR_LEN];
	struct point_wish wish;

	if (point_wish_parse(text, &wish, error) == 0 && wish.kind == POINT_WISH_TIME) {
		*ret_ms = wish.time_ms / 1000 * 1000;
		return true;
	}
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		struct tm tm = {.tm_isdst = -1};
		const char *rest = strptime(text, formats[i], &tm);

		if (rest != NULL && *rest == '\0') {
			*ret_ms = (int64_t)mktime(&tm) * 1000;
			return true;
		}
	}
	return false;
}

static int start_option(const struct common_options *common,
			Vmreplica__Admin__ProtectRequest *protect)
{
	int64_t start_ms;

	if (!start_parse(optarg, &start_ms)) {
		return command_misused(common, "\"%s\" is no time such as 2026-11-22T22:00:00Z",
				       optarg);
	}
	if (start_ms <= clock_wall_ms()) {
		return command_misused(common, "%s is over: leave --start-at out to begin at once",
				       optarg);
	}
	protect->start_at_ms = start_ms;
	return STATUS_DONE;
}

/* One option of protect into the request. Returns STATUS_DONE or STATUS_USAGE. */
static int protect_option(const struct common_options *common, int code,
			  Vmreplica__Admin__ProtectRequest *protect)
{
	struct resync_policy resync;
	long long seconds;

	switch (code) {
	case OPTION_TO:
		protect->to = optarg;
		return address_is_plausible(optarg)
			       ? STATUS_DONE
			       : command_misused(common, "\"%s\" is no address", optarg);
	case OPTION_FREQUENCY:
		if (!command_parse_number(optarg, FREQUENCY_MIN_S, FREQUENCY_MAX_S, &seconds)) {
			return command_misused(common, "frequency \"%s\" is not %u to %u seconds",
					       optarg, FREQUENCY_MIN_S, FREQUENCY_MAX_S);
		}
		protect->frequency_s = (uint32_t)seconds;
		return STATUS_DONE;
	case OPTION_EXCLUDE:
		if (!validate_disk_name(optarg) || protect->n_exclude_disks == DISKS_MAX) {
			return command_misused(common,
					       "\"%s\" is no disk: give a target name such "
					       "as vdb",
					       optarg);
		}
		protect->exclude_disks[protect->n_exclude_disks++] = optarg;
		return STATUS_DONE;
	case OPTION_POINTS:
	case OPTION_POINT_INTERVAL:
	case OPTION_APP_INTERVAL:
		return points_option(common, code, protect->points);
	case OPTION_BANDWIDTH:
		return rate_parse(optarg, &protect->bandwidth_bytes_per_s) == 0
			       ? STATUS_DONE
			       : command_misused(common, "bandwidth \"%s\" is no rate such as 20M",
						 optarg);
	case OPTION_MAP:
		return protect_map(common, protect);
	case OPTION_FORCE:
		protect->force = true;
		return STATUS_DONE;
	case OPTION_RESYNC:
		protect->resync = optarg;
		return resync_policy_parse(optarg, &resync) == 0
			       ? STATUS_DONE
			       : command_misused(common,
						 "resync \"%s\" is none of auto, manual, or a "
						 "window such as 18:30-06:00",
						 optarg);
	case OPTION_EXISTING_COPY:
		protect->existing_copy = true;
		return STATUS_DONE;
	case OPTION_START_AT:
		return start_option(common, protect);
	default:
		protect->dry_run = true;
		return STATUS_DONE;
	}
}

/* On standard error: what --dry-run prints is to be run as it is. */
static void guard_show(const char *vm, const Vmreplica__Admin__ProtectResponse *answer)
{
	if (answer->n_guard_commands == 0) {
		return;
	}
	fprintf(stderr,
		"vmreplica: hint: %s has no guard: after a failover nothing keeps this site from "
		"starting it again\nwhen it comes back. To make one:\n",
		vm);
	for (size_t i = 0; i < answer->n_guard_commands; i++) {
		fprintf(stderr, "  %s\n", answer->guard_commands[i]);
	}
}

static int protect_show(const struct common_options *common, const char *vm, bool dry_run,
			bool scheduled, const Vmreplica__Admin__ProtectResponse *answer)
{
	if (common->json) {
		json_t *commands = json_array(), *warnings = json_array(), *guard = json_array();

		for (size_t i = 0; i < answer->n_commands; i++) {
			output_json_append(&commands, output_json_string(answer->commands[i]));
		}
		for (size_t i = 0; i < answer->n_warnings; i++) {
			output_json_append(&warnings, output_json_string(answer->warnings[i]));
		}
		for (size_t i = 0; i < answer->n_guard_commands; i++) {
			output_json_append(&guard, output_json_string(answer->guard_commands[i]));
		}
		return output_json(json_pack("{s:o, s:b, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
					     "vm", output_json_string(vm), "dry_run", (int)dry_run,
					     "already", (int)answer->already, "resource",
					     output_json_text(answer->resource), "peer_resource",
					     output_json_text(answer->peer_resource), "peer_node",
					     output_json_text(answer->peer_node), "peer_storage",
					     output_json_text(answer->peer_storage), "commands",
					     commands, "warnings", warnings, "guard_commands",
					     guard),
				   false);
	}
	for (size_t i = 0; i < answer->n_warnings; i++) {
		fprintf(stderr, "vmreplica: warning: %s\n", answer->warnings[i]);
	}
	for (size_t i = 0; dry_run && i < answer->n_commands; i++) {
		puts(answer->commands[i]);
	}
	if (answer->already) {
		printf("%s is protected so already: resource %s here, resource %s there, replica "
		       "in %s\n",
		       vm, answer->resource, answer->peer_resource, answer->peer_storage);
	} else if (!dry_run) {
		printf("%s is protected: resource %s here, resource %s%s%s there, replica in %s\n"
		       "Initial replication begins%s; follow it with `vmreplica status %s "
		       "--watch`.\n",
		       vm, answer->resource, answer->peer_resource,
		       answer->peer_node[0] != '\0' ? " on node " : "", answer->peer_node,
		       answer->peer_storage, scheduled ? " when it is scheduled" : "", vm);
	}
	guard_show(vm, answer);
	return STATUS_DONE;
}

static int protect_ask(const struct common_options *common,
		       Vmreplica__Admin__ProtectRequest *protect)
{
	Vmreplica__Admin__Request request = VMREPLICA__ADMIN__REQUEST__INIT;
	char relationship[RELATIONSHIP_LEN + 1];
	const Vmreplica__Admin__Response *response;
	struct client client;
	int result;

	if (name_make_uuid(relationship) < 0) {
		return command_failed("no random numbers from the system", NULL);
	}
	protect->relationship = relationship;
	request.body_case = VMREPLICA__ADMIN__REQUEST__BODY_PROTECT;
	request.protect = protect;
	client_init(&client);
	result = client_ask(&client, common, &request, PROTECT_TIMEOUT_MS,
			    VMREPLICA__ADMIN__RESPONSE__BODY_PROTECT, &response);
	if (result == STATUS_DONE) {
		result = protect_show(common, protect->vm, protect->dry_run,
				      protect->start_at_ms != 0, response->protect);
	}
	client_destroy(&client);
	return result;
}

int command_protect(int argc, char **argv)
{
	static const struct option options[] = {
		COMMON_LONG_OPTIONS,
		{"to", required_argument, NULL, OPTION_TO},
		{"frequency", required_argument, NULL, OPTION_FREQUENCY},
		{"points", required_argument, NULL, OPTION_POINTS},
		{"point-interval", required_argument, NULL, OPTION_POINT_INTERVAL},
		{"app-interval", required_argument, NULL, OPTION_APP_INTERVAL},
		{"exclude-disk", required_argument, NULL, OPTION_EXCLUDE},
		{"bandwidth", required_argument, NULL, OPTION_BANDWIDTH},
		{"dry-run", no_argument, NULL, OPTION_DRY_RUN},
		{"map", required_argument, NULL, OPTION_MAP},
		{"force", no_argument, NULL, OPTION_FORCE},
		{"resync", required_argument, NULL, OPTION_RESYNC},
		{"start-at", required_argument, NULL, OPTION_START_AT},
		{"existing-copy", no_argument, NULL, OPTION_EXISTING_COPY},
		{0}};
	struct common_options common = {.command = "protect", .help = protect_help};
	Vmreplica__Admin__ProtectRequest protect = VMREPLICA__ADMIN__PROTECT_REQUEST__INIT;
	Vmreplica__PointSettings points = VMREPLICA__POINT_SETTINGS__INIT;
	char *excluded[DISKS_MAX], *maps[NETWORK_MAPS_MAX];
	const char *vm;
	int code;

	protect.exclude_disks = excluded;
	points.points = POINTS_DEFAULT;
	points.interval_s = POINT_INTERVAL_DEFAULT_S;
	protect.maps = maps;
	while ((code = command_next_option(&common, argc, argv, options)) != -1) {
		if (code == OPTION_POINTS || code == OPTION_POINT_INTERVAL ||
		    code == OPTION_APP_INTERVAL) {
			protect.points = &points; /* else the engine's choice: they may be set */
		}
		if (protect_option(&common, code, &protect) != STATUS_DONE) {
			return STATUS_USAGE;
		}
	}
	vm = command_vm_operand(&common, argc, argv);
	if (vm == NULL) {
		return STATUS_USAGE;
	}
	if (protect.to[0] == '\0') {
		return command_misused(&common, "say where to with --to ADDRESS");
	}
	if (protect.dry_run && (protect.start_at_ms != 0 || protect.existing_copy)) {
		return command_misused(&common, "no pcs command can say --start-at or "
						"--existing-copy: leave --dry-run out");
	}
	protect.vm = argv[optind];
	return protect_ask(&common, &protect);
}

static int unprotect_show(const struct common_options *common,
			  const Vmreplica__Admin__UnprotectResponse *answer)
{
	if (common->json) {
		json_t *steps = json_array();

		for (size_t i = 0; i < answer->n_steps; i++) {
			output_json_append(&steps, output_json_string(answer->steps[i]));
		}
		return output_json(json_pack("{s:o}", "steps", steps), false);
	}
	for (size_t i = 0; i < answer->n_steps; i++) {
		puts(answer->steps[i]);
	}
	return STATUS_DONE;
}

int command_unprotect(int argc, char **argv)
{
	static const struct option options[] = {COMMON_LONG_OPTIONS,
						{"force", no_argument, NULL, OPTION_FORCE},
						{"keep-replica", no_argument, NULL, OPTION_KEEP},
						{0}};
	struct common_options common = {.command = "unprotect", .help = unprotect_help};
	Vmreplica__Admin__UnprotectRequest unprotect = VMREPLICA__ADMIN__UNPROTECT_REQUEST__INIT;
	Vmreplica__Admin__Request request = VMREPLICA__ADMIN__REQUEST__INIT;
	const Vmreplica__Admin__Response *response;
	struct client client;
	int code, result;

	while ((code = command_next_option(&common, argc, argv, options)) != -1) {
		unprotect.force = unprotect.force || code == OPTION_FORCE;
		unprotect.keep_replica = unprotect.keep_replica || code == OPTION_KEEP;
	}
	if (command_vm_operand(&common, argc, argv) == NULL) {
		return STATUS_USAGE;
	}
	unprotect.vm = argv[optind];
	request.body_case = VMREPLICA__ADMIN__REQUEST__BODY_UNPROTECT;
	request.unprotect = &unprotect;
	client_init(&client);
	result = client_ask(&client, &common, &request, PROTECT_TIMEOUT_MS,
			    VMREPLICA__ADMIN__RESPONSE__BODY_UNPROTECT, &response);
	if (result == STATUS_DONE) {
		result = unprotect_show(&common, response->unprotect);
	}
	client_destroy(&client);
	return result;
}
