/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A layer boundary in a running replica, and what is to be known of layer files. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "receiver/durable.h"
#include "receiver/image.h"
#include "receiver/target.h"

#define RETRY_DAEMON_MS 5000

char *image_path(const struct store *store, const char *file, char path[IMAGE_PATH_LEN])
{
	snprintf(path, IMAGE_PATH_LEN, "%s/%s", store->directory, file);
	return path;
}

int image_layer_size(struct store *store, const char *file, uint64_t *ret_bytes)
{
	cleanup_close int fd = openat(store->dir_fd, file, O_RDONLY | O_CLOEXEC);
	uint8_t header[32]; /* of qcow2: magic, version, ..., at 24 the size, big endian */
	uint64_t bytes = 0;

	if (fd < 0) {
		return -errno;
	}
	if (pread(fd, header, sizeof(header), 0) != (ssize_t)sizeof(header) ||
	    memcmp(header, "QFI\xfb", 4) != 0) {
		return -EUCLEAN;
	}
	for (size_t i = 24; i < 32; i++) {
		bytes = bytes << 8 | header[i];
	}
	*ret_bytes = bytes;
	return 0;
}

/* Make sure that the daemon's last writes to a layer are on disk before its fingerprint is taken.
 */
static int top_close(struct store *store, const struct manifest *next, struct manifest_layer *layer)
{
	int rc = image_layer_sync(store, layer);

	if (rc < 0 || manifest_merge_touches(next, layer->file)) {
		return rc; /* its fingerprint is taken when the merge is done */
	}
	return image_layer_fingerprint(store, layer);
}

static int disk_turn(struct store *store, struct manifest *next, struct manifest_disk *disk,
		     struct answer *answer)
{
	char path[IMAGE_PATH_LEN], error[QSD_ERROR_LEN];
	struct manifest_layer layer;
	int rc = image_layer_make(store, next, disk->name, disk->size_bytes,
				  manifest_disk_top(disk), &layer, answer);

	if (rc < 0) {
		return rc;
	}
	rc = qsd_disk_turn(store->qsd, disk->name, image_path(store, layer.file, path), error);
	if (rc < 0) {
		return answer_busy(answer, "storage-error", RETRY_DAEMON_MS,
				   "cannot put a layer over %s: %.300s", disk->name, error);
	}
	rc = top_close(store, next, manifest_disk_top(disk));
	if (rc == 0) {
		rc = manifest_disk_push(disk, &layer);
	}
	return rc < 0 ? answer_storage(answer, rc, "closing a layer") : 0;
}

int image_turn(struct store *store, struct manifest *next, struct manifest_image *image,
	       struct answer *answer)
{
	for (size_t i = 0; i < image->disk_count; i++) {
		int rc = disk_turn(store, next, &image->disks[i], answer);

		if (rc < 0) {
			/* Some disks may already write to layers that nothing names. */
			image_stop(store);
			return rc;
		}
	}
	return 0;
}

bool image_flush_may_tell(struct store *store, int rc)
{
	struct answer ignored;

	if (rc == -ECANCELED || rc == -EBADMSG || rc == -EPROTONOSUPPORT ||
	    target_error_is_lost(rc)) {
		return false;
	}
	return rc != -ENOSPC || store_check_space(store, true, &ignored) == 0;
}
