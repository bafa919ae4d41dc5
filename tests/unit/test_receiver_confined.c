/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The receiver that runs opens a store where it was told to, and nowhere else. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/confine.h"
#include "tests/unit/receiver_rig.h"
#include "tests/unit/unit.h"

static bool status_says(pid_t pid, const char *wanted)
{
	char path[64], line[256];
	bool found = false;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	file = fopen(path, "re");
	while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
		found |= strcmp(line, wanted) == 0;
	}
	if (file != NULL) {
		fclose(file);
	}
	return found;
}

static bool kernel_can(void)
{
	char error[CONFINE_ERROR_LEN];
	int fd = confine_paths_new(false, error);

	if (fd < 0) {
		printf("skipped: %s ", error);
		return false;
	}
	close(fd);
	return true;
}

static void places(void)
{
	char elsewhere[] = "/tmp/vmreplica-elsewhere-XXXXXX", store[RIG_PATH];
	struct stat own;
	struct rig rig;

	rig_init(&rig);
	rig_start(&rig, "b1");
	CU_ASSERT_TRUE(status_says(rig.pid, "Seccomp:\t2\n"));
	CU_ASSERT_TRUE(status_says(rig.pid, "NoNewPrivs:\t1\n"));
	CU_ASSERT_TRUE(status_says(rig.pid, "CapEff:\t0000000000000000\n"));
	memcpy(store, rig.store, sizeof(store));
	CU_ASSERT_EQUAL_FATAL(stat(store, &own), 0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(elsewhere));
	CU_ASSERT_EQUAL(chown(elsewhere, own.st_uid, own.st_gid), 0);
	if (kernel_can()) {
		/* by owner and mode it is as good as the other */
		snprintf(rig.store, sizeof(rig.store), "%s", elsewhere);
		CU_ASSERT_EQUAL(rig_open(&rig), -EACCES);
		CU_ASSERT_PTR_NOT_NULL(strstr(rig.opened_text, elsewhere));
	}
	memcpy(rig.store, store, sizeof(store));
	CU_ASSERT_EQUAL(rig_open(&rig), 0);
	rig_destroy(&rig);
	rmdir(elsewhere);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{"a store elsewhere is not opened", places},
	};

	rig_require_tools();
	return unit_run("receiver_confined", tests, sizeof(tests) / sizeof(tests[0]));
}
