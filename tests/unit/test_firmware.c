/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "firmware_fixture.h"
#include "golden.h"
#include "tempdir.h"
#include "unit.h"

/* Which firmware which VM gets. */
static void test_choice(void)
{
	static const struct {
		const char *what;
		struct firmware_wish wish;
	} vms[] = {
		{"plain", {"x86_64", "pc-q35-7.2", false, false, false, 540672}},
		{"plain, nothing came yet", {"x86_64", "pc-q35-7.2", false, false, false, 0}},
		{"plain, with SMM", {"x86_64", "pc-q35-7.2", false, false, true, 540672}},
		{"i440fx", {"x86_64", "pc-i440fx-7.2", false, false, false, 540672}},
		{"secure", {"x86_64", "pc-q35-7.2", true, false, true, 540672}},
		{"secure, keys", {"x86_64", "pc-q35-7.2", true, true, true, 540672}},
		{"secure without SMM", {"x86_64", "pc-q35-7.2", true, true, false, 540672}},
		{"secure on i440fx", {"x86_64", "pc-i440fx-7.2", true, true, true, 540672}},
		{"older flash", {"x86_64", "pc-q35-4.0", false, false, false, 131072}},
		{"older flash, secure", {"x86_64", "pc-q35-4.0", true, true, true, 131072}},
		{"a size of another host", {"x86_64", "pc-q35-7.2", false, false, false, 67108864}},
		{"machine q35", {"x86_64", "q35", false, false, false, 540672}},
		{"machine pc", {"x86_64", "pc", false, false, false, 540672}},
		{"another architecture", {"aarch64", "virt-7.2", false, false, false, 0}},
		{"a machine that is a pattern", {"x86_64", "*", false, false, false, 0}},
	};
	struct firmware_list list;
	struct golden golden;

	firmware_fixture_load(&list);
	CU_ASSERT_EQUAL(list.count, 4); /* not the one in qcow2 */
	golden_begin(&golden);
	for (size_t i = 0; i < sizeof(vms) / sizeof(vms[0]); i++) {
		const struct firmware *firmware = firmware_choose(&list, &vms[i].wish);

		fprintf(golden.file, "%-28s %s\n", vms[i].what,
			firmware == NULL ? "none" : firmware->code);
		if (firmware != NULL) {
			fprintf(golden.file, "%-28s %s\n", "", firmware->variables);
		}
	}
	CU_ASSERT(golden_end(&golden, "engine/firmware-choice.golden"));
	firmware_list_destroy(&list);
}

static void test_wrong_descriptors(void)
{
	static const struct {
		int result;
		const char *text;
	} wrong[] = {
		{-EBADMSG, ""},
		{-EBADMSG, "[]"},
		{-EBADMSG, "{\"interface-types\":[\"uefi\"]}"},
		{-ENOTSUP, "{\"interface-types\":[\"bios\"],\"mapping\":{\"device\":\"memory\"},"
			   "\"targets\":[],\"features\":[]}"},
		{-ENOTSUP, "{\"interface-types\":[\"uefi\"],\"mapping\":{\"device\":\"memory\"},"
			   "\"targets\":[],\"features\":[]}"},
		{-EBADMSG, "{\"interface-types\":[\"uefi\"],\"mapping\":{\"device\":\"flash\","
			   "\"executable\":{\"filename\":\"../x\"},\"nvram-template\":"
			   "{\"filename\":\"/v\"}},\"targets\":[],\"features\":[]}"},
		{-EBADMSG, "{\"interface-types\":[\"uefi\"],\"mapping\":{\"device\":\"flash\","
			   "\"executable\":{\"filename\":\"/x\"},\"nvram-template\":"
			   "{\"filename\":\"/v\"}},\"targets\":[{\"architecture\":\"x\","
			   "\"machines\":[1]}],\"features\":[]}"},
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct firmware firmware;

		CU_ASSERT_EQUAL(firmware_parse(wrong[i].text, strlen(wrong[i].text), &firmware),
				wrong[i].result);
	}
}

static void descriptor_write(const char *name, const char *directory, const char *code,
			     const char *variables)
{
	char path[TEMP_PATH_LEN], file[64], text[4096];

	snprintf(file, sizeof(file), "%s/%s", directory, name);
	snprintf(text, sizeof(text),
		 "{\"interface-types\":[\"uefi\"],\"mapping\":{\"device\":\"flash\",\"executable\":"
		 "{\"filename\":\"%s\",\"format\":\"raw\"},\"nvram-template\":{\"filename\":\"%s\","
		 "\"format\":\"raw\"}},\"targets\":[{\"architecture\":\"x86_64\",\"machines\":"
		 "[\"pc-q35-*\"]}],\"features\":[]}",
		 code, variables);
	temp_file(path, file, text);
}

/* The admin's directory goes before the distribution's: another file of a name, or an empty one. */
static void test_directories(void)
{
	char etc[TEMP_PATH_LEN], usr[TEMP_PATH_LEN], code[TEMP_PATH_LEN], variables[TEMP_PATH_LEN];
	char path[TEMP_PATH_LEN];
	const char *directories[] = {temp_path(etc, "etc"), temp_path(usr, "usr"), NULL};
	static const char *const made[] = {"usr/20-a.json", "usr/30-b.json", "usr/40-c.json",
					   "usr/50-d.json", "etc/30-b.json", "etc/40-c.json",
					   "usr/readme"};
	struct firmware_list list;

	mkdir(etc, 0700);
	mkdir(usr, 0700);
	temp_file(code, "code.fd", "code");
	temp_file(variables, "variables.fd", "variables");
	descriptor_write("20-a.json", "usr", code, "/nowhere/a.fd");
	descriptor_write("30-b.json", "usr", code, "/nowhere/b.fd");
	descriptor_write("40-c.json", "usr", code, "/nowhere/c.fd");
	descriptor_write("50-d.json", "usr", "/nowhere/code.fd", variables);
	descriptor_write("readme", "usr", code, variables);
	descriptor_write("30-b.json", "etc", code, variables);
	temp_file(path, "etc/40-c.json", "");
	CU_ASSERT_EQUAL_FATAL(firmware_list_load(directories, &list), 0);
	CU_ASSERT_EQUAL_FATAL(list.count, 2); /* code that is not installed is none */
	CU_ASSERT_STRING_EQUAL(list.items[0].variables, "/nowhere/a.fd");
	CU_ASSERT_EQUAL(list.items[0].variables_bytes, 0);
	CU_ASSERT_STRING_EQUAL(list.items[1].variables, variables);
	CU_ASSERT_EQUAL(list.items[1].variables_bytes, strlen("variables"));
	firmware_list_destroy(&list);
	for (size_t i = 0; i < sizeof(made) / sizeof(made[0]); i++) {
		unlink(temp_path(path, made[i]));
	}
	rmdir(etc);
	rmdir(usr);
	CU_ASSERT_EQUAL_FATAL(firmware_list_load(directories, &list), 0);
	CU_ASSERT_EQUAL(list.count, 0);
	firmware_list_destroy(&list);
}

static const struct unit_test tests[] = {
	{"choice", test_choice},
	{"wrong descriptors", test_wrong_descriptors},
	{"directories", test_directories},
};

int main(void)
{
	int result = unit_run("firmware", tests, sizeof(tests) / sizeof(tests[0]));

	tempdir_remove();
	return result;
}
