/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a detached store's manifest says against removing it. */
#include "engine/store_manifest.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tempdir.h"
#include "unit.h"

#define LAYER(more) "\"current\": [{\"name\": \"vda\", \"layers\": [{\"file\": \"x\"" more "}]}]"

static const char *directory;
static char path[TEMP_PATH_LEN], text[512];

static int check(const char *manifest)
{
	FILE *file = fopen(path, "w");

	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	fprintf(file, "{%s}", manifest);
	fclose(file);
	text[0] = '\0';
	return store_manifest_check(directory, text, sizeof(text));
}

static void test_check(void)
{
	CU_ASSERT_EQUAL(store_manifest_check(directory, text, sizeof(text)), 0);
	CU_ASSERT_EQUAL(check(LAYER("")), 0);
	CU_ASSERT_EQUAL(check(LAYER(", \"adopted\": true, \"linked\": true")), 0);
	CU_ASSERT_EQUAL(check(LAYER(", \"adopted\": true, \"linked\": false")), -EPERM);
	CU_ASSERT(strstr(text, "own disks") != NULL && strstr(text, directory) != NULL);
	CU_ASSERT_EQUAL(check(LAYER("") ", \"test\": {}"), 0);
	CU_ASSERT_EQUAL(check(LAYER("") ", \"failover\": {\"holder\": \"web1\"}"), -EPERM);
	CU_ASSERT(strstr(text, "failover --cancel") != NULL);
}

/* It is a stranger's. */
static void test_wrong(void)
{
	CU_ASSERT_EQUAL(check("\"failover\": "), 0);
	CU_ASSERT_EQUAL(check("\"failover\": 1, \"current\": {\"layers\": 7}"), 0);
	CU_ASSERT_EQUAL(check("\"current\": [1, [], {\"layers\": {}}, {\"layers\": [7]}]"), 0);
	CU_ASSERT_EQUAL(unlink(path), 0);
	CU_ASSERT_EQUAL(symlink("/dev/zero", path), 0);
	CU_ASSERT_EQUAL(store_manifest_check(directory, text, sizeof(text)), 0);
	CU_ASSERT_EQUAL(unlink(path), 0);
	CU_ASSERT_EQUAL(mkfifo(path, 0600), 0);
	CU_ASSERT_EQUAL(store_manifest_check(directory, text, sizeof(text)), 0);
	CU_ASSERT_EQUAL(unlink(path), 0);
}

static void test_all(void)
{
	directory = tempdir();
	temp_path(path, "manifest.json");
	test_check();
	test_wrong();
	tempdir_remove();
}

static const struct unit_test tests[] = {
	{"a store's own word", test_all},
};
UNIT_MAIN("store-manifest", tests)
