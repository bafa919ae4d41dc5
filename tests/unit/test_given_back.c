/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An epoch of the other side that gives the VM back to this one brings the primary's order and
 * colocation in the same change, and counts without them where the VM's resource is gone. What
 * engine/epoch.c calls is played here. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/epoch.h"
#include "engine/peer_contact.h"
#include "engine/standing.h"
#include "unit.h"

#define ID	"0b0e7d1c-5a4f-4c59-9d3e-2f1a6c7b8d90"
#define LINEAGE "11111111-2222-4333-8444-555555555555"

static struct {
	const char *setting; /* what stands there; NULL: nothing */
	Vmreplica__Role role;
	int error; /* of the change of role */
	char change[512], stored[128];
	unsigned int done;
	int result;
} world;

/* ---- what it calls ---- */

const char *standing_get(const struct engine *engine, const char *order, const char *relationship)
{
	(void)engine;
	(void)order;
	CU_ASSERT_STRING_EQUAL(relationship, ID);
	return world.setting;
}

void standing_name(const char *order, const char *relationship, char name[STANDING_NAME_LEN])
{
	snprintf(name, STANDING_NAME_LEN, "%s%s", order, relationship);
}

void standing_set(struct engine *engine, const char *order, const char *relationship,
		  const char *value, cluster_done_cb done, void *arg)
{
	(void)engine;
	(void)order;
	CU_ASSERT_STRING_EQUAL(relationship, ID);
	snprintf(world.stored, sizeof(world.stored), "%s", value);
	done(arg, 0, "");
}

int peer_contact_find(const struct engine *engine, const char *name,
		      struct peer_contact *ret_contact)
{
	(void)engine;
	memset(ret_contact, 0, sizeof(*ret_contact));
	snprintf(ret_contact->relationship, sizeof(ret_contact->relationship), "%s", name);
	snprintf(ret_contact->resource, sizeof(ret_contact->resource), "web1-replica");
	snprintf(ret_contact->vm_resource, sizeof(ret_contact->vm_resource), "web1");
	ret_contact->role = world.role;
	return 0;
}

static int switch_role(struct cluster *cluster, Vmreplica__Ipc__CibSwitch *request,
		       cluster_done_cb done, void *arg)
{
	(void)cluster;
	CU_ASSERT_EQUAL_FATAL(request->n_settings, 1);
	snprintf(world.change, sizeof(world.change), "%s after %s: %s, %s%s", request->resource,
		 request->vm_resource, request->settings[0]->value,
		 request->follow == VMREPLICA__IPC__CIB_FOLLOW__CIB_FOLLOW_ADD ? "ordered" : "not",
		 request->target == VMREPLICA__IPC__CIB_TARGET__CIB_TARGET_KEEP ? "" : ", run");
	done(arg, world.error, world.error < 0 ? "there is no such resource" : "");
	return 0;
}

static void done_cb(void *arg, int error, const char *text)
{
	(void)arg;
	(void)text;
	world.done++;
	world.result = error;
}

/* ---- */

static void store(const struct epoch *epoch, bool standalone)
{
	static const struct cluster_ops ops = {.switch_role = switch_role};
	const struct config config = {.site = (char *)(uintptr_t) "a.example",
				      .standalone = standalone};
	struct engine engine = {.config = &config, .cluster = {.ops = &ops}};

	world.change[0] = world.stored[0] = '\0';
	world.done = 0;
	world.result = -1;
	engine_epoch_store(&engine, ID, epoch, done_cb, NULL);
	CU_ASSERT_EQUAL(world.done, 1);
	CU_ASSERT_EQUAL(world.result, 0);
}

static const struct epoch lost = {4, LINEAGE, "b.example"}, back = {5, LINEAGE, "a.example"};

static void test_given_back(void)
{
	world.role = VMREPLICA__ROLE__ROLE_PRIMARY;
	world.setting = "4 " LINEAGE " b.example";
	store(&back, false);
	CU_ASSERT_STRING_EQUAL(world.change,
			       "web1-replica after web1: 5 " LINEAGE " a.example, ordered");
	CU_ASSERT_STRING_EQUAL(world.stored, "");
	world.error = -ENOENT; /* the VM's resource is gone */
	store(&back, false);
	CU_ASSERT_STRING_EQUAL(world.stored, "5 " LINEAGE " a.example");
	world.error = 0;
}

static void test_others(void)
{
	world.setting = NULL;
	store(&lost, false); /* it is the other side's */
	CU_ASSERT_STRING_EQUAL(world.change, "");
	CU_ASSERT_STRING_EQUAL(world.stored, "4 " LINEAGE " b.example");
	world.setting = "5 " LINEAGE " a.example";
	store(&back, false); /* known already */
	CU_ASSERT_STRING_EQUAL(world.change, "");
	CU_ASSERT_STRING_EQUAL(world.stored, "");
	world.setting = "4 " LINEAGE " b.example";
	store(&back, true); /* no Pacemaker */
	CU_ASSERT_STRING_EQUAL(world.change, "");
	CU_ASSERT_STRING_EQUAL(world.stored, "5 " LINEAGE " a.example");
	world.role = VMREPLICA__ROLE__ROLE_REPLICA; /* whose VM binds it to nothing */
	store(&back, false);
	CU_ASSERT_STRING_EQUAL(world.change, "");
	CU_ASSERT_STRING_EQUAL(world.stored, "5 " LINEAGE " a.example");
}

static const struct unit_test tests[] = {
	{"given back", test_given_back},
	{"anything else", test_others},
};
UNIT_MAIN("given-back", tests)
