/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "receiver/image.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/log.h"
#include "receiver/durable.h"

#define RETRY_DAEMON_MS 5000

/* ---- fingerprints ---- */

int image_layer_fingerprint(struct store *store, struct manifest_layer *layer)
{
	struct stat st;

	if (fstatat(store->dir_fd, layer->file, &st, layer->adopted ? 0 : AT_SYMLINK_NOFOLLOW) <
	    0) {
		return -errno;
	}
	layer->size_bytes = (uint64_t)st.st_size;
	layer->inode = st.st_ino;
	layer->mtime_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
	layer->frozen = true;
	return 0;
}

int image_layer_sync(struct store *store, const struct manifest_layer *layer)
{
	cleanup_close int fd = openat(store->dir_fd, layer->file,
				      O_RDONLY | (layer->adopted ? 0 : O_NOFOLLOW) | O_CLOEXEC);

	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

/* The daemon's flush is an fdatasync, which leaves the time of the last write in memory: after a
 * power cut an older one would show, and the layer would look as if somebody had written it. One
 * that is missing or cannot be made durable stays without a fingerprint: opening it will tell. */
static void layer_close(struct store *store, struct manifest_layer *layer)
{
	if (image_layer_sync(store, layer) == 0) {
		image_layer_fingerprint(store, layer);
	}
}

void image_freeze(struct store *store, const struct manifest *manifest,
		  struct manifest_image *image, bool with_tops)
{
	for (size_t i = 0; i < image->disk_count; i++) {
		struct manifest_disk *disk = &image->disks[i];

		for (size_t k = 0; k < disk->layer_count; k++) {
			struct manifest_layer *layer = &disk->layers[k];
			bool ours = k + 1 == disk->layer_count &&
				    layer->generation == store->manifest.generation;

			if ((ours && !with_tops) || manifest_merge_touches(manifest, layer->file)) {
				layer->frozen = false;
			} else if (!layer->frozen) {
				layer_close(store, layer);
			}
		}
	}
}

static bool layer_is_unchanged(struct store *store, const struct manifest_layer *layer, char *why,
			       size_t why_size)
{
	struct manifest_layer found = *layer;
	const char *what = NULL;

	if (!layer->frozen) {
		return true;
	}
	if (image_layer_fingerprint(store, &found) < 0) {
		what = "is missing";
	} else if (found.size_bytes != layer->size_bytes) {
		what = "has another size";
	} else if (found.inode != layer->inode) {
		what = "is another file";
	} else if (found.mtime_ns != layer->mtime_ns) {
		what = "was written";
	}
	if (what != NULL) {
		snprintf(why, why_size, "%s %s", layer->file, what);
	}
	return what == NULL;
}

struct manifest_layer *image_find_changed(struct store *store, struct manifest_image *image,
					  char *why, size_t why_size)
{
	for (size_t i = 0; i < image->disk_count; i++) {
		for (size_t k = 0; k < image->disks[i].layer_count; k++) {
			struct manifest_layer *layer = &image->disks[i].layers[k];

			if (!layer_is_unchanged(store, layer, why, why_size)) {
				return layer;
			}
		}
	}
	return NULL;
}

/* ---- new layers ---- */

int image_layer_make(struct store *store, struct manifest *next, const char *disk,
		     uint64_t size_bytes, const struct manifest_layer *backing,
		     struct manifest_layer *ret_layer, struct answer *answer)
{
	struct manifest_layer layer = {.generation = store->manifest.generation};
	char path[IMAGE_PATH_LEN], below[MANIFEST_FILE_MAX + 4];
	char generation[32], error[QSD_ERROR_LEN];
	const struct cell cell = store_cell(store);
	int rc;

	snprintf(layer.file, sizeof(layer.file), "gen-%" PRIu64 "/%s-%" PRIu64 ".qcow2",
		 layer.generation, disk, next->next_layer++);
	image_path(store, layer.file, path);
	snprintf(generation, sizeof(generation), "gen-%" PRIu64, layer.generation);
	if (backing != NULL) { /* relative, so that the storage may be mounted elsewhere one day */
		snprintf(below, sizeof(below), "../%s", backing->file);
	}
	rc = qsd_image_create(&cell, path, size_bytes, backing == NULL ? NULL : below, error);
	if (rc < 0) {
		return answer_busy(answer, "storage-error", RETRY_DAEMON_MS,
				   "cannot make the layer %s: %.300s", layer.file, error);
	}
	rc = durable_file_sync(store->dir_fd, layer.file);
	rc = rc < 0 ? rc : durable_directory_sync(store->dir_fd, generation);
	if (rc < 0) {
		unlinkat(store->dir_fd, layer.file, 0);
		return answer_storage(answer, rc, "making a layer");
	}
	*ret_layer = layer;
	return 0;
}

/* Put a layer of ours on each disk whose top an older owner made: its files are never written
 * again. */
static int tops_make(struct store *store, enum store_attachment which, struct answer *answer)
{
	struct manifest next = {0};
	struct manifest_image *image;
	bool changed = false;
	int rc = 0;

	if (manifest_copy(&store->manifest, &next) < 0) {
		return answer_storage(answer, -ENOMEM, "making layers");
	}
	image = which == STORE_CURRENT ? &next.current : &next.pending;
	for (size_t i = 0; i < image->disk_count && rc == 0; i++) {
		struct manifest_disk *disk = &image->disks[i];
		struct manifest_layer layer;

		if (manifest_disk_top(disk)->generation == next.generation) {
			continue;
		}
		rc = image_layer_make(store, &next, disk->name, disk->size_bytes,
				      manifest_disk_top(disk), &layer, answer);
		if (rc == 0 && manifest_disk_push(disk, &layer) < 0) {
			rc = answer_storage(answer, -ENOMEM, "making layers");
		}
		changed = true;
	}
	if (rc == 0 && changed) {
		image_freeze(store, &next, image, false);
		rc = store_save(store, &next, answer);
	}
	manifest_destroy(&next);
	return rc;
}

/* True when a disk has no room for one more layer although it needs one. */
static bool tops_are_at_limit(const struct store *store, const struct manifest_image *image)
{
	for (size_t i = 0; i < image->disk_count; i++) {
		if (image->disks[i].layer_count >= MANIFEST_LAYERS_MAX &&
		    manifest_disk_top(&image->disks[i])->generation != store->manifest.generation) {
			return true;
		}
	}
	return false;
}

/* ---- the daemon ---- */

static int daemon_ensure(struct store *store, struct answer *answer)
{
	const struct cell cell = store_cell(store);
	char error[QSD_ERROR_LEN] = "";
	int rc;

	if (store->qsd != NULL && !qsd_is_alive(store->qsd, error)) {
		receiver_event(store->receiver, "warning", store->vm,
			       "qemu-storage-daemon has died (%s); it is started again", error);
		qsd_stop(store->qsd);
		store->qsd = NULL;
		store->attachment = STORE_DETACHED;
	}
	if (store->qsd != NULL) {
		return 0;
	}
	store->attachment = STORE_DETACHED;
	rc = qsd_start(&cell, store->receiver->run_directory, store->relationship, store->lock_fd,
		       &store->qsd, error);
	return rc < 0 ? answer_busy(answer, "storage-error", RETRY_DAEMON_MS, "%.400s", error) : 0;
}

int image_stop(struct store *store)
{
	int rc = qsd_stop(steal_ptr(store->qsd));

	store->attachment = STORE_DETACHED;
	return rc;
}

int image_detach(struct store *store)
{
	char error[QSD_ERROR_LEN];

	if (store->qsd != NULL && qsd_is_alive(store->qsd, error) &&
	    qsd_detach_all(store->qsd, error) == 0) {
		store->attachment = STORE_DETACHED;
		return 0;
	}
	return image_stop(store);
}

/* Index of the layer that is being merged when disk is the one of the merge, else 0. */
static size_t disk_merged(const struct store *store, const struct manifest_disk *disk)
{
	const struct manifest_merge *merge = &store->manifest.merge;

	for (size_t i = 1; i < disk->layer_count; i++) {
		if (strcmp(disk->name, merge->disk) == 0 &&
		    strcmp(disk->layers[i].file, merge->from) == 0) {
			return i;
		}
	}
	return 0;
}

static int disk_attach(struct store *store, const struct manifest_disk *disk, bool writable,
		       bool merging, struct answer *answer)
{
	const size_t path_size = strlen(store->directory) + MANIFEST_FILE_MAX + 2;
	cleanup_free char *paths = calloc(disk->layer_count, path_size);
	cleanup_free const char **list = calloc(disk->layer_count, sizeof(*list));
	struct qsd_chain chain;
	char error[QSD_ERROR_LEN];
	int rc;

	if (paths == NULL || list == NULL) {
		return answer_storage(answer, -ENOMEM, "opening the replica's image");
	}
	for (size_t i = 0; i < disk->layer_count; i++) {
		snprintf(paths + i * path_size, path_size, "%s/%s", store->directory,
			 disk->layers[i].file);
		list[i] = paths + i * path_size;
	}
	chain = (struct qsd_chain){.paths = list,
				   .count = disk->layer_count,
				   .writable = writable,
				   .merged = merging ? disk_merged(store, disk) : 0};
	chain.merging = chain.merged > 0;
	rc = qsd_disk_attach(store->qsd, disk->name, &chain, error);
	if (rc < 0) {
		answer_busy(answer, "storage-error", RETRY_DAEMON_MS,
			    "the replica's image of %s does not open: %.300s", disk->name, error);
	}
	return rc;
}

static int disks_attach(struct store *store, const struct manifest_image *image, bool writable,
			bool merging, struct answer *answer, int *ret_bad_disk)
{
	char error[QSD_ERROR_LEN];

	for (size_t i = 0; i < image->disk_count; i++) {
		int rc = disk_attach(store, &image->disks[i], writable, merging, answer);

		if (rc < 0) {
			/* An image that another process has open is not a bad one. */
			if (rc == -EREMOTEIO && ret_bad_disk != NULL &&
			    strstr(answer->reason, "\" lock") == NULL) {
				*ret_bad_disk = (int)i;
			}
			if (qsd_detach_all(store->qsd, error) < 0) {
				image_stop(store);
			}
			return -EBUSY;
		}
	}
	return 0;
}

static int image_open_as(struct store *store, enum store_attachment which, bool writable,
			 bool merging, struct answer *answer, int *ret_bad_disk)
{
	const struct manifest_image *image =
		which == STORE_CURRENT ? &store->manifest.current : &store->manifest.pending;
	char error[QSD_ERROR_LEN];
	int rc;

	if (ret_bad_disk != NULL) {
		*ret_bad_disk = -1;
	}
	rc = daemon_ensure(store, answer);
	if (rc < 0 || (store->attachment == which && (!writable || store->attachment_writable) &&
		       (!merging || store->attachment_merging))) {
		return rc;
	}
	if (qsd_detach_all(store->qsd, error) < 0) {
		log_warning("%s: %s", store->vm, error);
		image_stop(store);
		rc = daemon_ensure(store, answer);
	}
	store->attachment = STORE_DETACHED;
	if (rc == 0 && writable && tops_are_at_limit(store, image)) {
		store_ask_resync(store, answer, "the replica has %u layers and needs a new base",
				 MANIFEST_LAYERS_MAX);
		return answer_busy(answer, "resync-needed", RETRY_DAEMON_MS, "%s",
				   store->manifest.resync_reason);
	}
	rc = rc < 0 || !writable ? rc : tops_make(store, which, answer);
	image = which == STORE_CURRENT ? &store->manifest.current : &store->manifest.pending;
	rc = rc < 0 ? rc : disks_attach(store, image, writable, merging, answer, ret_bad_disk);
	if (rc == 0) {
		store->attachment = which;
		store->attachment_writable = writable;
		store->attachment_merging = merging;
	}
	return rc;
}

int image_attach(struct store *store, enum store_attachment which, bool writable,
		 struct answer *answer, int *ret_bad_disk)
{
	return image_open_as(store, which, writable, false, answer, ret_bad_disk);
}

int image_attach_merge(struct store *store, struct answer *answer)
{
	return image_open_as(store, STORE_CURRENT, true, true, answer, NULL);
}
