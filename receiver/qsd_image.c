/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is done to image files with qemu-img, beside the daemon. */
#include <inttypes.h>
#include <stdio.h>

#include "receiver/process.h"
#include "receiver/qsd.h"

#define QEMU_IMG_TIMEOUT_MS 60000

int qsd_image_create(const char *path, uint64_t size_bytes, const char *backing,
		     char error[QSD_ERROR_LEN])
{
	char size[32];
	const char *argv[16] = {"qemu-img",
				"create",
				"-q",
				"-f",
				"qcow2",
				"-o",
				"compat=1.1,lazy_refcounts=off,cluster_size=65536"};
	size_t n = 7;

	if (backing !=
	    NULL) { /* -u: the layer below is open in the daemon, and its size is not wanted */
		argv[n++] = "-u";
		argv[n++] = "-F";
		argv[n++] = "qcow2";
		argv[n++] = "-b";
		argv[n++] = backing;
	}
	snprintf(size, sizeof(size), "%" PRIu64, size_bytes);
	argv[n++] = path;
	argv[n++] = size;
	argv[n] = NULL;
	return process_run(argv, QEMU_IMG_TIMEOUT_MS, error, QSD_ERROR_LEN);
}

int qsd_image_resize(const char *path, uint64_t size_bytes, char error[QSD_ERROR_LEN])
{
	char size[32];
	const char *argv[] = {"qemu-img", "resize", "-q", "--shrink", "-f",
			      "qcow2",	  path,	    size, NULL};

	snprintf(size, sizeof(size), "%" PRIu64, size_bytes);
	return process_run(argv, QEMU_IMG_TIMEOUT_MS, error, QSD_ERROR_LEN);
}

int qsd_image_rebase(const char *path, const char *backing, char error[QSD_ERROR_LEN])
{
	const char *argv[] = {"qemu-img", "rebase", "-q", "-u",	   "-f", "qcow2",
			      "-F",	  "qcow2",  "-b", backing, path, NULL};

	return process_run(argv, QEMU_IMG_TIMEOUT_MS, error, QSD_ERROR_LEN);
}

int qsd_image_bitmap_add(const char *path, const char *bitmap, char error[QSD_ERROR_LEN])
{
	const char *argv[] = {"qemu-img", "bitmap", "--add", "-f", "qcow2", path, bitmap, NULL};

	return process_run(argv, QEMU_IMG_TIMEOUT_MS, error, QSD_ERROR_LEN);
}

int qsd_image_bitmap_remove(const char *path, const char *bitmap, char error[QSD_ERROR_LEN])
{
	const char *argv[] = {"qemu-img", "bitmap", "--remove", "-f", "qcow2", path, bitmap, NULL};

	return process_run(argv, QEMU_IMG_TIMEOUT_MS, error, QSD_ERROR_LEN);
}
