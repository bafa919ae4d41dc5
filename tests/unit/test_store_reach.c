/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a receiver is let open for a store: its storage, disks lent to it, and nothing by a trick.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "engine/store_reach.h"
#include "tests/unit/shell.h"
#include "tests/unit/tempdir.h"
#include "tests/unit/unit.h"

#define STORE "storage/a.example/web1-1"

static uid_t receiver(void)
{
	return geteuid() != 0 ? geteuid() : 61234568u;
}

/* A store, and disks beside its storage: lent ones are the receiver's, by owner. */
static void host_make(void)
{
	shell_run("cd %s && mkdir -p " STORE "/gen-1 disks && "
		  "qemu-img create -q -f qcow2 disks/lent 1M && "
		  "qemu-img create -q -f qcow2 disks/foreign 1M && "
		  "qemu-img create -q -f qcow2 -F qcow2 -b $PWD/disks/foreign disks/over 1M && "
		  "chmod 600 disks/*",
		  tempdir());
	if (geteuid() == 0) {
		shell_run("cd %s/disks && chown %u lent over", tempdir(), (unsigned int)receiver());
	} else {
		shell_run("chmod 0 %s/disks/foreign", tempdir());
	}
}

static void host_unmake(void)
{
	shell_run("cd %s && rm -rf storage disks", tempdir());
}

static int find(const struct source_defined_disk *disks, size_t count, struct store_reach *ret)
{
	char directory[TEMP_PATH_LEN];

	return store_reach_find(temp_path(directory, STORE), disks, count, receiver(), ret);
}

static bool has(const struct store_reach *reach, const char *name)
{
	char path[TEMP_PATH_LEN];
	cleanup_free char *real = realpath(temp_path(path, name), NULL);

	for (size_t i = 0; i < reach->count; i++) {
		if (real != NULL && strcmp(reach->places[i].path, real) == 0) {
			return true;
		}
	}
	return false;
}

static void link_make(const char *target, const char *name)
{
	char path[TEMP_PATH_LEN], at[TEMP_PATH_LEN];

	CU_ASSERT_EQUAL(symlink(temp_path(path, target), temp_path(at, name)), 0);
}

static void the_storage_alone(void)
{
	struct store_reach reach = {0};

	host_make();
	CU_ASSERT_EQUAL(find(NULL, 0, &reach), 0);
	CU_ASSERT_EQUAL(reach.count, 1);
	CU_ASSERT_TRUE(has(&reach, "storage"));
	store_reach_destroy(&reach);
	host_unmake();
	CU_ASSERT_EQUAL(find(NULL, 0, &reach), -ENOENT);
}

static void disks_that_were_lent(void)
{
	char path[TEMP_PATH_LEN];
	struct source_defined_disk disk = {.path = temp_path(path, "disks/lent")};
	struct store_reach reach = {0};

	host_make();
	CU_ASSERT_EQUAL(find(&disk, 1, &reach), 0);
	CU_ASSERT_EQUAL(reach.count, 2);
	CU_ASSERT_TRUE(has(&reach, "disks/lent"));
	store_reach_destroy(&reach);
	/* adopted before: the store names it */
	link_make("disks/lent", STORE "/gen-1/vda-1.qcow2");
	CU_ASSERT_EQUAL(find(NULL, 0, &reach), 0);
	CU_ASSERT_EQUAL(reach.count, 2);
	CU_ASSERT_TRUE(has(&reach, "disks/lent"));
	store_reach_destroy(&reach);
	host_unmake();
}

/* The links and headers of a store are the receiver's to make. */
static void tricks(void)
{
	struct store_reach reach = {0};

	host_make();
	link_make("disks/foreign", STORE "/gen-1/vda-1.qcow2");
	link_make("disks/over", STORE "/gen-1/vdb-1.qcow2");
	link_make("disks", STORE "/gen-1/directory");
	shell_run("ln -s /etc/passwd %s/" STORE "/gen-1/file; mkfifo %s/storage/fifo; ln -s "
		  "%s/storage/fifo %s/" STORE "/gen-1/fifo",
		  tempdir(), tempdir(), tempdir(), tempdir());
	CU_ASSERT_EQUAL(find(NULL, 0, &reach), 0);
	CU_ASSERT_FALSE(has(&reach, "disks/foreign"));
	CU_ASSERT_FALSE(has(&reach, "disks"));
	CU_ASSERT_TRUE(has(&reach, "disks/over"));
	if (geteuid() == 0) {
		CU_ASSERT_EQUAL(reach.count, 2);
	}
	store_reach_destroy(&reach);
	host_unmake();
}

/* Another file, or file system, in the place of one: that is not what was told. */
static void what_is_covered(void)
{
	struct store_reach told = {0}, wanted = {0};

	host_make();
	CU_ASSERT_EQUAL(find(NULL, 0, &wanted), 0);
	CU_ASSERT_FALSE(store_reach_covers(&told, &wanted));
	CU_ASSERT_EQUAL(store_reach_join(&told, &wanted), 0);
	CU_ASSERT_TRUE(store_reach_covers(&told, &wanted));
	store_reach_destroy(&wanted);
	shell_run("cd %s && mv storage old && mkdir -p " STORE, tempdir());
	CU_ASSERT_EQUAL(find(NULL, 0, &wanted), 0);
	CU_ASSERT_FALSE(store_reach_covers(&told, &wanted));
	CU_ASSERT_EQUAL(store_reach_join(&told, &wanted), 0);
	CU_ASSERT_EQUAL(told.count, 1);
	CU_ASSERT_TRUE(store_reach_covers(&told, &wanted));
	store_reach_destroy(&wanted);
	store_reach_destroy(&told);
	shell_run("rm -r %s/old", tempdir());
	host_unmake();
}

int main(void)
{
	static const struct unit_test tests[] = {
		{"the storage alone", the_storage_alone},
		{"disks that were lent", disks_that_were_lent},
		{"links and headers that lead elsewhere", tricks},
		{"what is covered", what_is_covered},
	};
	int rc = unit_run("store_reach", tests, sizeof(tests) / sizeof(tests[0]));

	tempdir_remove();
	return rc;
}
