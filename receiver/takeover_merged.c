/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A committed failover whose chain has been merged by QEMU into its lowest layer: the others go. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "receiver/image.h"
#include "receiver/overlay.h"
#include "receiver/takeover_job.h"

#define HEADER_LEN 20u /* of qcow2, as far as it names the backing file */

static uint64_t big_endian(const uint8_t *bytes, size_t count)
{
	uint64_t value = 0;

	for (size_t i = 0; i < count; i++) {
		value = value << 8 | bytes[i];
	}
	return value;
}

/* The file that an image at path calls name, and the store's file, are one: QEMU may have written
 * where a link leads instead of its name. */
static bool is_same_file(const struct store *store, const char *path, const char *name,
			 const char *file)
{
	char found[2 * IMAGE_PATH_LEN];
	struct stat a, b;

	snprintf(found, sizeof(found), "%.*s%s",
		 name[0] == '/' ? 0 : (int)(strrchr(path, '/') + 1 - path), path, name);
	return stat(found, &a) == 0 && fstatat(store->dir_fd, file, &b, 0) == 0 &&
	       a.st_ino == b.st_ino && a.st_dev == b.st_dev;
}

/* Does the image at path stand on a file called file? Nothing is removed on a word alone. */
static bool stands_on(const struct store *store, const char *path, const char *file)
{
	cleanup_close int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	char name[IMAGE_PATH_LEN];
	uint8_t header[HEADER_LEN];
	uint64_t offset, len;

	if (fd < 0 || pread(fd, header, sizeof(header), 0) != (ssize_t)sizeof(header)) {
		return false;
	}
	offset = big_endian(header + 8, 8);
	len = big_endian(header + 16, 4);
	if (offset == 0 || offset > INT64_MAX || len == 0 || len >= sizeof(name) ||
	    pread(fd, name, len, (off_t)offset) != (ssize_t)len) {
		return false;
	}
	name[len] = '\0';
	return is_same_file(store, path, name, file);
}

size_t takeover_merge_base(const struct manifest_disk *disk)
{
	size_t base = 0;

	for (size_t i = 1; i < disk->layer_count; i++) {
		base = disk->layers[i].linked ? i : base;
	}
	return base;
}

static int merged_check(struct takeover_job *job, const struct manifest *next)
{
	char path[IMAGE_PATH_LEN];

	if (!next->failover.committed) {
		return takeover_refuse(job, -EPERM, "there is no committed failover");
	}
	for (size_t i = 0; i < next->current.disk_count; i++) {
		const struct manifest_disk *disk = &next->current.disks[i];
		const char *base = disk->layers[takeover_merge_base(disk)].file;

		overlay_path(job->store, &next->failover, disk->name, path);
		if (!stands_on(job->store, path, base)) {
			return takeover_refuse(job, -EBUSY,
					       "the image of disk %s does not stand on %s yet",
					       disk->name, base);
		}
	}
	return 0;
}

static void merged_record(struct manifest *next)
{
	for (size_t i = 0; i < next->current.disk_count; i++) {
		struct manifest_disk *disk = &next->current.disks[i];

		disk->layer_count = takeover_merge_base(disk) + 1;
		disk->layers[disk->layer_count - 1].frozen = false; /* QEMU wrote it */
	}
	for (size_t i = 0; i < next->failover.disk_count; i++) {
		struct manifest_taken_disk *taken = &next->failover.disks[i];
		const struct manifest_disk *disk = manifest_image_find(&next->current, taken->name);

		if (disk != NULL) {
			memcpy(taken->base, manifest_disk_top(disk)->file, sizeof(taken->base));
			memset(&taken->built, 0, sizeof(taken->built));
		}
	}
}

int takeover_merged_run(struct takeover_job *job)
{
	struct manifest next = {0};
	int rc = takeover_next(job, &next);

	if (rc < 0) {
		return rc;
	}
	rc = merged_check(job, &next);
	if (rc == 0) {
		merged_record(&next);
		rc = takeover_save(job, &next);
	}
	manifest_destroy(&next);
	if (rc == 0) {
		store_sweep(job->store);
	}
	return rc < 0 ? rc : takeover_answer(job, &job->store->manifest.failover);
}
