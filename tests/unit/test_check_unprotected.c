/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What check says of a VM that is not protected yet, and which VMs are. */
#include <stdio.h>
#include <string.h>

#include "engine/check_unprotected.h"
#include "tests/unit/unit.h"

static void test_lines(void)
{
	Vmreplica__DiskStatus vda = VMREPLICA__DISK_STATUS__INIT,
			      vdb = VMREPLICA__DISK_STATUS__INIT;
	Vmreplica__DiskStatus *disks[] = {&vda, &vdb};
	char *problems[] = {(char *)"disk vdb: is a raw image", (char *)"it has snapshots"};
	Vmreplica__Admin__InspectResponse answer = VMREPLICA__ADMIN__INSPECT_RESPONSE__INIT;
	struct check_list list = {.node = "a2"};

	vda.name = (char *)"vda";
	vda.top = (char *)"/srv/vms/vda.qcow2";
	vda.size_bytes = 3u << 20;
	vdb.name = (char *)"vdb";
	vdb.top = (char *)"/srv/vms/vdb.raw";
	answer.disks = disks;
	answer.n_disks = 2;
	answer.problems = problems;
	answer.n_problems = 2;
	answer.running = true;
	check_unprotected_list(&list, "web1", &answer);
	CU_ASSERT_EQUAL_FATAL(list.count, 4);
	CU_ASSERT_STRING_EQUAL(list.lines[0]->item, "VM web1");
	CU_ASSERT_STRING_EQUAL(list.lines[0]->verdict, "ok");
	CU_ASSERT_STRING_EQUAL(list.lines[0]->text, "not protected yet, runs on this node");
	CU_ASSERT_STRING_EQUAL(list.lines[1]->item, "disks web1");
	CU_ASSERT_STRING_EQUAL(list.lines[1]->verdict, "ok");
	CU_ASSERT_STRING_EQUAL(list.lines[1]->text, "vda: /srv/vms/vda.qcow2, 3 MiB");
	for (size_t i = 2; i < 4; i++) {
		CU_ASSERT_STRING_EQUAL(list.lines[i]->verdict, "fail");
		CU_ASSERT_STRING_EQUAL(list.lines[i]->text, problems[i - 2]);
		CU_ASSERT_STRING_EQUAL(list.lines[i]->node, "a2");
		CU_ASSERT_PTR_NOT_NULL(strstr(list.lines[i]->advice, "--exclude-disk"));
	}
	check_list_destroy(&list);
}

/* A problem of vdab is none of vda. */
static void test_names_alike(void)
{
	Vmreplica__DiskStatus vda = VMREPLICA__DISK_STATUS__INIT, *disks[] = {&vda};
	char *problems[] = {(char *)"disk vdab: the VM has no such disk"};
	Vmreplica__Admin__InspectResponse answer = VMREPLICA__ADMIN__INSPECT_RESPONSE__INIT;
	struct check_list list = {.node = "a1"};

	vda.name = (char *)"vda";
	vda.top = (char *)"/x";
	answer.disks = disks;
	answer.n_disks = 1;
	answer.problems = problems;
	answer.n_problems = 1;
	check_unprotected_list(&list, "web1", &answer);
	CU_ASSERT_EQUAL_FATAL(list.count, 3);
	CU_ASSERT_STRING_EQUAL(list.lines[0]->text, "not protected yet, shut off");
	CU_ASSERT_STRING_EQUAL(list.lines[1]->text, "vda: /x, 0 MiB");
	CU_ASSERT_STRING_EQUAL(list.lines[1]->verdict, "ok");
	check_list_destroy(&list);
}

static void test_protected(void)
{
	Vmreplica__Ipc__CibNvpair vm = VMREPLICA__IPC__CIB_NVPAIR__INIT;
	Vmreplica__Ipc__CibNvpair from = VMREPLICA__IPC__CIB_NVPAIR__INIT;
	Vmreplica__Ipc__CibNvpair *pairs[] = {&vm, &from};
	Vmreplica__Ipc__CibResource other = VMREPLICA__IPC__CIB_RESOURCE__INIT, ours = other;
	Vmreplica__Ipc__CibResource *resources[] = {&other, &ours};
	Vmreplica__Ipc__CibSettings settings = VMREPLICA__IPC__CIB_SETTINGS__INIT;

	vm.name = (char *)"vm";
	vm.value = (char *)"web1";
	from.name = (char *)"vm_resource";
	from.value = (char *)"vm-web1";
	other.id = (char *)"web2";
	other.type = (char *)VIRTUAL_DOMAIN_AGENT;
	ours.id = (char *)"vm-web1-replica";
	ours.type = (char *)"ocf:vmreplica:vm";
	ours.parameters = pairs;
	ours.n_parameters = 2;
	settings.resources = resources;
	settings.n_resources = 2;
	CU_ASSERT_PTR_EQUAL(check_protected_name(&settings, "web1"), vm.value);
	CU_ASSERT_PTR_EQUAL(check_protected_name(&settings, "vm-web1"), vm.value);
	CU_ASSERT_PTR_EQUAL(check_protected_name(&settings, "vm-web1-replica"), vm.value);
	CU_ASSERT_PTR_NULL(check_protected_name(&settings, "web2"));
	CU_ASSERT_PTR_NULL(check_protected_name(&settings, "web"));
	CU_ASSERT_PTR_NULL(check_protected_name(NULL, "web1"));
}

static const struct unit_test tests[] = {
	{"lines", test_lines},
	{"names alike", test_names_alike},
	{"protected", test_protected},
};
UNIT_MAIN("check of a VM that is not protected", tests)
