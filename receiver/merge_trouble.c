/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "receiver/merge_trouble.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/log.h"
#include "receiver/image.h"
#include "receiver/lend.h"
#include "receiver/merge_room.h"
#include "receiver/merge_turn.h"
#include "receiver/stores.h"

#define UNFIT_RETRY_MS (10 * 60 * 1000)
#define UNFIT_CODE     "merge-cannot-resize"
#define FAILS_CODE     "merge-fails"
#define FAILURES_SHOWN 2u /* a daemon that has died once is nobody's worry */

static void show(struct store *store, const char *code, const char *reason)
{
	bool fresh = view_set_merge(&store->view, code, reason);

	if (fresh && code[0] != '\0') {
		receiver_event(store->receiver, "warning", store->vm, "%s", reason);
	} else if (fresh) {
		receiver_event(store->receiver, "notice", store->vm, "layers are merged again");
	}
	stores_status_soon(store->receiver);
}

static bool any_unfit(const struct store *store)
{
	const struct manifest_image *image = &store->manifest.current;

	for (size_t i = 0; i < image->disk_count; i++) {
		for (size_t k = 0; k < image->disks[i].layer_count; k++) {
			if (image->disks[i].layers[k].unfit) {
				return true;
			}
		}
	}
	return false;
}

/* ---- what cannot be written ---- */

int merge_trouble_distrust(struct store *store, const char *why, struct answer *answer)
{
	struct manifest *manifest = &store->manifest;
	size_t dropped = manifest_point_drop_over(manifest, manifest->merge.into);

	image_stop(store);
	image_drop_caches(store, &manifest->current);
	for (size_t i = 0; i < manifest->current.disk_count; i++) {
		struct manifest_disk *disk = &manifest->current.disks[i];

		for (size_t k = 0; k < disk->layer_count; k++) {
			disk->layers[k].sealed |=
				strcmp(disk->layers[k].file, manifest->merge.into) == 0;
		}
	}
	memset(&manifest->merge, 0, sizeof(manifest->merge));
	image_freeze(store, manifest, &manifest->current, false);
	receiver_event(store->receiver, "error", store->vm,
		       "%zu recovery points are dropped, %zu stay: the replica's storage failed to "
		       "make a merge into the layer below them durable: %.200s",
		       dropped, manifest->point_count, why);
	return store_distrust(store, answer,
			      "the replica's storage failed to make data durable: %.200s", why);
}

void merge_trouble_pinned(struct store *store, const struct merge_plan *plan)
{
	bool briefly =
		plan->choice == MERGE_PINNED &&
		strncmp(plan->pin->holder, LEND_HOLDER_PREFIX, strlen(LEND_HOLDER_PREFIX)) == 0;

	if (plan->choice == MERGE_PINNED && !briefly && !store->merge_pinned) {
		receiver_event(store->receiver, "notice", store->vm,
			       "merging layers waits: %s is in use by %s", plan->pin->file,
			       plan->pin->holder);
	}
	store->merge_pinned = plan->choice == MERGE_PINNED;
}

/* ---- what cannot be resized ---- */

bool merge_trouble_unfit(struct store *store, uint64_t size, const char *error)
{
	const struct manifest_merge *merge = &store->manifest.merge;
	struct manifest_layer *into =
		manifest_layer_find(&store->manifest.current, merge->disk, merge->into);
	char path[IMAGE_PATH_LEN];
	cleanup_free char *real = realpath(image_path(store, merge->into, path), NULL);

	if (into == NULL || !into->adopted) {
		return false;
	}
	into->unfit = true;
	atomic_store(&store->merge_again_ms, clock_monotonic_ms() + UNFIT_RETRY_MS);
	snprintf(
		store->merge_unfit, sizeof(store->merge_unfit),
		"disk %.40s has %" PRIu64 " bytes now, and the old one below its layers, "
		"%.180s, cannot be made as large: %.100s: give that size to what it lies on, it is "
		"tried again by itself; until then newer data stays in the store",
		merge->disk, size, real == NULL ? merge->into : real, error);
	show(store, UNFIT_CODE, store->merge_unfit);
	return true;
}

void merge_trouble_retry(struct store *store)
{
	struct manifest_image *image = &store->manifest.current;
	int64_t again_ms = atomic_load(&store->merge_again_ms);

	if (again_ms == 0 || clock_monotonic_ms() < again_ms) {
		return;
	}
	if (merge_is_blocked(store)) {
		atomic_store(&store->merge_again_ms, clock_monotonic_ms() + UNFIT_RETRY_MS);
		return;
	}
	atomic_store(&store->merge_again_ms, 0);
	for (size_t i = 0; i < image->disk_count; i++) {
		for (size_t k = 0; k < image->disks[i].layer_count; k++) {
			image->disks[i].layers[k].unfit = false;
		}
	}
}

/* ---- the rest ---- */

int merge_trouble_wait(struct store *store, const struct answer *answer)
{
	char reason[REASON_MAX + 1];

	if (strcmp(answer->code, MERGE_ROOM_CODE) == 0) {
		store->merge_failures = 0;
		show(store, answer->code, answer->reason);
		return -ENOSPC;
	}
	log_warning("%s: merging layers waits: %s", store->vm, answer->reason);
	if (++store->merge_failures >= FAILURES_SHOWN) {
		snprintf(reason, sizeof(reason),
			 "layers are not merged (tried again by itself): %.300s", answer->reason);
		show(store, FAILS_CODE, reason);
	}
	return -EBUSY;
}

void merge_trouble_progress(struct store *store)
{
	store->merge_failures = 0;
	store->merge_lack.path[0] = '\0';
	if (any_unfit(store)) {
		show(store, UNFIT_CODE, store->merge_unfit);
	} else {
		show(store, "", "");
	}
}
