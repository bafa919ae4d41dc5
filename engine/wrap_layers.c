/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/wrap_layers.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "engine/adopted_disks.h"
#include "engine/lent_list.h"
#include "engine/source_access.h"
#include "engine/source_error.h"
#include "engine/source_image.h"
#include "engine/source_tool.h"
#include "engine/store_directory.h"
#include "engine/store_walk.h"
#include "engine/wrap_header.h"
#include "engine/wrap_image.h"

#define LAYERS_MAX   300u /* more than a store has */
#define BLOCK_BYTES  512u /* of st_blocks */
#define NS_PER_S     1000000000
#define BYTES_TO_MIB 20

/* ---- what stands on what ---- */

/* Where the last name of path is a link or not, the directories on the way are none. */
static bool plain_path(const char *path, char ret_plain[PATH_MAX])
{
	char copy[PATH_MAX], name[PATH_MAX], real[PATH_MAX];

	snprintf(copy, sizeof(copy), "%s", path);
	snprintf(name, sizeof(name), "%s", basename(copy));
	snprintf(copy, sizeof(copy), "%s", path);
	return realpath(dirname(copy), real) != NULL &&
	       (size_t)snprintf(ret_plain, PATH_MAX, "%s/%s", real, name) < PATH_MAX;
}

/* Go down from image: take(arg, path) for each that is below it, the last of which is the link that
 * leads to the header, or the header itself. 0 with the header's path; -ENOENT: there is none
 * below; or what take returns. */
static int descend(const char *image, char ret_header[PATH_MAX],
		   int (*take)(void *arg, const char *path, bool last), void *arg)
{
	char at[PATH_MAX], below[PATH_MAX], plain[PATH_MAX], real[PATH_MAX];

	snprintf(at, sizeof(at), "%s", image);
	for (unsigned int i = 0; i < LAYERS_MAX && source_image_backing(at, below) == 0; i++) {
		bool last;
		int result;

		if (realpath(below, real) == NULL || !plain_path(below, plain)) {
			return -ENOENT;
		}
		last = wrap_header_is_name(real);
		result = take != NULL ? take(arg, plain, last) : 0;
		if (result < 0) {
			return result;
		}
		if (last) {
			memcpy(ret_header, real, sizeof(real));
			return 0;
		}
		memcpy(at, plain, sizeof(at));
	}
	return -ENOENT;
}

bool wrap_layers_find(const char *image, char ret_header[PATH_MAX])
{
	char header[PATH_MAX];

	if (descend(image, header, NULL, NULL) < 0) {
		return false;
	}
	memcpy(ret_header, header, sizeof(header));
	return true;
}

/* <store>/vm-<epoch>/<disk>.qcow2, as the receiver makes it (receiver/takeover.h); the definition
 * that says so is root's. */
static size_t store_of(const char *image, uid_t receiver)
{
	char directory[PATH_MAX];
	struct stat status;

	snprintf(directory, sizeof(directory), "%s", image);
	for (unsigned int up = 0; up < 2; up++) {
		char *slash = strrchr(directory, '/');

		if (slash == NULL) {
			return 0;
		}
		*slash = '\0';
	}
	return receiver != 0 && stat(directory, &status) == 0 && S_ISDIR(status.st_mode) &&
			       status.st_uid == receiver
		       ? strlen(directory)
		       : 0;
}

bool wrap_layers_is_lent(const struct wrap_disk *disk, uid_t receiver)
{
	char directory[PATH_MAX];
	json_t *list;
	bool lent;

	if (!wrap_layers_store(disk, receiver, directory)) {
		return false;
	}
	list = lent_list_read(directory);
	lent = lent_list_has(list, disk->raw);
	json_decref(list);
	return lent;
}

/* ---- merging ---- */

struct descent {
	const struct wrap_disk *disk;
	const struct wrap_layers_users *users;
	size_t store;	     /* length of its directory in disk->image */
	unsigned int layers; /* images above the header */
	uint64_t used_bytes; /* by them */
	char base[PATH_MAX]; /* the header, as it was let be written */
	char *error;
};

static void count_bytes(struct descent *descent, const char *path)
{
	struct stat status;

	if (stat(path, &status) == 0) {
		descent->used_bytes += (uint64_t)status.st_blocks * BLOCK_BYTES;
	}
	descent->layers++;
}

/* Let QEMU's user write it: qemu-img opens all that it merges for that. */
static int admit_cb(void *arg, const char *path, bool last)
{
	struct descent *descent = arg;
	const struct wrap_disk *disk = descent->disk;

	if (strncmp(path, disk->image, descent->store) != 0 || path[descent->store] != '/') {
		return source_fail(-EPERM, descent->error, "%s, below %s, is not in that store",
				   path, disk->image);
	}
	if (last) {
		return source_access_base(path, descent->store, descent->users->receiver,
					  descent->users->qemu, descent->base, descent->error);
	}
	count_bytes(descent, path);
	return source_access_file(path, descent->store, descent->users->qemu, descent->error);
}

static int check_header(const struct descent *descent, const char *header)
{
	const struct wrap_disk *disk = descent->disk;
	struct source_image above, below;

	if (strcmp(header, disk->header) != 0 || strcmp(descent->base, header) != 0 ||
	    !wrap_image_belongs(header, disk->raw)) {
		return source_fail(-EBADMSG, descent->error,
				   "%s does not stand on the header of %s", disk->image, disk->raw);
	}
	if (source_image_examine(disk->image, &above) < 0 ||
	    source_image_examine(header, &below) < 0) {
		return source_fail(-EIO, descent->error, "%s or %s cannot be read", disk->image,
				   header);
	}
	if (above.size_bytes != below.size_bytes) {
		return source_fail(
			-EFBIG, descent->error,
			"%s has been given %" PRIu64 " bytes on the other side and the raw disk "
			"has %" PRIu64 ": make that as long, then qemu-img resize %s %" PRIu64,
			disk->name, above.size_bytes, below.size_bytes, header, above.size_bytes);
	}
	return 0;
}

/* A raw file that has holes grows, perhaps beside the disks of VMs that run. */
static int check_room(const struct descent *descent, uint64_t reserve_bytes)
{
	const char *raw = descent->disk->raw;
	uint64_t has, grows, available;
	struct statvfs room;
	struct stat file;

	if (stat(raw, &file) < 0 || statvfs(raw, &room) < 0) {
		return source_fail(-errno, descent->error, "%s: %s", raw, strerror(errno));
	}
	has = (uint64_t)file.st_blocks * BLOCK_BYTES;
	grows = has < (uint64_t)file.st_size ? (uint64_t)file.st_size - has : 0;
	grows = grows < descent->used_bytes ? grows : descent->used_bytes;
	available = (uint64_t)room.f_bavail * room.f_frsize;
	if (!S_ISREG(file.st_mode) || grows == 0 || available >= grows + reserve_bytes) {
		return 0;
	}
	return source_fail(-ENOSPC, descent->error,
			   "%" PRIu64 " MiB have to be free beside %s, with the storage's reserve, "
			   "and %" PRIu64 " MiB are",
			   (grows + reserve_bytes) >> BYTES_TO_MIB, raw, available >> BYTES_TO_MIB);
}

/* Open from before the first write: an error of writing anything back comes with the fsync. */
static int commit(const struct descent *descent, const atomic_bool *stop)
{
	const struct wrap_disk *disk = descent->disk;
	cleanup_close int raw = open(disk->raw, O_RDONLY | O_CLOEXEC);
	cleanup_close int header = open(disk->header, O_RDONLY | O_CLOEXEC);
	int result;

	if (raw < 0 || header < 0) {
		return source_fail(-errno, descent->error, "%s: %s",
				   raw < 0 ? disk->raw : disk->header, strerror(errno));
	}
	result = source_tool_commit(descent->base, disk->image, descent->users->qemu, stop,
				    descent->error);
	if (result == 0 && (fsync(raw) < 0 || fsync(header) < 0)) {
		result = source_fail(-errno, descent->error, "%s cannot be written: %s", disk->raw,
				     strerror(errno));
	}
	return result;
}

static bool look(const char *image, int64_t *ret_ns, int64_t *ret_bytes)
{
	struct stat status;

	if (stat(image, &status) < 0) {
		return false;
	}
	*ret_ns = (int64_t)status.st_mtim.tv_sec * NS_PER_S + status.st_mtim.tv_nsec;
	*ret_bytes = status.st_size;
	return true;
}

int wrap_layers_merge(struct wrap_disk *disk, const struct wrap_layers_users *users,
		      uint64_t reserve_bytes, const atomic_bool *stop, unsigned int *ret_layers,
		      char error[SOURCE_ERROR_LEN])
{
	struct descent descent = {.disk = disk,
				  .users = users,
				  .store = store_of(disk->image, users->receiver),
				  .error = error};
	char header[PATH_MAX] = "";
	int result;

	if (descent.store == 0 || !wrap_layers_is_lent(disk, users->receiver)) {
		return source_fail(-EPERM, error, "%s is no image of a store that %s was lent to",
				   disk->image, disk->raw);
	}
	count_bytes(&descent, disk->image);
	result = source_access_file(disk->image, descent.store, users->qemu, error);
	if (result == 0) {
		result = descend(disk->image, header, admit_cb, &descent);
		if (result == -ENOENT) {
			source_fail(result, error, "%s does not stand on %s", disk->image,
				    disk->header);
		}
	}
	result = result < 0 ? result : check_header(&descent, header);
	result = result < 0 ? result : check_room(&descent, reserve_bytes);
	result = result < 0 ? result : commit(&descent, stop);
	if (result == 0 && !look(disk->image, &disk->merged_ns, &disk->merged_bytes)) {
		result = source_fail(-errno, error, "%s: %s", disk->image, strerror(errno));
	}
	if (result == 0) {
		*ret_layers = descent.layers;
	}
	return result;
}

bool wrap_layers_is_merged(const struct wrap_disk *disk)
{
	int64_t ns, bytes;

	return disk->merged_ns != 0 && look(disk->image, &ns, &bytes) && ns == disk->merged_ns &&
	       bytes == disk->merged_bytes;
}

/* ---- removing ---- */

static int remove_image(const struct wrap_disk *disk, size_t store)
{
	cleanup_close int directory = -1;
	const char *name;
	int result = store_walk(disk->image, store, 0, &directory, &name);

	return result < 0 ? result : unlinkat(directory, name, 0) < 0 ? -errno : 0;
}

bool wrap_layers_remove(const struct wrap_disk *disk, uid_t receiver,
			struct sentence_list *problems)
{
	size_t store = store_of(disk->image, receiver);
	int result = store == 0 ? -EPERM : remove_image(disk, store);

	if (result < 0) {
		sentence_list_add(problems, "%s stays: %s", disk->image, strerror(-result));
	}
	return result == 0;
}

bool wrap_layers_remove_store(const char *directory, uid_t receiver, struct sentence_list *problems)
{
	char error[STORE_DIRECTORY_ERROR_LEN];
	int result;

	adopted_disks_take_back(directory, receiver);
	result = store_directory_remove_images(directory, error);
	if (result < 0) {
		sentence_list_add(problems, "%s", error);
	}
	return result == 0;
}

bool wrap_layers_store(const struct wrap_disk *disk, uid_t receiver, char ret_directory[PATH_MAX])
{
	size_t store = store_of(disk->image, receiver);

	if (store == 0) {
		return false;
	}
	memcpy(ret_directory, disk->image, store);
	ret_directory[store] = '\0';
	return true;
}
