/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/image_chain.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/cleanup.h"
#include "common/file_access.h"
#include "engine/engine.h"
#include "engine/source_error.h"
#include "engine/source_image.h"
#include "proto/limits.h"
#include "proto/validate.h"

struct reader {
	uid_t uid;
	gid_t gid;
};

/* Something that QEMU would not take for a plain file: "nbd://host", "json:{...}". */
static bool has_protocol(const char *name)
{
	size_t len = strcspn(name, ":/");

	return name[len] == ':';
}

/* The name as QEMU reads it: below the directory of the image that holds it, unless absolute. That
 * directory is written as what it is: else each "../gen-1/layer" of a long chain would make the
 * path longer. It is found by the kernel, as QEMU's is: what a ".." leads to is not told by the
 * name. */
static int name_resolve(const char *image, const char *name, char path[PATH_LEN_MAX + 1])
{
	const char *slash = strrchr(image, '/');
	int directory = name[0] == '/' || slash == NULL ? 0 : (int)(slash - image) + 1;
	cleanup_free char *joined = NULL, *real = NULL;
	char *file;

	if (asprintf(&joined, "%.*s%s", directory, image, name) < 0) {
		joined = NULL;
		return -ENOMEM;
	}
	file = strrchr(joined, '/');
	if (file == NULL) {
		return -EINVAL;
	}
	*file++ = '\0';
	real = realpath(joined[0] != '\0' ? joined : "/", NULL);
	if (real == NULL) {
		return -errno;
	}
	return snprintf(path, PATH_LEN_MAX + 1, "%s/%s", real, file) > (int)PATH_LEN_MAX
		       ? -ENAMETOOLONG
		       : 0;
}

/* Where a name in the header of image leads. */
static int next_resolve(const char *image, const char *name, char path[PATH_LEN_MAX + 1],
			char error[SOURCE_ERROR_LEN])
{
	int result =
		name[0] == '\0' || has_protocol(name) ? -EPERM : name_resolve(image, name, path);

	return result == 0 ? 0
			   : source_fail(result, error,
					 "%.100s names a file that is not a plain "
					 "path, or not there: %.100s",
					 image, name);
}

/* Open what QEMU would, a disk that the receiver's user may read. */
static int file_open(const char *path, const struct reader *reader, bool device, int *ret_fd,
		     char error[SOURCE_ERROR_LEN])
{
	/* O_NONBLOCK: a FIFO in an image's place must not hold us */
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat status;

	if (fd < 0 || fstat(fd, &status) != 0) {
		return source_fail(-errno, error, "%.300s cannot be looked at: %s", path,
				   strerror(errno));
	}
	if (!S_ISREG(status.st_mode) && !(device && S_ISBLK(status.st_mode))) {
		return source_fail(-EINVAL, error, "%.300s is not a disk's file", path);
	}
	if (!file_access_may_read(fd, reader->uid, reader->gid)) {
		return source_fail(
			-EPERM, error,
			"%.100s is neither of the store nor a disk lent to it, and an image's "
			"header or a link leads there: vmreplica store check",
			path);
	}
	*ret_fd = steal_fd(&fd);
	return 0;
}

/* The raw disk under a wrapped one. */
static int data_check(const char *image, const struct source_image *header,
		      const struct reader *reader, char error[SOURCE_ERROR_LEN])
{
	char path[PATH_LEN_MAX + 1];
	cleanup_close int fd = -1;
	int result;

	if (!header->has_data_file) {
		return 0;
	}
	result = next_resolve(image, header->data_file, path, error);
	return result < 0 ? result : file_open(path, reader, true, &fd, error);
}

/* One image. *ret_next: "" when it is the last. raw: the image above says that this one has no
 * header; then nothing in it leads anywhere. */
static int image_check(const char *path, bool raw, const struct reader *reader,
		       char next[PATH_LEN_MAX + 1], bool *ret_next_raw,
		       char error[SOURCE_ERROR_LEN])
{
	struct source_image image = {0};
	cleanup_close int fd = -1;
	int result = file_open(path, reader, false, &fd, error);

	next[0] = '\0';
	if (result < 0 || raw) {
		return result;
	}
	result = source_image_examine_fd(fd, &image);
	if (result < 0) {
		return source_fail(result, error, "%.300s cannot be read: %s", path,
				   strerror(-result));
	}
	if (image.version == 0) {
		return source_fail(-EINVAL, error, "%.300s is no qcow2 image", path);
	}
	result = data_check(path, &image, reader, error);
	if (result < 0 || !image.has_backing) {
		return result;
	}
	result = next_resolve(path, image.backing_file, next, error);
	if (result < 0) {
		return result;
	}
	*ret_next_raw = strcmp(image.backing_format, "raw") == 0;
	if (!*ret_next_raw && strcmp(image.backing_format, "qcow2") != 0) {
		return source_fail(-EINVAL, error,
				   "%.300s does not say that its backing file is "
				   "qcow2 or raw: QEMU would have to guess",
				   path);
	}
	return 0;
}

int image_chain_check(const char *path, uid_t uid, gid_t gid, char error[SOURCE_ERROR_LEN])
{
	const struct reader reader = {uid, gid};
	char at[PATH_LEN_MAX + 1], next[PATH_LEN_MAX + 1];
	bool raw = false;

	if (strlen(path) > PATH_LEN_MAX) {
		return source_fail(-ENAMETOOLONG, error, "%.300s: too long a path", path);
	}
	strcpy(at, path);
	for (unsigned int depth = 0; depth < IMAGE_CHAIN_MAX; depth++) {
		int result = image_check(at, raw, &reader, next, &raw, error);

		if (result < 0 || next[0] == '\0') {
			return result;
		}
		strcpy(at, next);
	}
	return source_fail(-ELOOP, error, "%.300s stands on more than %u images, or on itself",
			   path, IMAGE_CHAIN_MAX);
}

bool image_chain_is_below(const char *path, const char *directory)
{
	size_t len = strlen(directory);

	return validate_absolute_path(path) && strncmp(path, directory, len) == 0 &&
	       path[len] == '/';
}

int image_chain_check_store(const char *path, const char *store, char error[SOURCE_ERROR_LEN])
{
	struct passwd buffer, *user = NULL;
	char strings[1024];

	if (!image_chain_is_below(path, store)) {
		return source_fail(-EBADMSG, error, "%.300s is not in the store", path);
	}
	if (getpwnam_r(ENGINE_GROUP, &buffer, strings, sizeof(strings), &user) != 0 ||
	    user == NULL) {
		return source_fail(-ENOENT, error,
				   "there is no user " ENGINE_GROUP
				   " on this host: systemd-sysusers makes it");
	}
	return image_chain_check(path, user->pw_uid, user->pw_gid, error);
}
