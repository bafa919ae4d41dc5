/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "receiver/follow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "receiver/image.h"
#include "receiver/merge.h"
#include "receiver/pending.h"
#include "receiver/points.h"

#define MERGE_WAIT_MS  20000
#define RETRY_APPLY_MS 5000

static bool cycle_has_disk(const struct cycle *cycle, const char *name)
{
	for (size_t i = 0; i < cycle->disk_count; i++) {
		if (strcmp(cycle->disks[i].name, name) == 0) {
			return true;
		}
	}
	return false;
}

void follow_record(const struct cycle *cycle, struct manifest *next)
{
	for (size_t i = 0; i < next->current.disk_count; i++) {
		struct manifest_disk *disk = &next->current.disks[i];

		disk->leaving = !cycle_has_disk(cycle, disk->name);
	}
}

/* Disks that the committed cut did not have, and this one has not either. */
static bool has_left(const struct cycle *cycle, const struct manifest_disk *disk)
{
	return disk->leaving && !cycle_has_disk(cycle, disk->name);
}

bool follow_is_due(const struct cycle *cycle)
{
	const struct manifest_image *current = &cycle->store->manifest.current;

	for (size_t i = 0; i < current->disk_count; i++) {
		if (has_left(cycle, &current->disks[i])) {
			return true;
		}
	}
	return !plan_disks_match(current, cycle->disks, cycle->disk_count);
}

/* In next: a layer of the new size over the disk's top, or the base of a disk that is new. */
static int disk_follow(struct store *store, struct manifest *next, const struct plan_disk *plan,
		       struct answer *answer)
{
	struct manifest_disk *disk = manifest_image_find(&next->current, plan->name);
	struct manifest_layer layer;
	int rc;

	if (disk != NULL && disk->size_bytes == plan->size_bytes) {
		return 0;
	}
	if (disk == NULL) {
		struct manifest_disk *grown = reallocarray(
			next->current.disks, next->current.disk_count + 1, sizeof(*grown));

		if (grown == NULL) {
			return answer_storage(answer, -ENOMEM, "planning layers");
		}
		next->current.disks = grown;
		disk = &grown[next->current.disk_count];
		*disk = (struct manifest_disk){0};
		memcpy(disk->name, plan->name, sizeof(disk->name));
	}
	rc = image_layer_make(store, next, plan->name, plan->size_bytes,
			      disk->layer_count == 0 ? NULL : manifest_disk_top(disk), &layer,
			      answer);
	if (rc < 0) {
		return rc;
	}
	log_notice("%s: disk %s %s", store->vm, plan->name,
		   disk->layer_count == 0 ? "is new" : "has grown");
	next->current.disk_count += disk->layer_count == 0;
	disk->size_bytes = plan->size_bytes;
	rc = manifest_disk_push(disk, &layer);
	return rc < 0 ? answer_storage(answer, rc, "planning layers") : 0;
}

/* In next: without those that have left; what points need of them is kept. */
static int disks_leave(const struct cycle *cycle, struct manifest *next, struct answer *answer)
{
	struct manifest_image stay = {0};
	size_t count = 0;

	if (manifest_image_copy(&next->current, &stay) < 0) {
		return answer_storage(answer, -ENOMEM, "planning layers");
	}
	for (size_t i = 0; i < stay.disk_count; i++) {
		if (has_left(cycle, &stay.disks[i])) {
			log_notice("%s: disk %s is gone", cycle->store->vm, stay.disks[i].name);
			free(stay.disks[i].layers);
		} else {
			stay.disks[count++] = stay.disks[i];
		}
	}
	stay.disk_count = count;
	if (points_retire(cycle->store, next, &stay) < 0) {
		manifest_image_destroy(&stay);
		return answer_storage(answer, -ENOMEM, "planning layers");
	}
	manifest_image_destroy(&next->current);
	next->current = stay;
	return 0;
}

static int follow_save(struct cycle *cycle, struct answer *answer)
{
	struct store *store = cycle->store;
	struct manifest next = {0};
	int rc = 0;

	if (manifest_copy(&store->manifest, &next) < 0) {
		return answer_storage(answer, -ENOMEM, "planning layers");
	}
	for (size_t i = 0; i < cycle->disk_count && rc == 0; i++) {
		rc = disk_follow(store, &next, &cycle->disks[i], answer);
	}
	rc = rc < 0 ? rc : disks_leave(cycle, &next, answer);
	if (rc == 0) {
		image_detach(store); /* the layers below are closed for good */
		image_freeze(store, &next, &next.current, false);
		rc = store_save(store, &next, answer);
	}
	manifest_destroy(&next);
	store_sweep(store);
	return rc;
}

int follow_disks(struct cycle *cycle, struct answer *answer)
{
	struct store *store = cycle->store;
	int rc = pending_wait_applied(cycle, answer);

	if (rc < 0) {
		return rc;
	}
	if (merge_hold(store, MERGE_WAIT_MS) < 0) {
		return answer_busy(answer, "applying", RETRY_APPLY_MS,
				   "layers of %s are still being merged", store->vm);
	}
	rc = follow_save(cycle, answer);
	merge_release(store);
	apply_kick(store);
	return rc;
}
