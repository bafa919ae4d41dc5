/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>

#include "engine/protect.h"
#include "engine/vm_settings.h"
#include "unit.h"

#define REL "11111111-2222-4333-8444-555555555555"

struct pair {
	const char *name, *value;
};

static int parse(const struct pair *pairs, size_t count, struct vm_settings *settings, char *error)
{
	const char *names[20], *values[20];

	for (size_t i = 0; i < count; i++) {
		names[i] = pairs[i].name;
		values[i] = pairs[i].value;
	}
	return vm_settings_parse("web1-replica", names, values, count, settings, error);
}

static void test_primary(void)
{
	static const struct pair pairs[] = {
		{"relationship", REL},
		{"vm", "web1"},
		{"vm_resource", "web1"},
		{"role", "primary"},
		{"peer", "10.0.0.1:900"},
		{"frequency", "30"},
		{"bandwidth", "20M"},
		{"exclude_disks", "vdb, vdc"},
		{"resync", "manual"},
		{"priority", "-3"},
		{"map", "net:prod=dr,bridge:br0=br7"},
		{"CRM_meta_timeout", "1"},
		{"crm_feature_set", "3.16"},
	};
	struct vm_settings settings = {0};
	char error[VM_SETTINGS_ERROR_LEN] = "";
	const char **list;

	CU_ASSERT_EQUAL_FATAL(parse(pairs, sizeof(pairs) / sizeof(pairs[0]), &settings, error), 0);
	CU_ASSERT_STRING_EQUAL(settings.peer_host, "10.0.0.1");
	CU_ASSERT_EQUAL(settings.peer_port, 900);
	CU_ASSERT_EQUAL(settings.frequency_s, 30);
	CU_ASSERT_EQUAL(settings.bandwidth_bytes_per_s, 20u << 20);
	CU_ASSERT_EQUAL(settings.priority, -3);
	CU_ASSERT_EQUAL(settings.networks.count, 2);
	CU_ASSERT_STRING_EQUAL(settings.networks.entries[1].to.name, "br7");
	CU_ASSERT_EQUAL(settings.resync.kind, RESYNC_MANUAL);
	list = vm_settings_exclude_list(&settings);
	CU_ASSERT_STRING_EQUAL(list[0], "vdb");
	CU_ASSERT_STRING_EQUAL(list[1], "vdc");
	CU_ASSERT_PTR_NULL(list[2]);
	free(list);
	vm_settings_destroy(&settings);
}

/* Replace one value of a good set and expect the error to name it. */
static void refused(const char *name, const char *value)
{
	struct pair pairs[] = {
		{"relationship", REL}, {"vm", "web1"},		 {"role", "primary"},
		{"peer", "b.example"}, {"frequency", "30"},	 {"storage", ""},
		{"bandwidth", ""},     {"vm_resource", ""},	 {"exclude_disks", ""},
		{"resync", "auto"},    {"priority", "0"},	 {"map", ""},
		{"points", "24"},      {"point_interval", "60"}, {"app_interval", "0"},
	};
	struct vm_settings settings = {0};
	char error[VM_SETTINGS_ERROR_LEN] = "";
	const size_t count = sizeof(pairs) / sizeof(pairs[0]);

	CU_ASSERT_EQUAL_FATAL(parse(pairs, count, &settings, error), 0);
	vm_settings_destroy(&settings);
	for (size_t i = 0; i < count; i++) {
		if (strcmp(pairs[i].name, name) == 0) {
			pairs[i].value = value;
		}
	}
	CU_ASSERT_EQUAL(parse(pairs, count, &settings, error), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(error, name));
}

static void test_refused(void)
{
	refused("relationship", "web1");
	refused("vm", "../etc");
	refused("vm", "");
	refused("role", "both");
	refused("peer", "");
	refused("peer", "10.0.0.1:99999");
	refused("frequency", "4");
	refused("frequency", "86401");
	refused("frequency", "30x");
	refused("frequency", "-30");
	refused("bandwidth", "fast");
	refused("exclude_disks", "vda,/dev/sdb");
	refused("resync", "never");
	refused("priority", "high");
	refused("map", "prod=dr");
	refused("map", "net:prod=dr,net:prod=other");
	refused("vm_resource", "a:b");
	refused("points", "169");
	refused("points", "-1");
	refused("points", "many");
	refused("point_interval", "604801");
	refused("point_interval", "1h");
	refused("app_interval", "604801");
}

static void test_replica(void)
{
	struct pair pairs[] = {{"relationship", REL},
			       {"vm", "web1"},
			       {"role", "replica"},
			       {"peer", "a.example"},
			       {"storage", "/srv/replica"}};
	struct vm_settings settings = {0};
	char error[VM_SETTINGS_ERROR_LEN] = "";

	CU_ASSERT_EQUAL(parse(pairs, 5, &settings, error), 0);
	vm_settings_destroy(&settings);
	CU_ASSERT_EQUAL(parse(pairs, 4, &settings, error), -EINVAL); /* no storage */
	pairs[4].value = "/srv/../etc";
	CU_ASSERT_EQUAL(parse(pairs, 5, &settings, error), -EINVAL);
	pairs[4].value = "/srv/replica";
	pairs[3].value = "not a site";
	CU_ASSERT_EQUAL(parse(pairs, 5, &settings, error), -EINVAL);
	pairs[3] = (struct pair){"typo", "1"};
	CU_ASSERT_EQUAL(parse(pairs, 5, &settings, error), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "typo"));
}

/* How many recovery points, and how far apart. */
static void test_points(void)
{
	struct pair pairs[] = {{"relationship", REL},	    {"vm", "web1"},
			       {"role", "replica"},	    {"peer", "a.example"},
			       {"storage", "/srv/replica"}, {"points", "0"},
			       {"point_interval", "0"},	    {"app_interval", "604800"}};
	struct vm_settings settings = {0};
	char error[VM_SETTINGS_ERROR_LEN] = "";

	CU_ASSERT_EQUAL_FATAL(parse(pairs, 5, &settings, error), 0);
	CU_ASSERT_EQUAL(settings.points, 24);
	CU_ASSERT_EQUAL(settings.point_interval_s, 3600);
	CU_ASSERT_EQUAL(settings.app_interval_s, 0);
	vm_settings_destroy(&settings);
	CU_ASSERT_EQUAL_FATAL(parse(pairs, 8, &settings, error), 0);
	CU_ASSERT_EQUAL(settings.points, 0);
	CU_ASSERT_EQUAL(settings.point_interval_s, 0);
	CU_ASSERT_EQUAL(settings.app_interval_s, 604800);
	vm_settings_destroy(&settings);
	pairs[5].value = "168";
	CU_ASSERT_EQUAL_FATAL(parse(pairs, 8, &settings, error), 0);
	CU_ASSERT_EQUAL(settings.points, 168);
	vm_settings_destroy(&settings);
}

static void check_address(const char *text, const char *host, int port)
{
	char got[VM_SETTINGS_HOST_LEN] = "";
	uint16_t got_port = 0;

	if (host == NULL) {
		CU_ASSERT_EQUAL(peer_address_parse(text, 8650, got, &got_port), -EINVAL);
		return;
	}
	CU_ASSERT_EQUAL(peer_address_parse(text, 8650, got, &got_port), 0);
	CU_ASSERT_STRING_EQUAL(got, host);
	CU_ASSERT_EQUAL(got_port, port);
}

static void test_addresses(void)
{
	check_address("b.example", "b.example", 8650);
	check_address("b.example:1", "b.example", 1);
	check_address("10.0.0.1", "10.0.0.1", 8650);
	check_address("fd00::1", "fd00::1", 8650);
	check_address("[fd00::1]", "fd00::1", 8650);
	check_address("[fd00::1]:65535", "fd00::1", 65535);
	check_address("", NULL, 0);
	check_address(":8650", NULL, 0);
	check_address("b:", NULL, 0);
	check_address("b:0", NULL, 0);
	check_address("b:65536", NULL, 0);
	check_address("b:+1", NULL, 0);
	check_address("[fd00::1", NULL, 0);
	check_address("[fd00::1]x", NULL, 0);
	check_address("[]:1", NULL, 0);
	check_address("a b", NULL, 0);
}

static void test_domain_name(void)
{
	char name[VM_NAME_MAX + 1];

	CU_ASSERT_EQUAL(
		protect_domain_name("<domain>\n  <name>web1</name>\n</domain>", name, sizeof(name)),
		0);
	CU_ASSERT_STRING_EQUAL(name, "web1");
	CU_ASSERT_EQUAL(protect_domain_name("<domain/>", name, sizeof(name)), -ENOENT);
	CU_ASSERT_EQUAL(protect_domain_name("<name></name>", name, sizeof(name)), -ENOENT);
	CU_ASSERT_EQUAL(protect_domain_name("<name>web1", name, sizeof(name)), -ENOENT);
	CU_ASSERT_EQUAL(protect_domain_name("<name>web1</name>", name, 4), -ENOENT);
}

static const struct unit_test tests[] = {
	{"primary", test_primary}, {"refused", test_refused},	  {"replica", test_replica},
	{"points", test_points},   {"addresses", test_addresses}, {"domain name", test_domain_name},
};
UNIT_MAIN("vm-settings", tests)
