/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How much of the replica no kept log bears out: it has no second source in the store. A check that
 * said nothing of it would be taken for one that had looked. */
#include <inttypes.h>
#include <string.h>

#include "common/cleanup.h"
#include "receiver/check.h"
#include "receiver/check_image.h"

#define WINDOW_BYTES (1ull << 30) /* looked through for data at once */

/* The layer of disk that the point ends with, plus one; 0 when it is in another chain. */
static size_t point_end(const struct manifest_point *point, const struct manifest_disk *disk)
{
	for (size_t i = 0; i < point->disk_count; i++) {
		if (strcmp(point->disks[i].name, disk->name) != 0) {
			continue;
		}
		for (size_t k = 0; k < disk->layer_count; k++) {
			if (strcmp(disk->layers[k].file, point->disks[i].file) == 0) {
				return k + 1;
			}
		}
	}
	return 0;
}

bool check_layer_is_alone(const struct manifest *manifest, const struct point_item *items,
			  const struct manifest_disk *disk, size_t index)
{
	for (size_t i = 0; i < manifest->point_count; i++) {
		if (point_end(&manifest->points[i], disk) > index) {
			/* Logs lead to it from the one before, and wrote what lies between. */
			return i == 0 || items[i].verdict != POINT_OK;
		}
	}
	return manifest->point_count == 0;
}

static int extent_count_cb(void *arg, const struct nbd_extent *extent)
{
	uint64_t *bytes = arg;

	*bytes += extent->dirty && !extent->zero ? extent->length : 0;
	return 0;
}

/* What the layer has of its own. One that cannot be opened has been told of, or is changed by a
 * receiver at this moment: then it is counted as left out. */
static void layer_count(struct check *check, const struct manifest_disk *disk, size_t index)
{
	char error[NBD_ERROR_LEN] = "";
	struct check_image image;
	uint64_t bytes = 0, size = 0;
	int rc = check_image_open(&image, disk, index, error);

	if (rc == 0) {
		size = nbd_disk_size(image.nbd);
	}
	for (uint64_t at = 0; rc == 0 && at < size; at += WINDOW_BYTES) {
		rc = nbd_disk_extents(image.nbd, at,
				      size - at < WINDOW_BYTES ? size - at : WINDOW_BYTES,
				      extent_count_cb, &bytes);
	}
	check_image_close(&image);
	check->alone_layers++;
	check->alone_bytes += bytes;
	check->alone_unread += rc < 0;
}

static bool any_file(void *arg, const struct history_entry *log)
{
	(void)arg;
	(void)log;
	return true;
}

void check_alone(struct check *check)
{
	const struct manifest_image *current = &check->manifest.current;
	cleanup_free struct point_item *items = NULL;
	size_t count = 0;

	if (point_list_make(&check->manifest, &check->history, &POINT_RANGE_ALL, false, any_file,
			    NULL, &items, &count) < 0) {
		check->out_of_memory = true;
		return;
	}
	for (size_t i = 0; i < current->disk_count; i++) {
		const struct manifest_disk *disk = &current->disks[i];

		for (size_t k = 0; k < disk->layer_count; k++) {
			/* What is being written is left out as everywhere. */
			if ((disk->layers[k].frozen || !check->in_use) &&
			    check_layer_is_alone(&check->manifest, items, disk, k)) {
				layer_count(check, disk, k);
			}
		}
	}
}
