/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How many lookups a second: in the routing table alone, as whole decisions (authorization
 * included), and as LOCATE frames over one TLS connection. Prints; judges nothing.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/locate.h"
#include "common/clock.h"
#include "proto/wire.pb-c.h"
#include "tests/unit/broker_fixture.h"
#include "tests/unit/broker_world.h"
#include "tests/unit/tempdir.h"

#define RELATIONSHIPS 10000u
#define LOOKUPS	      5000000u
#define DECISIONS     2000000u
#define LOCATES	      20000u
#define PIPELINE      32u

static char (*names)[RELATIONSHIP_LEN + 1];

static void print_rate(const char *what, uint64_t count, int64_t begun_ms)
{
	double seconds = (double)(clock_monotonic_ms() - begun_ms) / 1000.0;

	printf("  %-44s %10.0f /s\n", what, (double)count / (seconds > 0 ? seconds : 0.001));
}

static struct routing_table *make_table(void)
{
	struct routing_table *table = routing_table_new();
	static struct fixture_announcement a;

	names = calloc(RELATIONSHIPS, sizeof(*names));
	for (unsigned i = 0; i < RELATIONSHIPS; i += 4) {
		memset(&a, 0, sizeof(a));
		announce_init(&a, "b1", "192.0.2.11", 1, i + 1);
		a.message.part = i / 4;
		a.message.parts = (RELATIONSHIPS + 3) / 4;
		for (unsigned j = 0; j < 4; j++) {
			snprintf(names[i + j], sizeof(names[0]), "%08x-%04x-4000-8000-%012x",
				 (i + j) * 2654435761u, (i + j) & 0xffff, i + j);
			announce_vm(&a, names[i + j], 1);
		}
		if (routing_table_announce(table, &a.message, 1) != 0) {
			fprintf(stderr, "bench_broker: the table could not be filled\n");
			exit(1);
		}
	}
	return table;
}

static void bench_table(void)
{
	struct routing_table *table = make_table();
	struct fixture_settings settings = {0};
	struct authorization_table authorizations;
	const char *peer[] = {"a1.a.example", "a.example", NULL};
	struct locate_input input = {.version_min = 1,
				     .version_max = 1,
				     .names = peer,
				     .authorizations = &authorizations,
				     .relay = RELAY_AUTO,
				     .quorate = true,
				     .missing = "",
				     .settled = true};
	struct locate_output output;
	uint64_t found = 0;
	int64_t begun = clock_monotonic_ms();

	for (unsigned i = 0; i < LOOKUPS; i++) {
		const struct route *route =
			routing_table_find(table, names[(i * 7919u) % RELATIONSHIPS]);

		found += route != NULL && route->port == 8651;
	}
	print_rate("routing table, 10000 relationships", found, begun);
	settings_init(&settings);
	settings_authorize(&settings, "a.example", "/srv/a", "-", 0);
	settings_authorize(&settings, "*.c.example", "/srv/c", "-", 0);
	settings_authorize(&settings, "d.example", "/srv/d", "-", 0);
	authorization_table_load(&settings.message, &authorizations, NULL);
	begun = clock_monotonic_ms();
	found = 0;
	for (unsigned i = 0; i < DECISIONS; i++) {
		input.relationship = names[(i * 7919u) % RELATIONSHIPS];
		input.route = routing_table_find(table, input.relationship);
		locate_decide(&input, &output);
		found += output.answer == LOCATE_REDIRECT;
	}
	print_rate("decisions, 3 authorization entries", found, begun);
	authorization_table_destroy(&authorizations);
	routing_table_free(table);
	free(names);
}

static void fill_locate(Vmreplica__Wire__Locate *locate, Vmreplica__Wire__Version *version)
{
	vmreplica__wire__version__init(version);
	version->min = version->max = 1;
	vmreplica__wire__locate__init(locate);
	locate->version = version;
	locate->relationship = text(REL_1);
}

static void locate_one_by_one(void *arg)
{
	struct world *world = arg;
	Vmreplica__Wire__Version version;
	Vmreplica__Wire__Locate locate;
	struct client client;
	int64_t begun;
	uint64_t answers = 0;

	fill_locate(&locate, &version);
	client_open(&client, world->port, "a1", "b.example", NULL);
	begun = clock_monotonic_ms();
	for (unsigned i = 0; i < LOCATES; i++) {
		client_ask(&client, FRAME_LOCATE, &locate.base);
		answers += client.result == 0 && client.frame.type == FRAME_REDIRECT;
	}
	print_rate("LOCATE over one TLS connection, one by one", answers, begun);
	client_close(&client);
}

static void locate_pipelined(void *arg)
{
	struct world *world = arg;
	Vmreplica__Wire__Version version;
	Vmreplica__Wire__Locate locate;
	struct client client;
	int64_t begun;
	uint64_t answers = 0;

	fill_locate(&locate, &version);
	client_open(&client, world->port, "a1", "b.example", NULL);
	begun = clock_monotonic_ms();
	for (unsigned i = 0; i < LOCATES; i += PIPELINE) {
		for (unsigned j = 0; j < PIPELINE; j++) {
			channel_send(&client.channel, FRAME_LOCATE, &locate.base, NULL, 0,
				     WORLD_WAIT_MS);
		}
		for (unsigned j = 0; j < PIPELINE; j++) {
			answers += channel_receive(&client.channel, &client.arena, &client.frame,
						   NULL, 0, WORLD_WAIT_MS) == 0;
		}
	}
	print_rate("LOCATE over one TLS connection, 32 in flight", answers, begun);
	client_close(&client);
}

int main(void)
{
	struct world *world;

	signal(SIGPIPE, SIG_IGN);
	printf("broker lookups:\n");
	bench_table();
	world_request_rate = ACCESS_RATE_NONE;
	world = world_begin(RELAY_AUTO);
	world_add_replica(world);
	world_run(world, locate_one_by_one, world);
	world_run(world, locate_pipelined, world);
	world_end(world);
	tempdir_remove();
	return 0;
}
