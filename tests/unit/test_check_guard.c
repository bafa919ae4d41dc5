/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which VMs are said to have no guard. */
#include <string.h>

#include "cluster/domain_resource.h"
#include "cluster/guard_resource.h"
#include "cluster/vm_resource.h"
#include "engine/check_guard.h"
#include "tests/unit/unit.h"

#define ONE   "11111111-2222-4333-8444-555555555555"
#define TWO   "22222222-2222-4333-8444-555555555555"
#define THREE "33333333-2222-4333-8444-555555555555"

/* One resource, each with its pairs: parameters before the first NULL, then meta attributes. */
struct made {
	const char *id, *type;
	const char *parameters[4][2];
	const char *meta[2][2];
};

static const struct made all[] = {
	{"web1", DOMAIN_RESOURCE_AGENT, {{"config", "/x"}}, {{NULL}}},
	{"web1-replica",
	 VM_RESOURCE_AGENT,
	 {{"relationship", ONE}, {"role", "primary"}, {"vm", "web1"}, {"vm_resource", "web1"}},
	 {{NULL}}},
	/* a replica, with the VM that was made for it, and its extended replication */
	{"web2", DOMAIN_RESOURCE_AGENT, {{"config", "/y"}}, {{DOMAIN_META_RELATIONSHIP, TWO}}},
	{"web2-b-replica",
	 VM_RESOURCE_AGENT,
	 {{"relationship", TWO}, {"role", "replica"}, {"vm", "web2"}},
	 {{NULL}}},
	{"web2-b-replica-extended",
	 VM_RESOURCE_AGENT,
	 {{"relationship", THREE}, {"vm", "web2"}, {"vm_resource", "web2-b-replica"}},
	 {{NULL}}},
};
#define MADE (sizeof(all) / sizeof(all[0]))

struct world {
	Vmreplica__Ipc__CibSettings settings;
	Vmreplica__Ipc__CibResource resources[MADE + 1], *list[MADE + 1];
	Vmreplica__Ipc__CibNvpair pairs[MADE + 1][6], *pointers[MADE + 1][6];
};

static size_t add_pairs(struct world *world, size_t at, size_t used, const char *const (*pairs)[2],
			size_t most)
{
	size_t count = 0;

	while (count < most && pairs[count][0] != NULL) {
		Vmreplica__Ipc__CibNvpair *pair = &world->pairs[at][used + count];

		vmreplica__ipc__cib_nvpair__init(pair);
		pair->name = (char *)(uintptr_t)pairs[count][0];
		pair->value = (char *)(uintptr_t)pairs[count][1];
		world->pointers[at][used + count++] = pair;
	}
	return count;
}

static void add(struct world *world, const struct made *made)
{
	size_t at = world->settings.n_resources++;
	Vmreplica__Ipc__CibResource *resource = &world->resources[at];

	vmreplica__ipc__cib_resource__init(resource);
	resource->id = (char *)(uintptr_t)made->id;
	resource->type = (char *)(uintptr_t)made->type;
	resource->parameters = world->pointers[at];
	resource->n_parameters = add_pairs(world, at, 0, made->parameters, 4);
	resource->meta = &world->pointers[at][resource->n_parameters];
	resource->n_meta = add_pairs(world, at, resource->n_parameters, made->meta, 2);
	world->list[at] = resource;
}

static void world_init(struct world *world)
{
	vmreplica__ipc__cib_settings__init(&world->settings);
	world->settings.resources = world->list;
	for (size_t i = 0; i < MADE; i++) {
		add(world, &all[i]);
	}
}

static void test_without(void)
{
	struct world world;
	struct check_list list = {.node = ""};

	world_init(&world);
	check_guards(&world.settings, "", &list);
	CU_ASSERT_EQUAL_FATAL(list.count, 2);
	CU_ASSERT_STRING_EQUAL(list.lines[0]->item, "guard web1");
	CU_ASSERT_STRING_EQUAL(list.lines[0]->verdict, "warning");
	CU_ASSERT_PTR_NOT_NULL(strstr(list.lines[0]->advice, "relationship=" ONE));
	CU_ASSERT_PTR_NOT_NULL(strstr(list.lines[0]->advice, "then start web1 symmetrical=false"));
	CU_ASSERT_STRING_EQUAL(list.lines[1]->item, "guard web2");
	CU_ASSERT_PTR_NOT_NULL(strstr(list.lines[1]->advice, "relationship=" TWO));
	check_list_destroy(&list);
}

static void test_with(void)
{
	static const struct made guard = {
		"any-guard", GUARD_RESOURCE_AGENT, {{"relationship", ONE}}, {{NULL}}};
	struct world world;
	struct check_list list = {.node = ""};

	world_init(&world);
	add(&world, &guard);
	check_guards(&world.settings, "web1", &list);
	CU_ASSERT_EQUAL(list.count, 0);
	check_guards(NULL, "", &list);
	CU_ASSERT_EQUAL(list.count, 0);
	check_guards(&world.settings, "", &list);
	CU_ASSERT_EQUAL_FATAL(list.count, 1);
	CU_ASSERT_STRING_EQUAL(list.lines[0]->item, "guard web2");
	check_list_destroy(&list);
}

static const struct unit_test tests[] = {
	{"without a guard", test_without},
	{"with one", test_with},
};
UNIT_MAIN("check_guard", tests)
