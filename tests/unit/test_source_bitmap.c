/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "engine/source_bitmap.h"
#include "tests/unit/unit.h"

#define RELATIONSHIP "0b0e7d1c-5a4f-4c59-9d3e-2f1a6c7b8d90"
#define OURS	     "vmreplica-" RELATIONSHIP "-1-"
#define CUT	     "-00000000000000ab"
#define FLAGS(recording, persistent)                                                               \
	"\"recording\":" recording ",\"persistent\":" persistent                                   \
	",\"busy\":false,\"granularity\":65536,\"count\":0"

static struct source_disk disks[2] = {
	{.name = "vda", .path = (char[]){"/srv/vms/a.qcow2"}, .format = (char[]){"qcow2"}},
	{.name = "vdb", .path = (char[]){"/srv/vms/b.qcow2"}, .format = (char[]){"qcow2"}},
};
static char *nodes[2] = {(char[]){"libvirt-2-format"}, NULL};
static const struct source_domain domain = {.disks = disks, .nodes = nodes, .count = 2};

static void test_bitmaps_of_disks(void)
{
	struct source_bitmaps bitmaps;
	static const char reply[] =
		"{\"return\":["
		"{\"node-name\":\"libvirt-2-format\",\"drv\":\"qcow2\",\"file\":\"/"
		"x\",\"dirty-bitmaps\":["
		"{\"name\":\"" OURS "7" CUT "\"," FLAGS(
			"true",
			"true") "},"
				"{\"name\":\"nightly\"," FLAGS(
					"true",
					"true") "},"
						"{\"name\":\"vmreplica-11111111-5a4f-4c59-9d3e-"
						"2f1a6c7b8d90-1-7" CUT "\"," FLAGS(
							"true",
							"true") "},"
								"{\"name\":\"" OURS "8" CUT
								"\"," FLAGS(
									"false",
									"true") ",\"inconsistent\":"
										"true}]},"
										"{\"node-name\":"
										"\"libvirt-1-"
										"format\",\"drv\":"
										"\"qcow2\","
										"\"file\":\"/srv/"
										"vms/b.qcow2\","
										"\"dirty-bitmaps\":"
										"[{\"name\":\"" OURS
										"7" CUT "\"," FLAGS(
											"true",
											"false") "}"
												 "]"
												 "}"
												 ","
												 "{"
												 "\"node-name\":\"libvirt-1-storage\",\"drv\":\"file\",\"file\":\"/srv/vms/b.qcow2\"},"
												 "{"
												 "\"node-name\":\"libvirt-9-format\",\"drv\":\"qcow2\",\"file\":\"/srv/vms/base\","
												 "\"dirty-bitmaps\":[{\"name\":\"" OURS
												 "7" CUT
												 "\"," FLAGS(
													 "true",
													 "true") "}]}"
														 "],\"id\":\"libvirt-417\"}";

	CU_ASSERT_EQUAL_FATAL(source_bitmaps_parse(reply, &domain, RELATIONSHIP, &bitmaps), 0);
	CU_ASSERT_EQUAL_FATAL(bitmaps.count, 4);
	CU_ASSERT_STRING_EQUAL(bitmaps.items[0].text, OURS "7" CUT);
	CU_ASSERT_EQUAL(bitmaps.items[0].name.seq, 7);
	CU_ASSERT_EQUAL(bitmaps.items[0].disk, 0);
	CU_ASSERT_STRING_EQUAL(bitmaps.items[0].node, "libvirt-2-format");
	CU_ASSERT_TRUE(bitmaps.items[0].sound);
	CU_ASSERT_EQUAL(bitmaps.items[1].name.seq, 8);
	CU_ASSERT_FALSE(bitmaps.items[1].sound);
	CU_ASSERT_EQUAL(bitmaps.items[2].disk, 1); /* by its path */
	CU_ASSERT_FALSE(bitmaps.items[2].sound);   /* would not survive the VM's stop */
	CU_ASSERT_EQUAL(bitmaps.items[3].disk, SIZE_MAX);
	source_bitmaps_destroy(&bitmaps);
}

static void test_answers_that_are_not_understood(void)
{
	static const char *const wrong[] = {
		"",
		"{}",
		"[]",
		"{\"error\":{\"desc\":\"no\"}}",
		"{\"return\":{}}",
		"{\"return\":[{\"drv\":\"qcow2\"}]}",
	};
	struct source_bitmaps bitmaps;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		CU_ASSERT_EQUAL(source_bitmaps_parse(wrong[i], &domain, RELATIONSHIP, &bitmaps),
				-EBADMSG);
	}
	CU_ASSERT_EQUAL(source_bitmaps_parse("{\"return\":[]}", &domain, RELATIONSHIP, &bitmaps),
			0);
	CU_ASSERT_EQUAL(bitmaps.count, 0);
	source_bitmaps_destroy(&bitmaps);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{"bitmaps of disks", test_bitmaps_of_disks},
		{"answers that are not understood", test_answers_that_are_not_understood},
	};

	return unit_run("source bitmap", tests, sizeof(tests) / sizeof(tests[0]));
}
