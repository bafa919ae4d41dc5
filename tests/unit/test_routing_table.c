/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "broker_fixture.h"
#include "unit.h"

static struct fixture_announcement a1, a2;
static struct fixture_settings settings;
static struct fixture_placement placement;
static struct routing_table *table;

static void begin(void)
{
	memset(&a1, 0, sizeof(a1));
	memset(&a2, 0, sizeof(a2));
	memset(&settings, 0, sizeof(settings));
	settings_init(&settings);
	table = routing_table_new();
	CU_ASSERT_PTR_NOT_NULL_FATAL(table);
}

static const struct route *found(const char *relationship)
{
	const struct route *route = routing_table_find(table, relationship);

	CU_ASSERT_PTR_NOT_NULL_FATAL(route);
	return route;
}

static void test_announced(void)
{
	const struct route *route;

	begin();
	announce_init(&a1, "b1", "192.0.2.11", 7, 1);
	announce_vm(&a1, REL_1, 1);
	CU_ASSERT_EQUAL(routing_table_announce(table, &a1.message, 100), 0);
	route = found(REL_1);
	CU_ASSERT_STRING_EQUAL(route->node, "b1");
	CU_ASSERT_STRING_EQUAL(route->host, "192.0.2.11");
	CU_ASSERT_STRING_EQUAL(route->name, "b1.b.example");
	CU_ASSERT_STRING_EQUAL(route->vm, "web1");
	CU_ASSERT_STRING_EQUAL(route->peer, "a.example");
	CU_ASSERT_EQUAL(route->port, 8651);
	CU_ASSERT_EQUAL(route->since_ms, 100);
	CU_ASSERT_FALSE(route->moving);
	CU_ASSERT_FALSE(route->configured);
	CU_ASSERT_EQUAL(routing_table_replicas_on(table, "b1"), 1);
	CU_ASSERT_PTR_EQUAL(routing_table_find_vm(table, "web1"), route);
	CU_ASSERT_PTR_NULL(routing_table_find(table, REL_2));
	CU_ASSERT_PTR_NULL(routing_table_find(table, "11111111-1111-4111-8111-11111111111"));
	CU_ASSERT_PTR_NULL(routing_table_find(table, REL_1 "1"));
	CU_ASSERT_PTR_NULL(routing_table_find(table, ""));
	CU_ASSERT_PTR_NULL(routing_table_find(table, "zzzzzzzz-1111-4111-8111-111111111111"));
	routing_table_free(table);
}

/* A later list that no longer names a VM takes its route away. */
static void test_list_is_full(void)
{
	begin();
	announce_init(&a1, "b1", "192.0.2.11", 7, 1);
	announce_vm(&a1, REL_1, 1);
	announce_vm(&a1, REL_2, 1);
	CU_ASSERT_EQUAL(routing_table_announce(table, &a1.message, 100), 0);
	CU_ASSERT_EQUAL(routing_table_count(table), 2);
	memset(&a1, 0, sizeof(a1));
	announce_init(&a1, "b1", "192.0.2.11", 7, 2);
	announce_vm(&a1, REL_2, 1);
	CU_ASSERT_EQUAL(routing_table_announce(table, &a1.message, 200), 0);
	CU_ASSERT_EQUAL(routing_table_count(table), 1);
	CU_ASSERT_PTR_NULL(routing_table_find(table, REL_1));
	CU_ASSERT_EQUAL(found(REL_2)->since_ms, 200);
	routing_table_free(table);
}

static void announce_part(uint32_t part, uint32_t parts, uint64_t seq, const char *relationship)
{
	memset(&a1, 0, sizeof(a1));
	announce_init(&a1, "b1", "192.0.2.11", 7, seq);
	a1.message.part = part;
	a1.message.parts = parts;
	announce_vm(&a1, relationship, 1);
	CU_ASSERT_EQUAL(routing_table_announce(table, &a1.message, 100 + part), 0);
}

static void test_parts(void)
{
	begin();
	announce_part(1, 3, 1, REL_2); /* we joined in the middle of a list */
	CU_ASSERT_PTR_NULL(routing_table_find(table, REL_2));
	announce_part(0, 2, 2, REL_1);
	CU_ASSERT_FALSE(routing_table_find_node(table, "b1")->complete);
	announce_part(1, 2, 2, REL_2);
	CU_ASSERT_TRUE(routing_table_find_node(table, "b1")->complete);
	CU_ASSERT_EQUAL(routing_table_count(table), 2);
	/* A new list under way takes nothing away before its end; parts with seqs of their own are
	 * one list too. */
	announce_part(0, 2, 3, REL_3);
	CU_ASSERT_EQUAL(routing_table_count(table), 3);
	announce_part(1, 2, 4, REL_1);
	CU_ASSERT_EQUAL(routing_table_count(table), 2);
	CU_ASSERT_PTR_NULL(routing_table_find(table, REL_2));
	/* A missing part: the list does not count as complete, and takes nothing away. */
	announce_part(0, 3, 5, REL_1);
	announce_part(2, 3, 5, REL_1);
	CU_ASSERT_PTR_NOT_NULL(routing_table_find(table, REL_3));
	routing_table_free(table);
}

static void test_new_boot(void)
{
	begin();
	announce_part(0, 1, 9, REL_1);
	memset(&a1, 0, sizeof(a1));
	announce_init(&a1, "b1", "192.0.2.99", 8,
		      1); /* the engine was started again: its seq begins anew */
	a1.message.parts = 2;
	announce_vm(&a1, REL_2, 1);
	CU_ASSERT_EQUAL(routing_table_announce(table, &a1.message, 200), 0);
	CU_ASSERT_PTR_NULL(routing_table_find(table, REL_1));
	CU_ASSERT_STRING_EQUAL(found(REL_2)->host, "192.0.2.99");
	CU_ASSERT_FALSE(routing_table_find_node(table, "b1")->complete);
	routing_table_free(table);
}

static void test_engine_left(void)
{
	begin();
	settings_resource(&settings, "web1-a-replica", REL_1, "replica", "a.example");
	CU_ASSERT_EQUAL(routing_table_set_settings(table, &settings.message), 0);
	announce_part(0, 1, 1, REL_1);
	announce_init(&a2, "b2", "192.0.2.12", 3, 1);
	announce_vm(&a2, REL_2, 1);
	CU_ASSERT_EQUAL(routing_table_announce(table, &a2.message, 100), 0);
	routing_table_engine_left(table, "b1");
	routing_table_engine_left(table, "b9");
	CU_ASSERT_PTR_NULL(routing_table_find_node(table, "b1"));
	CU_ASSERT_TRUE(found(REL_1)->moving);
	CU_ASSERT_TRUE(found(REL_1)->configured);
	CU_ASSERT_FALSE(found(REL_2)->moving);
	routing_table_free(table);
}

/* A replica moves from b1 to b2, step by step as the cluster tells it. */
static void test_move(void)
{
	begin();
	settings_resource(&settings, "web1-a-replica", REL_1, "replica", "a.example");
	CU_ASSERT_EQUAL(routing_table_set_settings(table, &settings.message), 0);
	announce_init(&a1, "b1", "192.0.2.11", 7, 1);
	announce_vm(&a1, REL_1, 1);
	announce_init(&a2, "b2", "192.0.2.12", 3, 1);
	CU_ASSERT_EQUAL(routing_table_announce(table, &a1.message, 90), 0);
	CU_ASSERT_EQUAL(routing_table_announce(table, &a2.message, 90), 0);
	placement_init(&placement, PLACEMENT_RUNNING, "b1", 100);
	routing_table_set_placement(table, &placement.placement);
	CU_ASSERT_FALSE(found(REL_1)->moving);
	placement_init(&placement, PLACEMENT_MOVING, "b1", 110);
	routing_table_set_placement(table, &placement.placement);
	CU_ASSERT_TRUE(found(REL_1)->moving);
	/* b1 has detached it, b2 has it: the engines know before the cluster database. */
	a1.message.n_vms = 0;
	a1.message.seq = 2;
	CU_ASSERT_EQUAL(routing_table_announce(table, &a1.message, 120), 0);
	CU_ASSERT_TRUE(found(REL_1)->moving);
	announce_vm(&a2, REL_1, 2);
	a2.message.seq = 2;
	CU_ASSERT_EQUAL(routing_table_announce(table, &a2.message, 130), 0);
	CU_ASSERT_FALSE(found(REL_1)->moving);
	CU_ASSERT_STRING_EQUAL(found(REL_1)->node, "b2");
	/* The same claim against a newer snapshot is a contradiction. */
	placement_init(&placement, PLACEMENT_RUNNING, "b1", 140);
	routing_table_set_placement(table, &placement.placement);
	CU_ASSERT_TRUE(found(REL_1)->moving);
	placement_init(&placement, PLACEMENT_RUNNING, "b2", 150);
	routing_table_set_placement(table, &placement.placement);
	CU_ASSERT_FALSE(found(REL_1)->moving);
	CU_ASSERT_STRING_EQUAL(found(REL_1)->host, "192.0.2.12");
	routing_table_free(table);
}

static void test_claims(void)
{
	begin();
	announce_init(&a1, "b1", "192.0.2.11", 7, 1);
	announce_vm(&a1, REL_1, 4);
	announce_init(&a2, "b2", "192.0.2.12", 3, 1);
	announce_vm(&a2, REL_1, 5);
	CU_ASSERT_EQUAL(routing_table_announce(table, &a2.message, 90), 0);
	CU_ASSERT_EQUAL(routing_table_announce(table, &a1.message, 95), 0);
	CU_ASSERT_STRING_EQUAL(found(REL_1)->node,
			       "b2"); /* the higher generation, though it spoke first */
	CU_ASSERT_FALSE(found(REL_1)->moving);
	a1.vms[0].generation = 5;
	a1.message.seq = 2;
	CU_ASSERT_EQUAL(routing_table_announce(table, &a1.message, 99), 0);
	CU_ASSERT_TRUE(found(REL_1)->moving);
	/* b1 lets it go: b2's word stands alone. */
	a1.vms[0].paused_since_ms = 1700000000000;
	a1.message.seq = 3;
	CU_ASSERT_EQUAL(routing_table_announce(table, &a1.message, 101), 0);
	CU_ASSERT_FALSE(found(REL_1)->moving);
	CU_ASSERT_STRING_EQUAL(found(REL_1)->node, "b2");
	/* b2 as well: nobody has it now. */
	a2.vms[0].paused_since_ms = 1700000000001;
	a2.message.seq = 2;
	CU_ASSERT_EQUAL(routing_table_announce(table, &a2.message, 102), 0);
	CU_ASSERT_TRUE(found(REL_1)->moving);
	routing_table_free(table);
}

static void test_unconfigured(void)
{
	begin();
	settings_resource(&settings, "web1-a-replica", REL_1, "replica", "a.example");
	CU_ASSERT_EQUAL(routing_table_set_settings(table, &settings.message), 0);
	CU_ASSERT_STRING_EQUAL(found(REL_1)->peer, "a.example");
	CU_ASSERT_EQUAL(found(REL_1)->role, VMREPLICA__ROLE__ROLE_REPLICA);
	CU_ASSERT_TRUE(found(REL_1)->moving);
	settings.message.n_resources = 0;
	CU_ASSERT_EQUAL(routing_table_set_settings(table, &settings.message), 0);
	CU_ASSERT_EQUAL(routing_table_count(table), 0);
	routing_table_free(table);
}

static void test_malformed(void)
{
	begin();
	announce_init(&a1, "b1", "192.0.2.11", 7, 1);
	a1.message.parts = 0;
	CU_ASSERT_EQUAL(routing_table_announce(table, &a1.message, 1), -EBADMSG);
	a1.message.parts = 1;
	a1.message.part = 1;
	CU_ASSERT_EQUAL(routing_table_announce(table, &a1.message, 1), -EBADMSG);
	a1.message.part = 0;
	a1.message.port = 65536;
	CU_ASSERT_EQUAL(routing_table_announce(table, &a1.message, 1), -EBADMSG);
	a1.message.port = 1;
	a1.message.node = text("");
	CU_ASSERT_EQUAL(routing_table_announce(table, &a1.message, 1), -EBADMSG);
	CU_ASSERT_PTR_NULL(routing_table_nodes(table));
	a1.message.node = text("b1");
	announce_vm(&a1, "not-a-uuid", 1);
	announce_vm(&a1, REL_2, 1);
	CU_ASSERT_EQUAL(routing_table_announce(table, &a1.message, 1), -EBADMSG);
	CU_ASSERT_EQUAL(routing_table_count(table), 1);
	routing_table_free(table);
}

/* More relationships than buckets at first: all are found again after the table has grown. */
static void test_many(void)
{
	char relationship[RELATIONSHIP_LEN + 1];

	begin();
	for (unsigned i = 0; i < 1000; i += 4) {
		memset(&a1, 0, sizeof(a1));
		announce_init(&a1, "b1", "192.0.2.11", 7, i + 1);
		a1.message.part = i / 4;
		a1.message.parts = 250;
		for (unsigned j = 0; j < 4; j++) {
			snprintf(relationship, sizeof(relationship),
				 "%08x-0000-4000-8000-000000000000", i + j);
			announce_vm(&a1, strdup(relationship), 1);
		}
		CU_ASSERT_EQUAL(routing_table_announce(table, &a1.message, 1), 0);
		for (unsigned j = 0; j < 4; j++) {
			free(a1.vms[j].relationship);
		}
	}
	CU_ASSERT_EQUAL(routing_table_count(table), 1000);
	for (unsigned i = 0; i < 1000; i++) {
		snprintf(relationship, sizeof(relationship), "%08x-0000-4000-8000-000000000000", i);
		CU_ASSERT_STRING_EQUAL(found(relationship)->relationship, relationship);
	}
	routing_table_free(table);
}

static const struct unit_test tests[] = {
	{"an announced VM is found", test_announced},
	{"a list is full", test_list_is_full},
	{"a list in parts", test_parts},
	{"a new boot voids the old", test_new_boot},
	{"an engine leaves", test_engine_left},
	{"a replica moves", test_move},
	{"two nodes claim", test_claims},
	{"a resource goes away", test_unconfigured},
	{"malformed announcements", test_malformed},
	{"many relationships", test_many},
};
UNIT_MAIN("routing table", tests)
