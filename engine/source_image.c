/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/source_image.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "common/cleanup.h"

/* QEMU's docs/interop/qcow2.txt, "Header": all integers big endian. */
#define HEADER_LEN	    65536 /* the header and its extensions lie in the first cluster */
#define OFFSET_MAGIC	    0
#define OFFSET_VERSION	    4
#define OFFSET_BACKING	    8
#define OFFSET_BACKING_LEN  16
#define OFFSET_SIZE	    24
#define OFFSET_CRYPT	    32
#define OFFSET_INCOMPATIBLE 72
#define OFFSET_AUTOCLEAR    88
#define OFFSET_LENGTH	    100
#define VERSION_3_LEN	    104
#define MAGIC		    0x514649fbu
#define INCOMPATIBLE_DATA   (1u << 2)
#define AUTOCLEAR_RAW	    (1u << 1)
#define BACKING_MAX	    1023u
#define EXTENSION_END	    0u
#define EXTENSION_DATA	    0x44415441u
#define EXTENSION_BACKING   0xe2792acau
#define VERSION_2_LEN	    72

static uint32_t read_u32(const uint8_t *header, size_t offset)
{
	uint32_t value;

	memcpy(&value, header + offset, sizeof(value));
	return be32toh(value);
}

static uint64_t read_u64(const uint8_t *header, size_t offset)
{
	uint64_t value;

	memcpy(&value, header + offset, sizeof(value));
	return be64toh(value);
}

/* Size of the file or device itself, for images that are not qcow2. */
static int raw_size(int fd, uint64_t *ret_size)
{
	struct stat status;
	uint64_t size;

	if (fstat(fd, &status) != 0) {
		return -errno;
	}
	if (S_ISREG(status.st_mode)) {
		*ret_size = (uint64_t)status.st_size;
		return 0;
	}
	if (!S_ISBLK(status.st_mode)) {
		return -EINVAL;
	}
	if (ioctl(fd, BLKGETSIZE64, &size) != 0) {
		return -errno;
	}
	*ret_size = size;
	return 0;
}

static void copy_name(const uint8_t *header, size_t at, size_t len, char *to, size_t size)
{
	if (len < size && at <= HEADER_LEN - len) {
		memcpy(to, header + at, len);
		to[len] = '\0';
	}
}

/* Names in the header's extensions: type, length, data padded to 8. */
static void read_extensions(const uint8_t *header, struct source_image *image)
{
	size_t at = image->version >= 3 ? read_u32(header, OFFSET_LENGTH) : VERSION_2_LEN;

	while (at >= VERSION_2_LEN && at <= HEADER_LEN - 8) {
		uint32_t type = read_u32(header, at), len = read_u32(header, at + 4);

		at += 8;
		if (type == EXTENSION_END || len > HEADER_LEN - at) {
			return;
		}
		if (type == EXTENSION_DATA && image->has_data_file) {
			copy_name(header, at, len, image->data_file, sizeof(image->data_file));
		} else if (type == EXTENSION_BACKING) {
			copy_name(header, at, len, image->backing_format,
				  sizeof(image->backing_format));
		}
		at += (len + 7u) & ~(size_t)7u;
	}
}

/* QEMU wants it within the first cluster, where it may be the shortest there is; what lies beyond
 * our share of it is not told. */
static void read_backing(const uint8_t *header, struct source_image *image)
{
	uint64_t at = read_u64(header, OFFSET_BACKING);

	image->has_backing = at != 0;
	if (at != 0 && at < HEADER_LEN) {
		copy_name(header, (size_t)at, read_u32(header, OFFSET_BACKING_LEN),
			  image->backing_file, sizeof(image->backing_file));
	}
}

static void read_version_3(const uint8_t *header, struct source_image *image)
{
	image->has_data_file = (read_u64(header, OFFSET_INCOMPATIBLE) & INCOMPATIBLE_DATA) != 0;
	image->data_file_raw = (read_u64(header, OFFSET_AUTOCLEAR) & AUTOCLEAR_RAW) != 0;
}

int source_image_examine(const char *path, struct source_image *ret_image)
{
	/* O_NONBLOCK: a FIFO in an image's place must not hold us. */
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	return fd < 0 ? -errno : source_image_examine_fd(fd, ret_image);
}

int source_image_examine_fd(int fd, struct source_image *ret_image)
{
	struct source_image image = {0};
	cleanup_free uint8_t *header = calloc(1, HEADER_LEN);
	int result = raw_size(fd, &image.size_bytes);
	ssize_t got;

	if (result != 0) {
		return result;
	}
	if (header == NULL) {
		return -ENOMEM;
	}
	got = pread(fd, header, HEADER_LEN, 0);
	if (got < 0) {
		return -errno;
	}
	/* What a shorter file lacks reads as zero here. */
	if (read_u32(header, OFFSET_MAGIC) == MAGIC) {
		image.version = read_u32(header, OFFSET_VERSION);
		image.size_bytes = read_u64(header, OFFSET_SIZE);
		image.encrypted = read_u32(header, OFFSET_CRYPT) != 0;
		read_backing(header, &image);
		if (image.version >= 3) {
			read_version_3(header, &image);
		}
		read_extensions(header, &image);
	}
	*ret_image = image;
	return 0;
}

int source_image_raw_size(const char *path, uint64_t *ret_size)
{
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	return fd >= 0 ? raw_size(fd, ret_size) : -errno;
}

int source_image_backing(const char *path, char ret_backing[PATH_MAX])
{
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char directory[PATH_MAX], name[BACKING_MAX + 1];
	uint8_t header[VERSION_3_LEN] = {0};
	const char *slash;
	uint64_t offset;
	uint32_t len;

	if (fd < 0) {
		return -errno;
	}
	if (pread(fd, header, OFFSET_SIZE, 0) != OFFSET_SIZE ||
	    read_u32(header, OFFSET_MAGIC) != MAGIC) {
		return -EBADMSG;
	}
	offset = read_u64(header, OFFSET_BACKING);
	len = read_u32(header, OFFSET_BACKING_LEN);
	if (offset == 0 || len == 0) {
		return -ENOENT;
	}
	if (len > BACKING_MAX || offset > INT64_MAX ||
	    pread(fd, name, len, (off_t)offset) != (ssize_t)len) {
		return -EBADMSG;
	}
	name[len] = '\0';
	slash = strrchr(path, '/');
	snprintf(directory, sizeof(directory), "%.*s",
		 slash == NULL || name[0] == '/' ? 0 : (int)(slash + 1 - path), path);
	return strstr(name, "://") == NULL && strncmp(name, "json:", 5) != 0 &&
			       snprintf(ret_backing, PATH_MAX, "%s%s", directory, name) < PATH_MAX
		       ? 0
		       : -EBADMSG;
}
