/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "receiver/merge.h"

static bool is_retired(const struct manifest *manifest, const char *file)
{
	for (size_t i = 0; i < manifest->retired.disk_count; i++) {
		const struct manifest_disk *disk = &manifest->retired.disks[i];

		for (size_t k = 0; k < disk->layer_count; k++) {
			if (strcmp(disk->layers[k].file, file) == 0) {
				return true;
			}
		}
	}
	return false;
}

/* A disk of the VM goes into the layer below as any other layer, but for a file outside of the
 * store, and for the one that its definition names: the uppermost that was adopted. */
static bool layer_is_the_stores(const struct manifest_disk *disk, size_t index)
{
	const struct manifest_layer *layer = &disk->layers[index];
	bool named = true;

	for (size_t i = index + 1; i < disk->layer_count; i++) {
		named &= !disk->layers[i].adopted;
	}
	return !layer->adopted || (!layer->linked && !named);
}

/* Can layer index of disk go into the one below it? */
static bool layer_is_mergeable(const struct manifest *manifest, const struct manifest_disk *disk,
			       size_t index)
{
	const struct manifest_layer *into = &disk->layers[index - 1];

	return !into->sealed && !into->unfit && layer_is_the_stores(disk, index) &&
	       !manifest_point_uses(manifest, into->file) && !is_retired(manifest, into->file) &&
	       !is_retired(manifest, disk->layers[index].file);
}

static void candidate_judge(const struct manifest *manifest, size_t disk, size_t layer,
			    struct merge_plan *plan)
{
	const struct manifest_pin *pin =
		manifest_pin_find(manifest, &manifest->current.disks[disk], layer - 1);

	if (pin == NULL || plan->choice == MERGE_NONE) {
		*plan = (struct merge_plan){.choice = pin == NULL ? MERGE_READY : MERGE_PINNED,
					    .disk = disk,
					    .layer = layer,
					    .pin = pin};
	}
}

void merge_plan(const struct manifest *manifest, struct merge_plan *ret_plan)
{
	const struct manifest_image *current = &manifest->current;
	const struct manifest_merge *begun = &manifest->merge;
	struct merge_plan plan = {.choice = MERGE_NONE};

	for (size_t i = 0; i < current->disk_count && plan.choice != MERGE_READY; i++) {
		const struct manifest_disk *disk = &current->disks[i];

		if (begun->from[0] == '\0' && manifest->point_count == 0 &&
		    disk->layer_count <= MERGE_PLAIN_LAYERS) {
			continue;
		}
		/* The top is being written. */
		for (size_t k = 1; k + 1 < disk->layer_count && plan.choice != MERGE_READY; k++) {
			bool is_begun = strcmp(begun->from, disk->layers[k].file) == 0;

			if (begun->from[0] != '\0' ? is_begun
						   : layer_is_mergeable(manifest, disk, k)) {
				candidate_judge(manifest, i, k, &plan);
			}
		}
	}
	*ret_plan = plan;
}
