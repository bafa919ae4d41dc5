/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which VM an admin means on the replica's side: the replica, or a VM of its own. */
#include <stdint.h>
#include <string.h>

#include "engine/extended.h"
#include "unit.h"

#define REL "5f0c1a52-9d2e-4d57-8a4b-0c6c1b2a7e11"

static char *text(const char *borrowed)
{
	return (char *)(uintptr_t)borrowed;
}

/* A cluster with these resources: the replica of web1, its disabled VM, and a VM of the site's own.
 */
struct site {
	Vmreplica__Ipc__CibNvpair pairs[4], *parameters[3], *meta[1];
	Vmreplica__Ipc__CibResource resources[3], *list[3];
	Vmreplica__Ipc__CibSettings settings;
};

static void pair_set(Vmreplica__Ipc__CibNvpair *pair, const char *name, const char *value)
{
	vmreplica__ipc__cib_nvpair__init(pair);
	pair->name = text(name);
	pair->value = text(value);
}

static void site_init(struct site *site, const char *own_vm)
{
	static const char *const ids[] = {"web1-a-replica", "web1"};

	memset(site, 0, sizeof(*site));
	pair_set(&site->pairs[0], "relationship", REL);
	pair_set(&site->pairs[1], "vm", "web1");
	pair_set(&site->pairs[2], "role", "replica");
	pair_set(&site->pairs[3], "vmreplica-relationship", REL);
	for (int i = 0; i < 3; i++) {
		vmreplica__ipc__cib_resource__init(&site->resources[i]);
		site->resources[i].id = text(i < 2 ? ids[i] : own_vm);
		site->resources[i].type =
			text(i == 0 ? "ocf:vmreplica:vm" : "ocf:heartbeat:VirtualDomain");
		site->parameters[i] = &site->pairs[i];
		site->list[i] = &site->resources[i];
	}
	site->resources[0].parameters = site->parameters;
	site->resources[0].n_parameters = 3;
	site->meta[0] = &site->pairs[3];
	site->resources[1].meta = site->meta;
	site->resources[1].n_meta = 1;
	vmreplica__ipc__cib_settings__init(&site->settings);
	site->settings.resources = site->list;
	site->settings.n_resources = 3;
}

static void test_named(void)
{
	struct site site;

	site_init(&site, "mail");
	CU_ASSERT_PTR_EQUAL(extended_find_replica(&site.settings, "web1"), &site.resources[0]);
	CU_ASSERT_PTR_EQUAL(extended_find_replica(&site.settings, "web1-a-replica"),
			    &site.resources[0]);
	CU_ASSERT_PTR_EQUAL(extended_find_replica(&site.settings, REL), &site.resources[0]);
	CU_ASSERT_PTR_NULL(extended_find_replica(&site.settings, "mail"));
	CU_ASSERT_PTR_NULL(extended_find_replica(NULL, "web1"));
	CU_ASSERT_FALSE(extended_is_other_vm(&site.settings, "web1")); /* the replica's own VM */
	CU_ASSERT_TRUE(extended_is_other_vm(&site.settings, "mail"));
	site_init(&site, "web1"); /* the site has a VM of that name, too */
	CU_ASSERT_TRUE(extended_is_other_vm(&site.settings, "web1"));
	CU_ASSERT_FALSE(extended_is_other_vm(&site.settings, "web1-a-replica"));
}

/* What a relationship's vm_resource is: a replica, whose store is read, or a VM. */
static void test_source(void)
{
	struct site site;

	site_init(&site, "mail");
	CU_ASSERT_PTR_EQUAL(extended_find_source(&site.settings, "web1-a-replica"),
			    &site.resources[0]);
	CU_ASSERT_PTR_NULL(extended_find_source(&site.settings, "web1"));
	CU_ASSERT_PTR_NULL(extended_find_source(&site.settings, ""));
	pair_set(&site.pairs[2], "role",
		 "primary"); /* the direction was reversed: the VM runs here */
	CU_ASSERT_PTR_NULL(extended_find_source(&site.settings, "web1-a-replica"));
}

static const struct unit_test tests[] = {{"named", test_named}, {"source", test_source}};
UNIT_MAIN("extended replication", tests)
