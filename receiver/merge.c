/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "receiver/merge.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "receiver/adopt.h"
#include "receiver/durable.h"
#include "receiver/image.h"
#include "receiver/merge_copy.h"
#include "receiver/merge_sums.h"
#include "receiver/merge_trouble.h"
#include "receiver/merge_room.h"
#include "receiver/merge_turn.h"
#include "receiver/points.h"
#include "receiver/sums_fill.h"

#define FINISH_IDLE_MS 20000

static const struct manifest_layer *layer_above(const struct manifest *manifest)
{
	const struct manifest_disk *disk =
		manifest_image_find(&manifest->current, manifest->merge.disk);

	for (size_t i = 0; disk != NULL && i + 1 < disk->layer_count; i++) {
		if (strcmp(disk->layers[i].file, manifest->merge.from) == 0) {
			return &disk->layers[i + 1];
		}
	}
	return NULL;
}

/* ---- what the manifest says of it; the lock is held ---- */

/* Save next with fingerprints as its merge wants them. Takes next. sums: of a merge that is done
 * with that; NULL otherwise. */
static int merge_save(struct store *store, struct manifest *next, struct merge_sums *sums,
		      struct answer *answer)
{
	int rc;

	image_freeze(store, next, &next->current, false);
	merge_sums_finish(sums, &next->current);
	rc = store_save(store, next, answer);
	manifest_destroy(next);
	return rc;
}

static int next_make(struct store *store, struct manifest *next, struct answer *answer)
{
	return manifest_copy(&store->manifest, next) < 0
		       ? answer_storage(answer, -ENOMEM, "merging layers")
		       : 0;
}

static int begin_record(struct store *store, const struct merge_plan *plan, struct answer *answer)
{
	const struct manifest_disk *disk = &store->manifest.current.disks[plan->disk];
	struct manifest_merge merge = {{0}, {0}, {0}, 0, false};
	struct manifest next = {0};
	int rc = next_make(store, &next, answer);

	if (rc < 0 || store->manifest.merge.from[0] != '\0') {
		manifest_destroy(&next);
		return rc; /* it goes on */
	}
	memcpy(merge.disk, disk->name, sizeof(merge.disk));
	memcpy(merge.from, disk->layers[plan->layer].file, sizeof(merge.from));
	memcpy(merge.into, disk->layers[plan->layer - 1].file, sizeof(merge.into));
	next.merge = merge;
	return merge_save(store, &next, NULL, answer);
}

static int progress_record(struct store *store, uint64_t offset, bool copied, struct answer *answer)
{
	struct manifest next = {0};
	int rc = next_make(store, &next, answer);

	if (rc < 0) {
		return rc;
	}
	next.merge.offset = offset;
	next.merge.copied = copied;
	return merge_save(store, &next, NULL, answer);
}

/* As it was before begin_record: nothing was copied. */
static int begin_take_back(struct store *store, struct answer *answer)
{
	struct manifest next = {0};
	int rc = next_make(store, &next, answer);

	if (rc < 0) {
		return rc;
	}
	memset(&next.merge, 0, sizeof(next.merge));
	return merge_save(store, &next, NULL, answer);
}

/* A merge whose layer is in no chain any more (the replica got a new base) is forgotten. */
static int orphan_drop(struct store *store, struct answer *answer)
{
	struct manifest next = {0};
	int rc;

	if (store->manifest.merge.from[0] == '\0' || layer_above(&store->manifest) != NULL) {
		return 0;
	}
	rc = next_make(store, &next, answer);
	if (rc < 0) {
		return rc;
	}
	memset(&next.merge, 0, sizeof(next.merge));
	return merge_save(store, &next, NULL, answer);
}

/* ---- the layers' files; the lock is held, nobody writes ---- */

/* A disk of the VM may be of a size that only its admin can change. Nothing is merged into it then,
 * but into the layers over it. */
static int resize_failed(struct store *store, uint64_t size, const char *error,
			 struct answer *answer)
{
	struct manifest_merge merge = store->manifest.merge;
	struct answer ignored;

	if (merge.offset == 0 && merge_trouble_unfit(store, size, error) &&
	    begin_take_back(store, answer) == 0) {
		image_attach(store, STORE_CURRENT, true, &ignored, NULL); /* holds its locks */
		return answer_moved(answer, 0, "it goes on with other layers");
	}
	return answer_busy(answer, "storage-error", 0, "cannot resize the layer %s: %.300s",
			   merge.into, error);
}

/* The lower layer gets the size of the upper one: beyond it, nothing is read through it any more.
 */
static int sizes_match(struct store *store, uint64_t *ret_size, struct answer *answer)
{
	const struct manifest_merge *merge = &store->manifest.merge;
	char path[IMAGE_PATH_LEN], error[QSD_ERROR_LEN];
	const struct cell cell = store_cell(store);
	uint64_t from = 0, into = 0;
	int rc = image_layer_size(store, merge->from, &from);

	rc = rc < 0 ? rc : image_layer_size(store, merge->into, &into);
	if (rc < 0) {
		return answer_storage(answer, rc, "reading a layer's header");
	}
	*ret_size = from;
	if (from == into) {
		return 0;
	}
	image_detach(store);
	rc = qsd_image_resize(&cell, image_path(store, merge->into, path), from, error);
	return rc < 0 ? resize_failed(store, from, error, answer) : 0;
}

/* Point the layer above to the lower one, and take the merged one out. */
static int merge_finish(struct store *store, struct merge_sums *sums, struct answer *answer)
{
	const struct manifest_layer *above = layer_above(&store->manifest);
	char path[IMAGE_PATH_LEN], below[MANIFEST_FILE_MAX + 4], error[QSD_ERROR_LEN];
	char from[MANIFEST_FILE_MAX + 1];
	const struct cell cell = store_cell(store);
	struct manifest next = {0};
	int rc;

	rc = store_check_generation(store, answer);
	if (rc < 0) {
		return rc;
	}
	if (image_detach(store) < 0) {
		return answer_busy(answer, "storage-error", 0,
				   "qemu-storage-daemon did not end well");
	}
	memcpy(from, store->manifest.merge.from, sizeof(from));
	snprintf(below, sizeof(below), "../%s", store->manifest.merge.into);
	rc = qsd_image_rebase(&cell, image_path(store, above->file, path), below, error);
	if (rc < 0) {
		return answer_busy(answer, "storage-error", 0, "cannot point %s to %s: %.300s",
				   above->file, store->manifest.merge.into, error);
	}
	rc = durable_file_sync(store->dir_fd, above->file);
	if (rc < 0) {
		return answer_storage(answer, rc, "pointing a layer to another");
	}
	rc = next_make(store, &next, answer);
	if (rc < 0) {
		return rc;
	}
	manifest_merge_finish(&next);
	rc = merge_save(store, &next, sums, answer);
	if (rc == 0) {
		unlinkat(store->dir_fd, from, 0);
		sums_remove(store->dir_fd, from);
		image_attach(store, STORE_CURRENT, true, answer, NULL); /* holds its locks */
	}
	return rc;
}

/* ---- one merge ---- */

/* Flush, then record that all before the offset is in the lower layer. */
static int mark(struct store *store, struct merge_copy *copy, bool copied, struct answer *answer)
{
	int rc = merge_copy_flush(copy);

	if (rc == 0) {
		merge_sums_mark(copy->sums, copy->offset);
	}
	pthread_mutex_lock(&store->lock);
	if (rc < 0 && !target_error_is_lost(rc)) {
		merge_trouble_distrust(store, copy->error, answer);
		rc = answer_storage(answer, rc, "merging layers");
	} else if (rc < 0) {
		rc = answer_busy(answer, "storage-error", 0, "qemu-storage-daemon has died");
	} else {
		rc = progress_record(store, copy->offset, copied, answer);
	}
	pthread_mutex_unlock(&store->lock);
	return rc;
}

static int copy_failed(struct store *store, struct merge_copy *copy, int rc, struct answer *answer)
{
	int flush_rc = image_flush_may_tell(store, rc) ? merge_copy_flush(copy) : 0;

	if (flush_rc < 0 && !target_error_is_lost(flush_rc)) {
		pthread_mutex_lock(&store->lock);
		merge_trouble_distrust(store, copy->error, answer);
		pthread_mutex_unlock(&store->lock);
	}
	return answer_storage(answer, target_error_is_lost(rc) ? -EIO : rc, "merging layers");
}

/* Somebody else's turn, or no room: what is copied stays copied. */
static int give_way(struct store *store, struct merge_copy *copy, struct answer *answer)
{
	struct answer failed;
	int rc = mark(store, copy, false, &failed);

	if (rc < 0) {
		*answer = failed;
	}
	return rc < 0 ? rc : -EBUSY;
}

static int copy_all(struct store *store, struct merge_copy *copy, struct merge_room *room,
		    struct answer *answer)
{
	int64_t begin_ms = clock_monotonic_ms(), turn_ms;
	int64_t mark_ms = clock_monotonic_ms() + MERGE_MARK_MS;
	struct merge_pace pace;
	int rc = merge_room_find(room, store, copy, answer);

	if (rc < 0) {
		return rc;
	}
	/* to look for room takes no more than half of the time */
	turn_ms = begin_ms + MERGE_TURN_MS + 2 * room->walk_ms;
	merge_pace_init(&pace);
	rc = 1;
	while (rc > 0) {
		rc = merge_pace(store, &pace, copy->read_bytes + copy->written_bytes);
		if (rc < 0) {
			return answer_moved(answer, 0, "something else comes first");
		}
		if (merge_room_look(room, copy, answer) < 0) {
			return give_way(store, copy, answer);
		}
		if (clock_monotonic_ms() > turn_ms && merge_others_wait(store)) {
			answer_moved(answer, 0, "another store has its turn");
			return give_way(store, copy, answer);
		}
		rc = merge_copy_step(copy);
		if (rc < 0) {
			return copy_failed(store, copy, rc, answer);
		}
		if (rc > 0 && clock_monotonic_ms() > mark_ms) {
			mark_ms = clock_monotonic_ms() + MERGE_MARK_MS;
			rc = mark(store, copy, false, answer);
			rc = rc < 0 ? rc : 1;
		}
	}
	return rc < 0 ? rc : mark(store, copy, true, answer);
}

/* Record it and open what it needs. The lock is held. */
static int merge_begin(struct store *store, const struct merge_plan *plan, struct merge_copy *copy,
		       struct merge_sums *sums, struct answer *answer)
{
	uint64_t size = 0;
	int rc;

	/* Void before the first record of a merge that may write what they are of. */
	merge_sums_begin(sums, store, plan);
	rc = begin_record(store, plan, answer);
	rc = rc < 0 || store->manifest.merge.copied ? rc : sizes_match(store, &size, answer);
	if (rc < 0 || store->manifest.merge.copied) {
		return rc;
	}
	store->attachment_merging = false; /* perhaps of another merge */
	rc = image_attach_merge(store, answer);
	if (rc == 0) {
		rc = merge_copy_open(copy, qsd_socket(store->qsd), size,
				     store->manifest.merge.offset);
		copy->sums = sums;
		rc = rc < 0 ? answer_busy(answer, "storage-error", 0, "%.300s", copy->error) : 0;
	}
	return rc;
}

/* Merge one layer. store->merging is set, the lock is held; it is let go while data is copied. */
static int merge_one(struct store *store, const struct merge_plan *plan, struct answer *answer)
{
	int64_t begin_ms = clock_monotonic_ms();
	struct merge_copy copy = {0};
	struct merge_sums sums = {0};
	struct merge_room room;
	uint64_t written;
	int rc;

	if (merge_turn_wait(store, FINISH_IDLE_MS) < 0) {
		return answer_moved(answer, 0, "something else comes first");
	}
	rc = merge_begin(store, plan, &copy, &sums, answer);
	if (rc == 0 && !store->manifest.merge.copied) {
		merge_room_init(&room, store);
		pthread_mutex_unlock(&store->lock);
		rc = copy_all(store, &copy, &room, answer);
		pthread_mutex_lock(&store->lock);
	}
	written = copy.written_bytes;
	merge_copy_close(&copy);
	/* of what is recorded as copied, nobody will look at the merged layer again */
	if (merge_sums_judge(&sums, answer) < 0) {
		rc = -EBUSY;
	}
	if (rc == 0 && merge_turn_wait(store, FINISH_IDLE_MS) < 0) {
		rc = answer_moved(answer, 0, "something else comes first");
	}
	rc = rc < 0 ? rc : merge_finish(store, &sums, answer);
	if (rc == 0) {
		log_debug("%s: a layer is merged: %" PRIu64 " KiB in %" PRId64 " ms", store->vm,
			  written >> 10, clock_monotonic_ms() - begin_ms);
	}
	merge_sums_end(&sums);
	return rc;
}

/* ---- the job ---- */

/* The lock is held. 1: one is merged, 0: nothing (now), negative: the answer. */
static int merge_next(struct store *store, struct answer *answer)
{
	struct merge_plan plan;
	int rc;

	if (merge_is_blocked(store)) {
		return 0;
	}
	rc = orphan_drop(store, answer);
	if (rc < 0) {
		return rc;
	}
	merge_plan(&store->manifest, &plan);
	merge_trouble_pinned(store, &plan);
	if (plan.choice != MERGE_READY) {
		return 0;
	}
	rc = merge_room_known(store, answer);
	rc = rc < 0 ? rc : merge_one(store, &plan, answer);
	return rc < 0 ? rc : 1;
}

int merge_run(void *arg)
{
	const struct merge_turn turn = merge_turn_begin();
	struct store *store = arg;
	struct answer answer;
	int rc = 1;

	atomic_fetch_sub(&store->receiver->merges_waiting, 1);
	atomic_store(&store->merge_wanted, false);
	pthread_mutex_lock(&store->lock);
	store->merging = true;
	if (!merge_is_blocked(store) && merge_turn_wait(store, MERGE_YIELD_MS) == 0) {
		points_trim(store);
		adopt_tidy(store);
	}
	sums_renew_all(store);
	merge_trouble_retry(store);
	while (rc > 0 && !merge_turn_is_over(store, &turn)) {
		rc = merge_next(store, &answer);
	}
	if (rc == 0 && !merge_is_blocked(store)) {
		rc = sums_fill(store, &turn);
	}
	store->merging = false;
	pthread_cond_broadcast(&store->changed);
	if (rc < 0 && answer.kind == ANSWER_MOVED) {
		rc = 1;
	} else if (rc < 0) {
		rc = merge_trouble_wait(store, &answer);
	} else if (!merge_is_blocked(store)) {
		merge_trouble_progress(store);
	}
	pthread_mutex_unlock(&store->lock);
	return rc;
}
