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

#define NODES_MAX 64
/* A node that hangs must not hold up the events of the others for long. */
#define NODE_TIMEOUT_MS 3000

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

/* One look at all nodes: the answer of the engine here, then of each other one. */
struct round {
	struct client clients[NODES_MAX];
	const Vmreplica__Admin__EventsResponse *answers[NODES_MAX];
	size_t count;
	const Vmreplica__Event **events; /* owned list: all of them, by time */
	size_t event_count;
};

static void round_destroy(struct round *round)
{
	for (size_t i = 0; i < round->count; i++) {
		client_destroy(&round->clients[i]);
	}
	free(round->events);
}

/* The request for what node has that was not seen yet; "" = the engine here. */
static void request_init(Vmreplica__Admin__Request *request,
			 Vmreplica__Admin__EventsRequest *events, const struct seen *seen,
			 char *node)
{
	vmreplica__admin__request__init(request);
	vmreplica__admin__events_request__init(events);
	events->n_after_node = events->n_after_id = seen->count;
	events->after_node = seen->nodes;
	events->after_id = seen->ids;
	request->to = node;
	request->body_case = VMREPLICA__ADMIN__REQUEST__BODY_EVENTS;
	request->events = events;
}

/* Ask the others. One that does not answer is named, if wanted, and left out. */
static void round_ask_nodes(struct round *round, const struct common_options *common,
			    const struct seen *seen, bool complain)
{
	const Vmreplica__Admin__EventsResponse *first = round->answers[0];
	const Vmreplica__Admin__Response *response;
	Vmreplica__Admin__EventsRequest events;
	Vmreplica__Admin__Request request;

	for (size_t i = 0; i < first->n_nodes && round->count < NODES_MAX; i++) {
		struct client *client = &round->clients[round->count];

		client_init(client);
		request_init(&request, &events, seen, first->nodes[i]);
		if (client_exchange_engine(client, common, &request, NODE_TIMEOUT_MS, &response) ==
			    0 &&
		    response->body_case == VMREPLICA__ADMIN__RESPONSE__BODY_EVENTS) {
			round->answers[round->count++] = response->events;
			continue;
		}
		client_destroy(client);
		if (complain) {
			fprintf(stderr, "Warning: the engine of node %s does not answer\n",
				first->nodes[i]);
		}
	}
}

static int round_ask(struct round *round, const struct common_options *common,
		     const struct seen *seen, bool complain)
{
	const Vmreplica__Admin__Response *response;
	Vmreplica__Admin__EventsRequest events;
	Vmreplica__Admin__Request request;
	static char here[] = "";
	int result;

	client_init(&round->clients[0]);
	round->count = 1;
	request_init(&request, &events, seen, here);
	result = client_ask(&round->clients[0], common, &request, CLIENT_TIMEOUT_MS,
			    VMREPLICA__ADMIN__RESPONSE__BODY_EVENTS, &response);
	if (result == STATUS_DONE) {
		round->answers[0] = response->events;
		round_ask_nodes(round, common, seen, complain);
	}
	return result;
}

static int by_time(const void *a, const void *b)
{
	const Vmreplica__Event *one = *(const Vmreplica__Event *const *)a;
	const Vmreplica__Event *two = *(const Vmreplica__Event *const *)b;

	if (one->time_ms != two->time_ms) {
		return one->time_ms < two->time_ms ? -1 : 1;
	}
	return one->id < two->id ? -1 : one->id > two->id;
}

/* All events of the round in one list, and noted as seen. False when out of memory. */
static bool round_merge(struct round *round, struct seen *seen)
{
	size_t total = 0;

	for (size_t i = 0; i < round->count; i++) {
		total += round->answers[i]->n_events;
	}
	round->events = calloc(total + 1, sizeof(*round->events));
	for (size_t i = 0; round->events != NULL && i < round->count; i++) {
		for (size_t j = 0; j < round->answers[i]->n_events; j++) {
			round->events[round->event_count++] = round->answers[i]->events[j];
			if (!seen_note(seen, round->answers[i]->events[j])) {
				return false;
			}
		}
	}
	if (round->events != NULL) {
		qsort(round->events, total, sizeof(*round->events), by_time);
	}
	return round->events != NULL;
}

static int round_show(const struct round *round, bool json, bool follow)
{
	json_t *list = json ? json_array() : NULL;

	for (size_t i = 0; i < round->event_count; i++) {
		if (json && follow) {
			output_json(event_to_json(round->events[i]), true);
		} else if (json) {
			output_json_append(&list, event_to_json(round->events[i]));
		} else {
			event_print(round->events[i]);
		}
	}
	if (json && !follow) {
		return output_json(json_pack("{s:o}", "events", list), false);
	}
	json_decref(list);
	return STATUS_DONE;
}

static int events_ask(const struct common_options *common, struct seen *seen, bool follow,
		      bool *ret_lost)
{
	struct round *round = calloc(1, sizeof(*round));
	int result;

	if (round == NULL) {
		return command_failed("out of memory", NULL);
	}
	result = round_ask(round, common, seen, !common->answered);
	*ret_lost = round->clients[0].lost;
	if (result == STATUS_DONE) {
		result = round_merge(round, seen) ? round_show(round, common->json, follow)
						  : command_failed("out of memory", NULL);
	}
	round_destroy(round);
	free(round);
	return result;
}

int command_events(int argc, char **argv)
{
	static const struct option options[] = {
		COMMON_LONG_OPTIONS, {"follow", no_argument, NULL, OPTION_FOLLOW}, {0}};
	struct common_options common = {.command = "events", .help = help};
	struct seen seen = {0};
	bool follow = false, lost = false;
	int result;

	while (command_next_option(&common, argc, argv, options) == OPTION_FOLLOW) {
		follow = true;
	}
	if (optind < argc) {
		return command_misused(&common, "\"%s\" is too much", argv[optind]);
	}
	do {
		result = events_ask(&common, &seen, follow, &lost);
	} while (follow && command_goes_on(&common, result, lost));
	seen_destroy(&seen);
	return result;
}
