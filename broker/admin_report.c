/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vmreplica broker: who is active, routes, relayed streams, denials. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "broker/admin_service.h"
#include "common/clock.h"
#include "proto/arena.h"

#define REPORT_ARENA_BYTES (8u * 1024u * 1024u)
#define REPORT_ROUTES_MAX  4096u

/* The answer while it is gathered; all of it lives in the arena. */
struct report {
	struct broker *broker;
	struct arena arena;
	Vmreplica__Admin__BrokerResponse body;
	size_t routes_room, streams_room;
	bool out_of_memory;
};

static void *report_alloc(struct report *report, size_t size)
{
	ProtobufCAllocator *allocator = &report->arena.allocator;
	void *memory = allocator->alloc(allocator->allocator_data, size);

	if (memory == NULL) {
		report->out_of_memory = true;
	} else {
		memset(memory, 0, size);
	}
	return memory;
}

/* A copy, because relayed streams may end while the answer is made. */
static char *report_text(struct report *report, const char *text)
{
	size_t size = strlen(text) + 1;
	char *copy = report_alloc(report, size);

	if (copy != NULL) {
		memcpy(copy, text, size);
	}
	return copy;
}

static void report_route_cb(void *arg, const struct route *route)
{
	struct report *report = arg;
	Vmreplica__Admin__Route *message;

	if (report->body.n_routes >= report->routes_room) {
		return;
	}
	message = report_alloc(report, sizeof(*message));
	if (message == NULL) {
		return;
	}
	vmreplica__admin__route__init(message);
	message->relationship = (char *)(uintptr_t)route->relationship;
	message->vm = (char *)(uintptr_t)route->vm;
	message->owner = (char *)(uintptr_t)route->node;
	message->source = (char *)(uintptr_t)route_source_to_string(route->source);
	message->age_ms = route->source == ROUTE_SOURCE_NONE
				  ? 0
				  : (uint64_t)(clock_monotonic_ms() - route->since_ms);
	message->moving = route->moving;
	message->role = route->role;
	report->body.routes[report->body.n_routes++] = message;
}

static void report_stream_cb(void *arg, const struct relay_info *info)
{
	struct report *report = arg;
	Vmreplica__Admin__Stream *message;
	char *peer, *node;

	if (report->body.n_streams >= report->streams_room) {
		return;
	}
	message = report_alloc(report, sizeof(*message));
	peer = report_text(report, info->peer);
	node = report_text(report, info->node);
	if (message == NULL || peer == NULL || node == NULL) {
		return;
	}
	vmreplica__admin__stream__init(message);
	message->peer = peer;
	message->node = node;
	message->bytes = info->bytes;
	message->age_ms = (uint64_t)info->age_ms;
	report->body.streams[report->body.n_streams++] = message;
}

static void report_denials(struct report *report)
{
	const struct denial_ring *ring = &report->broker->denials;

	report->body.denials =
		report_alloc(report, sizeof(*report->body.denials) * (ring->count + 1));
	for (size_t i = 0; report->body.denials != NULL && i < ring->count; i++) {
		const struct denial *denial = denial_ring_at(ring, i);
		Vmreplica__Admin__Denial *message = report_alloc(report, sizeof(*message));

		if (message == NULL) {
			return;
		}
		vmreplica__admin__denial__init(message);
		message->time_ms = denial->time_ms;
		message->peer = (char *)(uintptr_t)denial->peer;
		message->reason = (char *)(uintptr_t)denial->reason;
		report->body.denials[report->body.n_denials++] = message;
	}
}

static void report_lists(struct report *report)
{
	struct broker *broker = report->broker;
	size_t routes = routing_table_count(broker->routes);

	report->routes_room = routes < REPORT_ROUTES_MAX ? routes : REPORT_ROUTES_MAX;
	report->body.routes =
		report_alloc(report, sizeof(*report->body.routes) * (report->routes_room + 1));
	if (report->body.routes != NULL) {
		routing_table_for_each(broker->routes, report_route_cb, report);
	}
	report->streams_room = broker->relay == NULL ? 0 : relay_stream_count(broker->relay);
	report->body.streams =
		report_alloc(report, sizeof(*report->body.streams) * (report->streams_room + 1));
	if (report->body.streams != NULL && report->streams_room > 0) {
		relay_for_each(broker->relay, report_stream_cb, report);
	}
	report_denials(report);
}

void admin_report_handle(struct broker *broker, const struct admin_asker *asker)
{
	Vmreplica__Admin__Response response = VMREPLICA__ADMIN__RESPONSE__INIT;
	struct report report = {.broker = broker};

	arena_init(&report.arena, REPORT_ARENA_BYTES);
	vmreplica__admin__broker_response__init(&report.body);
	report.body.node = broker->config->node;
	report.body.address = (char *)(uintptr_t)broker->options.address;
	report.body.port = broker->access_point == NULL ? broker->options.port
							: access_point_port(broker->access_point);
	report.body.relay = (char *)(uintptr_t)relay_mode_to_string(broker->options.relay);
	report.body.quorate = broker->quorate;
	report.body.lookups = broker->lookups;
	report.body.uptime_ms = (uint64_t)(clock_monotonic_ms() - broker->started_ms);
	report.body.relayed_bytes = broker->relay == NULL ? 0 : relay_total_bytes(broker->relay);
	report_lists(&report);
	if (report.out_of_memory) {
		admin_service_fail(broker, asker, ENOMEM, false, "the broker is out of memory", "");
	} else {
		response.body_case = VMREPLICA__ADMIN__RESPONSE__BODY_BROKER;
		response.broker = &report.body;
		admin_service_answer(broker, asker, &response);
	}
	arena_reset(&report.arena);
}
