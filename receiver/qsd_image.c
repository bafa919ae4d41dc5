/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is done to image files with qemu-img, beside the daemon. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "receiver/process.h"
#include "receiver/qsd.h"

#define QEMU_IMG_TIMEOUT_MS 60000
#define PAGE_BYTES	    4096

/* A new image as qemu-img makes it, in memory. */
static int image_make(const struct cell *cell, int fd, uint64_t size_bytes, const char *backing,
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
	argv[n++] = "/proc/self/fd/3";
	argv[n++] = size;
	argv[n] = NULL;
	return process_run_with(argv, cell, fd, QEMU_IMG_TIMEOUT_MS, error, QSD_ERROR_LEN);
}

/* Copy what is not zeros: the rest stays a hole, and is not written. */
static int image_copy(int from, int to)
{
	uint8_t page[PAGE_BYTES];
	uint64_t at = 0;
	ssize_t n;

	while ((n = pread(from, page, sizeof(page), (off_t)at)) > 0) {
		bool zero = page[0] == 0 && memcmp(page, page + 1, (size_t)n - 1) == 0;

		ssize_t done = zero ? n : pwrite(to, page, (size_t)n, (off_t)at);

		if (done != n) {
			return done < 0 ? -errno : -ENOSPC;
		}
		at += (uint64_t)n;
	}
	return n < 0 || ftruncate(to, (off_t)at) < 0 ? -errno : 0;
}

/* A layer has some 400 KiB of tables, nearly all of them zeros, which qemu-img writes out one by
 * one: with a point for each cycle of 12 MiB that was more than half of what was written beyond the
 * data. */
int qsd_image_create(const struct cell *cell, const char *path, uint64_t size_bytes,
		     const char *backing, char error[QSD_ERROR_LEN])
{
	cleanup_close int memory = memfd_create("layer", MFD_CLOEXEC), file = -1;
	int rc = memory < 0 ? -errno : image_make(cell, memory, size_bytes, backing, error);

	if (rc < 0 && memory >= 0) {
		return rc;
	}
	if (rc == 0) {
		file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
		rc = file < 0 ? -errno : image_copy(memory, file);
	}
	if (rc < 0) {
		snprintf(error, QSD_ERROR_LEN, "cannot write %.300s: %s", path, strerror(-rc));
		if (file >= 0) {
			unlink(path);
		}
	}
	return rc;
}

int qsd_image_resize(const struct cell *cell, const char *path, uint64_t size_bytes,
		     char error[QSD_ERROR_LEN])
{
	char size[32];
	const char *argv[] = {"qemu-img", "resize", "-q", "--shrink", "-f",
			      "qcow2",	  path,	    size, NULL};

	snprintf(size, sizeof(size), "%" PRIu64, size_bytes);
	return process_run(argv, cell, QEMU_IMG_TIMEOUT_MS, error, QSD_ERROR_LEN);
}

int qsd_image_rebase(const struct cell *cell, const char *path, const char *backing,
		     char error[QSD_ERROR_LEN])
{
	const char *argv[] = {"qemu-img", "rebase", "-q", "-u",	   "-f", "qcow2",
			      "-F",	  "qcow2",  "-b", backing, path, NULL};

	return process_run(argv, cell, QEMU_IMG_TIMEOUT_MS, error, QSD_ERROR_LEN);
}

int qsd_image_bitmap_add(const struct cell *cell, const char *path, const char *bitmap,
			 char error[QSD_ERROR_LEN])
{
	const char *argv[] = {"qemu-img", "bitmap", "--add", "-f", "qcow2", path, bitmap, NULL};

	return process_run(argv, cell, QEMU_IMG_TIMEOUT_MS, error, QSD_ERROR_LEN);
}

int qsd_image_bitmap_remove(const struct cell *cell, const char *path, const char *bitmap,
			    char error[QSD_ERROR_LEN])
{
	const char *argv[] = {"qemu-img", "bitmap", "--remove", "-f", "qcow2", path, bitmap, NULL};

	return process_run(argv, cell, QEMU_IMG_TIMEOUT_MS, error, QSD_ERROR_LEN);
}
