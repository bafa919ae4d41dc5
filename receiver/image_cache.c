/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the kernel keeps of the layers' files in memory. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "receiver/image.h"

/* qcow2's header, big endian. */
#define HEADER_LEN	  112u
#define AT_INCOMPATIBLE	  72u
#define AT_LENGTH	  100u
#define INCOMPATIBLE_DATA 4u
#define EXTENSION_END	  0u
#define EXTENSION_DATA	  0x44415441u
#define EXTENSIONS_MAX	  64u

static uint64_t read_be(const uint8_t *at, size_t len)
{
	uint64_t value = 0;

	for (size_t i = 0; i < len; i++) {
		value = value << 8 | at[i];
	}
	return value;
}

/* Where the header says that the image's data lies; "" = in the image itself. */
static void data_file_read(int fd, char path[PATH_MAX])
{
	uint8_t header[HEADER_LEN], extension[8];
	off_t at;

	path[0] = '\0';
	if (pread(fd, header, sizeof(header), 0) != (ssize_t)sizeof(header) ||
	    memcmp(header, "QFI\xfb", 4) != 0 || read_be(header + 4, 4) < 3 ||
	    (read_be(header + AT_INCOMPATIBLE, 8) & INCOMPATIBLE_DATA) == 0) {
		return;
	}
	at = (off_t)read_be(header + AT_LENGTH, 4);
	for (unsigned int i = 0; i < EXTENSIONS_MAX; i++) {
		uint32_t type, len;

		if (pread(fd, extension, sizeof(extension), at) != (ssize_t)sizeof(extension)) {
			return;
		}
		type = (uint32_t)read_be(extension, 4);
		len = (uint32_t)read_be(extension + 4, 4);
		at += (off_t)sizeof(extension);
		if (type == EXTENSION_END) {
			return;
		}
		if (type == EXTENSION_DATA) {
			bool whole = len < PATH_MAX && pread(fd, path, len, at) == (ssize_t)len;

			path[whole ? len : 0] = '\0';
			return;
		}
		at += (off_t)((len + 7ull) & ~7ull);
	}
}

/* With what was never written back: no later attempt may make it look as if it had been. */
static void cache_drop(int fd)
{
	struct stat st;

	if (fstat(fd, &st) == 0 && (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode))) {
		(void)fsync(fd); /* the kernel drops clean pages only; its word is not asked for */
		posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	}
}

/* Only what was adopted may be a link, and only there does the data lie elsewhere: both lead to a
 * VM's own disk, which was lent to us. O_NONBLOCK: nothing else in its place must hold us. */
static void layer_drop(struct store *store, const struct manifest_layer *layer)
{
	cleanup_close int fd =
		openat(store->dir_fd, layer->file,
		       O_RDONLY | O_NONBLOCK | O_CLOEXEC | (layer->adopted ? 0 : O_NOFOLLOW));
	cleanup_close int data = -1;
	char path[PATH_MAX] = "";

	if (fd < 0) {
		return;
	}
	if (layer->adopted) {
		data_file_read(fd, path);
	}
	if (path[0] == '/') { /* a relative one would be looked for beside the link */
		data = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	}
	if (data >= 0) {
		cache_drop(data);
	}
	cache_drop(fd);
}

void image_drop_caches(struct store *store, const struct manifest_image *image)
{
	for (size_t i = 0; i < image->disk_count; i++) {
		for (size_t k = 0; k < image->disks[i].layer_count; k++) {
			layer_drop(store, &image->disks[i].layers[k]);
		}
	}
}
