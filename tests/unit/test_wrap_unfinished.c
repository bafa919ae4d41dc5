/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A VM that was shut off for wrap is remembered, and started by whoever is there afterwards. The
 * cluster is what it was told last. */
#include <stdio.h>
#include <string.h>

#include "engine/epoch.h"
#include "engine/standing.h"
#include "engine/wrap_job.h"
#include "engine/wrap_unfinished.h"
#include "tests/unit/unit.h"

#define UUID "0b0c6a0e-3f1d-4c53-9d27-2f3f0d3f7a11"

/* ---- a cluster ---- */

static Vmreplica__Ipc__CibNvpair pairs[2], parameters[6];
static Vmreplica__Ipc__CibNvpair *pair_list[] = {&pairs[0], &pairs[1]},
				 *parameter_list[] = {&parameters[0], &parameters[1],
						      &parameters[2], &parameters[3],
						      &parameters[4], &parameters[5]};
static Vmreplica__Ipc__CibResource resources[2];
static Vmreplica__Ipc__CibResource *resource_list[] = {&resources[0], &resources[1]};
static Vmreplica__Ipc__CibSettings settings;
static struct placement_node nodes[] = {{.name = "a1", .online = true},
					{.name = "a2", .online = true}};
static struct placement placement = {.nodes = nodes, .node_count = 2};
static struct {
	unsigned int switches, drops;
	char vm[64], name[64], value[64];
	Vmreplica__Ipc__CibTarget target;
} told;

static const Vmreplica__Ipc__CibSettings *fake_settings(struct cluster *cluster)
{
	(void)cluster;
	return &settings;
}

static const struct placement *fake_placement(struct cluster *cluster)
{
	(void)cluster;
	return &placement;
}

static int fake_set_setting(struct cluster *cluster, const char *name, const char *value,
			    cluster_done_cb done, void *arg)
{
	(void)cluster;
	CU_ASSERT_PTR_NULL(value);
	told.drops++;
	snprintf(told.name, sizeof(told.name), "%s", name);
	settings.n_settings = 0;
	done(arg, 0, "");
	return 0;
}

static int fake_switch_role(struct cluster *cluster, Vmreplica__Ipc__CibSwitch *request,
			    cluster_done_cb done, void *arg)
{
	(void)cluster;
	told.switches++;
	snprintf(told.vm, sizeof(told.vm), "%s", request->vm_resource);
	told.target = request->target;
	CU_ASSERT_EQUAL_FATAL(request->n_settings, 1);
	snprintf(told.name, sizeof(told.name), "%s", request->settings[0]->name);
	snprintf(told.value, sizeof(told.value), "%s", request->settings[0]->value);
	done(arg, -ETIMEDOUT, "it is only noted here");
	return 0;
}

static const struct cluster_ops fake_ops = {.settings = fake_settings,
					    .placement = fake_placement,
					    .set_setting = fake_set_setting,
					    .switch_role = fake_switch_role};
static char site[] = "a.example", node[] = "a1";
static struct config config = {.site = site, .node = node};
static struct engine engine = {.config = &config, .quorate = true};
static int64_t now_ms;

static void pair_set(Vmreplica__Ipc__CibNvpair *pair, const char *name, const char *value)
{
	vmreplica__ipc__cib_nvpair__init(pair);
	pair->name = (char *)(uintptr_t)name;
	pair->value = (char *)(uintptr_t)value;
}

/* web1 runs under Pacemaker, and the setting says that a node has shut it off. */
static void given(const char *name)
{
	memset(&told, 0, sizeof(told));
	vmreplica__ipc__cib_settings__init(&settings);
	vmreplica__ipc__cib_resource__init(&resources[0]);
	resources[0].id = (char *)(uintptr_t) "web1";
	resources[0].type = (char *)(uintptr_t) "ocf:heartbeat:VirtualDomain";
	settings.resources = resource_list;
	settings.n_resources = 1;
	settings.settings = pair_list;
	settings.n_settings = 1;
	pair_set(&pairs[0], name, "web1");
	engine.cluster.ops = &fake_ops;
	engine.cluster_started = true;
	nodes[1].online = true;
	now_ms += 60000;
}

static void expect_started(const char *name)
{
	wrap_unfinished_tick(&engine, now_ms);
	CU_ASSERT_EQUAL(told.switches, 1);
	CU_ASSERT_EQUAL(told.drops, 0);
	CU_ASSERT_STRING_EQUAL(told.vm, "web1");
	CU_ASSERT_EQUAL(told.target, VMREPLICA__IPC__CIB_TARGET__CIB_TARGET_STARTED);
	CU_ASSERT_STRING_EQUAL(told.name, name);
	CU_ASSERT_STRING_EQUAL(told.value, ""); /* it goes in the same change */
	wrap_unfinished_tick(&engine, now_ms + 1000);
	CU_ASSERT_EQUAL(told.switches, 1);
	wrap_unfinished_tick(&engine, now_ms + 11000); /* it has failed: once more */
	CU_ASSERT_EQUAL(told.switches, 2);
}

static void expect_left(void)
{
	wrap_unfinished_tick(&engine, now_ms);
	CU_ASSERT_EQUAL(told.switches, 0);
	CU_ASSERT_EQUAL(told.drops, 0);
}

static void test_started_again(void)
{
	given("vmreplica-wrapping-a1");
	expect_started("vmreplica-wrapping-a1");
	given("vmreplica-wrapping-a2"); /* its engine sees to it */
	expect_left();
	nodes[1].online = false;
	expect_started("vmreplica-wrapping-a2");
	given("vmreplica-wrapping-a3"); /* no node of the cluster any more */
	expect_started("vmreplica-wrapping-a3");
	given("vmreplica-suspended-a1");
	expect_left();
	given("vmreplica-wrapping-a1");
	engine.quorate = false;
	expect_left();
	engine.quorate = true;
}

static void protect(void)
{
	static const char *const names[] = {"relationship", "vm",   "vm_resource",
					    "role",	    "peer", "frequency"};
	static const char *const values[] = {UUID, "web1", "web1", "primary", "192.0.2.1", "30"};

	for (size_t i = 0; i < 6; i++) {
		pair_set(&parameters[i], names[i], values[i]);
	}
	vmreplica__ipc__cib_resource__init(&resources[1]);
	resources[1].id = (char *)(uintptr_t) "web1-replica";
	resources[1].type = (char *)(uintptr_t) "ocf:vmreplica:vm";
	resources[1].parameters = parameter_list;
	resources[1].n_parameters = 6;
	settings.n_resources = 2;
}

static void expect_dropped(void)
{
	wrap_unfinished_tick(&engine, now_ms);
	CU_ASSERT_EQUAL(told.switches, 0);
	CU_ASSERT_EQUAL(told.drops, 1);
	CU_ASSERT_STRING_EQUAL(told.name, "vmreplica-wrapping-a1");
}

/* One that has gone over to the other side meanwhile, or is about to, stays off here. */
static void test_not_ours(void)
{
	given("vmreplica-wrapping-a1");
	protect();
	expect_started("vmreplica-wrapping-a1");
	given("vmreplica-wrapping-a1");
	protect();
	pair_set(&pairs[1], STANDING_HANDOVER UUID, "2 0 -");
	settings.n_settings = 2;
	expect_dropped();
	given("vmreplica-wrapping-a1");
	protect();
	pair_set(&pairs[1], EPOCH_SETTING UUID, "2 " UUID " b.example");
	settings.n_settings = 2;
	expect_dropped();
	given("vmreplica-wrapping-a1");
	settings.n_resources = 0; /* an admin deleted it */
	expect_dropped();
}

static void powered_cb(struct wrap_job *job, int error, const char *text)
{
	(void)job;
	(void)text;
	CU_ASSERT_EQUAL(error, -ETIMEDOUT);
}

/* It is remembered with the change that stops the VM, and forgotten with the one that starts it. */
static void test_remembered(void)
{
	static struct wrap_job job;

	given("vmreplica-suspended-a1");
	job.engine = &engine;
	snprintf(job.vm.resource, sizeof(job.vm.resource), "web1");
	wrap_power(&job, false, powered_cb);
	CU_ASSERT_EQUAL(told.target, VMREPLICA__IPC__CIB_TARGET__CIB_TARGET_STOPPED);
	CU_ASSERT_STRING_EQUAL(told.name, "vmreplica-wrapping-a1");
	CU_ASSERT_STRING_EQUAL(told.value, "web1");
	wrap_power(&job, true, powered_cb);
	CU_ASSERT_EQUAL(told.target, VMREPLICA__IPC__CIB_TARGET__CIB_TARGET_STARTED);
	CU_ASSERT_STRING_EQUAL(told.value, "");
	/* while the job is there, nobody else starts the VM */
	CU_ASSERT_TRUE(wrap_job_claim(&job));
	given("vmreplica-wrapping-a1");
	expect_left();
}

int main(void)
{
	static const struct unit_test tests[] = {
		{"started again", test_started_again},
		{"not ours", test_not_ours},
		{"remembered", test_remembered},
	};

	return unit_run("wrap unfinished", tests, sizeof(tests) / sizeof(tests[0]));
}
