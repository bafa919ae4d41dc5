/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "receiver/overlay.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/file_access.h"
#include "proto/names.h"
#include "receiver/durable.h"
#include "receiver/image.h"

/* Where QEMU puts the locks that tell others what it does with an image (block/file-posix.c). */
#define QEMU_LOCK_FIRST 100
#define QEMU_LOCK_COUNT 200

static void directory_name(uint64_t epoch, char name[32])
{
	snprintf(name, 32, "vm-%" PRIu64, epoch);
}

static void file_name(uint64_t epoch, const char *disk, char name[MANIFEST_FILE_MAX + 1])
{
	snprintf(name, MANIFEST_FILE_MAX + 1, "vm-%" PRIu64 "/%s.qcow2", epoch, disk);
}

char *overlay_path(const struct store *store, const struct manifest_takeover *takeover,
		   const char *disk, char path[IMAGE_PATH_LEN])
{
	char name[MANIFEST_FILE_MAX + 1];

	file_name(takeover->epoch, disk, name);
	return image_path(store, name, path);
}

static void bitmap_name(const struct store *store, const struct manifest_takeover *takeover,
			char name[CHECKPOINT_NAME_LEN])
{
	struct checkpoint_name checkpoint = {.epoch = takeover->epoch, .seq = takeover->cut.seq};

	memcpy(checkpoint.relationship, store->relationship, sizeof(checkpoint.relationship));
	memcpy(checkpoint.cut_id, takeover->cut.cut_id, sizeof(checkpoint.cut_id));
	checkpoint_name_format(&checkpoint, name);
}

/* QEMU's user writes these images and nothing else of the store. */
static int access_give(struct store *store, const char *name, unsigned int rights,
		       char error[STORE_ERROR_LEN])
{
	uid_t uid = atomic_load(&store->qemu_uid);
	int rc = file_access_grant(store->dir_fd, name, uid, rights);

	if (rc < 0) {
		snprintf(error, STORE_ERROR_LEN,
			 "QEMU's user (uid %u) cannot be given access to %.300s/%s: %s; the "
			 "storage needs a file system with ACLs",
			 (unsigned int)uid, store->directory, name, strerror(-rc));
	}
	return rc;
}

static int disk_make(struct store *store, const struct manifest_takeover *takeover,
		     const struct manifest_taken_disk *disk, char error[STORE_ERROR_LEN])
{
	const char *below = disk->built.file[0] != '\0' ? disk->built.file : disk->base;
	char file[MANIFEST_FILE_MAX + 1], path[IMAGE_PATH_LEN], backing[MANIFEST_FILE_MAX + 4];
	char bitmap[CHECKPOINT_NAME_LEN];
	const struct cell cell = store_cell(store);
	int rc;

	file_name(takeover->epoch, disk->name, file);
	image_path(store, file, path);
	if (unlinkat(store->dir_fd, file, 0) < 0 && errno != ENOENT) {
		rc = -errno;
		snprintf(error, STORE_ERROR_LEN, "cannot remove %s: %s", file, strerror(-rc));
		return rc;
	}
	snprintf(backing, sizeof(backing), "../%s", below);
	rc = qsd_image_create(&cell, path, disk->size_bytes, backing, error);
	if (rc == 0) {
		bitmap_name(store, takeover, bitmap);
		rc = qsd_image_bitmap_add(&cell, path, bitmap, error);
	}
	rc = rc < 0 ? rc : access_give(store, file, FILE_ACCESS_READ | FILE_ACCESS_WRITE, error);
	if (rc < 0) {
		return rc;
	}
	rc = durable_file_sync(store->dir_fd, file);
	if (rc < 0) {
		snprintf(error, STORE_ERROR_LEN, "cannot make %s durable: %s", file, strerror(-rc));
	}
	return rc;
}

int overlay_make(struct store *store, const struct manifest_takeover *takeover,
		 char error[STORE_ERROR_LEN])
{
	char directory[32];
	int rc;

	directory_name(takeover->epoch, directory);
	rc = durable_directory_make(store->dir_fd, directory);
	if (rc < 0) {
		snprintf(error, STORE_ERROR_LEN, "cannot make %s: %s", directory, strerror(-rc));
		return rc;
	}
	rc = access_give(store, directory, FILE_ACCESS_READ | FILE_ACCESS_SEARCH, error);
	for (size_t i = 0; rc == 0 && i < takeover->disk_count; i++) {
		rc = disk_make(store, takeover, &takeover->disks[i], error);
	}
	if (rc == 0) {
		rc = durable_directory_sync(store->dir_fd, directory);
		if (rc < 0) {
			snprintf(error, STORE_ERROR_LEN, "cannot make %s durable: %s", directory,
				 strerror(-rc));
		}
	}
	return rc;
}

bool overlay_is_in_use(const struct store *store, const struct manifest_takeover *takeover)
{
	for (size_t i = 0; i < takeover->disk_count; i++) {
		struct flock lock = {.l_type = F_WRLCK,
				     .l_whence = SEEK_SET,
				     .l_start = QEMU_LOCK_FIRST,
				     .l_len = QEMU_LOCK_COUNT};
		char file[MANIFEST_FILE_MAX + 1];
		cleanup_close int fd = -1;

		file_name(takeover->epoch, takeover->disks[i].name, file);
		fd = openat(store->dir_fd, file, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
		if (fd >= 0 && fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK) {
			return true;
		}
	}
	return false;
}

static bool has_adopted(const struct manifest_image *image)
{
	for (size_t i = 0; i < image->disk_count; i++) {
		for (size_t k = 0; k < image->disks[i].layer_count; k++) {
			if (image->disks[i].layers[k].adopted) {
				return true;
			}
		}
	}
	return false;
}

bool overlay_directories_stay(const struct manifest *manifest)
{
	return manifest->failover.kind != VMREPLICA__TAKEOVER_KIND__TAKEOVER_NONE ||
	       has_adopted(&manifest->current) || has_adopted(&manifest->retired) ||
	       has_adopted(&manifest->pending);
}

static void directory_remove(struct store *store, const char *name)
{
	int fd = openat(store->dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (dir == NULL) {
		if (fd >= 0) {
			close(fd);
		}
		return;
	}
	while ((entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] != '.') {
			unlinkat(dirfd(dir), entry->d_name, 0);
		}
	}
	closedir(dir);
	if (!overlay_directories_stay(&store->manifest)) {
		unlinkat(store->dir_fd, name, AT_REMOVEDIR);
	}
}

void overlay_remove(struct store *store, uint64_t epoch)
{
	char name[32];

	directory_name(epoch, name);
	directory_remove(store, name);
}

static bool image_is_in(const struct manifest_image *image, const char *directory)
{
	const size_t len = strlen(directory);

	for (size_t i = 0; i < image->disk_count; i++) {
		for (size_t k = 0; k < image->disks[i].layer_count; k++) {
			const char *file = image->disks[i].layers[k].file;

			if (strncmp(file, directory, len) == 0 && file[len] == '/') {
				return true;
			}
		}
	}
	return false;
}

/* What a VM wrote has become layers (adopt.h). */
static bool is_of_layers(const struct manifest *manifest, const char *directory)
{
	return image_is_in(&manifest->current, directory) ||
	       image_is_in(&manifest->retired, directory) ||
	       image_is_in(&manifest->pending, directory);
}

void overlay_sweep(struct store *store, const struct manifest_takeover *takeover)
{
	int fd = openat(store->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	char kept[32] = "";
	struct dirent *entry;

	if (dir == NULL) {
		if (fd >= 0) {
			close(fd);
		}
		return;
	}
	if (takeover->kind != VMREPLICA__TAKEOVER_KIND__TAKEOVER_NONE) {
		directory_name(takeover->epoch, kept);
	}
	while ((entry = readdir(dir)) != NULL) {
		const char *name = entry->d_name;

		if (strncmp(name, "vm-", 3) == 0 && name[3] != '\0' &&
		    strspn(name + 3, "0123456789") == strlen(name + 3) && strcmp(name, kept) != 0 &&
		    !is_of_layers(&store->manifest, name)) {
			directory_remove(store, name);
		}
	}
	closedir(dir);
}
