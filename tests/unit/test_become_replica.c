/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Becoming the replica, on storage of one node or of all: what the one change of the configuration
 * says of where the replica and its VM may run, and what an admin is told of it. The cluster and
 * what become_replica.c calls are played here. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cluster/placement.h"
#include "engine/become_replica.h"
#include "engine/failover_place.h"
#include "engine/standing.h"
#include "engine/store_directory.h"
#include "engine/vm_status.h"
#include "proto/store_path.h"
#include "unit.h"

#define ID	"0b0e7d1c-5a4f-4c59-9d3e-2f1a6c7b8d90"
#define STORAGE "/srv/replica"

static struct config config = {.site = (char *)(uintptr_t) "a.example",
			       .node = (char *)(uintptr_t) "a1"};
static struct cluster_ops ops;
static struct engine engine = {.config = &config, .cluster = {.ops = &ops}};
static struct failover_job job = {.engine = &engine};
static const struct peer_contact contact = {
	.relationship = ID, .vm = "web1", .resource = "web1-replica", .vm_resource = "web1"};
static struct placement_node nodes[] = {{.name = "a1"}, {.name = "a2"}};
static struct placement placement = {.nodes = nodes, .node_count = 2};
static Vmreplica__Ipc__CibNvpair pair = VMREPLICA__IPC__CIB_NVPAIR__INIT, *pairs[] = {&pair};
static Vmreplica__Ipc__CibSettings settings = VMREPLICA__IPC__CIB_SETTINGS__INIT;
static char made[128], warned[512]; /* "bound a1", "free", "as it was" */
static int answered;

/* ---- what it calls ---- */

static const struct placement *placement_get(struct cluster *cluster)
{
	(void)cluster;
	return &placement;
}

static int switch_role(struct cluster *cluster, Vmreplica__Ipc__CibSwitch *request,
		       cluster_done_cb done, void *arg)
{
	(void)cluster;
	CU_ASSERT_STRING_EQUAL(request->resource, "web1-replica");
	CU_ASSERT_STRING_EQUAL(request->vm_resource, config.standalone ? "" : "web1");
	if (request->relocate && request->location_node[0] != '\0') {
		snprintf(made, sizeof(made), "bound %s", request->location_node);
	} else {
		strcpy(made, request->relocate ? "free" : "as it was");
		CU_ASSERT_STRING_EQUAL(request->location_node, "");
	}
	done(arg, 0, "");
	return 0;
}

const Vmreplica__Ipc__CibSettings *engine_settings(const struct engine *e)
{
	(void)e;
	return &settings;
}

void standing_name(const char *order, const char *relationship, char name[STANDING_NAME_LEN])
{
	snprintf(name, STANDING_NAME_LEN, "%s%s", order, relationship);
}

char *adopt_order_encode(const struct adopt_order *order, char text[ADOPT_LEN])
{
	(void)order;
	return strcpy(text, "1 - digest -");
}

char *peer_contact_format(const struct peer_contact *c, char buf[ENGINE_ADDRESS_LEN])
{
	(void)c;
	return strcpy(buf, "10.77.2.100:8650");
}

int store_directory_definition(const char *storage, const char *peer_site, const char *vm,
			       const char *relationship, char *buf, size_t size)
{
	CU_ASSERT_STRING_EQUAL(storage, STORAGE);
	return store_path_definition(storage, peer_site, vm, relationship, buf, size);
}

void failover_job_warn(struct failover_job *j, const char *format, ...)
{
	va_list args;

	CU_ASSERT_PTR_EQUAL(j, &job);
	va_start(args, format);
	vsnprintf(warned, sizeof(warned), format, args);
	va_end(args);
}

/* ---- the world ---- */

static void announce(const char *node, const char *path, const char *id)
{
	Vmreplica__Cluster__Announcement message = VMREPLICA__CLUSTER__ANNOUNCEMENT__INIT;
	Vmreplica__Cluster__Storage storage = VMREPLICA__CLUSTER__STORAGE__INIT;
	Vmreplica__Cluster__Storage *list[] = {&storage};

	message.node = vm_status_borrow(node);
	message.boot = message.seq = message.parts = 1;
	storage.path = vm_status_borrow(path);
	storage.id = vm_status_borrow(id);
	message.storages = list;
	message.n_storages = 1;
	CU_ASSERT_EQUAL(cluster_table_announce(&engine.table, &message, 1), 0);
}

static void begin(void)
{
	cluster_table_destroy(&engine.table);
	ops.placement = placement_get;
	ops.switch_role = switch_role;
	placement.node_count = 2;
	pair.name = vm_status_borrow("vmreplica-authorize-0000000000000000");
	pair.value = vm_status_borrow("pattern=b.example storage=" STORAGE " group=- max-vms=0");
	settings.settings = pairs;
	settings.n_settings = 1;
	config.standalone = false;
}

static void done_cb(void *arg, int error, const char *text)
{
	(void)arg;
	(void)text;
	answered = error;
}

static bool becomes(const char *wanted, const char *warning)
{
	const struct epoch epoch = {3, ID, "b.example"};
	const struct adopt_order adopt = {.digest = true};

	made[0] = warned[0] = '\0';
	answered = 1;
	become_replica_switch(&engine, &contact, "b.example", &epoch, &adopt, "/etc/web1.xml", NULL,
			      done_cb, NULL);
	failover_place_warn(&job, STORAGE, "web1");
	CU_ASSERT_EQUAL(answered, 0);
	if (strcmp(made, wanted) == 0 &&
	    (warning[0] == '\0' ? warned[0] == '\0' : strstr(warned, warning) != NULL)) {
		return true;
	}
	printf("\n%s: %s\n", made, warned);
	return false;
}

/* ---- the tests ---- */

static void test_shared(void)
{
	begin();
	announce("a1", STORAGE, "x");
	announce("a2", STORAGE, "x");
	CU_ASSERT(becomes("free", ""));
	CU_ASSERT_STRING_EQUAL(failover_place(&engine, STORAGE), "");
	cluster_table_leave(&engine.table, "a2"); /* off for a while: it is shared all the same */
	CU_ASSERT(becomes("free", ""));
}

static void test_own(void)
{
	begin();
	announce("a1", STORAGE, "x");
	announce("a2", STORAGE, "y");
	CU_ASSERT(becomes("bound a1", "is a1's own: the replica here is bound to that node"));
	CU_ASSERT_STRING_EQUAL(failover_place(&engine, STORAGE), "a1");
	begin();
	announce("a1", STORAGE, "");
	announce("a2", STORAGE, ""); /* no marker: nothing says that it is the same */
	CU_ASSERT(becomes("bound a1", "so is web1, also when it comes home"));
	begin();
	announce("a1", STORAGE, "x");
	announce("a2", "/elsewhere", "x");
	CU_ASSERT(becomes("bound a1", "a1's own"));
}

/* Bound by mistake it would not survive its node: nothing is changed, and an admin told. */
static void test_unknown(void)
{
	begin();
	announce("a1", STORAGE, "x");
	CU_ASSERT(becomes("as it was", "whether other nodes have " STORAGE " is not known"));
	placement.node_count = 1; /* there is no other */
	CU_ASSERT(becomes("bound a1", "a1's own"));
	begin();
	announce("a2", STORAGE, "x");
	CU_ASSERT(becomes("as it was", "is not known"));
	begin();
	config.standalone = true; /* nothing to bind */
	CU_ASSERT(becomes("as it was", ""));
	cluster_table_destroy(&engine.table);
}

static const struct unit_test tests[] = {
	{"shared storage", test_shared},
	{"a node's own", test_own},
	{"not known", test_unknown},
};
UNIT_MAIN("become-replica", tests)
