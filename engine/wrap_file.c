/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/wrap_file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"

#define FILE_MAX (1024u * 1024u)

int wrap_file_read(const char *path, char **ret_text)
{
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	cleanup_free char *text = malloc(FILE_MAX + 1);
	size_t len = 0;
	ssize_t got;

	if (fd < 0 || text == NULL) {
		return fd < 0 ? -errno : -ENOMEM;
	}
	while (len < FILE_MAX && (got = read(fd, text + len, FILE_MAX - len)) != 0) {
		if (got < 0 && errno != EINTR) {
			return -errno;
		}
		len += got > 0 ? (size_t)got : 0;
	}
	if (len == FILE_MAX) {
		return -EFBIG;
	}
	text[len] = '\0';
	*ret_text = steal_ptr(text);
	return 0;
}

static int write_like(const char *path, const char *text, const struct stat *like)
{
	cleanup_close int fd = -1;
	size_t len = strlen(text), done = 0;

	unlink(path); /* what a power cut left */
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || fchown(fd, like->st_uid, like->st_gid) < 0 ||
	    fchmod(fd, like->st_mode & 07777) < 0) {
		return -errno;
	}
	while (done < len) {
		ssize_t put = write(fd, text + done, len - done);

		if (put < 0 && errno != EINTR) {
			return -errno;
		}
		done += put > 0 ? (size_t)put : 0;
	}
	return fsync(fd) < 0 ? -errno : 0;
}

static int keep_old(const char *path, const char *suffix, const struct stat *like)
{
	char kept[PATH_MAX], aside[PATH_MAX];
	cleanup_free char *text = NULL;
	int result = wrap_file_read(path, &text);

	if (result < 0) {
		return result;
	}
	if ((size_t)snprintf(kept, sizeof(kept), "%s%s", path, suffix) >= sizeof(kept) ||
	    (size_t)snprintf(aside, sizeof(aside), "%s.new", kept) >= sizeof(aside)) {
		return -ENAMETOOLONG;
	}
	result = write_like(aside, text, like);
	return result == 0 && rename(aside, kept) < 0 ? -errno : result;
}

static int replace(const char *path, const char *suffix, const char *text)
{
	char aside[PATH_MAX];
	cleanup_free char *copy = strdup(path);
	cleanup_close int directory = -1;
	struct stat like;
	int result;

	if (copy == NULL) {
		return -ENOMEM;
	}
	if ((size_t)snprintf(aside, sizeof(aside), "%s.new", path) >= sizeof(aside)) {
		return -ENAMETOOLONG;
	}
	directory = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (directory < 0 || stat(path, &like) < 0) {
		return -errno;
	}
	result = keep_old(path, suffix, &like);
	if (result == 0) {
		result = write_like(aside, text, &like);
	}
	if (result == 0 && rename(aside, path) < 0) {
		result = -errno;
	}
	if (result < 0) {
		unlink(aside);
		return result;
	}
	return fsync(directory) < 0 ? -errno : 0;
}

/* Through symbolic links, so that they stay. */
int wrap_file_replace(const char *path, const char *suffix, const char *text)
{
	cleanup_free char *real = realpath(path, NULL);

	return real != NULL ? replace(real, suffix, text) : -errno;
}

int wrap_file_put(const char *path, const char *text)
{
	const struct stat own = {.st_mode = 0600, .st_uid = geteuid(), .st_gid = getegid()};
	char aside[PATH_MAX];
	int result = -ENAMETOOLONG;

	if ((size_t)snprintf(aside, sizeof(aside), "%s.new", path) < sizeof(aside)) {
		result = write_like(aside, text, &own);
	}
	return result == 0 && rename(aside, path) < 0 ? -errno : result;
}
