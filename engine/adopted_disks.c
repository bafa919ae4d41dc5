/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/adopted_disks.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/file_access.h"
#include "common/log.h"
#include "engine/lent_list.h"
#include "engine/source_access.h"
#include "engine/source_error.h"
#include "engine/source_image.h"
#include "engine/source_json.h"
#include "engine/store_walk.h"
#include "engine/wrap_record.h"

#define LAYERS_MAX 300u /* more than a store has */

/* ---- what cannot be ---- */

/* In a store of ours, where a VM has failed over to it: <store>/vm-<n>/ or gen-<n>/. */
static bool is_in_store(const char *image)
{
	char path[PATH_MAX];
	const char *slash = strrchr(image, '/');

	return slash != NULL &&
	       snprintf(path, sizeof(path), "%.*s/../manifest.json", (int)(slash - image), image) <
		       (int)sizeof(path) &&
	       access(path, F_OK) == 0;
}

int adopted_disks_check_image(const char *image, char error[SOURCE_ERROR_LEN])
{
	char at[PATH_MAX], below[PATH_MAX];
	struct stat status;

	if (stat(image, &status) == 0 && S_ISBLK(status.st_mode)) {
		return source_fail(
			-ENOTSUP, error,
			"%.300s is a qcow2 image on a block device: a replica's layers "
			"are files, so this side cannot become the replica; convert it to "
			"a file, or to a raw disk (qemu-img convert while the VM is off) "
			"for vmreplica wrap",
			image);
	}
	if (!file_access_is_possible(image)) {
		return source_fail(-ENOTSUP, error,
				   "%.300s lies on a file system without ACLs: as the replica this "
				   "side could not let the receiver have it; move the image to one "
				   "that has them",
				   image);
	}
	snprintf(at, sizeof(at), "%s", image);
	/* down through the store, to its base or to the VM's own disk */
	for (unsigned int i = 0; i < LAYERS_MAX && is_in_store(at); i++) {
		bool linked = lstat(at, &status) == 0 && S_ISLNK(status.st_mode);

		if (linked ? realpath(at, below) == NULL : source_image_backing(at, below) != 0) {
			return 0;
		}
		memcpy(at, below, sizeof(at));
	}
	if (source_image_backing(at, below) != 0) {
		return 0;
	}
	return source_fail(
		-ENOTSUP, error,
		"%.200s stands on a backing file, %.200s: with it this side cannot become "
		"the replica; make it stand alone (virsh blockpull, or qemu-img convert "
		"while the VM is off)",
		at, below);
}

int adopted_disks_check(const char *path, const char *const *exclude, char error[SOURCE_ERROR_LEN])
{
	struct source_defined_disk *disks = NULL;
	size_t count = 0;
	int result = source_defined_disks(path, exclude, &disks, &count, error);

	for (size_t i = 0; i < count && result == 0; i++) {
		result = adopted_disks_check_image(disks[i].path, error);
	}
	source_defined_disks_free(disks, count);
	return result;
}

/* ---- lending ---- */

static int admit_fail(int result, const char *path, uid_t qemu, char error[SOURCE_ERROR_LEN])
{
	return source_fail(result, error,
			   "QEMU's user (uid %u) cannot be let read %s: %s; the VM could "
			   "not come home to it; it must lie on a file system with ACLs",
			   (unsigned int)qemu, path, strerror(-result));
}

/* All directories above real, which is cut up. */
static int admit_above(char *real, uid_t qemu)
{
	int result = 0;

	for (char *slash = strrchr(real, '/'); result == 0 && slash != NULL && slash != real;
	     slash = strrchr(real, '/')) {
		*slash = '\0';
		result = file_access_grant(AT_FDCWD, real, qemu, FILE_ACCESS_SEARCH);
	}
	return result;
}

/* When the VM is at home again its images stand on this one, and libvirt relabels nothing of a
 * chain in a store: an image that is not for everyone to read would keep QEMU from starting. */
static int admit_qemu(const char *path, uid_t qemu, char error[SOURCE_ERROR_LEN])
{
	cleanup_free char *real = realpath(path, NULL);
	int result =
		real == NULL ? -errno : file_access_grant(AT_FDCWD, real, qemu, FILE_ACCESS_READ);

	result = result < 0 ? result : admit_above(real, qemu);
	return result < 0 ? admit_fail(result, path, qemu, error) : 0;
}

static int lend_to(const char *path, const struct adopted_users *users,
		   char error[SOURCE_ERROR_LEN])
{
	int result = source_access_lend(path, users->receiver, error);

	return result < 0 ? result : admit_qemu(path, users->qemu, error);
}

/* A wrapped disk is a header and a raw disk. Its record (wrap_witness.h) says from here on that
 * others write to it, and answer for it. */
static int lend_raw(const char *header, const char *raw, const struct adopted_users *users,
		    char error[SOURCE_ERROR_LEN])
{
	struct wrap_record record;
	int result = lend_to(raw, users, error);

	wrap_record_read(header, &record, NULL);
	if (result == 0 && record.state != WRAP_NONE) {
		result = wrap_record_event(header, raw, WRAP_EVENT_HAND, "", NULL);
		if (result < 0) {
			source_fail(result, error, "the record beside %s cannot be written: %s",
				    header, strerror(-result));
		}
	}
	return result;
}

/* The directory that the first top bytes of path name is the receiver's: a link there, or a name in
 * a header, could lead to any file of the host. Opens the image to read. */
static int open_in_store(const char *path, size_t top, const struct adopted_users *users,
			 int *ret_fd, char error[SOURCE_ERROR_LEN])
{
	cleanup_close int directory = -1, fd = -1;
	struct source_image image = {0};
	struct stat status;
	const char *name;
	int result = store_walk(path, top, users->qemu, &directory, &name);

	if (result == 0) {
		/* O_NONBLOCK: a FIFO in an image's place must not hold us */
		fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		result = fd < 0 || fstat(fd, &status) != 0 ? -errno : 0;
	}
	/* libvirt may have left it to root or QEMU; a second name of a file may be of elsewhere */
	if (result == 0 && (!S_ISREG(status.st_mode) ||
			    (status.st_uid != users->receiver && status.st_nlink != 1))) {
		result = -EPERM;
	}
	result = result < 0 ? result : source_image_examine_fd(fd, &image);
	if (result == 0 && image.has_data_file) {
		result = -EPERM;
	}
	if (result < 0) {
		return source_fail(result, error,
				   "%s is not an image of the store, or names a data file or a "
				   "link: %s; nothing of it is lent to the receiver",
				   path, strerror(-result));
	}
	*ret_fd = steal_fd(&fd);
	return 0;
}

/* It is the receiver's already, but libvirt changed its owner while the VM ran on it. */
static int lend_in_store(const char *path, size_t top, const struct adopted_users *users,
			 char error[SOURCE_ERROR_LEN])
{
	char above[PATH_MAX];
	cleanup_free char *real = NULL;
	cleanup_close int fd = -1;
	int result = open_in_store(path, top, users, &fd, error);

	if (result < 0) {
		return result;
	}
	result = file_access_grant_fd(fd, users->receiver, FILE_ACCESS_READ | FILE_ACCESS_WRITE);
	if (result < 0) {
		return source_fail(result, error,
				   "%s cannot be lent to the receiver (uid %u): %s; it must "
				   "lie on a file system with ACLs",
				   path, (unsigned int)users->receiver, strerror(-result));
	}
	snprintf(above, sizeof(above), "%.*s", (int)top, path);
	real = realpath(above, NULL);
	result = real == NULL ? -errno : 0;
	result = result < 0 ? result : file_access_grant_fd(fd, users->qemu, FILE_ACCESS_READ);
	result = result < 0 ? result
			    : file_access_grant(AT_FDCWD, real, users->qemu, FILE_ACCESS_SEARCH);
	result = result < 0 ? result : admit_above(real, users->qemu);
	return result < 0 ? admit_fail(result, path, users->qemu, error) : 0;
}

static int lend(const char *path, const struct adopted_users *users, char error[SOURCE_ERROR_LEN])
{
	struct source_image image;
	size_t top = store_walk_top(path, users->receiver);
	int result;

	if (top != 0) {
		return lend_in_store(path, top, users, error);
	}
	result = lend_to(path, users, error);
	if (result == 0 && source_image_examine(path, &image) == 0 && image.has_data_file &&
	    image.data_file_raw) {
		result = lend_raw(path, image.data_file, users, error);
	}
	return result;
}

int adopted_disks_lend(const char *path, const char *const *exclude,
		       const struct adopted_users *users, struct source_defined_disk **ret_disks,
		       size_t *ret_count, char error[SOURCE_ERROR_LEN])
{
	struct source_defined_disk *disks = NULL;
	size_t count = 0;
	int result = source_defined_disks(path, exclude, &disks, &count, error);

	for (size_t i = 0; i < count && result == 0; i++) {
		result = adopted_disks_check_image(disks[i].path, error);
		result = result < 0 ? result : lend(disks[i].path, users, error);
	}
	if (result < 0) {
		source_defined_disks_free(disks, count);
		return result;
	}
	*ret_disks = disks;
	*ret_count = count;
	return 0;
}

/* ---- again ---- */

int adopted_disks_note(const char *directory, const char *path, const char *const *exclude,
		       const struct adopted_users *users, char error[SOURCE_ERROR_LEN])
{
	cleanup_json json_t *list = lent_list_read(directory);
	struct source_defined_disk *disks = NULL;
	size_t count = 0;
	int result = source_defined_disks(path, exclude, &disks, &count, error);

	if (result < 0) {
		return result;
	}
	for (size_t i = 0; i < count && list != NULL; i++) {
		const char *image = disks[i].path;
		struct source_image header;

		/* what is noted already has been the receiver's to write */
		if (store_walk_top(image, users->receiver) != 0 || !lent_list_add(list, image)) {
			continue;
		}
		if (source_image_examine(image, &header) == 0 && header.has_data_file &&
		    header.data_file_raw) {
			lent_list_add(list, header.data_file);
		}
	}
	source_defined_disks_free(disks, count);
	result = list != NULL ? lent_list_write(directory, list) : -EBADMSG;
	return result == 0 ? 0
			   : source_fail(result, error,
					 "%s" LENT_LIST_END " cannot be read or written: %s; it is "
					 "the list of what was lent to the store, paths in JSON",
					 directory, strerror(-result));
}

void adopted_disks_lend_again(const char *directory, const struct adopted_users *users)
{
	cleanup_json json_t *list = lent_list_read(directory);

	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *path = json_string_value(json_array_get(list, i));
		char error[SOURCE_ERROR_LEN] = "";

		if (path != NULL && store_walk_top(path, users->receiver) == 0 &&
		    access(path, F_OK) == 0 && lend_to(path, users, error) < 0) {
			log_warning("%s", error);
		}
	}
}

/* ---- back ---- */

static void take_entry(const char *path, uid_t uid)
{
	int result = source_access_revoke_image(path, uid);

	if (result < 0 && result != -ENOENT) {
		log_warning("%s stays open to the receiver's user (uid %u): %s; setfacl -x u:%u "
			    "takes that back",
			    path, (unsigned int)uid, strerror(-result), (unsigned int)uid);
	}
}

static void take_back(const char *path, uid_t uid)
{
	struct source_image image;

	if (source_image_examine(path, &image) == 0 && image.has_data_file && image.data_file_raw) {
		take_entry(image.data_file, uid);
	}
	take_entry(path, uid);
}

/* Its links are the adopted layers (receiver/adopt.c). They are the receiver's to make: it could
 * have no more than its own entries taken away. */
static void take_back_generation(int store, const char *name, uid_t uid)
{
	int fd = openat(store, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *listing = fd >= 0 ? fdopendir(fd) : NULL;
	char path[PATH_LEN_MAX + 1];

	if (listing == NULL && fd >= 0) {
		close(fd);
	}
	for (const struct dirent *entry = NULL;
	     listing != NULL && (entry = readdir(listing)) != NULL;) {
		ssize_t len = readlinkat(fd, entry->d_name, path, sizeof(path));

		if (len > 0 && (size_t)len < sizeof(path) && path[0] == '/') {
			path[len] = '\0';
			take_back(path, uid);
		}
	}
	if (listing != NULL) {
		closedir(listing);
	}
}

void adopted_disks_take_back(const char *directory, uid_t uid)
{
	cleanup_json json_t *list = lent_list_read(directory);
	DIR *listing = opendir(directory);

	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *path = json_string_value(json_array_get(list, i));

		if (path != NULL) {
			take_entry(path, uid);
		}
	}

	for (const struct dirent *entry = NULL;
	     listing != NULL && (entry = readdir(listing)) != NULL;) {
		if (strncmp(entry->d_name, "gen-", 4) == 0) {
			take_back_generation(dirfd(listing), entry->d_name, uid);
		}
	}
	if (listing != NULL) {
		closedir(listing);
	}
}
