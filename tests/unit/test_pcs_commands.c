/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The commands as an admin sees them; that they end in the same CIB is shown by pcs-equality.sh. */
#include <errno.h>
#include <string.h>

#include "cluster/guard_resource.h"
#include "cluster/pcs_commands.h"
#include "tests/unit/cib_session.h"
#include "tests/unit/unit.h"

#define OPS                                                                                        \
	" op monitor interval=10s timeout=20s reload-agent interval=0s timeout=20s"                \
	" start interval=0s timeout=60s stop interval=0s timeout=60s"                              \
	" meta critical=false failure-timeout=60s"

static const char *const primary[] = {
	"pcs resource create web1-replica ocf:vmreplica:vm frequency=30 peer='[2001:db8::1]:8650'"
	" relationship=" CIB_EXAMPLE_RELATIONSHIP " role=primary vm=web1 vm_resource=web1" OPS,
	"pcs constraint order web1 then web1-replica id=vmreplica-order-web1-replica-vm",
	"pcs constraint colocation add web1-replica with web1 INFINITY influence=false"
	" id=vmreplica-colocation-web1-replica-vm",
	"pcs constraint order vmreplica-engine-clone then web1-replica"
	" id=vmreplica-order-web1-replica-engine",
	"pcs constraint colocation add web1-replica with vmreplica-engine-clone INFINITY"
	" influence=false id=vmreplica-colocation-web1-replica-engine",
};

static const char *const replica[] = {
	"pcs resource create db.1-a-replica ocf:vmreplica:vm exclude_disks='vdb vdc' frequency=900"
	" peer=a.example priority=-1 relationship=" CIB_EXAMPLE_RELATIONSHIP " role=replica"
	" storage='/srv/it'\\''s here & <there>/\"r\"' vm=db.1" OPS,
	"pcs constraint order vmreplica-engine-clone then db.1-a-replica"
	" id=vmreplica-order-db.1-a-replica-engine",
	"pcs constraint colocation add db.1-a-replica with vmreplica-engine-clone INFINITY"
	" influence=false id=vmreplica-colocation-db.1-a-replica-engine",
	"pcs constraint location db.1-a-replica rule"
	" constraint-id=vmreplica-location-db.1-a-replica score=-INFINITY '#uname' ne a2",
};

static void check(const Vmreplica__Ipc__CibCreateVm *request, const char *const *expected,
		  size_t count)
{
	char error[VM_RESOURCE_ERROR_LEN];
	struct pcs_commands commands;

	CU_ASSERT_EQUAL_FATAL(pcs_commands_create_vm(request, &commands, error), 0);
	CU_ASSERT_EQUAL(commands.count, count);
	for (size_t i = 0; i < count && i < commands.count; i++) {
		CU_ASSERT_STRING_EQUAL(commands.lines[i], expected[i]);
	}
	pcs_commands_destroy(&commands);
}

static void test_primary(void)
{
	check(cib_example(0), primary, sizeof(primary) / sizeof(primary[0]));
}

static void test_replica(void)
{
	check(cib_example(1), replica, sizeof(replica) / sizeof(replica[0]));
}

static void test_refused(void)
{
	static char bad[] = "x; reboot";
	char error[VM_RESOURCE_ERROR_LEN] = "";
	struct pcs_commands commands;
	Vmreplica__Ipc__CibCreateVm *request = cib_example(0);

	request->vm_resource = bad;
	CU_ASSERT_EQUAL(pcs_commands_create_vm(request, &commands, error), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "x; reboot"));
}

static void test_guard(void)
{
	static const char *const expected[] = {
		"pcs resource create web1-guard ocf:vmreplica:guard "
		"relationship=" CIB_EXAMPLE_RELATIONSHIP " op stop timeout=20s on-fail=ignore"
		" meta failure-timeout=60s clone interleave=true",
		"pcs constraint order vmreplica-engine-clone then web1-guard-clone kind=Optional",
		"pcs constraint order start web1-guard-clone then start web1 symmetrical=false",
	};
	struct pcs_commands commands;

	CU_ASSERT_EQUAL_FATAL(
		pcs_commands_create_guard("web1", CIB_EXAMPLE_RELATIONSHIP, &commands), 0);
	CU_ASSERT_EQUAL_FATAL(commands.count, sizeof(expected) / sizeof(expected[0]));
	for (size_t i = 0; i < commands.count; i++) {
		CU_ASSERT_STRING_EQUAL(commands.lines[i], expected[i]);
	}
	pcs_commands_destroy(&commands);
	CU_ASSERT_EQUAL(pcs_commands_create_guard("web1; rm", CIB_EXAMPLE_RELATIONSHIP, &commands),
			-EINVAL);
	CU_ASSERT_EQUAL(pcs_commands_create_guard("web1", "1", &commands), -EINVAL);
}

static void test_guard_exists(void)
{
	static char relationship_word[] = "relationship", of[] = CIB_EXAMPLE_RELATIONSHIP,
		    other[] = "11111111-2222-4333-8444-555555555555",
		    agent[] = GUARD_RESOURCE_AGENT, vm[] = VM_RESOURCE_AGENT;
	Vmreplica__Ipc__CibSettings settings = VMREPLICA__IPC__CIB_SETTINGS__INIT;
	Vmreplica__Ipc__CibResource resource = VMREPLICA__IPC__CIB_RESOURCE__INIT,
				    *list[] = {&resource};
	Vmreplica__Ipc__CibNvpair pair = VMREPLICA__IPC__CIB_NVPAIR__INIT, *pairs[] = {&pair};

	pair.name = relationship_word;
	pair.value = of;
	resource.parameters = pairs;
	resource.n_parameters = 1;
	resource.type = agent;
	settings.resources = list;
	settings.n_resources = 1;
	CU_ASSERT_TRUE(guard_resource_exists(&settings, of));
	CU_ASSERT_FALSE(guard_resource_exists(&settings, other));
	resource.n_parameters = 0;
	CU_ASSERT_FALSE(guard_resource_exists(&settings, of));
	resource.n_parameters = 1;
	resource.type = vm;
	CU_ASSERT_FALSE(guard_resource_exists(&settings, of));
	CU_ASSERT_TRUE(guard_resource_exists(NULL, of)); /* not known: no reason for a hint */
}

static const struct unit_test tests[] = {
	{"primary side", test_primary},
	{"replica side", test_replica},
	{"refused", test_refused},
	{"a guard", test_guard},
	{"is there a guard", test_guard_exists},
};
UNIT_MAIN("pcs_commands", tests)
