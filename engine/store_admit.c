/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/store_admit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/file_access.h"
#include "engine/source_run.h"
#include "proto/limits.h"

#define LAYER_SUFFIX ".qcow2"

uid_t store_admit_user(struct source_connection *connection)
{
	static const char *const names[] = {"libvirt-qemu", "qemu"};
	char error[SOURCE_ERROR_LEN], strings[1024];
	struct passwd buffer, *user = NULL;
	uid_t uid = 0;
	gid_t gid = 0;

	if (source_run_user(connection, &uid, &gid, error) == 0) {
		return uid;
	}
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && user == NULL; i++) {
		getpwnam_r(names[i], &buffer, strings, sizeof(strings), &user);
	}
	return user != NULL ? user->pw_uid : 0;
}

static int admit_fail(char error[SOURCE_ERROR_LEN], int rc, const char *path)
{
	snprintf(error, SOURCE_ERROR_LEN,
		 "QEMU's user cannot be let read %.300s (%s): a failover could not start the VM; "
		 "the "
		 "storage needs a file system with ACLs",
		 path, strerror(-rc));
	return rc;
}

static bool is_layer(const char *name)
{
	size_t len = strlen(name), suffix = strlen(LAYER_SUFFIX);

	return len > suffix && strcmp(name + len - suffix, LAYER_SUFFIX) == 0;
}

/* A directory of the store with the layers in it, or the store itself with the directories in it.
 */
static int directory_admit(int dir_fd, const char *name, uid_t uid, bool top, unsigned int *left)
{
	const unsigned int rights = FILE_ACCESS_READ | FILE_ACCESS_SEARCH;
	int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;
	int rc = dir == NULL ? -errno : 0;

	if (dir == NULL) {
		if (fd >= 0) {
			close(fd);
		}
		return rc;
	}
	while (rc == 0 && (entry = readdir(dir)) != NULL) {
		if (top && strncmp(entry->d_name, "gen-", 4) == 0) {
			rc = directory_admit(dirfd(dir), entry->d_name, uid, false, left);
		} else if (!top && is_layer(entry->d_name)) {
			rc = *left == 0 ? -E2BIG
					: file_access_grant(dirfd(dir), entry->d_name, uid,
							    FILE_ACCESS_READ);
			*left -= rc == 0;
		}
		rc = rc == -ENOENT ? 0 : rc; /* it was merged away just now */
	}
	rc = rc < 0 ? rc : file_access_grant(dir_fd, name, uid, rights);
	/* The last step: what has it needs no second look. */
	rc = rc < 0 ? rc : file_access_grant_default(dir_fd, name, uid, rights);
	closedir(dir);
	return rc;
}

/* Above the store it is enough to get through. */
static int parents_admit(const char *directory, uid_t uid)
{
	char site[PATH_LEN_MAX + 1], storage[PATH_LEN_MAX + 1];
	int rc;

	snprintf(site, sizeof(site), "%s", directory);
	snprintf(storage, sizeof(storage), "%s", dirname(site));
	rc = file_access_grant(AT_FDCWD, storage, uid, FILE_ACCESS_SEARCH);
	return rc < 0 ? rc : file_access_grant(AT_FDCWD, dirname(storage), uid, FILE_ACCESS_SEARCH);
}

int store_admit(const char *directory, uid_t uid, char error[SOURCE_ERROR_LEN])
{
	unsigned int left = STORE_ADMIT_FILES_MAX;
	int rc;

	if (uid == 0) {
		return 0;
	}
	rc = parents_admit(directory, uid);
	if (rc == 0 && !file_access_has_default(AT_FDCWD, directory, uid)) {
		rc = directory_admit(AT_FDCWD, directory, uid, true, &left);
	}
	return rc < 0 ? admit_fail(error, rc, directory) : 0;
}
