/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "common/clock.h"
#include "engine/source_offline.h"
#include "engine/source_tool.h"
#include "tests/unit/tempdir.h"
#include "tests/unit/unit.h"

#define RELATIONSHIP "0b0e7d1c-5a4f-4c59-9d3e-2f1a6c7b8d90"
#define OURS	     "vmreplica-" RELATIONSHIP "-1-"
#define CUT	     "-00000000000000ab"

static char error[SOURCE_ERROR_LEN];

static void test_bitmaps_of_an_image(void)
{
	static const char answer[] =
		"{\"virtual-size\":1,\"format-specific\":{\"type\":\"qcow2\",\"data\":{\"bitmaps\":"
		"["
		"{\"flags\":[\"auto\"],\"name\":\"" OURS "1" CUT "\",\"granularity\":65536},"
		"{\"flags\":[\"in-use\",\"auto\"],\"name\":\"" OURS "2" CUT "\",\"granularity\":1},"
		"{\"flags\":[],\"name\":\"" OURS "3" CUT "\",\"granularity\":1},"
		"{\"flags\":[\"auto\"],\"name\":\"nightly\",\"granularity\":1}]}}}";
	struct source_bitmaps bitmaps = {0};

	CU_ASSERT_EQUAL(source_offline_parse(answer, RELATIONSHIP, "/a", 3, &bitmaps), 0);
	CU_ASSERT_EQUAL_FATAL(bitmaps.count, 3);
	CU_ASSERT_TRUE(bitmaps.items[0].sound);
	CU_ASSERT_FALSE(bitmaps.items[1].sound);
	CU_ASSERT_FALSE(bitmaps.items[2].sound);
	CU_ASSERT_EQUAL(bitmaps.items[0].disk, 3);
	CU_ASSERT_STRING_EQUAL(bitmaps.items[0].node, "/a");
	source_bitmaps_destroy(&bitmaps);
}

static void test_answers_without_bitmaps(void)
{
	struct source_bitmaps bitmaps = {0};

	CU_ASSERT_EQUAL(source_offline_parse("{\"format-specific\":{\"data\":{}}}", RELATIONSHIP,
					     "/a", 0, &bitmaps),
			0);
	CU_ASSERT_EQUAL(source_offline_parse("{}", RELATIONSHIP, "/a", 0, &bitmaps), -EBADMSG);
	CU_ASSERT_EQUAL(source_offline_parse("qemu-img: no", RELATIONSHIP, "/a", 0, &bitmaps),
			-EBADMSG);
	CU_ASSERT_EQUAL(bitmaps.count, 0);
	source_bitmaps_destroy(&bitmaps);
}

static void test_a_tools_output_and_failure(void)
{
	static const char *const says[] = {"sh", "-c", "echo one; echo two >&2", NULL};
	static const char *const fails[] = {"sh", "-c", "echo because >&2; exit 3", NULL};
	static const char *const missing[] = {"vmreplica-no-such-tool", "x", NULL};
	char *output = NULL;

	CU_ASSERT_EQUAL(source_tool_run(says, 5000, &output, error), 0);
	CU_ASSERT_STRING_EQUAL(output, "one\ntwo\n");
	free(output);
	output = NULL;
	CU_ASSERT_EQUAL(source_tool_run(fails, 5000, &output, error), -EIO);
	CU_ASSERT_PTR_NULL(output);
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "because"));
	CU_ASSERT_EQUAL(source_tool_run(missing, 5000, NULL, error), -EIO);
}

static void test_a_tool_that_hangs_or_babbles(void)
{
	static const char *const hangs[] = {"sleep", "60", NULL};
	static const char *const babbles[] = {"yes", "y", NULL};
	int64_t begin_ms = clock_monotonic_ms();

	CU_ASSERT_EQUAL(source_tool_run(hangs, 200, NULL, error), -ETIMEDOUT);
	CU_ASSERT_EQUAL(source_tool_run(babbles, 5000, NULL, error), -EFBIG);
	CU_ASSERT_TRUE(clock_monotonic_ms() - begin_ms < 4500);
}

/* Serve a fresh image; what changes it ends the trust. */
static void test_an_export_holds_until_the_image_is_written(void)
{
	char path[TEMP_PATH_LEN], socket_path[TEMP_PATH_LEN];
	const char *create[] = {
		"qemu-img", "create", "-q", "-f", "qcow2", "--", temp_path(path, "it's, an image"),
		"1M",	    NULL};
	const char *write[] = {"qemu-io", "-f", "qcow2", "-c", "write 0 4k", path, NULL};
	struct source_disk disk = {.name = "vda", .path = path, .format = (char[]){"qcow2"}};
	struct source_export *export = NULL;
	struct nbd_disk *opened = NULL;
	char why[NBD_ERROR_LEN];

	CU_ASSERT_EQUAL_FATAL(source_tool_run(create, 10000, NULL, error), 0);
	temp_path(socket_path, "socket");
	CU_ASSERT_EQUAL_FATAL(source_export_start(&disk, NULL, socket_path, &export, error), 0);
	CU_ASSERT_TRUE(source_export_holds(export));
	CU_ASSERT_EQUAL_FATAL(nbd_disk_open(socket_path, "vda", NULL, &opened, why), 0);
	CU_ASSERT_EQUAL(nbd_disk_size(opened), 1u << 20);
	nbd_disk_close(opened);
	CU_ASSERT_TRUE(source_export_holds(export)); /* the server outlives a reader */
	/* It does not lock the image either. */
	CU_ASSERT_EQUAL(source_tool_run(write, 10000, NULL, error), 0);
	CU_ASSERT_FALSE(source_export_holds(export));
	source_export_stop(export);
	CU_ASSERT_NOT_EQUAL(access(socket_path, F_OK), 0);
	CU_ASSERT_EQUAL(source_export_start(&disk, "no-such-bitmap", socket_path, &export, error),
			-EIO);
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "no-such-bitmap"));
}

int main(void)
{
	static const struct unit_test tests[] = {
		{"bitmaps of an image", test_bitmaps_of_an_image},
		{"answers without bitmaps", test_answers_without_bitmaps},
		{"a tool's output and failure", test_a_tools_output_and_failure},
		{"a tool that hangs or babbles", test_a_tool_that_hangs_or_babbles},
		{"an export holds until the image is written",
		 test_an_export_holds_until_the_image_is_written},
	};
	int status = unit_run("source offline", tests, sizeof(tests) / sizeof(tests[0]));

	tempdir_remove();
	return status;
}
