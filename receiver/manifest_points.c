/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The manifest's recovery points, and what they need to stay valid: retired chains, merges, pins.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "receiver/manifest.h"

/* Index of the layer called file, or SIZE_MAX. */
static size_t disk_layer_find(const struct manifest_disk *disk, const char *file)
{
	for (size_t i = 0; i < disk->layer_count; i++) {
		if (strcmp(disk->layers[i].file, file) == 0) {
			return i;
		}
	}
	return SIZE_MAX;
}

bool manifest_image_holds(const struct manifest_image *image, const char *file)
{
	for (size_t i = 0; i < image->disk_count; i++) {
		if (disk_layer_find(&image->disks[i], file) != SIZE_MAX) {
			return true;
		}
	}
	return false;
}

struct manifest_layer *manifest_layer_find(const struct manifest_image *image, const char *name,
					   const char *file)
{
	const struct manifest_disk *disk = manifest_image_find(image, name);
	size_t at = disk != NULL ? disk_layer_find(disk, file) : SIZE_MAX;

	return at != SIZE_MAX ? &disk->layers[at] : NULL;
}

/* ---- points ---- */

size_t manifest_point_depth(const struct manifest_point *point, const struct manifest_disk *disk)
{
	for (size_t i = 0; i < point->disk_count; i++) {
		size_t at = strcmp(point->disks[i].name, disk->name) == 0
				    ? disk_layer_find(disk, point->disks[i].file)
				    : SIZE_MAX;

		if (at != SIZE_MAX) {
			return at + 1;
		}
	}
	return 0;
}

int manifest_point_push(struct manifest *manifest, const struct manifest_cut *cut, bool application)
{
	const struct manifest_image *image = &manifest->current;
	struct manifest_point point = {.cut = *cut, .application = application};
	struct manifest_point *points;

	if (manifest->point_count >= MANIFEST_POINTS_MAX) {
		return -E2BIG;
	}
	points = reallocarray(manifest->points, manifest->point_count + 1, sizeof(*points));
	if (points == NULL) {
		return -ENOMEM;
	}
	manifest->points = points;
	point.disks = calloc(image->disk_count + 1, sizeof(*point.disks));
	if (point.disks == NULL) {
		return -ENOMEM;
	}
	for (size_t i = 0; i < image->disk_count; i++) {
		const struct manifest_disk *disk = &image->disks[i];
		struct manifest_point_disk *to = &point.disks[point.disk_count];

		if (disk->leaving) {
			continue;
		}
		memcpy(to->name, disk->name, sizeof(to->name));
		memcpy(to->file, manifest_disk_top(disk)->file, sizeof(to->file));
		to->size_bytes = disk->size_bytes;
		point.disk_count++;
	}
	points[manifest->point_count++] = point;
	return 0;
}

bool manifest_adopted_is_point(const struct manifest *manifest)
{
	size_t count = manifest->point_count;

	return manifest->adopted.pending && count > 0 &&
	       manifest->points[count - 1].cut.seq == manifest->adopted.seq;
}

bool manifest_point_uses(const struct manifest *manifest, const char *file)
{
	for (size_t i = 0; i < manifest->point_count; i++) {
		for (size_t k = 0; k < manifest->points[i].disk_count; k++) {
			if (strcmp(manifest->points[i].disks[k].file, file) == 0) {
				return true;
			}
		}
	}
	return false;
}

/* Cut retired chains back to what points use of them. */
static void retired_trim(struct manifest *manifest)
{
	struct manifest_image *retired = &manifest->retired;
	size_t kept = 0;

	for (size_t i = 0; i < retired->disk_count; i++) {
		struct manifest_disk *disk = &retired->disks[i];

		while (disk->layer_count > 0 &&
		       !manifest_point_uses(manifest, manifest_disk_top(disk)->file) &&
		       manifest_pin_find(manifest, disk, disk->layer_count - 1) == NULL) {
			disk->layer_count--;
		}
		if (disk->layer_count == 0) {
			free(disk->layers);
		} else {
			retired->disks[kept++] = *disk;
		}
	}
	retired->disk_count = kept;
	if (kept == 0) {
		free(retired->disks);
		retired->disks = NULL;
	}
}

void manifest_point_drop(struct manifest *manifest, size_t count)
{
	if (count > manifest->point_count) {
		count = manifest->point_count;
	}
	for (size_t i = 0; i < count; i++) {
		free(manifest->points[i].disks);
	}
	manifest->point_count -= count;
	if (count > 0 && manifest->point_count > 0) {
		memmove(manifest->points, manifest->points + count,
			manifest->point_count * sizeof(*manifest->points));
	}
	retired_trim(manifest);
}

/* Does the layer top stand on the layer file, or is it that one? */
static bool image_stands_on(const struct manifest_image *image, const char *top, const char *file)
{
	for (size_t i = 0; i < image->disk_count; i++) {
		size_t at = disk_layer_find(&image->disks[i], top);

		if (at != SIZE_MAX && disk_layer_find(&image->disks[i], file) <= at) {
			return true;
		}
	}
	return false;
}

static bool point_stands_on(const struct manifest *manifest, const struct manifest_point *point,
			    const char *file)
{
	for (size_t i = 0; i < point->disk_count; i++) {
		if (image_stands_on(&manifest->current, point->disks[i].file, file) ||
		    image_stands_on(&manifest->retired, point->disks[i].file, file)) {
			return true;
		}
	}
	return false;
}

size_t manifest_point_drop_over(struct manifest *manifest, const char *file)
{
	size_t kept = 0, before = manifest->point_count;

	for (size_t i = 0; i < before; i++) {
		if (point_stands_on(manifest, &manifest->points[i], file)) {
			free(manifest->points[i].disks);
		} else {
			manifest->points[kept++] = manifest->points[i];
		}
	}
	manifest->point_count = kept;
	retired_trim(manifest);
	return before - kept;
}

/* ---- retired chains ---- */

static bool layer_is_pinned(const struct manifest *manifest, const char *file)
{
	for (size_t i = 0; i < manifest->pin_count; i++) {
		if (strcmp(manifest->pins[i].file, file) == 0) {
			return true;
		}
	}
	return false;
}

/* Does a point, or somebody who reads it, need a layer of disk which next has not? */
static bool disk_is_needed(const struct manifest *manifest, const struct manifest_disk *disk,
			   const struct manifest_image *next)
{
	for (size_t i = 0; i < disk->layer_count; i++) {
		const char *file = disk->layers[i].file;

		if (!manifest_image_holds(next, file) &&
		    (manifest_point_uses(manifest, file) || layer_is_pinned(manifest, file))) {
			return true;
		}
	}
	return false;
}

int manifest_retire(struct manifest *manifest, const struct manifest_image *next)
{
	size_t before = manifest->point_count;
	struct manifest_image old = {NULL, 0};
	struct manifest_image *retired = &manifest->retired;
	struct manifest_disk *disks;

	if (manifest_image_copy(&manifest->current, &old) < 0) {
		return -ENOMEM;
	}
	disks = reallocarray(retired->disks, retired->disk_count + old.disk_count + 1,
			     sizeof(*disks));
	if (disks == NULL) {
		manifest_image_destroy(&old);
		return -ENOMEM;
	}
	retired->disks = disks;
	for (size_t i = 0; i < old.disk_count; i++) {
		if (disk_is_needed(manifest, &old.disks[i], next)) {
			disks[retired->disk_count++] = old.disks[i];
			old.disks[i].layers = NULL; /* moved */
		}
	}
	manifest_image_destroy(&old);
	/* Only so many chains are kept: the oldest points go with theirs. */
	while (retired->disk_count > DISKS_MAX && manifest->point_count > 0) {
		manifest_point_drop(manifest, 1);
	}
	retired_trim(manifest);
	return (int)(before - manifest->point_count);
}

/* ---- merges ---- */

static void image_merge_finish(struct manifest_image *image, const struct manifest_merge *merge)
{
	for (size_t i = 0; i < image->disk_count; i++) {
		struct manifest_disk *disk = &image->disks[i];
		size_t from = disk_layer_find(disk, merge->from);

		if (from != SIZE_MAX) {
			disk->layer_count--;
			memmove(&disk->layers[from], &disk->layers[from + 1],
				(disk->layer_count - from) * sizeof(disk->layers[0]));
		}
	}
}

void manifest_merge_finish(struct manifest *manifest)
{
	const struct manifest_merge *merge = &manifest->merge;

	for (size_t i = 0; i < manifest->point_count; i++) {
		for (size_t k = 0; k < manifest->points[i].disk_count; k++) {
			struct manifest_point_disk *disk = &manifest->points[i].disks[k];

			if (strcmp(disk->file, merge->from) == 0) {
				memcpy(disk->file, merge->into, sizeof(disk->file));
			}
		}
	}
	image_merge_finish(&manifest->current, merge);
	image_merge_finish(&manifest->pending, merge);
	memset(&manifest->merge, 0, sizeof(manifest->merge));
}

/* The layer right above the merged one gets a new line in its header once all is copied. */
static bool merge_is_below(const struct manifest_image *image, const struct manifest_merge *merge,
			   const char *file)
{
	for (size_t i = 0; i < image->disk_count; i++) {
		size_t at = disk_layer_find(&image->disks[i], file);

		if (at != SIZE_MAX && at > 0 &&
		    strcmp(image->disks[i].layers[at - 1].file, merge->from) == 0) {
			return true;
		}
	}
	return false;
}

bool manifest_merge_touches(const struct manifest *manifest, const char *file)
{
	const struct manifest_merge *merge = &manifest->merge;

	if (merge->from[0] == '\0') {
		return false;
	}
	return strcmp(merge->into, file) == 0 ||
	       (merge->copied && (merge_is_below(&manifest->current, merge, file) ||
				  merge_is_below(&manifest->pending, merge, file)));
}

/* ---- pins ---- */

int manifest_pin_add(struct manifest *manifest, const char *file, const char *holder)
{
	struct manifest_pin pin = {{0}, {0}};
	struct manifest_pin *pins;

	for (size_t i = 0; i < manifest->pin_count; i++) {
		if (strcmp(manifest->pins[i].file, file) == 0 &&
		    strcmp(manifest->pins[i].holder, holder) == 0) {
			return 0;
		}
	}
	if (manifest->pin_count >= MANIFEST_PINS_MAX) {
		return -E2BIG;
	}
	pins = reallocarray(manifest->pins, manifest->pin_count + 1, sizeof(*pins));
	if (pins == NULL) {
		return -ENOMEM;
	}
	snprintf(pin.file, sizeof(pin.file), "%s", file);
	snprintf(pin.holder, sizeof(pin.holder), "%s", holder);
	pins[manifest->pin_count++] = pin;
	manifest->pins = pins;
	return 0;
}

size_t manifest_pin_drop(struct manifest *manifest, const char *holder)
{
	size_t kept = 0, before = manifest->pin_count;

	for (size_t i = 0; i < before; i++) {
		if (strcmp(manifest->pins[i].holder, holder) != 0) {
			manifest->pins[kept++] = manifest->pins[i];
		}
	}
	manifest->pin_count = kept;
	retired_trim(manifest);
	return before - kept;
}

const struct manifest_pin *manifest_pin_find(const struct manifest *manifest,
					     const struct manifest_disk *disk, size_t index)
{
	for (size_t i = 0; i < manifest->pin_count; i++) {
		size_t at = disk_layer_find(disk, manifest->pins[i].file);

		if (at != SIZE_MAX && at >= index) {
			return &manifest->pins[i];
		}
	}
	return NULL;
}
