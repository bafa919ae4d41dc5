/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What was lent to a store is lent again when its access has gone, and nothing else is. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/adopted_disks.h"
#include "engine/source_access.h"
#include "engine/store_directory.h"
#include "engine/wrap_image.h"
#include "tests/unit/tempdir.h"
#include "tests/unit/unit.h"

#define MIB	 (1u << 20)
#define RECEIVER 54321
#define UUID	 "0b0c6a0e-3f1d-4c53-9d27-2f3f0d3f7a11"

static const struct adopted_users users = {.receiver = RECEIVER, .qemu = 54322};

static void make_image(char path[TEMP_PATH_LEN], const char *name)
{
	temp_file(path, name, "a disk");
	CU_ASSERT_EQUAL(truncate(path, MIB), 0);
	CU_ASSERT_EQUAL(chmod(path, 0600), 0);
}

/* Has the receiver access? It has none afterwards: as a reboot takes the entries of devices. */
static bool reboot(const char *path)
{
	bool granted = false;

	CU_ASSERT_EQUAL(source_access_grant_image(path, RECEIVER, &granted), 0);
	CU_ASSERT_EQUAL(source_access_revoke_image(path, RECEIVER), 0);
	return !granted;
}

static void define(char xml[TEMP_PATH_LEN], const char *header)
{
	char text[2048];

	snprintf(text, sizeof(text),
		 "<domain><name>web1</name><devices><disk type='file' device='disk'>"
		 "<driver type='qcow2'/><source file='%s'/><target dev='vda'/></disk></devices>"
		 "</domain>",
		 header);
	temp_file(xml, "lent.xml", text);
}

static void test_again(void)
{
	char raw[TEMP_PATH_LEN], other[TEMP_PATH_LEN], header[TEMP_PATH_LEN], xml[TEMP_PATH_LEN];
	char store[TEMP_PATH_LEN], note[TEMP_PATH_LEN], error[SOURCE_ERROR_LEN] = "";
	bool granted;

	make_image(raw, "lent.img");
	make_image(other, "precious.img");
	CU_ASSERT_EQUAL(wrap_image_make(raw, MIB, temp_path(header, "lent.qcow2"), error), 0);
	define(xml, header);
	if (source_access_grant_image(other, RECEIVER, &granted) == -ENOTSUP) {
		printf("no ACLs here; ");
		return;
	}
	reboot(other);
	temp_path(store, "store");
	adopted_disks_lend_again(store, &users); /* nothing was */
	CU_ASSERT_FALSE(reboot(header) || reboot(raw));
	CU_ASSERT_EQUAL(adopted_disks_note(store, xml, NULL, &users, error), 0);
	adopted_disks_lend_again(store, &users);
	CU_ASSERT_TRUE(reboot(header) && reboot(raw));
	adopted_disks_lend_again(store, &users);
	CU_ASSERT_TRUE(reboot(header) && reboot(raw));
	/* the receiver may write the header: what it says of a data file now counts no more */
	CU_ASSERT_EQUAL(unlink(header), 0);
	CU_ASSERT_EQUAL(wrap_image_make(other, MIB, header, error), 0);
	CU_ASSERT_EQUAL(adopted_disks_note(store, xml, NULL, &users, error), 0);
	adopted_disks_lend_again(store, &users);
	CU_ASSERT_FALSE(reboot(other));
	CU_ASSERT_TRUE(reboot(raw));
	/* back: those that are noted, linked or not */
	adopted_disks_lend_again(store, &users);
	adopted_disks_take_back(store, RECEIVER);
	CU_ASSERT_FALSE(reboot(header) || reboot(raw));
	temp_path(note, "store.lent");
	CU_ASSERT_EQUAL(access(note, F_OK), 0);
	/* a note that cannot be read is not begun anew: the header may say anything by now */
	temp_file(note, "store.lent", "[");
	CU_ASSERT_EQUAL(adopted_disks_note(store, xml, NULL, &users, error), -EBADMSG);
	adopted_disks_lend_again(store, &users);
	CU_ASSERT_FALSE(reboot(header) || reboot(other));
}

/* The note goes with its store. */
static void test_removed(void)
{
	char storage[TEMP_PATH_LEN], site[TEMP_PATH_LEN], note[TEMP_PATH_LEN];
	char error[STORE_DIRECTORY_ERROR_LEN] = "";

	CU_ASSERT_EQUAL(mkdir(temp_path(storage, "storage"), 0755), 0);
	CU_ASSERT_EQUAL(mkdir(temp_path(site, "storage/b.example"), 0755), 0);
	temp_file(note, "storage/b.example/web1-0b0c6a0e.lent", "[]");
	CU_ASSERT_EQUAL(store_directory_remove(storage, "b.example", "web1", UUID, error), 0);
	CU_ASSERT_NOT_EQUAL(access(site, F_OK), 0);
	CU_ASSERT_EQUAL(rmdir(storage), 0);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{"lent again", test_again},
		{"removed", test_removed},
	};
	int status = unit_run("lent disks", tests, sizeof(tests) / sizeof(tests[0]));

	tempdir_remove();
	return status;
}
