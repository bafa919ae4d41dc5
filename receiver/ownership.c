/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "receiver/ownership.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "receiver/durable.h"

#define PREFIX	 "own-"
#define PATH_LEN 128
#define ATTEMPTS 100 /* an owner that is still at work may put its file there once more */

static void directory_empty(int dir_fd, const char *name)
{
	cleanup_close int fd =
		openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (dir == NULL) {
		return;
	}
	(void)steal_fd(&fd); /* dir's now */
	while ((entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] != '.') {
			unlinkat(dirfd(dir), entry->d_name, 0);
		}
	}
	closedir(dir);
}

static int directory_remove(int dir_fd, const char *name)
{
	for (int i = 0; i < ATTEMPTS; i++) {
		directory_empty(dir_fd, name);
		if (unlinkat(dir_fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT) {
			return 0;
		}
		if (errno != ENOTEMPTY && errno != EEXIST) {
			return -errno;
		}
	}
	return -EBUSY;
}

int ownership_fence(int dir_fd)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = 0;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (dir == NULL) {
		rc = -errno;
		if (fd >= 0) {
			close(fd);
		}
		return rc;
	}
	while (rc == 0 && (entry = readdir(dir)) != NULL) {
		if (strncmp(entry->d_name, PREFIX, strlen(PREFIX)) == 0) {
			rc = directory_remove(dir_fd, entry->d_name);
		}
	}
	closedir(dir);
	return rc;
}

int ownership_take(int dir_fd, uint64_t generation)
{
	char name[PATH_LEN];

	snprintf(name, sizeof(name), PREFIX "%" PRIu64, generation);
	return durable_directory_make(dir_fd, name);
}

static const char *path_format(uint64_t generation, const char *name, char path[PATH_LEN])
{
	snprintf(path, PATH_LEN, PREFIX "%" PRIu64 "/%s", generation, name);
	return path;
}

/* Whatever failed: without our directory we own nothing. */
static int error_judge(int dir_fd, uint64_t generation, int rc)
{
	char path[PATH_LEN];

	return rc < 0 && faccessat(dir_fd, path_format(generation, "", path), F_OK, 0) < 0 &&
			       errno == ENOENT
		       ? -ESTALE
		       : rc;
}

int ownership_file_replace(int dir_fd, uint64_t generation, const char *name, const void *data,
			   size_t len, bool *ret_uncertain)
{
	char path[PATH_LEN];
	int rc = durable_file_replace_from(dir_fd, path_format(generation, name, path), name, data,
					   len, ret_uncertain);

	return *ret_uncertain ? rc : error_judge(dir_fd, generation, rc);
}

int ownership_file_remove(int dir_fd, uint64_t generation, const char *name)
{
	char path[PATH_LEN];
	int rc = renameat(dir_fd, name, dir_fd, path_format(generation, name, path)) < 0 ? -errno
											 : 0;

	if (rc == 0 && unlinkat(dir_fd, path, 0) < 0) {
		rc = -errno;
	}
	return error_judge(dir_fd, generation, rc);
}
