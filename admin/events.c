/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/client.h"
#include "admin/command.h"
#include "admin/output.h"
#include "common/clock.h"

static const char help[] =
	"Usage: vmreplica events [OPTION]...\n"
	"Show what happened lately to replication on the nodes of this cluster.\n\n"
	"      --follow        go on until interrupted; with --json one line an "
	"event\n" COMMON_HELP;

#define FOLLOW_EVERY_MS 1000

enum { OPTION_FOLLOW = OPTION_OWN };

/* The last event seen of each node, as EventsRequest wants it: parallel lists. */
struct seen {
	char **nodes; /* owned strings */
	uint64_t *ids;
	size_t count;
};

static bool seen_note(struct seen *seen, const Vmreplica__Event *event)
{
	char **nodes;
	uint64_t *ids;

	for (size_t i = 0; i < seen->count; i++) {
		if (strcmp(seen->nodes[i], event->node) == 0) {
			seen->ids[i] = event->id > seen->ids[i] ? event->id : seen->ids[i];
			return true;
		}
	}
	nodes = reallocarray(seen->nodes, seen->count + 1, sizeof(*nodes));
	seen->nodes = nodes != NULL ? nodes : seen->nodes;
	ids = reallocarray(seen->ids, seen->count + 1, sizeof(*ids));
	seen->ids = ids != NULL ? ids : seen->ids;
	if (nodes == NULL || ids == NULL || (nodes[seen->count] = strdup(event->node)) == NULL) {
		return false;
	}
	ids[seen->count++] = event->id;
	return true;
}

static void seen_destroy(struct seen *seen)
{
	for (size_t i = 0; i < seen->count; i++) {
		free(seen->nodes[i]);
	}
	free(seen->nodes);
	free(seen->ids);
}

static json_t *event_to_json(const Vmreplica__Event *event)
{
	return json_pack("{s:I, s:o, s:o, s:o, s:o, s:o}", "id", (json_int_t)event->id, "time",
			 output_json_time(event->time_ms), "node", output_json_string(event->node),
			 "severity", output_json_string(event->severity), "vm",
			 output_json_text(event->vm), "text", output_json_string(event->text));
}

static void event_print(const Vmreplica__Event *event)
{
	char stamp[RFC3339_LEN];

	printf("%s %s %s: %s%s%s\n", clock_format_rfc3339(event->time_ms, stamp), event->node,
	       event->severity, event->vm, event->vm[0] != '\0' ? ": " : "", event->text);
}

static int events_show(const Vmreplica__Admin__EventsResponse *answer, bool json, bool follow)
{
	json_t *events = json ? json_array() : NULL;

	for (size_t i = 0; i < answer->n_events; i++) {
		if (json && follow) {
			output_json(event_to_json(answer->events[i]), true);
		} else if (json) {
			output_json_append(&events, event_to_json(answer->events[i]));
		} else {
			event_print(answer->events[i]);
		}
	}
	if (json && !follow) {
		return output_json(json_pack("{s:o}", "events", events), false);
	}
	json_decref(events);
	return STATUS_DONE;
}

static int events_ask(const struct common_options *common, struct seen *seen, bool follow)
{
	Vmreplica__Admin__EventsRequest events = VMREPLICA__ADMIN__EVENTS_REQUEST__INIT;
	Vmreplica__Admin__Request request = VMREPLICA__ADMIN__REQUEST__INIT;
	const Vmreplica__Admin__Response *response;
	struct client client;
	int result;

	events.n_after_node = events.n_after_id = seen->count;
	events.after_node = seen->nodes;
	events.after_id = seen->ids;
	request.body_case = VMREPLICA__ADMIN__REQUEST__BODY_EVENTS;
	request.events = &events;
	client_init(&client);
	result = client_ask(&client, common, &request, CLIENT_TIMEOUT_MS,
			    VMREPLICA__ADMIN__RESPONSE__BODY_EVENTS, &response);
	for (size_t i = 0; result == STATUS_DONE && i < response->events->n_events; i++) {
		if (!seen_note(seen, response->events->events[i])) {
			result = command_failed("out of memory", NULL);
		}
	}
	if (result == STATUS_DONE) {
		result = events_show(response->events, common->json, follow);
	}
	client_destroy(&client);
	return result;
}

int command_events(int argc, char **argv)
{
	static const struct option options[] = {
		COMMON_LONG_OPTIONS, {"follow", no_argument, NULL, OPTION_FOLLOW}, {0}};
	struct common_options common = {.command = "events", .help = help};
	struct seen seen = {0};
	bool follow = false;
	int result;

	while (command_next_option(&common, argc, argv, options) == OPTION_FOLLOW) {
		follow = true;
	}
	if (optind < argc) {
		return command_misused(&common, "\"%s\" is too much", argv[optind]);
	}
	while ((result = events_ask(&common, &seen, follow)) == STATUS_DONE && follow) {
		if (fflush(stdout) != 0) {
			break;
		}
		clock_sleep_ms(FOLLOW_EVERY_MS);
	}
	seen_destroy(&seen);
	return result;
}
