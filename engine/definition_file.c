/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/definition_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "proto/limits.h"

#define DEFINITION_NAME "domain.xml"
#define OURS_MAX	(4u * DOMAIN_XML_MAX)

/* Read a plain file whole, terminated as well. */
static int read_at(int dir_fd, const char *name, size_t max, char **ret_text, size_t *ret_len)
{
	/* without O_NONBLOCK a FIFO of that name would hold the worker */
	cleanup_close int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	cleanup_free char *text = NULL;
	size_t len = 0;
	struct stat st;

	if (fd < 0) {
		return errno == ELOOP ? -EBADMSG : -errno;
	}
	if (fstat(fd, &st) < 0) {
		return -errno;
	}
	if (!S_ISREG(st.st_mode)) {
		return -EBADMSG;
	}
	if (st.st_size < 0 || (size_t)st.st_size > max) {
		return -EFBIG;
	}
	text = malloc((size_t)st.st_size + 1);
	if (text == NULL) {
		return -ENOMEM;
	}
	while (len < (size_t)st.st_size) {
		ssize_t n = read(fd, text + len, (size_t)st.st_size - len);

		if (n < 0 && errno != EINTR) {
			return -errno;
		}
		if (n == 0) {
			break; /* it was cut meanwhile: the parser says what is wrong */
		}
		len += n > 0 ? (size_t)n : 0;
	}
	text[len] = '\0';
	*ret_text = steal_ptr(text);
	*ret_len = len;
	return 0;
}

int definition_file_read(const char *store, char **ret_xml, size_t *ret_len)
{
	cleanup_close int fd = open(store, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0) {
		return -errno;
	}
	return read_at(fd, DEFINITION_NAME, DOMAIN_XML_MAX, ret_xml, ret_len);
}

static int write_new(int dir_fd, const char *name, mode_t mode, const char *text)
{
	cleanup_close int fd = -1;
	size_t len = strlen(text);

	unlinkat(dir_fd, name, 0); /* what a power cut left */
	fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
	if (fd < 0) {
		return -errno;
	}
	/* the process's umask may have taken rights */
	if (fchmod(fd, mode) < 0) {
		return -errno;
	}
	for (size_t done = 0; done < len;) {
		ssize_t n = write(fd, text + done, len - done);

		if (n <= 0 && errno != EINTR) {
			return n < 0 ? -errno : -EIO;
		}
		done += n > 0 ? (size_t)n : 0;
	}
	return fsync(fd) < 0 ? -errno : 0;
}

static int replace(int dir_fd, const char *name, mode_t mode, const char *text)
{
	char aside[NAME_MAX + 1];
	int result;

	if ((size_t)snprintf(aside, sizeof(aside), "%s.new", name) >= sizeof(aside)) {
		return -ENAMETOOLONG;
	}
	result = write_new(dir_fd, aside, mode, text);
	if (result == 0 && renameat(dir_fd, aside, dir_fd, name) < 0) {
		result = -errno;
	}
	if (result < 0) {
		unlinkat(dir_fd, aside, 0);
		return result;
	}
	return fsync(dir_fd) < 0 ? -errno : 0;
}

int definition_file_write(const char *path, mode_t mode, const char *text, bool *ret_changed)
{
	const char *slash = strrchr(path, '/');
	cleanup_free char *directory = NULL;
	cleanup_free char *present = NULL;
	cleanup_close int fd = -1;
	size_t len;
	int result;

	if (slash == NULL || slash == path || slash[1] == '\0') {
		return -EINVAL;
	}
	directory = strndup(path, (size_t)(slash - path));
	if (directory == NULL) {
		return -ENOMEM;
	}
	fd = open(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0) {
		return -errno;
	}
	if (read_at(fd, slash + 1, OURS_MAX, &present, &len) == 0 && strcmp(present, text) == 0) {
		*ret_changed = false;
		return 0;
	}
	result = replace(fd, slash + 1, mode, text);
	if (result == 0) {
		*ret_changed = true;
	}
	return result;
}

int definition_file_load(const char *path, char **ret_text)
{
	size_t len;

	return read_at(AT_FDCWD, path, OURS_MAX, ret_text, &len);
}
