/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which layers have no second source in the store but their sums. */
#include <string.h>

#include "receiver/sums_fill.h"

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

bool sums_layer_is_alone(const struct manifest *manifest, const struct point_item *items,
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
