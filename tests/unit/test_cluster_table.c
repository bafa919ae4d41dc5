/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/cluster_table.h"
#include "engine/vm_status.h"
#include "unit.h"

#define REL_1	"11111111-2222-4333-8444-555555555555"
#define REL_2	"11111111-2222-4333-8444-666666666666"
#define PRIMARY VMREPLICA__ROLE__ROLE_PRIMARY

static Vmreplica__VmStatus status_of(const char *relationship, uint64_t generation,
				     int64_t paused_since_ms)
{
	Vmreplica__VmStatus status = VMREPLICA__VM_STATUS__INIT;

	status.name = vm_status_borrow("web1");
	status.relationship = vm_status_borrow(relationship);
	status.role = PRIMARY;
	status.generation = generation;
	status.paused_since_ms = paused_since_ms;
	return status;
}

static void announce(struct cluster_table *table, const char *node, uint64_t seq, uint32_t part,
		     uint32_t parts, Vmreplica__VmStatus *status, int64_t now_ms)
{
	Vmreplica__Cluster__Announcement message = VMREPLICA__CLUSTER__ANNOUNCEMENT__INIT;
	Vmreplica__VmStatus *list[1] = {status};

	message.node = vm_status_borrow(node);
	message.boot = 1;
	message.seq = seq;
	message.part = part;
	message.parts = parts;
	message.vms = list;
	message.n_vms = status != NULL ? 1 : 0;
	CU_ASSERT_EQUAL(cluster_table_announce(table, &message, now_ms), 0);
}

static void test_move(void)
{
	struct cluster_table table = {0};
	Vmreplica__VmStatus here = status_of(REL_1, 1, 0), leaving = status_of(REL_1, 1, 77),
			    there = status_of(REL_1, 2, 0);
	const struct table_vm *vm;

	CU_ASSERT_PTR_NULL(cluster_table_find(&table, REL_1, PRIMARY));
	announce(&table, "a1", 1, 0, 1, &here, 100);
	vm = cluster_table_find(&table, REL_1, PRIMARY);
	CU_ASSERT_STRING_EQUAL(vm->node, "a1");
	CU_ASSERT(!vm->gone && vm->detached_ms == 0);
	announce(&table, "a1", 2, 0, 1, &leaving, 200);
	announce(&table, "a1", 3, 0, 1, NULL, 300);
	vm = cluster_table_find(&table, REL_1, PRIMARY);
	CU_ASSERT(vm->gone &&
		  vm->detached_ms == 200); /* what the next owner counts its pause from */
	announce(&table, "a2", 1, 0, 1, &there, 400);
	vm = cluster_table_find(&table, REL_1, PRIMARY);
	CU_ASSERT_STRING_EQUAL(vm->node, "a2");
	CU_ASSERT(!vm->gone);
	CU_ASSERT_PTR_NULL(cluster_table_find(&table, REL_1, VMREPLICA__ROLE__ROLE_REPLICA));
	cluster_table_destroy(&table);
}

static void test_parts(void)
{
	struct cluster_table table = {0};
	Vmreplica__VmStatus one = status_of(REL_1, 1, 0), two = status_of(REL_2, 1, 0);

	announce(&table, "a1", 1, 0, 2, &one, 100);
	announce(&table, "a1", 1, 1, 2, &two, 100);
	CU_ASSERT(!cluster_table_find(&table, REL_1, PRIMARY)->gone);
	announce(&table, "a1", 2, 0, 2, &two, 200);
	CU_ASSERT(!cluster_table_find(&table, REL_1, PRIMARY)->gone); /* the list is not over */
	announce(&table, "a1", 2, 1, 2, NULL, 200);
	CU_ASSERT(cluster_table_find(&table, REL_1, PRIMARY)->gone);
	CU_ASSERT(!cluster_table_find(&table, REL_2, PRIMARY)->gone);
	cluster_table_destroy(&table);
}

static void test_leave(void)
{
	struct cluster_table table = {0};
	Vmreplica__VmStatus one = status_of(REL_1, 1, 0);

	announce(&table, "a1", 1, 0, 1, &one, 100);
	CU_ASSERT(cluster_table_find_node(&table, "a1")->present);
	cluster_table_leave(&table, "a1");
	CU_ASSERT(!cluster_table_find_node(&table, "a1")->present);
	CU_ASSERT(cluster_table_find(&table, REL_1, PRIMARY)->gone);
	CU_ASSERT_PTR_NULL(cluster_table_find_node(&table, "a2"));
	cluster_table_destroy(&table);
}

static const struct unit_test tests[] = {
	{"a move", test_move}, {"lists in parts", test_parts}, {"a node leaves", test_leave}};
UNIT_MAIN("cluster-table", tests)
