/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <string.h>

#include "receiver/check.h"

/* The chain in image that holds file as its index-th layer, or NULL. */
static const struct manifest_disk *chain_find(const struct manifest_image *image, const char *name,
					      const char *file, size_t *ret_index)
{
	for (size_t i = 0; i < image->disk_count; i++) {
		const struct manifest_disk *disk = &image->disks[i];

		for (size_t k = 0; k < disk->layer_count; k++) {
			if (strcmp(disk->layers[k].file, file) == 0 &&
			    (name == NULL || strcmp(disk->name, name) == 0)) {
				*ret_index = k;
				return disk;
			}
		}
	}
	return NULL;
}

const struct manifest_disk *check_chain_find(const struct check *check, const char *name,
					     const char *file, size_t *ret_index)
{
	const struct manifest *m = &check->manifest;
	const struct manifest_disk *disk = chain_find(&m->current, name, file, ret_index);

	return disk != NULL ? disk : chain_find(&m->retired, name, file, ret_index);
}

/* Somebody is just writing the layer, which changes nothing of what is read: a merge, or whoever
 * takes our bitmaps out of an adopted image. */
static bool is_written(const struct check *check, const struct manifest_layer *layer)
{
	return manifest_merge_touches(&check->manifest, layer->file) ||
	       (layer->adopted && check->manifest.adopted.bitmaps);
}

/* A point ends with closed layers of its own disk. */
static void point_check(struct check *check, const struct manifest_point *point)
{
	for (size_t i = 0; i < point->disk_count; i++) {
		const struct manifest_point_disk *at = &point->disks[i];
		const struct manifest_disk *disk;
		size_t index = 0;

		disk = check_chain_find(check, at->name, at->file, &index);
		if (disk == NULL) {
			check_find(check, CHECK_DAMAGE, MANIFEST_NAME, CHECK_NO_OFFSET,
				   "the recovery point of cycle %" PRIu64
				   " ends with %s, which is in no chain of disk %s",
				   point->cut.seq, at->file, at->name);
		} else if (!disk->layers[index].frozen &&
			   !is_written(check, &disk->layers[index])) {
			check_find(check, CHECK_DAMAGE, MANIFEST_NAME, CHECK_NO_OFFSET,
				   "the recovery point of cycle %" PRIu64
				   " ends with %s, which is not closed",
				   point->cut.seq, at->file);
		}
	}
}

static void pin_check(struct check *check, const struct manifest_pin *pin)
{
	const struct manifest_merge *merge = &check->manifest.merge;
	const struct manifest_disk *disk;
	size_t index = 0, into = 0;

	disk = check_chain_find(check, NULL, pin->file, &index);
	if (disk == NULL) {
		check_find(check, CHECK_DAMAGE, MANIFEST_NAME, CHECK_NO_OFFSET,
			   "%s is in use by %s, but is in no chain", pin->file, pin->holder);
		return;
	}
	if (merge->from[0] != '\0' &&
	    check_chain_find(check, disk->name, merge->into, &into) == disk && into <= index) {
		check_find(check, CHECK_NOTE, pin->file, CHECK_NO_OFFSET,
			   "in use by %s while a merge below it has begun", pin->holder);
	}
}

void check_points(struct check *check)
{
	const struct manifest *m = &check->manifest;

	for (size_t i = 0; i < m->point_count; i++) {
		point_check(check, &m->points[i]);
	}
	for (size_t i = 0; i < m->pin_count; i++) {
		pin_check(check, &m->pins[i]);
	}
	if (m->resync_needed) {
		check_find(check, CHECK_NOTE, MANIFEST_NAME, CHECK_NO_OFFSET,
			   "the replica waits for a resynchronization: %.300s", m->resync_reason);
	}
	if (m->batch_seq != 0) {
		check_find(check, CHECK_NOTE, MANIFEST_NAME, CHECK_NO_OFFSET,
			   "logs up to cycle %" PRIu64
			   " are being applied: the newest image is no point in time just now",
			   m->batch_seq);
	}
}
