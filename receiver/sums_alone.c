/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which layers have no second source in the store but their sums. */
#include "receiver/sums_fill.h"

bool sums_layer_is_alone(const struct manifest *manifest, const struct point_item *items,
			 const struct manifest_disk *disk, size_t index)
{
	for (size_t i = 0; i < manifest->point_count; i++) {
		if (manifest_point_depth(&manifest->points[i], disk) > index) {
			/* Logs lead to it from the one before, and wrote what lies between. */
			return i == 0 || items[i].verdict != POINT_OK;
		}
	}
	return manifest->point_count == 0;
}
