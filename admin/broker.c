/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <stdio.h>

#include "admin/client.h"
#include "admin/command.h"
#include "admin/output.h"
#include "common/clock.h"
#include "proto/names.h"

static const char help[] =
	"Usage: vmreplica broker [OPTION]...\n"
	"Show the active broker: its routes, relayed streams and latest denials.\n\n" COMMON_HELP;

static json_t *routes_to_json(const Vmreplica__Admin__BrokerResponse *broker)
{
	json_t *routes = json_array();

	for (size_t i = 0; i < broker->n_routes; i++) {
		const Vmreplica__Admin__Route *route = broker->routes[i];

		output_json_append(&routes, json_pack("{s:o, s:o, s:s, s:o, s:o, s:I, s:b}", "vm",
						      output_json_string(route->vm), "relationship",
						      output_json_string(route->relationship),
						      "role", role_to_string(route->role), "owner",
						      output_json_text(route->owner), "source",
						      output_json_text(route->source), "age_ms",
						      (json_int_t)route->age_ms, "moving",
						      (int)route->moving));
	}
	return routes;
}

static json_t *streams_to_json(const Vmreplica__Admin__BrokerResponse *broker)
{
	json_t *streams = json_array();

	for (size_t i = 0; i < broker->n_streams; i++) {
		const Vmreplica__Admin__Stream *stream = broker->streams[i];

		output_json_append(&streams, json_pack("{s:o, s:o, s:I, s:I}", "peer",
						       output_json_string(stream->peer), "node",
						       output_json_string(stream->node), "bytes",
						       (json_int_t)stream->bytes, "age_ms",
						       (json_int_t)stream->age_ms));
	}
	return streams;
}

static json_t *denials_to_json(const Vmreplica__Admin__BrokerResponse *broker)
{
	json_t *denials = json_array();

	for (size_t i = 0; i < broker->n_denials; i++) {
		const Vmreplica__Admin__Denial *denial = broker->denials[i];

		output_json_append(&denials, json_pack("{s:o, s:o, s:o}", "time",
						       output_json_time(denial->time_ms), "peer",
						       output_json_string(denial->peer), "reason",
						       output_json_string(denial->reason)));
	}
	return denials;
}

static json_t *broker_to_json(const Vmreplica__Admin__BrokerResponse *broker)
{
	return json_pack("{s:o, s:o, s:I, s:s, s:b, s:I, s:I, s:I, s:o, s:o, s:o}", "node",
			 output_json_text(broker->node), "address",
			 output_json_text(broker->address), "port", (json_int_t)broker->port,
			 "relay", broker->relay, "quorate", (int)broker->quorate, "lookups",
			 (json_int_t)broker->lookups, "uptime_ms", (json_int_t)broker->uptime_ms,
			 "relayed_bytes", (json_int_t)broker->relayed_bytes, "routes",
			 routes_to_json(broker), "streams", streams_to_json(broker), "denials",
			 denials_to_json(broker));
}

static int table_finish(struct table *table)
{
	int rc = table_data_rows(table) > 0 || table->failed ? table_print(table, stdout) : 0;

	table_destroy(table);
	return rc;
}

static int print_routes(const Vmreplica__Admin__BrokerResponse *broker)
{
	struct table table = {0};
	char age[OUTPUT_TEXT_LEN];

	table_begin(&table, "ROUTE TO", "ROLE", "OWNER", "KNOWN FROM", "AGE", "RELATIONSHIP", NULL);
	for (size_t i = 0; i < broker->n_routes; i++) {
		const Vmreplica__Admin__Route *route = broker->routes[i];

		table_row(&table, route->vm, role_to_string(route->role),
			  route->moving ? "(moving)" : route->owner, route->source,
			  output_duration((int64_t)(route->age_ms / 1000), age),
			  route->relationship, NULL);
	}
	return table_finish(&table);
}

static int print_streams(const Vmreplica__Admin__BrokerResponse *broker)
{
	struct table table = {0};
	char age[OUTPUT_TEXT_LEN], bytes[OUTPUT_TEXT_LEN];

	table_begin(&table, "RELAYED FROM", "TO NODE", "BYTES", "FOR", NULL);
	for (size_t i = 0; i < broker->n_streams; i++) {
		const Vmreplica__Admin__Stream *stream = broker->streams[i];

		table_row(&table, stream->peer, stream->node, output_bytes(stream->bytes, bytes),
			  output_duration((int64_t)(stream->age_ms / 1000), age), NULL);
	}
	return table_finish(&table);
}

static void print_denials(const Vmreplica__Admin__BrokerResponse *broker)
{
	char stamp[RFC3339_LEN];

	/* A reason says what to do, and a table's width would cut that off. */
	for (size_t i = 0; i < broker->n_denials; i++) {
		const Vmreplica__Admin__Denial *denial = broker->denials[i];

		printf("Denied %s at %s:\n  %s\n", denial->peer,
		       clock_format_rfc3339(denial->time_ms, stamp), denial->reason);
	}
}

static int broker_print(const Vmreplica__Admin__BrokerResponse *broker)
{
	char uptime[OUTPUT_TEXT_LEN], relayed[OUTPUT_TEXT_LEN];

	printf("The broker is active on %s, address %s port %" PRIu32 ", for %s\n"
	       "relay %s, %s, %" PRIu64 " lookups, %s relayed\n",
	       broker->node, broker->address, broker->port,
	       output_duration((int64_t)(broker->uptime_ms / 1000), uptime), broker->relay,
	       broker->quorate ? "quorate" : "WITHOUT QUORUM: it answers nobody", broker->lookups,
	       output_bytes(broker->relayed_bytes, relayed));
	if (print_routes(broker) < 0 || print_streams(broker) < 0) {
		return command_failed("out of memory", NULL);
	}
	print_denials(broker);
	return STATUS_DONE;
}

int command_broker(int argc, char **argv)
{
	static const struct option options[] = {COMMON_LONG_OPTIONS, {0}};
	struct common_options common = {.command = "broker", .help = help};
	Vmreplica__Admin__BrokerRequest broker = VMREPLICA__ADMIN__BROKER_REQUEST__INIT;
	Vmreplica__Admin__Request request = VMREPLICA__ADMIN__REQUEST__INIT;
	static char to[] = "@broker";
	const Vmreplica__Admin__Response *response;
	struct client client;
	int result;

	command_next_option(&common, argc, argv, options);
	if (optind < argc) {
		return command_misused(&common, "\"%s\" is too much", argv[optind]);
	}
	request.to = to;
	request.body_case = VMREPLICA__ADMIN__REQUEST__BODY_BROKER;
	request.broker = &broker;
	client_init(&client);
	result = client_ask(&client, &common, &request, CLIENT_TIMEOUT_MS,
			    VMREPLICA__ADMIN__RESPONSE__BODY_BROKER, &response);
	if (result == STATUS_DONE) {
		result = common.json ? output_json(broker_to_json(response->broker), false)
				     : broker_print(response->broker);
	}
	client_destroy(&client);
	return result;
}
