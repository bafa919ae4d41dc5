/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/store_walk.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/file_access.h"

size_t store_walk_top(const char *path, uid_t owner)
{
	char prefix[PATH_MAX];
	struct stat status;

	if (owner == 0 || path[0] != '/') {
		return 0;
	}
	for (const char *slash = strchr(path + 1, '/'); slash != NULL;
	     slash = strchr(slash + 1, '/')) {
		size_t len = (size_t)(slash - path);

		if (len >= sizeof(prefix)) {
			return 0;
		}
		memcpy(prefix, path, len);
		prefix[len] = '\0';
		if (stat(prefix, &status) != 0) {
			return 0;
		}
		if (S_ISDIR(status.st_mode) && status.st_uid == owner) {
			return len;
		}
	}
	return 0;
}

static bool is_plain(const char *name)
{
	return name[0] != '\0' && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

/* One directory down. */
static int step(int *directory, const char *name, size_t len, uid_t searcher)
{
	char child[NAME_MAX + 1];
	int fd, result;

	if (len == 0) { /* "//" */
		return 0;
	}
	if (len > NAME_MAX) {
		return -ENAMETOOLONG;
	}
	memcpy(child, name, len);
	child[len] = '\0';
	if (!is_plain(child)) {
		return -EINVAL;
	}
	fd = openat(*directory, child, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0) {
		return -errno;
	}
	result = searcher != 0 ? file_access_grant_fd(fd, searcher, FILE_ACCESS_SEARCH) : 0;
	close(*directory);
	*directory = fd;
	return result;
}

int store_walk(const char *path, size_t top, uid_t searcher, int *ret_directory,
	       const char **ret_name)
{
	char prefix[PATH_MAX];
	const char *name = path + top, *slash;
	cleanup_close int directory = -1;
	int result = 0;

	if (top == 0 || top >= sizeof(prefix) || name[0] != '/') {
		return -EINVAL;
	}
	memcpy(prefix, path, top);
	prefix[top] = '\0';
	directory = open(prefix, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (directory < 0) {
		return -errno;
	}
	for (name++; result == 0 && (slash = strchr(name, '/')) != NULL; name = slash + 1) {
		result = step(&directory, name, (size_t)(slash - name), searcher);
	}
	if (result < 0) {
		return result;
	}
	if (!is_plain(name)) {
		return -EINVAL;
	}
	*ret_directory = steal_fd(&directory);
	*ret_name = name;
	return 0;
}
