/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which files of an interrupted export are gone on with: a disk that was grown since begins anew,
 * instead of ending every later export into that directory. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine/export_target.h"
#include "tests/unit/tempdir.h"
#include "tests/unit/unit.h"

#define MIB (1024ull * 1024)

static int dir_fd = -1;

static int target_open(const char *name, uint64_t size, bool fresh)
{
	char path[TEMP_PATH_LEN], error[SOURCE_ERROR_LEN] = "";
	struct export_target target;
	int result = export_target_open(&target, temp_path(path, name), size, fresh, tempdir(),
					"vda", error);

	if (result == 0) {
		export_target_close(&target);
	}
	return result;
}

static void test_fits(void)
{
	char path[TEMP_PATH_LEN];

	CU_ASSERT_FALSE(export_target_fits(dir_fd, "vda.qcow2", 8 * MIB));
	CU_ASSERT_EQUAL_FATAL(target_open("vda.qcow2", 8 * MIB, true), 0);
	CU_ASSERT_TRUE(export_target_fits(dir_fd, "vda.qcow2", 8 * MIB));
	CU_ASSERT_EQUAL(target_open("vda.qcow2", 8 * MIB, false), 0);
	/* grown: it cannot be gone on with, but be made anew */
	CU_ASSERT_EQUAL(target_open("vda.qcow2", 9 * MIB, false), -EUCLEAN);
	CU_ASSERT_FALSE(export_target_fits(dir_fd, "vda.qcow2", 9 * MIB));
	CU_ASSERT_EQUAL(target_open("vda.qcow2", 9 * MIB, true), 0);
	CU_ASSERT_TRUE(export_target_fits(dir_fd, "vda.qcow2", 9 * MIB));
	CU_ASSERT_EQUAL(symlinkat("vda.qcow2", dir_fd, "vdb.qcow2"), 0);
	CU_ASSERT_FALSE(export_target_fits(dir_fd, "vdb.qcow2", 9 * MIB));
	temp_file(path, "vdc.qcow2", "no image");
	CU_ASSERT_FALSE(export_target_fits(dir_fd, "vdc.qcow2", 8));
}

static const struct unit_test tests[] = {{"what fits", test_fits}};

int main(void)
{
	int rc;

	if (system("command -v qemu-nbd qemu-img >/dev/null") != 0) {
		return 77;
	}
	dir_fd = open(tempdir(), O_RDONLY | O_DIRECTORY);
	rc = dir_fd < 0 ? 1 : unit_run("export target", tests, sizeof(tests) / sizeof(tests[0]));
	tempdir_remove();
	return rc;
}
