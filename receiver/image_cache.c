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
#include "receiver/data_file.h"
#include "receiver/image.h"

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
