/* SPDX-License-Identifier: GPL-2.0-or-later */
/* protect, asked twice: what is the same, what is refused, and with which words. */
#include <string.h>

#include "engine/protect.h"
#include "unit.h"

#define UUID "0b0c6a0e-3f1d-4c53-9d27-2f3f0d3f7a11"

static char *text(const char *constant)
{
	return (char *)(uintptr_t)constant;
}

static void settings_make(struct vm_settings *settings)
{
	static const char *const names[] = {"relationship",  "vm",	 "vm_resource",
					    "role",	     "peer",	 "frequency",
					    "exclude_disks", "bandwidth"};
	static const char *const values[] = {UUID,	   "web1", "web1",    "primary",
					     "10.2.0.100", "30",   "vdb,vdc", "20000000"};
	char error[VM_SETTINGS_ERROR_LEN];

	*settings = (struct vm_settings){0};
	CU_ASSERT_EQUAL_FATAL(vm_settings_parse("web1-replica", names, values, 8, settings, error),
			      0);
}

static void same(const struct vm_settings *settings,
		 const Vmreplica__Admin__ProtectRequest *request)
{
	char what[REASON_MAX] = "", how[REASON_MAX] = "";

	CU_ASSERT(!protect_differs(settings, request, false, what, how));
}

static void differs(const struct vm_settings *settings,
		    const Vmreplica__Admin__ProtectRequest *request, bool standalone,
		    const char *expected_what, const char *expected_how)
{
	char what[REASON_MAX] = "", how[REASON_MAX] = "";

	CU_ASSERT(protect_differs(settings, request, standalone, what, how));
	CU_ASSERT_STRING_EQUAL(what, expected_what);
	CU_ASSERT_STRING_EQUAL(how, expected_how);
}

static void test_same(void)
{
	Vmreplica__Admin__ProtectRequest request = VMREPLICA__ADMIN__PROTECT_REQUEST__INIT;
	char *disks[] = {text("vdc"), text("vdb")};
	struct vm_settings settings;

	settings_make(&settings);
	request.vm = text("web1");
	request.to = text("10.2.0.100");
	same(&settings, &request); /* what is left open is as it is */
	request.to = text("10.2.0.100:8650");
	request.frequency_s = 30;
	request.bandwidth_bytes_per_s = 20000000;
	request.exclude_disks = disks;
	request.n_exclude_disks = 2;
	same(&settings, &request); /* in any order */
	vm_settings_destroy(&settings);
}

static void test_other(void)
{
	Vmreplica__Admin__ProtectRequest request = VMREPLICA__ADMIN__PROTECT_REQUEST__INIT;
	char *disks[] = {text("vdb"), text("vdd")};
	struct vm_settings settings;

	settings_make(&settings);
	request.to = text("10.3.0.100");
	differs(&settings, &request, false, "it replicates to 10.2.0.100",
		"vmreplica unprotect web1 first");
	request.to = text("10.2.0.100:9000");
	differs(&settings, &request, false, "it replicates to 10.2.0.100",
		"vmreplica unprotect web1 first");
	request.to = text("10.2.0.100");
	request.frequency_s = 60;
	differs(&settings, &request, false, "its frequency is 30 s",
		"change it with: pcs resource update web1-replica frequency=60");
	differs(&settings, &request, true, "its frequency is 30 s",
		"set frequency = 60 in /etc/vmreplica/vms.d/web1-replica.conf");
	request.frequency_s = 0;
	request.bandwidth_bytes_per_s = 1000000;
	differs(&settings, &request, false, "its bandwidth is 20000000 bytes per second",
		"change it with: pcs resource update web1-replica bandwidth=1000000");
	request.bandwidth_bytes_per_s = 0;
	request.exclude_disks = disks;
	request.n_exclude_disks = 2;
	differs(&settings, &request, false, "it excludes 2 disks",
		"change it with: pcs resource update web1-replica exclude_disks=vdb,vdd");
	request.n_exclude_disks = 1;
	differs(&settings, &request, false, "it excludes 2 disks",
		"change it with: pcs resource update web1-replica exclude_disks=vdb");
	vm_settings_destroy(&settings);
}

static void test_points(void)
{
	Vmreplica__Admin__ProtectRequest request = VMREPLICA__ADMIN__PROTECT_REQUEST__INIT;
	Vmreplica__PointSettings points = VMREPLICA__POINT_SETTINGS__INIT;
	struct vm_settings settings;

	settings_make(&settings);
	settings.points = 48;
	settings.point_interval_s = 600;
	request.to = text("10.2.0.100");
	same(&settings, &request); /* not asked for: as they are */
	request.points = &points;
	points.points = 48;
	points.interval_s = 600;
	same(&settings, &request);
	points.points = 24;
	differs(&settings, &request, false, "it keeps 48 recovery points",
		"change it with: pcs resource update web1-replica points=24");
	points.points = 48;
	points.interval_s = 3600;
	differs(&settings, &request, true, "its recovery points are 600 s apart",
		"set point_interval = 3600 in /etc/vmreplica/vms.d/web1-replica.conf");
	points.interval_s = 600;
	points.app_interval_s = 7200;
	differs(&settings, &request, false, "its application-consistent points are 0 s apart",
		"change it with: pcs resource update web1-replica app_interval=7200");
	vm_settings_destroy(&settings);
}

static const struct unit_test tests[] = {
	{"the same again", test_same},
	{"something else", test_other},
	{"other recovery points", test_points},
};
UNIT_MAIN("protect", tests)
