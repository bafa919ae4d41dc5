/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/file_access.h"
#include "engine/storage_probe.h"
#include "engine/store_admit.h"
#include "engine/store_directory.h"
#include "tempdir.h"
#include "unit.h"

#define REL "11111111-2222-4333-8444-555555555555"

static void test_path(void)
{
	char path[128], tight[8];

	CU_ASSERT_EQUAL(
		store_directory_path("/srv/replica", "a.example", "web1", REL, path, sizeof(path)),
		0);
	CU_ASSERT_STRING_EQUAL(path, "/srv/replica/a.example/web1-11111111");
	CU_ASSERT_EQUAL(store_directory_definition("/srv/replica", "a.example", "web1", REL, path,
						   sizeof(path)),
			0);
	CU_ASSERT_STRING_EQUAL(path, "/srv/replica/a.example/web1-11111111.xml");
	CU_ASSERT_EQUAL(
		store_directory_definition("/srv", "a.example", "web1", REL, tight, sizeof(tight)),
		-ENAMETOOLONG);
	CU_ASSERT_EQUAL(store_directory_path("/srv/replica", "a.example", "web1", REL, tight,
					     sizeof(tight)),
			-ENAMETOOLONG);
	CU_ASSERT_EQUAL(store_directory_path("srv", "a.example", "web1", REL, path, sizeof(path)),
			-EINVAL);
	CU_ASSERT_EQUAL(store_directory_path("/srv", "..", "web1", REL, path, sizeof(path)),
			-EINVAL);
	CU_ASSERT_EQUAL(store_directory_path("/srv", "a.example", "../x", REL, path, sizeof(path)),
			-EINVAL);
	CU_ASSERT_EQUAL(
		store_directory_path("/srv", "a.example", "web1", "../../etc", path, sizeof(path)),
		-EINVAL);
}

static void test_make_and_remove(void)
{
	char error[STORE_DIRECTORY_ERROR_LEN] = "", path[TEMP_PATH_LEN + 64],
	     file[TEMP_PATH_LEN + 128];
	struct stat st;

	store_directory_path(tempdir(), "a.example", "web1", REL, path, sizeof(path));
	CU_ASSERT_EQUAL(store_directory_make(tempdir(), "a.example", "web1", REL, getuid(),
					     getgid(), error),
			0);
	CU_ASSERT_EQUAL(stat(path, &st), 0);
	CU_ASSERT_EQUAL(st.st_mode & 07777, 0750);
	CU_ASSERT_EQUAL(store_directory_make(tempdir(), "a.example", "web1", REL, getuid(),
					     getgid(), error),
			0);
	CU_ASSERT_EQUAL(store_directory_make(tempdir(), "a.example", "web1", REL, getuid() + 1,
					     getgid(), error),
			-EPERM);
	snprintf(file, sizeof(file), "%s/gen-1", path);
	CU_ASSERT_EQUAL(mkdir(file, 0700), 0);
	snprintf(file, sizeof(file), "%s/gen-1/vda.qcow2", path);
	CU_ASSERT(close(open(file, O_CREAT | O_WRONLY, 0600)) == 0);
	snprintf(file, sizeof(file), "%s.xml", path);
	CU_ASSERT(close(open(file, O_CREAT | O_WRONLY, 0600)) == 0);
	CU_ASSERT_EQUAL(store_directory_remove(tempdir(), "a.example", "web1", REL, error), 0);
	CU_ASSERT_EQUAL(stat(path, &st), -1);
	CU_ASSERT_EQUAL(stat(file, &st), -1); /* and the definition, and the site's directory */
	snprintf(file, sizeof(file), "%s/a.example", tempdir());
	CU_ASSERT_EQUAL(stat(file, &st), -1);
	CU_ASSERT_EQUAL(store_directory_remove(tempdir(), "a.example", "web1", REL, error),
			0); /* not there */
}

/* A link in the way is neither followed nor removed through. */
static void test_links(void)
{
	char error[STORE_DIRECTORY_ERROR_LEN] = "", link[TEMP_PATH_LEN], target[TEMP_PATH_LEN],
	     file[TEMP_PATH_LEN + 64];

	mkdir(temp_path(target, "elsewhere"), 0700);
	temp_path(link, "b.example");
	CU_ASSERT_EQUAL(symlink(target, link), 0);
	CU_ASSERT(store_directory_make(tempdir(), "b.example", "web1", REL, getuid(), getgid(),
				       error) < 0);
	CU_ASSERT(store_directory_remove(tempdir(), "b.example", "web1", REL, error) < 0);
	CU_ASSERT_EQUAL(store_directory_make(tempdir(), "c.example", "web1", REL, getuid(),
					     getgid(), error),
			0);
	snprintf(file, sizeof(file), "%s/precious", target);
	CU_ASSERT(close(open(file, O_CREAT | O_WRONLY, 0600)) == 0);
	snprintf(link, sizeof(link), "%s/c.example/web1-11111111/link", tempdir());
	CU_ASSERT_EQUAL(symlink(target, link), 0);
	CU_ASSERT_EQUAL(store_directory_remove(tempdir(), "c.example", "web1", REL, error), 0);
	CU_ASSERT_EQUAL(access(file, F_OK), 0);
}

static void test_probe(void)
{
	struct storage_info info = {0}, again = {0};
	char path[TEMP_PATH_LEN];

	mkdir(temp_path(path, "storage"), 0755);
	snprintf(info.path, sizeof(info.path), "%s", path);
	storage_examine(&info, getuid(), getgid());
	CU_ASSERT_STRING_EQUAL(info.error, "");
	CU_ASSERT(info.writable);
	CU_ASSERT(info.free_bytes > 0);
	CU_ASSERT_EQUAL(strlen(info.id), RELATIONSHIP_LEN);
	snprintf(again.path, sizeof(again.path), "%s", path);
	storage_examine(&again, getuid(), getgid());
	CU_ASSERT_STRING_EQUAL(info.id, again.id); /* the marker is made once */
	snprintf(again.path, sizeof(again.path), "%s/none", path);
	storage_examine(&again, getuid(), getgid());
	CU_ASSERT_FALSE(again.writable);
	CU_ASSERT_PTR_NOT_NULL(strstr(again.error, "none"));
}

/* QEMU's user gets what an older vmreplica did not give it, and all that is made from then on. */
static void test_admit(void)
{
	char store[TEMP_PATH_LEN + 64], path[TEMP_PATH_LEN + 128], error[SOURCE_ERROR_LEN] = "";
	struct stat st;
	int fd;

	snprintf(path, sizeof(path), "%s/old.example", tempdir());
	CU_ASSERT_EQUAL(mkdir(path, 0700), 0);
	snprintf(store, sizeof(store), "%s/old.example/web1", tempdir());
	CU_ASSERT_EQUAL(mkdir(store, 0750), 0);
	snprintf(path, sizeof(path), "%s/gen-1", store);
	CU_ASSERT_EQUAL(mkdir(path, 0750), 0);
	snprintf(path, sizeof(path), "%s/gen-1/vda-1.qcow2", store);
	fd = open(path, O_WRONLY | O_CREAT, 0640);
	CU_ASSERT_TRUE(fd >= 0);
	close(fd);
	CU_ASSERT_EQUAL(store_admit(store, 0, error), 0);
	CU_ASSERT_FALSE(file_access_has_default(AT_FDCWD, store, 23456));
	CU_ASSERT_EQUAL(store_admit(store, 23456, error), 0);
	CU_ASSERT_STRING_EQUAL(error, "");
	CU_ASSERT_TRUE(file_access_has_default(AT_FDCWD, store, 23456));
	CU_ASSERT_EQUAL(stat(path, &st), 0);
	CU_ASSERT_EQUAL(st.st_mode & 0777, 0640);
	CU_ASSERT_EQUAL(st.st_uid, getuid());
	if (geteuid() == 0) {
		char command[4 * (TEMP_PATH_LEN + 128)];

		snprintf(command, sizeof(command),
			 "chmod 711 '%s'; setpriv --reuid=23456 --clear-groups cat '%s'", tempdir(),
			 path);
		CU_ASSERT_EQUAL(system(command), 0);
		snprintf(command, sizeof(command),
			 "mkdir '%s/gen-2'; touch '%s/gen-2/x'; setpriv --reuid=23456 "
			 "--clear-groups cat '%s/gen-2/x'",
			 store, store, store);
		CU_ASSERT_EQUAL(system(command), 0);
	}
	CU_ASSERT_EQUAL(store_admit(store, 23456, error), 0);
	CU_ASSERT_TRUE(store_admit("/nowhere/a/b", 23456, error) < 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "/nowhere/a/b"));
}

static const struct unit_test tests[] = {
	{"admit", test_admit},
	{"path", test_path},
	{"making and removing", test_make_and_remove},
	{"symbolic links", test_links},
	{"storage", test_probe},
};

int main(void)
{
	int status = unit_run("store-directory", tests, sizeof(tests) / sizeof(tests[0]));

	tempdir_remove();
	return status;
}
