/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "broker/enroll.h"
#include "broker/withdraw.h"
#include "cluster/epoch.h"
#include "cluster/standing_order.h"

#include <string.h>

#include "broker_fixture.h"
#include "unit.h"

#define GIB (1024ull * 1024 * 1024)

static const char *const of_a[] = {"a1.a.example", "a.example", NULL};
static const char *const of_x[] = {"x.other", NULL};

static struct fixture_settings settings;
static struct fixture_announcement b1, b2;
static struct fixture_placement placement;
static struct authorization_table authorizations;
static struct enroll_world world;
static Vmreplica__Wire__Enroll enroll;
static Vmreplica__Wire__Disk disks[2], *disk_list[2] = {&disks[0], &disks[1]};
static struct enroll_plan plan;
static const struct enroll_pending *pending_now;

/* A site b.example with shared storage on b1 and b2, which lets a.example in. */
static void begin(const char *b1_storage_id, const char *b2_storage_id)
{
	memset(&settings, 0, sizeof(settings));
	memset(&b1, 0, sizeof(b1));
	memset(&b2, 0, sizeof(b2));
	settings_init(&settings);
	settings_authorize(&settings, "a.example", "/srv/replica", "-", 0);
	announce_init(&b1, "b1", "192.0.2.11", 1, 1);
	announce_init(&b2, "b2", "192.0.2.12", 1, 1);
	announce_storage(&b1, "/srv/replica", b1_storage_id, 100 * GIB, true);
	announce_storage(&b2, "/srv/replica", b2_storage_id, 200 * GIB, true);
	placement_init(&placement, PLACEMENT_STOPPED, NULL, 1);
	vmreplica__wire__enroll__init(&enroll);
	enroll.relationship = text(REL_1);
	enroll.vm = text("web1");
	enroll.site = text("a.example");
	enroll.frequency_s = 30;
	for (size_t i = 0; i < 2; i++) {
		vmreplica__wire__disk__init(&disks[i]);
		disks[i].name = text(i == 0 ? "vda" : "vdb");
		disks[i].size_bytes = 10 * GIB;
	}
	enroll.n_disks = 2;
	enroll.disks = disk_list;
}

static void decide(const char *const *names)
{
	struct routing_table *routes = routing_table_new();

	CU_ASSERT_PTR_NOT_NULL_FATAL(routes);
	CU_ASSERT_EQUAL(routing_table_announce(routes, &b1.message, 1), 0);
	CU_ASSERT_EQUAL(routing_table_announce(routes, &b2.message, 1), 0);
	CU_ASSERT_EQUAL(routing_table_set_settings(routes, &settings.message), 0);
	CU_ASSERT_EQUAL_FATAL(authorization_table_load(&settings.message, &authorizations, NULL),
			      0);
	world = (struct enroll_world){.authorizations = &authorizations,
				      .settings = &settings.message,
				      .placement = &placement.placement,
				      .routes = routes,
				      .own_site = "b.example",
				      .reserve_bytes = GIB,
				      .pending = pending_now,
				      .pending_count = pending_now != NULL};
	enroll_decide(&world, &enroll, names, &plan);
	authorization_table_destroy(&authorizations);
	routing_table_free(routes);
}

static void expect_denied(const char *code, const char *part)
{
	bool right = plan.outcome == ENROLL_DENIED && strcmp(plan.code, code) == 0 &&
		     strstr(plan.reason, part) != NULL;

	if (!right) {
		printf("\n  outcome %d, %s: %s\n", plan.outcome, plan.code, plan.reason);
	}
	CU_ASSERT_TRUE(right);
}

static void test_shared_storage(void)
{
	begin("one", "one");
	decide(of_a);
	CU_ASSERT_EQUAL(plan.outcome, ENROLL_CREATE);
	CU_ASSERT_STRING_EQUAL(plan.resource, "web1-a-replica");
	CU_ASSERT_STRING_EQUAL(plan.storage, "/srv/replica");
	CU_ASSERT_STRING_EQUAL(plan.node, "b2"); /* equally many replicas, more room */
	CU_ASSERT_STRING_EQUAL(plan.location_node, "");
}

static void test_local_storage(void)
{
	begin("one", "two");
	announce_vm(&b2, REL_3, 1); /* b2 has a replica already */
	decide(of_a);
	CU_ASSERT_EQUAL(plan.outcome, ENROLL_CREATE);
	CU_ASSERT_STRING_EQUAL(plan.node, "b1");
	CU_ASSERT_STRING_EQUAL(plan.location_node, "b1");
	begin("", ""); /* no marker file: nothing says that it is the same storage */
	decide(of_a);
	CU_ASSERT_STRING_EQUAL(plan.node, "b2");
	CU_ASSERT_STRING_EQUAL(plan.location_node, "b2");
}

static void test_no_room(void)
{
	begin("one", "one");
	b1.storages[0].free_bytes = b2.storages[0].free_bytes = GIB / 2; /* below the reserve */
	decide(of_a);
	expect_denied("no-room", "/srv/replica");
	begin("one", "one");
	b1.storages[0].writable = b2.storages[0].writable = false;
	b1.storages[0].error = text("read-only file system");
	decide(of_a);
	expect_denied("no-room", "read-only file system");
	begin("one", "one");
	placement.nodes[0].standby = placement.nodes[1].online = true;
	placement.nodes[1].maintenance = true;
	decide(of_a);
	expect_denied("no-room", "");
	begin("one", "one");
	b1.message.n_storages = b2.message.n_storages = 0;
	decide(of_a);
	expect_denied("no-storage", "/srv/replica");
}

static void test_identity(void)
{
	begin("one", "one");
	decide(of_x);
	expect_denied("identity", "x.other");
	enroll.site = text("x.other");
	decide(of_x);
	expect_denied("not-authorized", "x.other");
	enroll.site = text("b.example");
	decide(of_a);
	expect_denied("same-site", "b.example");
}

static void test_limits(void)
{
	begin("one", "one");
	enroll.frequency_s = FREQUENCY_MIN_S - 1;
	decide(of_a);
	expect_denied("frequency", "5 to 86400");
	begin("one", "one");
	enroll.frequency_s = FREQUENCY_MAX_S + 1;
	decide(of_a);
	expect_denied("frequency", "");
	begin("one", "one");
	enroll.n_disks = 0;
	decide(of_a);
	expect_denied("disks", "0 disks");
	begin("one", "one");
	disks[1].size_bytes = 0;
	decide(of_a);
	expect_denied("disks", "vdb");
	disks[1].size_bytes = DISK_SIZE_MAX + 1;
	decide(of_a);
	expect_denied("disks", "vdb");
	begin("one", "one");
	disks[1].name = text("vda");
	decide(of_a);
	expect_denied("disks", "twice");
	begin("one", "one");
	enroll.vm = text("../web1");
	decide(of_a);
	expect_denied("malformed", "");
	begin("one", "one");
	enroll.relationship = text("web1");
	decide(of_a);
	expect_denied("malformed", "");
}

static void test_max_vms(void)
{
	begin("one", "one");
	settings.message.n_settings = 0;
	settings_authorize(&settings, "a.example", "/srv/replica", "-", 1);
	settings_resource(&settings, "db1-a-replica", REL_2, "replica", "a.example");
	decide(of_a);
	expect_denied("max-vms", "allows 1 VMs and has 1");
	/* Another site's replicas do not count. */
	begin("one", "one");
	settings.message.n_settings = 0;
	settings_authorize(&settings, "a.example", "/srv/replica", "-", 1);
	settings_authorize(&settings, "*.example", "/srv/other", "-", 1);
	settings_resource(&settings, "db1-c-replica", REL_2, "replica", "c.example");
	decide(of_a);
	CU_ASSERT_EQUAL(plan.outcome, ENROLL_CREATE);
	/* An entry for the nodes alone counts its site's. */
	begin("one", "one");
	settings.message.n_settings = 0;
	settings_authorize(&settings, "*.a.example", "/srv/replica", "-", 1);
	settings_resource(&settings, "db1-a-replica", REL_2, "replica", "a.example");
	decide(of_a);
	expect_denied("max-vms", "*.a.example");
}

/* The sum over what other replicas have, as announced or as enrolled a moment ago. */
static void test_max_size(void)
{
	static const struct enroll_pending pending = {REL_3, "a.example", 15 * GIB};
	static Vmreplica__DiskStatus disk;
	static Vmreplica__DiskStatus *disks_of_db[] = {&disk};
	char limit[128];

	for (int more = 0; more < 2; more++) {
		Vmreplica__VmStatus *vm;

		begin("one", "one");
		settings.message.n_settings = 0;
		snprintf(limit, sizeof(limit),
			 "pattern=a.example storage=/srv/replica group=- max-vms=0 max-size=%llu",
			 50 * GIB - (unsigned)more);
		settings_set(&settings, "vmreplica-authorize-0123456789abcdef", limit);
		settings_resource(&settings, "db1-a-replica", REL_2, "replica", "a.example");
		vm = announce_vm(&b1, REL_2, 1);
		vmreplica__disk_status__init(&disk);
		disk.size_bytes = 30 * GIB;
		vm->disks = disks_of_db;
		vm->n_disks = 1;
		decide(of_a); /* 2 disks of 10 GiB */
		if (more == 0) {
			CU_ASSERT_EQUAL(plan.outcome, ENROLL_CREATE);
			CU_ASSERT_EQUAL(plan.size_bytes, 20 * GIB);
		} else {
			expect_denied("max-size", "entry a.example allows 51199 MiB");
			expect_denied("max-size", "have 30720, this one would have 20480");
		}
	}
	settings.message.n_resources = 0;
	pending_now = &pending;
	decide(of_a);
	CU_ASSERT_EQUAL(plan.outcome, ENROLL_CREATE);
	disks[0].size_bytes = 30 * GIB;
	decide(of_a);
	expect_denied("max-size", "have 15360, this one would have 40960");
	pending_now = NULL;
	decide(of_a);
	CU_ASSERT_EQUAL(plan.outcome, ENROLL_CREATE);
}

static void test_existing(void)
{
	char *maps[] = {text("net:prod=dr"), text("bridge:br0=br7")}, joined[64];
	Vmreplica__PointSettings points = VMREPLICA__POINT_SETTINGS__INIT;

	begin("one", "one");
	settings_resource(&settings, "web1-a-replica", REL_1, "replica", "a.example");
	announce_vm(&b1, REL_1, 1);
	decide(of_a);
	CU_ASSERT_EQUAL(plan.outcome, ENROLL_EXISTS);
	CU_ASSERT_STRING_EQUAL(plan.resource, "web1-a-replica");
	CU_ASSERT_STRING_EQUAL(plan.node, "b1");
	CU_ASSERT_STRING_EQUAL(plan.storage, "/srv/replica");
	CU_ASSERT_FALSE(plan.update_frequency);
	enroll.frequency_s = 300;
	decide(of_a);
	CU_ASSERT_TRUE(plan.update_frequency);
	CU_ASSERT_FALSE(plan.update_map);
	enroll.frequency_s = 30;
	enroll.points = &points;
	decide(of_a);
	CU_ASSERT_TRUE(plan.update_frequency);
	enroll.points = NULL; /* asked again: what the replica's side has set stays */
	decide(of_a);
	CU_ASSERT_FALSE(plan.update_frequency);
	enroll.frequency_s = 300;
	enroll.maps = maps;
	enroll.n_maps = 2;
	decide(of_a);
	CU_ASSERT_TRUE(plan.update_map);
	enroll_join_maps(&enroll, joined, sizeof(joined));
	CU_ASSERT_STRING_EQUAL(joined, "net:prod=dr,bridge:br0=br7");
	enroll.vm = text("web2");
	decide(of_a);
	expect_denied("relationship-taken", "web1-a-replica");
	begin("one", "one");
	settings_resource(&settings, "web1-replica", REL_1, "primary", "192.0.2.1");
	decide(of_a);
	expect_denied("own-relationship", "web1-replica");
	begin("one", "one");
	settings_resource(&settings, "web1-a-replica", REL_2, "replica", "a.example");
	decide(of_a);
	expect_denied("name-taken", "web1-a-replica");
}

/* What a replica is told of its points: only what differs from what its resource has is a change,
 * and a parameter that it lacks is at its default. */
static void test_point_settings(void)
{
	Vmreplica__PointSettings points = VMREPLICA__POINT_SETTINGS__INIT;

	begin("one", "one");
	settings_resource(&settings, "web1-a-replica", REL_1, "replica", "a.example");
	announce_vm(&b1, REL_1, 1);
	enroll.points = &points;
	points.points = 24;
	points.interval_s = 3600;
	decide(of_a);
	CU_ASSERT_FALSE(plan.update_frequency);
	points.points = 168;
	decide(of_a);
	CU_ASSERT_TRUE(plan.update_frequency);
	points.points = 24;
	points.interval_s = 60;
	decide(of_a);
	CU_ASSERT_TRUE(plan.update_frequency);
	points.interval_s = 3600;
	points.app_interval_s = 7200;
	decide(of_a);
	CU_ASSERT_TRUE(plan.update_frequency);
	points.app_interval_s = 0;
	decide(of_a);
	CU_ASSERT_FALSE(plan.update_frequency);
}

static void test_not_read_yet(void)
{
	begin("one", "one");
	decide(of_a);
	world.settings = NULL;
	CU_ASSERT_EQUAL_FATAL(authorization_table_load(&settings.message, &authorizations, NULL),
			      0);
	world.authorizations = &authorizations;
	enroll_decide(&world, &enroll, of_a, &plan);
	expect_denied("starting", "");
	authorization_table_destroy(&authorizations);
}

static void test_resource_ids(void)
{
	char long_vm[VM_NAME_MAX + 1], long_site[SITE_NAME_MAX + 1];
	char id[RESOURCE_ID_MAX + 1];

	replica_resource_id("web1", "a.example", id);
	CU_ASSERT_STRING_EQUAL(id, "web1-a-replica");
	replica_resource_id("1web+x", "a.example", id);
	CU_ASSERT_STRING_EQUAL(id, "vm-1web_x-a-replica");
	memset(long_vm, 'v', VM_NAME_MAX);
	long_vm[VM_NAME_MAX] = '\0';
	memset(long_site, 's', SITE_NAME_MAX);
	long_site[SITE_NAME_MAX] = '\0';
	long_vm[0] = '9';
	replica_resource_id(long_vm, long_site, id);
	CU_ASSERT_PTR_NOT_NULL(strstr(id, "-replica"));
	CU_ASSERT_TRUE(strlen(id) <= RESOURCE_ID_MAX);
}

static struct withdraw_plan withdrawn;

static void decide_withdraw(const char *relationship, const char *site, const char *const *names)
{
	Vmreplica__Wire__Withdraw withdraw = VMREPLICA__WIRE__WITHDRAW__INIT;
	struct routing_table *routes = routing_table_new();

	CU_ASSERT_PTR_NOT_NULL_FATAL(routes);
	CU_ASSERT_EQUAL(routing_table_announce(routes, &b1.message, 1), 0);
	CU_ASSERT_EQUAL(routing_table_announce(routes, &b2.message, 1), 0);
	CU_ASSERT_EQUAL(routing_table_set_settings(routes, &settings.message), 0);
	world = (struct enroll_world){.authorizations = &authorizations,
				      .settings = &settings.message,
				      .placement = &placement.placement,
				      .routes = routes,
				      .own_site = "b.example"};
	withdraw.relationship = text(relationship);
	withdraw.site = text(site);
	withdraw_decide(&world, &withdraw, names, &withdrawn);
	routing_table_free(routes);
}

static void withdraw_with_setting(const char *name, const char *value)
{
	Vmreplica__Ipc__CibNvpair pair = VMREPLICA__IPC__CIB_NVPAIR__INIT, *list[] = {&pair};

	pair.name = text(name);
	pair.value = text(value);
	settings.message.settings = list;
	settings.message.n_settings = 1;
	decide_withdraw(REL_1, "a.example", of_a);
	settings.message.settings = NULL;
	settings.message.n_settings = 0;
}

static void test_withdraw(void)
{
	begin("one", "one");
	settings_resource(&settings, "web1-a-replica", REL_1, "replica", "a.example");
	announce_vm(&b2, REL_1, 1);
	decide_withdraw(REL_1, "a.example", of_a);
	CU_ASSERT_EQUAL(withdrawn.outcome, WITHDRAW_DELETE);
	CU_ASSERT_STRING_EQUAL(withdrawn.resource, "web1-a-replica");
	CU_ASSERT_STRING_EQUAL(withdrawn.vm, "web1");
	CU_ASSERT_STRING_EQUAL(withdrawn.site, "a.example");
	CU_ASSERT_STRING_EQUAL(withdrawn.storage, "/srv/replica");
	CU_ASSERT_STRING_EQUAL(withdrawn.node, "b2");
	decide_withdraw(REL_2, "a.example", of_a);
	CU_ASSERT_EQUAL(withdrawn.outcome, WITHDRAW_GONE);
	decide_withdraw(REL_1, "a.example", of_x);
	CU_ASSERT_EQUAL(withdrawn.outcome, WITHDRAW_DENIED);
	CU_ASSERT_STRING_EQUAL(withdrawn.code, "identity");
	decide_withdraw(REL_1, "x.other", of_x);
	CU_ASSERT_EQUAL(withdrawn.outcome, WITHDRAW_DENIED);
	CU_ASSERT_STRING_EQUAL(withdrawn.code, "other-peer");
	b2.message.n_vms = 0; /* stopped: whoever has the storage */
	b2.storages[0].writable = false;
	decide_withdraw(REL_1, "a.example", of_a);
	CU_ASSERT_STRING_EQUAL(withdrawn.node, "b1");
	b1.message.n_storages = 0;
	decide_withdraw(REL_1, "a.example", of_a);
	CU_ASSERT_EQUAL(withdrawn.outcome, WITHDRAW_DELETE);
	CU_ASSERT_STRING_EQUAL(withdrawn.node, "");
	/* what stands on it goes first */
	settings_resource(&settings, "web1-a-replica-extended", REL_2, "primary", "c.example");
	settings_parameter(&settings, settings.message.n_resources - 1, "vm_resource",
			   "web1-a-replica");
	decide_withdraw(REL_1, "a.example", of_a);
	CU_ASSERT_EQUAL(withdrawn.outcome, WITHDRAW_DENIED);
	CU_ASSERT_STRING_EQUAL(withdrawn.code, "extended");
	CU_ASSERT_PTR_NOT_NULL(
		strstr(withdrawn.reason, "vmreplica unprotect web1-a-replica-extended"));
	begin("one", "one");
	settings_resource(&settings, "web1-a-replica", REL_1, "replica", "a.example");
	withdraw_with_setting(STANDING_FAILOVER REL_1, "unplanned-failover ...");
	CU_ASSERT_EQUAL(withdrawn.outcome, WITHDRAW_DENIED);
	CU_ASSERT_STRING_EQUAL(withdrawn.code, "failing-over");
	/* failed over to here */
	withdraw_with_setting(EPOCH_SETTING REL_1, "2 " REL_2 " b.example");
	CU_ASSERT_EQUAL(withdrawn.outcome, WITHDRAW_DENIED);
	CU_ASSERT_STRING_EQUAL(withdrawn.code, "failed-over");
	withdraw_with_setting(EPOCH_SETTING REL_1, "3 " REL_2 " a.example"); /* and home again */
	CU_ASSERT_EQUAL(withdrawn.outcome, WITHDRAW_DELETE);
	begin("one", "one");
	settings_resource(&settings, "web1-replica", REL_1, "primary", "a.example");
	decide_withdraw(REL_1, "a.example", of_a); /* our own primary is nobody's to withdraw */
	CU_ASSERT_EQUAL(withdrawn.outcome, WITHDRAW_DENIED);
}

static const struct unit_test tests[] = {
	{"shared storage", test_shared_storage},
	{"a node's own storage", test_local_storage},
	{"no room, no storage", test_no_room},
	{"identity", test_identity},
	{"limits of the request", test_limits},
	{"max-vms", test_max_vms},
	{"max-size", test_max_size},
	{"the same again, and collisions", test_existing},
	{"point settings", test_point_settings},
	{"configuration not read yet", test_not_read_yet},
	{"resource ids", test_resource_ids},
	{"withdraw", test_withdraw},
};
UNIT_MAIN("enroll", tests)
