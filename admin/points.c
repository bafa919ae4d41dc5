/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "admin/client.h"
#include "admin/command.h"
#include "admin/output.h"

static const char help[] =
	"Usage: vmreplica points VM [OPTION]...\n"
	"List the recovery points of the replica of VM, oldest first, and how the kept logs bear\n"
	"them out: ok, start (none lead here), no-logs, broken or damaged.\n\n"
	"      --cycles        also every cycle between and after them that can be "
	"recovered\n" COMMON_HELP;

enum { OPTION_CYCLES = OPTION_OWN };

static json_t *point_json(const Vmreplica__Point *point)
{
	return json_pack("{s:o, s:I, s:o, s:b, s:I, s:o, s:o, s:o, s:b}", "time",
			 output_json_time(point->time_ms), "seq", (json_int_t)point->seq,
			 "consistency", output_json_string(point->consistency), "point",
			 (int)point->point, "size_bytes", (json_int_t)point->size_bytes, "verdict",
			 output_json_string(point->verdict), "text", output_json_text(point->text),
			 "cut_id", output_json_string(point->cut_id), "pinned", (int)point->pinned);
}

/* As --to takes it. */
static const char *time_format(int64_t time_ms, char text[OUTPUT_TEXT_LEN])
{
	time_t seconds = (time_t)(time_ms / 1000);
	struct tm tm;

	if (time_ms == 0 || gmtime_r(&seconds, &tm) == NULL ||
	    strftime(text, OUTPUT_TEXT_LEN, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0) {
		return "";
	}
	return text;
}

static void point_row(struct table *table, const Vmreplica__Point *point)
{
	char when[OUTPUT_TEXT_LEN], seq[OUTPUT_TEXT_LEN], size[OUTPUT_TEXT_LEN];

	snprintf(seq, sizeof(seq), "%" PRIu64, point->seq);
	table_row(table, time_format(point->time_ms, when), seq, point->point ? "point" : "cycle",
		  point->consistency, output_bytes(point->size_bytes, size), point->verdict,
		  point->pinned ? "in use by a VM" : point->text, NULL);
}

/* All answers, one after the other, into the table or the array. */
static int points_ask(const struct common_options *common, Vmreplica__Admin__PointsRequest *points,
		      struct table *table, json_t **array)
{
	Vmreplica__Admin__Request request = VMREPLICA__ADMIN__REQUEST__INIT;
	const Vmreplica__Admin__Response *response;
	struct client client;
	bool more = true;
	int result = STATUS_DONE;

	request.body_case = VMREPLICA__ADMIN__REQUEST__BODY_POINTS;
	request.points = points;
	while (result == STATUS_DONE && more) {
		client_init(&client);
		result = client_ask(&client, common, &request, CLIENT_TIMEOUT_MS,
				    VMREPLICA__ADMIN__RESPONSE__BODY_POINTS, &response);
		more = result == STATUS_DONE && response->points->more &&
		       response->points->n_points > 0;
		for (size_t i = 0; result == STATUS_DONE && i < response->points->n_points; i++) {
			const Vmreplica__Point *point = response->points->points[i];

			points->after_seq = point->seq;
			if (common->json) {
				output_json_append(array, point_json(point));
			} else {
				point_row(table, point);
			}
		}
		client_destroy(&client);
	}
	return result;
}

int command_points(int argc, char **argv)
{
	static const struct option options[] = {
		COMMON_LONG_OPTIONS, {"cycles", no_argument, NULL, OPTION_CYCLES}, {0}};
	struct common_options common = {.command = "points", .help = help};
	Vmreplica__Admin__PointsRequest points = VMREPLICA__ADMIN__POINTS_REQUEST__INIT;
	struct table table = {0};
	json_t *array;
	int result;

	while (command_next_option(&common, argc, argv, options) != -1) {
		points.cycles = true;
	}
	if (command_vm_operand(&common, argc, argv) == NULL) {
		return STATUS_USAGE;
	}
	points.vm = argv[optind];
	array = json_array();
	table_begin(&table, "TIME", "SEQ", "KIND", "CONSISTENCY", "SIZE", "LOGS", "NOTE", NULL);
	result = points_ask(&common, &points, &table, &array);
	if (result == STATUS_DONE && common.json) {
		result = output_json(json_pack("{s:s, s:o}", "vm", points.vm, "points", array),
				     false);
		array = NULL;
	} else if (result == STATUS_DONE && table_data_rows(&table) == 0) {
		printf("%s has no recovery points\n", points.vm);
	} else if (result == STATUS_DONE && table_print(&table, stdout) < 0) {
		result = command_failed("out of memory", "");
	}
	json_decref(array);
	table_destroy(&table);
	return result;
}
