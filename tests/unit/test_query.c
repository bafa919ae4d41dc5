/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QUERY and ORDER: who is answered, and what. */
#include <errno.h>
#include <string.h>

#include "broker/query_service.h"
#include "broker_fixture.h"
#include "broker_world.h"
#include "cluster/standing_order.h"
#include "proto/validate.h"
#include "unit.h"

static struct world *world;

/* ---- whose relationship it is ---- */

static bool carries(const void *arg, const char *host)
{
	return strcmp(arg, host) == 0;
}

/* As engine/failover_order.h writes it. */
#define ORDER(kind, way) kind " 0a1b2c3d " way " latest 2 " REL_1 " b.example - -"

static void judge(struct fixture_settings *settings, const struct placement *placement,
		  const char *address, const char *site, struct peer_side *side)
{
	static const char *const names[] = {"a1.a.example", "a.example", NULL};
	static struct authorization_table authorizations;
	struct peer_identity peer = {.names = names, .carries = carries, .arg = address};
	struct peer_side_world side_world = {
		.authorizations = &authorizations,
		.settings = settings != NULL ? &settings->message : NULL,
		.placement = placement,
		.own_site = "b.example",
	};

	authorization_table_destroy(&authorizations);
	CU_ASSERT_EQUAL_FATAL(authorization_table_load(side_world.settings, &authorizations, NULL),
			      0);
	peer_side_judge(&side_world, &peer, REL_1, site, side);
}

static void test_replica_side(void)
{
	struct fixture_settings settings = {0};
	struct peer_side side;

	judge(NULL, NULL, "", "a.example", &side);
	CU_ASSERT_EQUAL(side.outcome, PEER_SIDE_STARTING);
	settings_init(&settings);
	judge(&settings, NULL, "", "a.example", &side);
	CU_ASSERT_EQUAL(side.outcome, PEER_SIDE_UNKNOWN);
	CU_ASSERT_PTR_NULL(side.entry);
	settings_resource(&settings, "web1-a-replica", REL_1, "replica", "a.example");
	settings_authorize(&settings, "a.example", "/srv/replica", "-", 0);
	judge(&settings, NULL, "", "a.example", &side);
	CU_ASSERT_EQUAL_FATAL(side.outcome, PEER_SIDE_OK);
	CU_ASSERT_EQUAL(side.role, VMREPLICA__ROLE__ROLE_REPLICA);
	CU_ASSERT_EQUAL(side.epoch.number, 1);
	CU_ASSERT_STRING_EQUAL(side.epoch.site, "a.example");
	CU_ASSERT_STRING_EQUAL(side.epoch.lineage, REL_1);
	CU_ASSERT_FALSE(side.vm_running); /* there is no such resource */
	CU_ASSERT_PTR_NOT_NULL_FATAL(side.entry);
	CU_ASSERT_STRING_EQUAL(side.entry->storage, "/srv/replica");
	CU_ASSERT_FALSE(side.failing_over);
	settings_set(&settings, STANDING_FAILOVER REL_1, ORDER("unplanned-failover", "do"));
	judge(&settings, NULL, "", "a.example", &side);
	CU_ASSERT_TRUE(side.failing_over);
	settings.pairs[1].value = text(ORDER("unplanned-failover", "undo"));
	judge(&settings, NULL, "", "a.example", &side);
	CU_ASSERT_FALSE(side.failing_over);
	settings.pairs[1].value = text(ORDER("test-failover", "do"));
	judge(&settings, NULL, "", "a.example", &side);
	CU_ASSERT_FALSE(side.failing_over);
	judge(&settings, NULL, "", "c.example", &side); /* not in the certificate */
	CU_ASSERT_EQUAL(side.outcome, PEER_SIDE_DENIED);
	CU_ASSERT_STRING_EQUAL(side.code, "identity");
	settings.resources[0].parameters[3]->value = text("c.example");
	judge(&settings, NULL, "", "a.example", &side);
	CU_ASSERT_EQUAL(side.outcome, PEER_SIDE_DENIED);
	CU_ASSERT_STRING_EQUAL(side.code, "other-peer");
}

static void test_primary_side(void)
{
	static const char *const written[] = {"10.1.0.100", "10.1.0.100:8650", "[10.1.0.100]:8650"};
	struct fixture_settings settings = {0};
	struct fixture_placement placement;
	struct peer_side side;

	settings_init(&settings);
	settings_resource(&settings, "web1-replica", REL_1, "primary", written[0]);
	settings_parameter(&settings, 0, "vm_resource", "web1-a-replica");
	for (size_t i = 0; i < 3; i++) {
		settings.resources[0].parameters[3]->value = text(written[i]);
		judge(&settings, NULL, "10.1.0.100", "a.example", &side);
		CU_ASSERT_EQUAL(side.outcome, PEER_SIDE_OK);
		judge(&settings, NULL, "10.1.0.101", "a.example", &side);
		CU_ASSERT_EQUAL(side.outcome, PEER_SIDE_DENIED);
	}
	settings.resources[0].parameters[3]->value = text("fd00::1");
	judge(&settings, NULL, "fd00::1", "a.example", &side);
	CU_ASSERT_EQUAL(side.outcome, PEER_SIDE_OK);
	CU_ASSERT_STRING_EQUAL(side.epoch.site, "b.example");
	CU_ASSERT(side.vm_running); /* nobody knows: as if it did */
	placement_init(&placement, PLACEMENT_STOPPED, NULL, 1);
	judge(&settings, &placement.placement, "fd00::1", "a.example", &side);
	CU_ASSERT_FALSE(side.vm_running);
	placement_init(&placement, PLACEMENT_RUNNING, "b1", 1);
	judge(&settings, &placement.placement, "fd00::1", "a.example", &side);
	CU_ASSERT(side.vm_running);
	placement.resources[2].state = PLACEMENT_STOPPED;
	placement.resources[2].pending = "Starting";
	judge(&settings, &placement.placement, "fd00::1", "a.example", &side);
	CU_ASSERT(side.vm_running);
}

/* ---- over the wire ---- */

static Vmreplica__Wire__Version version_now(void)
{
	Vmreplica__Wire__Version version = VMREPLICA__WIRE__VERSION__INIT;

	version.min = PROTOCOL_VERSION_MIN;
	version.max = PROTOCOL_VERSION_MAX;
	return version;
}

static void check_answer(const struct client *client)
{
	char error[VALIDATE_ERROR_LEN] = "";

	CU_ASSERT_EQUAL_FATAL(client->result, 0);
	CU_ASSERT_EQUAL(validate_frame(&client->frame, error), 0);
	CU_ASSERT_STRING_EQUAL(error, "");
}

static const Vmreplica__Wire__QueryAnswer *ask(struct client *client, const char *pair,
					       const char *relationship)
{
	Vmreplica__Wire__Query query = VMREPLICA__WIRE__QUERY__INIT;
	Vmreplica__Wire__Version version = version_now();

	client_open(client, world->port, pair, "b.example", NULL);
	CU_ASSERT_EQUAL_FATAL(client->result, 0);
	query.version = &version;
	query.relationship = text(relationship);
	query.site = text("a.example");
	client_ask(client, FRAME_QUERY, &query.base);
	check_answer(client);
	return (const Vmreplica__Wire__QueryAnswer *)client->frame.message;
}

static void query_client(void *arg)
{
	const Vmreplica__Wire__QueryAnswer *answer;
	struct client client;

	(void)arg;
	world->engine_epoch = 0; /* from the settings alone */
	answer = ask(&client, "a1", REL_1);
	CU_ASSERT_EQUAL_FATAL(client.frame.type, FRAME_QUERY_ANSWER);
	CU_ASSERT(answer->known);
	CU_ASSERT_EQUAL(answer->role, VMREPLICA__ROLE__ROLE_REPLICA);
	CU_ASSERT_PTR_NOT_NULL_FATAL(answer->epoch);
	CU_ASSERT_EQUAL(answer->epoch->number, 1);
	CU_ASSERT(answer->authorized);
	CU_ASSERT_STRING_EQUAL(answer->node, "");
	CU_ASSERT_STRING_EQUAL(answer->site, "b.example");
	client_close(&client);
	world->engine_epoch = 3; /* its store knows more */
	answer = ask(&client, "a1", REL_1);
	CU_ASSERT_EQUAL_FATAL(client.frame.type, FRAME_QUERY_ANSWER);
	CU_ASSERT_EQUAL(answer->epoch->number, 3);
	CU_ASSERT_STRING_EQUAL(answer->epoch->site, "b.example");
	CU_ASSERT_EQUAL(answer->state, VMREPLICA__STATE__STATE_RECOVERED);
	CU_ASSERT_STRING_EQUAL(answer->node, "b1");
	CU_ASSERT_EQUAL(answer->seq, 17);
	client_close(&client);
	answer = ask(&client, "a1", REL_2);
	CU_ASSERT_EQUAL_FATAL(client.frame.type, FRAME_QUERY_ANSWER);
	CU_ASSERT_FALSE(answer->known);
	CU_ASSERT_PTR_NULL(answer->epoch);
	client_close(&client);
	ask(&client, "b1", REL_1); /* it says a.example, its certificate does not */
	CU_ASSERT_EQUAL_FATAL(client.frame.type, FRAME_DENIED);
	CU_ASSERT_STRING_EQUAL(((const Vmreplica__Wire__Denied *)client.frame.message)->code,
			       "identity");
	client_close(&client);
}

static void test_query(void)
{
	world = world_begin(RELAY_AUTO);
	world_add_replica(world);
	world_run(world, query_client, NULL);
	CU_ASSERT_PTR_NOT_NULL(denial_ring_at(&world->broker.denials, 0));
	world_end(world);
}

static void give_order(struct client *client, const char *relationship)
{
	Vmreplica__Wire__Order order = VMREPLICA__WIRE__ORDER__INIT;
	Vmreplica__Wire__Version version = version_now();
	Vmreplica__Epoch epoch = VMREPLICA__EPOCH__INIT;

	client_open(client, world->port, "a1", "b.example", NULL);
	CU_ASSERT_EQUAL_FATAL(client->result, 0);
	epoch.number = 2;
	epoch.lineage = text("0123abcd");
	epoch.site = text("b.example");
	order.version = &version;
	order.relationship = text(relationship);
	order.site = text("a.example");
	order.kind = VMREPLICA__WIRE__ORDER_KIND__ORDER_TAKE;
	order.epoch = &epoch;
	order.peer_address = text("10.1.0.100:8650");
	client_ask(client, FRAME_ORDER, &order.base);
	check_answer(client);
}

static void order_client(void *arg)
{
	const Vmreplica__Wire__Ordered *ordered;
	struct client client;

	(void)arg;
	give_order(&client, REL_1);
	CU_ASSERT_EQUAL_FATAL(client.frame.type, FRAME_ORDERED);
	ordered = (const Vmreplica__Wire__Ordered *)client.frame.message;
	CU_ASSERT(ordered->done);
	CU_ASSERT_STRING_EQUAL(ordered->job, "0a1b2c3d");
	CU_ASSERT_EQUAL(world->ordered_kind, VMREPLICA__WIRE__ORDER_KIND__ORDER_TAKE);
	client_close(&client);
	world->order_error = EAGAIN;
	give_order(&client, REL_1);
	CU_ASSERT_EQUAL(client.frame.type, FRAME_BUSY);
	client_close(&client);
	world->order_error = EPERM;
	give_order(&client, REL_1);
	CU_ASSERT_EQUAL(client.frame.type, FRAME_DENIED);
	client_close(&client);
	CU_ASSERT_EQUAL(world->ordered, 3);
	give_order(&client, REL_2);
	CU_ASSERT_EQUAL(client.frame.type, FRAME_DENIED);
	client_close(&client);
	CU_ASSERT_EQUAL(world->ordered, 3); /* nobody was asked */
}

static void test_order(void)
{
	world = world_begin(RELAY_AUTO);
	world_add_replica(world);
	world_run(world, order_client, NULL);
	world_end(world);
}

static const struct unit_test tests[] = {
	{"replica side", test_replica_side},
	{"primary side", test_primary_side},
	{"query", test_query},
	{"order", test_order},
};
UNIT_MAIN("query", tests)
