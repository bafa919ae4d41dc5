/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "receiver/durable.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"

#define NAME_LEN 512

static int write_all(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n <= 0) {
			return n < 0 ? -errno : -EIO;
		}
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

/* Write and fsync the file aside; on failure nothing of it is left. */
static int file_write_new(int dir_fd, const char *name, const void *data, size_t len)
{
	cleanup_close int fd = -1;
	int rc;

	/* A new file: what a crash left there may be another name of the one in place. */
	if (unlinkat(dir_fd, name, 0) < 0 && errno != ENOENT) {
		return -errno;
	}
	fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0640);
	if (fd < 0) {
		return -errno;
	}
	rc = write_all(fd, data, len);
	if (rc == 0 && fsync(fd) < 0) {
		rc = -errno;
	}
	if (rc < 0) {
		unlinkat(dir_fd, name, 0);
	}
	return rc;
}

int durable_file_replace_from(int dir_fd, const char *aside, const char *name, const void *data,
			      size_t len, bool *ret_uncertain)
{
	int rc;

	*ret_uncertain = false;
	rc = file_write_new(dir_fd, aside, data, len);
	if (rc < 0) {
		return rc;
	}
	if (renameat(dir_fd, aside, dir_fd, name) < 0) {
		rc = -errno;
		unlinkat(dir_fd, aside, 0);
		return rc;
	}
	if (fsync(dir_fd) < 0) {
		*ret_uncertain = true;
		return -errno;
	}
	return 0;
}

int durable_file_replace(int dir_fd, const char *name, const void *data, size_t len,
			 bool *ret_uncertain)
{
	char aside[NAME_LEN];
	int n = snprintf(aside, sizeof(aside), "%s.new", name);

	*ret_uncertain = false;
	return n < 0 || (size_t)n >= sizeof(aside)
		       ? -ENAMETOOLONG
		       : durable_file_replace_from(dir_fd, aside, name, data, len, ret_uncertain);
}

static int read_all(int fd, char *data, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = read(fd, data + done, len - done);

		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n <= 0) {
			return n < 0 ? -errno : -EIO; /* it shrank while we read */
		}
		done += (size_t)n;
	}
	return 0;
}

int durable_file_read(int dir_fd, const char *name, size_t max_len, char **ret_data,
		      size_t *ret_len)
{
	cleanup_close int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	cleanup_free char *data = NULL;
	struct stat st;
	int rc;

	if (fd < 0 || fstat(fd, &st) < 0) {
		return -errno;
	}
	if (!S_ISREG(st.st_mode)) {
		return -EINVAL;
	}
	if (st.st_size < 0 || (uint64_t)st.st_size > max_len) {
		return -EFBIG;
	}
	data = malloc((size_t)st.st_size + 1);
	if (data == NULL) {
		return -ENOMEM;
	}
	rc = read_all(fd, data, (size_t)st.st_size);
	if (rc < 0) {
		return rc;
	}
	data[st.st_size] = '\0';
	*ret_len = (size_t)st.st_size;
	*ret_data = steal_ptr(data);
	return 0;
}

int durable_directory_make(int dir_fd, const char *name)
{
	if (mkdirat(dir_fd, name, 0750) < 0 && errno != EEXIST) {
		return -errno;
	}
	return fsync(dir_fd) < 0 ? -errno : 0;
}

static int sync_opened(int dir_fd, const char *name, int flags)
{
	cleanup_close int fd = openat(dir_fd, name, flags | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 || fsync(fd) < 0) {
		return -errno;
	}
	return 0;
}

int durable_directory_sync(int dir_fd, const char *name)
{
	return sync_opened(dir_fd, name, O_RDONLY | O_DIRECTORY);
}

int durable_file_sync(int dir_fd, const char *name)
{
	return sync_opened(dir_fd, name, O_RDONLY);
}

/* copy_file_range shares the blocks where the file system can (XFS, btrfs), and is an ordinary copy
 * elsewhere. */
static int copy_bytes(int from, int to, uint64_t len)
{
	while (len > 0) {
		size_t step = len > (1u << 30) ? (1u << 30) : (size_t)len;
		ssize_t n = copy_file_range(from, NULL, to, NULL, step, 0);

		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n <= 0) {
			return n < 0 ? -errno : -ENODATA;
		}
		len -= (uint64_t)n;
	}
	return 0;
}

int durable_prefix_copy(int dir_fd, const char *from, const char *to, uint64_t len)
{
	cleanup_close int in = openat(dir_fd, from, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	cleanup_close int out = -1;
	int rc;

	if (in < 0) {
		return -errno;
	}
	out = openat(dir_fd, to, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0640);
	if (out < 0) {
		return -errno;
	}
	rc = copy_bytes(in, out, len);
	if (rc == 0 && fsync(out) < 0) {
		rc = -errno;
	}
	if (rc < 0) {
		unlinkat(dir_fd, to, 0);
	}
	return rc;
}
