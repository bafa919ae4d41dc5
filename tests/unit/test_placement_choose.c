/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where a new replica goes: a table of situations with the node and, if there is none, the reason.
 */
#include <stdio.h>
#include <string.h>

#include "cluster/placement.h"
#include "tests/unit/unit.h"

#define GIB (1ull << 30)

/* a1..a4 are healthy with an engine; the others each lack something. */
static const struct placement_resource engines[] = {
	{.id = "e",
	 .agent = "ocf:vmreplica:engine",
	 .role = "Started",
	 .node = "a1",
	 .state = PLACEMENT_RUNNING},
	{.id = "e",
	 .agent = "ocf:vmreplica:engine",
	 .role = "Started",
	 .node = "a2",
	 .state = PLACEMENT_RUNNING},
	{.id = "e",
	 .agent = "ocf:vmreplica:engine",
	 .role = "Started",
	 .node = "a3",
	 .state = PLACEMENT_RUNNING},
	{.id = "e",
	 .agent = "ocf:vmreplica:engine",
	 .role = "Started",
	 .node = "standby",
	 .state = PLACEMENT_RUNNING},
	{.id = "e",
	 .agent = "ocf:vmreplica:engine",
	 .role = "Started",
	 .node = "unclean",
	 .state = PLACEMENT_UNKNOWN},
	{.id = "e",
	 .agent = "ocf:vmreplica:engine",
	 .role = "Starting",
	 .node = "starting",
	 .state = PLACEMENT_MOVING},
	{.id = "e",
	 .agent = "ocf:vmreplica:engine",
	 .role = "Started",
	 .node = "leaving",
	 .state = PLACEMENT_RUNNING},
	{.id = "e",
	 .agent = "ocf:vmreplica:engine",
	 .role = "Started",
	 .node = "kept",
	 .state = PLACEMENT_RUNNING},
	{.id = "x",
	 .agent = "ocf:heartbeat:Dummy",
	 .role = "Started",
	 .node = "bare",
	 .state = PLACEMENT_RUNNING},
};
static const struct placement_node nodes[] = {
	{.name = "a1", .online = true},
	{.name = "a2", .online = true},
	{.name = "a3", .online = true},
	{.name = "bare", .online = true},
	{.name = "kept", .online = true, .maintenance = true},
	{.name = "leaving", .online = true, .shutdown = true},
	{.name = "offline"},
	{.name = "pending", .online = true, .pending = true},
	{.name = "standby", .online = true, .standby = true},
	{.name = "starting", .online = true},
	{.name = "unclean", .online = true, .unclean = true},
};

struct situation {
	const char *name;
	struct placement_candidate candidates[4];
	size_t count;
	uint64_t need_bytes;
	const char *node; /* NULL: none */
	const char *why;  /* part of the sentence then */
};

static const struct situation situations[] = {
	{"fewest replicas first",
	 {{"a1", 9 * GIB, 2, true}, {"a2", 5 * GIB, 1, true}},
	 2,
	 GIB,
	 "a2",
	 NULL},
	{"then most room",
	 {{"a1", 5 * GIB, 1, true}, {"a2", 9 * GIB, 1, true}},
	 2,
	 GIB,
	 "a2",
	 NULL},
	{"then by name",
	 {{"a3", GIB, 1, true}, {"a2", GIB, 1, true}, {"a1", GIB, 1, true}},
	 3,
	 GIB,
	 "a1",
	 NULL},
	{"room is exact", {{"a1", GIB, 0, true}}, 1, GIB, "a1", NULL},
	{"no room", {{"a1", GIB - 1, 0, true}, {"a2", 0, 0, true}}, 2, GIB, NULL, "free space"},
	{"the one with room", {{"a1", 1, 0, true}, {"a2", 2 * GIB, 9, true}}, 2, GIB, "a2", NULL},
	{"read-only", {{"a1", GIB, 0, false}}, 1, GIB, NULL, "writable"},
	{"no engine",
	 {{"bare", GIB, 0, true}, {"starting", GIB, 0, true}},
	 2,
	 GIB,
	 NULL,
	 "vmreplica-engine runs"},
	{"sick nodes",
	 {{"standby", GIB, 0, true},
	  {"unclean", GIB, 0, true},
	  {"leaving", GIB, 0, true},
	  {"pending", GIB, 0, true}},
	 4,
	 GIB,
	 NULL,
	 "every node"},
	{"more sick nodes",
	 {{"offline", GIB, 0, true}, {"kept", GIB, 0, true}, {"unheard-of", GIB, 0, true}},
	 3,
	 GIB,
	 NULL,
	 "every node"},
	{"a healthy one among them",
	 {{"standby", GIB, 0, true}, {"a3", GIB, 9, true}},
	 2,
	 GIB,
	 "a3",
	 NULL},
	{"the reason of the best",
	 {{"offline", GIB, 0, true}, {"a1", 1, 0, true}, {"bare", GIB, 0, true}},
	 3,
	 GIB,
	 NULL,
	 "free space"},
	{"nobody announces it", {{NULL, 0, 0, false}}, 0, GIB, NULL, "no node announces"},
};

static void test_table(void)
{
	const struct placement placement = {
		.references = 1,
		.resources = (struct placement_resource *)engines,
		.resource_count = sizeof(engines) / sizeof(engines[0]),
		.nodes = (struct placement_node *)nodes,
		.node_count = sizeof(nodes) / sizeof(nodes[0]),
	};

	for (size_t i = 0; i < sizeof(situations) / sizeof(situations[0]); i++) {
		const struct situation *s = &situations[i];
		const char *why = "";
		const char *node =
			placement_choose(&placement, s->candidates, s->count, s->need_bytes, &why);
		bool right = s->node == NULL ? node == NULL && strstr(why, s->why) != NULL
					     : node != NULL && strcmp(node, s->node) == 0;

		if (!right) {
			fprintf(stderr, "%s: got %s, %s\n", s->name, node != NULL ? node : "none",
				why);
		}
		CU_ASSERT_TRUE(right);
	}
}

static const struct unit_test tests[] = {
	{"table", test_table},
};
UNIT_MAIN("placement_choose", tests)
