/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/source_image.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "common/cleanup.h"

/* QEMU's docs/interop/qcow2.txt, "Header": all integers big endian. */
#define HEADER_LEN     72 /* of version 2; all that is read here lies in it */
#define OFFSET_MAGIC   0
#define OFFSET_VERSION 4
#define OFFSET_SIZE    24
#define OFFSET_CRYPT   32
#define MAGIC	       0x514649fbu

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

int source_image_examine(const char *path, struct source_image *ret_image)
{
	/* O_NONBLOCK: a FIFO in an image's place must not hold us. */
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct source_image image = {0};
	uint8_t header[HEADER_LEN] = {0};
	ssize_t got;
	int result;

	if (fd < 0) {
		return -errno;
	}
	result = raw_size(fd, &image.size_bytes);
	if (result != 0) {
		return result;
	}
	got = pread(fd, header, sizeof(header), 0);
	if (got < 0) {
		return -errno;
	}
	/* What a shorter file lacks reads as zero here. */
	if (read_u32(header, OFFSET_MAGIC) == MAGIC) {
		image.version = read_u32(header, OFFSET_VERSION);
		image.size_bytes = read_u64(header, OFFSET_SIZE);
		image.encrypted = read_u32(header, OFFSET_CRYPT) != 0;
	}
	*ret_image = image;
	return 0;
}
