/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/acl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/source_access.h"
#include "tests/unit/tempdir.h"
#include "tests/unit/unit.h"

#define QEMU	 61234567u /* no such user: ACLs show it by number */
#define RECEIVER 61234568u

static char error[SOURCE_ERROR_LEN];

/* The permissions of uid's own entry in the directory's ACL as "rwx"; "" without one. */
static const char *entry_of(const char *path, uid_t uid)
{
	static char text[8];
	char wanted[32];
	acl_t acl = acl_get_file(path, ACL_TYPE_ACCESS);
	char *all = acl != NULL ? acl_to_text(acl, NULL) : NULL;
	const char *found;

	snprintf(wanted, sizeof(wanted), "user:%u:", (unsigned int)uid);
	found = all != NULL ? strstr(all, wanted) : NULL;
	snprintf(text, sizeof(text), "%.3s", found != NULL ? found + strlen(wanted) : "");
	acl_free(all);
	acl_free(acl);
	return text;
}

static void test_a_closed_directory_is_opened_to_one_user(void)
{
	char path[TEMP_PATH_LEN];
	struct stat status;

	CU_ASSERT_EQUAL_FATAL(mkdir(temp_path(path, "closed"), 0700), 0);
	CU_ASSERT_EQUAL(source_access_grant(path, QEMU, QEMU, error), 0);
	CU_ASSERT_EQUAL(source_access_grant(path, QEMU, QEMU, error), 0); /* twice is once */
	CU_ASSERT_STRING_EQUAL(entry_of(path, QEMU), "rwx");
	CU_ASSERT_STRING_EQUAL(entry_of(tempdir(), QEMU), "--x");
	CU_ASSERT_EQUAL(stat(path, &status), 0);
	CU_ASSERT_EQUAL(status.st_mode & S_IRWXO, 0);
	CU_ASSERT_EQUAL(rmdir(path), 0);
}

static void test_what_is_open_already_stays_as_it_is(void)
{
	char path[TEMP_PATH_LEN];

	CU_ASSERT_EQUAL_FATAL(mkdir(temp_path(path, "open"), 0700), 0);
	CU_ASSERT_EQUAL(chmod(path, 0777), 0);
	CU_ASSERT_EQUAL(source_access_grant(path, QEMU, QEMU, error), 0);
	CU_ASSERT_STRING_EQUAL(entry_of(path, QEMU), "");
	CU_ASSERT_EQUAL(rmdir(path), 0);
	CU_ASSERT_EQUAL_FATAL(mkdir(path, 0700), 0);
	CU_ASSERT_EQUAL(source_access_grant(path, geteuid(), getegid(), error), 0);
	CU_ASSERT_STRING_EQUAL(entry_of(path, geteuid()), "");
	CU_ASSERT_EQUAL(rmdir(path), 0);
}

static void test_a_missing_directory_is_named(void)
{
	char path[TEMP_PATH_LEN];

	CU_ASSERT_EQUAL(source_access_grant(temp_path(path, "nowhere"), QEMU, QEMU, error),
			-ENOENT);
	CU_ASSERT_PTR_NOT_NULL(strstr(error, path));
	temp_file(path, "file", "x");
	CU_ASSERT_EQUAL(source_access_grant(path, QEMU, QEMU, error), -ENOTDIR);
}

/* What a commit writes into: a file of the store, or the very disk that was lent. */
static int base(const char *path, uid_t receiver, char real[PATH_MAX])
{
	return source_access_base(path, strlen(tempdir()), receiver, QEMU, real, error);
}

static void test_a_link_leads_to_what_was_lent(void)
{
	char disk[TEMP_PATH_LEN], other[TEMP_PATH_LEN], link[TEMP_PATH_LEN], real[PATH_MAX] = "-";

	temp_file(disk, "lent-disk", "x");
	temp_file(other, "lent-other", "x");
	CU_ASSERT_EQUAL(chmod(disk, 0600), 0);
	CU_ASSERT_EQUAL(chmod(other, 0640), 0);
	CU_ASSERT_EQUAL(symlink(disk, temp_path(link, "lent-layer")), 0);
	CU_ASSERT_EQUAL(base(link, RECEIVER, real), -EPERM);
	CU_ASSERT_PTR_NOT_NULL(strstr(error, link));
	CU_ASSERT_STRING_EQUAL(real, "-");
	CU_ASSERT_EQUAL(source_access_lend(disk, RECEIVER, error), 0);
	CU_ASSERT_EQUAL(base(link, RECEIVER, real), 0);
	CU_ASSERT_STRING_EQUAL(real, disk); /* not the link, which may be turned */
	CU_ASSERT_STRING_EQUAL(entry_of(disk, QEMU), "rw-");
	CU_ASSERT_EQUAL(base(link, RECEIVER, real), 0); /* again */
	CU_ASSERT_EQUAL(base(link, 0, real), -EPERM);
	CU_ASSERT_EQUAL(unlink(link), 0);
	CU_ASSERT_EQUAL(symlink(other, link), 0); /* turned to somebody else's */
	CU_ASSERT_EQUAL(base(link, RECEIVER, real), -EPERM);
	CU_ASSERT_STRING_EQUAL(entry_of(other, QEMU), "");
	CU_ASSERT_EQUAL(unlink(other), 0);
	CU_ASSERT_EQUAL(base(link, RECEIVER, real), -ENOENT);
	CU_ASSERT_EQUAL(base(disk, RECEIVER, real), 0); /* a plain file */
	CU_ASSERT_STRING_EQUAL(real, disk);
}

/* Not only the last name of a path is the receiver's to turn. */
static void test_a_link_in_the_middle_is_not_followed(void)
{
	char elsewhere[TEMP_PATH_LEN], victim[TEMP_PATH_LEN], link[TEMP_PATH_LEN];
	char layer[TEMP_PATH_LEN], real[PATH_MAX];
	size_t store = strlen(tempdir());

	CU_ASSERT_EQUAL_FATAL(mkdir(temp_path(elsewhere, "elsewhere"), 0700), 0);
	temp_file(victim, "elsewhere/shadow", "x");
	CU_ASSERT_EQUAL(chmod(victim, 0600), 0);
	CU_ASSERT_EQUAL(symlink(elsewhere, temp_path(link, "gen-1")), 0);
	temp_path(layer, "gen-1/shadow");
	CU_ASSERT_EQUAL(source_access_file(layer, store, QEMU, error), -ENOTDIR);
	CU_ASSERT_PTR_NOT_NULL(strstr(error, layer));
	CU_ASSERT_EQUAL(base(layer, RECEIVER, real), -ENOTDIR);
	temp_path(layer, "elsewhere/../elsewhere/shadow");
	CU_ASSERT_EQUAL(source_access_file(layer, store, QEMU, error), -EINVAL);
	CU_ASSERT_EQUAL(source_access_file(temp_path(layer, "elsewhere/."), store, QEMU, error),
			-EINVAL);
	CU_ASSERT_EQUAL(source_access_file(temp_path(layer, "none/shadow"), store, QEMU, error),
			-ENOENT);
	CU_ASSERT_STRING_EQUAL(entry_of(victim, QEMU), "");
	CU_ASSERT_EQUAL(source_access_file(victim, store, QEMU, error), 0); /* no link: it is */
	CU_ASSERT_STRING_EQUAL(entry_of(victim, QEMU), "rw-");
	CU_ASSERT_EQUAL(unlink(link) | unlink(victim) | rmdir(elsewhere), 0);
}

/* The directory of a store is the receiver's to write: a link in a layer's place leads nobody to
 * another file. */
static void test_a_link_is_not_followed_to_another_file(void)
{
	char victim[TEMP_PATH_LEN], link[TEMP_PATH_LEN], layer[TEMP_PATH_LEN];
	size_t store = strlen(tempdir());

	temp_file(victim, "victim", "x");
	CU_ASSERT_EQUAL(chmod(victim, 0600), 0);
	CU_ASSERT_EQUAL(symlink(victim, temp_path(link, "layer-link")), 0);
	CU_ASSERT_EQUAL(source_access_file(link, store, QEMU, error), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(error, link));
	CU_ASSERT_STRING_EQUAL(entry_of(victim, QEMU), "");
	temp_file(layer, "layer", "x");
	CU_ASSERT_EQUAL(chmod(layer, 0600), 0);
	CU_ASSERT_EQUAL(source_access_file(layer, store, QEMU, error), 0);
	CU_ASSERT_STRING_EQUAL(entry_of(layer, QEMU), "rw-");
	CU_ASSERT_EQUAL(source_access_file(tempdir(), strlen("/tmp"), QEMU, error), -EINVAL);
	CU_ASSERT_EQUAL(source_access_revoke_image(layer, QEMU), 0);
	CU_ASSERT_STRING_EQUAL(entry_of(layer, QEMU), "");
	CU_ASSERT_EQUAL(source_access_revoke_image(temp_path(layer, "nowhere"), QEMU), -ENOENT);
}

/* While it is open, the file that was looked at is the one that is changed: the admin's own links,
 * such as those of LVM, lead to the disk. */
static void test_an_image_is_lent_by_its_admins_link(void)
{
	char disk[TEMP_PATH_LEN], link[TEMP_PATH_LEN];
	bool granted = false;

	temp_file(disk, "disk", "x");
	CU_ASSERT_EQUAL(chmod(disk, 0600), 0);
	CU_ASSERT_EQUAL(symlink(disk, temp_path(link, "disk-link")), 0);
	CU_ASSERT_EQUAL(source_access_grant_image(link, QEMU, &granted), 0);
	CU_ASSERT_TRUE(granted);
	CU_ASSERT_STRING_EQUAL(entry_of(disk, QEMU), "rw-");
	CU_ASSERT_EQUAL(source_access_grant_image(link, QEMU, &granted), 0);
	CU_ASSERT_FALSE(granted);
	CU_ASSERT_EQUAL(source_access_revoke_image(link, QEMU), 0);
	CU_ASSERT_STRING_EQUAL(entry_of(disk, QEMU), "");
}

int main(void)
{
	static const struct unit_test tests[] = {
		{"a closed directory is opened to one user",
		 test_a_closed_directory_is_opened_to_one_user},
		{"what is open already stays as it is", test_what_is_open_already_stays_as_it_is},
		{"a missing directory is named", test_a_missing_directory_is_named},
		{"a link leads to what was lent", test_a_link_leads_to_what_was_lent},
		{"a link is not followed to another file",
		 test_a_link_is_not_followed_to_another_file},
		{"a link in the middle is not followed", test_a_link_in_the_middle_is_not_followed},
		{"an image is lent by its admin's link", test_an_image_is_lent_by_its_admins_link},
	};
	int status = unit_run("source access", tests, sizeof(tests) / sizeof(tests[0]));

	tempdir_remove();
	return status;
}
