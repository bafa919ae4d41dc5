/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "receiver/merge_sums.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/log.h"
#include "receiver/image.h"
#include "receiver/merge_turn.h"

static void give_up(struct merge_sums *sums, int rc)
{
	log_warning("%s: the sums of %s are given up: %s", sums->store->vm, sums->into_file,
		    strerror(-rc));
	sums_close(steal_ptr(sums->sums));
	sums_remove(sums->store->dir_fd, sums->into_file);
}

/* ---- the beginning ---- */

static void from_open(struct merge_sums *sums)
{
	const struct manifest_layer *layer =
		manifest_layer_find(&sums->store->manifest.current, sums->disk, sums->from_file);
	int rc = sums_open(sums->store->dir_fd, sums->from_file, &sums->from);

	if (rc == 0 && (layer == NULL || !sums_hold(sums->from, layer, sums->disk_bytes))) {
		sums_close(steal_ptr(sums->from));
	}
}

static bool into_is_adopted(const struct merge_sums *sums)
{
	const struct manifest_layer *into =
		manifest_layer_find(&sums->store->manifest.current, sums->disk, sums->into_file);

	return into != NULL && into->adopted;
}

/* May a merge go on with these? */
static bool head_is_usable(const struct merge_sums *sums, const struct manifest_merge *merge)
{
	const struct sums_head *head = sums_head(sums->sums);
	const struct manifest_layer *into;

	if (merge->from[0] != '\0') {
		/* Less than the manifest has: somebody else has copied the rest. */
		return strcmp(head->merging, merge->from) == 0 &&
		       head->disk_bytes == sums->disk_bytes && head->merged_bytes >= merge->offset;
	}
	into = manifest_layer_find(&sums->store->manifest.current, sums->disk, sums->into_file);
	return into != NULL && sums_hold(sums->sums, into, sums->disk_bytes);
}

static void names_take(struct merge_sums *sums, const struct merge_plan *plan)
{
	const struct manifest_merge *merge = &sums->store->manifest.merge;
	const struct manifest_disk *disk = &sums->store->manifest.current.disks[plan->disk];
	bool begun = merge->from[0] != '\0';

	snprintf(sums->disk, sizeof(sums->disk), "%s", begun ? merge->disk : disk->name);
	snprintf(sums->from_file, sizeof(sums->from_file), "%s",
		 begun ? merge->from : disk->layers[plan->layer].file);
	snprintf(sums->into_file, sizeof(sums->into_file), "%s",
		 begun ? merge->into : disk->layers[plan->layer - 1].file);
}

void merge_sums_begin(struct merge_sums *sums, struct store *store, const struct merge_plan *plan)
{
	const struct manifest_merge *merge = &store->manifest.merge;
	struct sums_head head = {.generation = store->manifest.generation};
	int rc;

	memset(sums, 0, sizeof(*sums));
	sums->store = store;
	names_take(sums, plan);
	if (image_layer_size(store, sums->from_file, &sums->disk_bytes) < 0) {
		return; /* the merge will tell */
	}
	from_open(sums);
	if (into_is_adopted(sums)) {
		sums_remove(store->dir_fd, sums->into_file); /* of before it was */
		return;
	}
	rc = sums_take(store->dir_fd, sums->into_file, head.generation, &sums->sums);
	if (rc == -EEXIST) {
		return; /* the merge will see that the store is not ours any more */
	}
	if (rc == 0 && head_is_usable(sums, merge)) {
		head = *sums_head(sums->sums);
	} else {
		sums_close(steal_ptr(sums->sums));
	}
	if (merge->copied) {
		return; /* they are whole, or at the layer's end already, or void and stay so */
	}
	head.disk_bytes = sums->disk_bytes;
	head.merged_bytes = merge->from[0] == '\0' ? 0 : merge->offset;
	snprintf(head.merging, sizeof(head.merging), "%s", sums->from_file);
	if (sums->sums != NULL) {
		rc = sums_commit(sums->sums, &head);
	} else {
		rc = sums_create(store->dir_fd, sums->into_file, &head, &sums->sums);
	}
	if (rc < 0) {
		give_up(sums, rc);
	}
}

/* ---- the data ---- */

/* What the sum of a block is to be that was read whole. */
static uint64_t sum_choose(struct merge_sums *sums, uint64_t block, uint64_t found)
{
	uint64_t known = 0;

	if (sums->from == NULL || sums_get(sums->from, block, &known) < 0 || known == 0 ||
	    known == found) {
		return found;
	}
	if (sums->damaged_blocks++ == 0) {
		sums->damaged_offset = block * SUMS_BLOCK_BYTES;
	}
	return known;
}

static int block_take(struct merge_sums *sums, uint64_t block, const uint8_t *data, uint64_t offset,
		      uint64_t length)
{
	size_t block_length = sums_block_length(sums->disk_bytes, block);
	uint64_t begin = block * SUMS_BLOCK_BYTES, sum;

	if (begin < offset || begin + block_length > offset + length) {
		return sums->sums != NULL ? sums_forget(sums->sums, block) : 0;
	}
	sum = data == NULL ? sums_of_zeros(block_length, block)
			   : sums_of(data + (begin - offset), block_length, block);
	sum = sum_choose(sums, block, sum);
	return sums->sums != NULL ? sums_set(sums->sums, block, sum) : 0;
}

void merge_sums_data(struct merge_sums *sums, const void *data, uint64_t offset, uint64_t length)
{
	uint64_t block = offset / SUMS_BLOCK_BYTES;
	int rc = 0;

	if (sums == NULL || (sums->sums == NULL && sums->from == NULL)) {
		return;
	}
	for (; rc == 0 && block * SUMS_BLOCK_BYTES < offset + length; block++) {
		rc = block_take(sums, block, data, offset, length);
	}
	if (rc < 0) {
		give_up(sums, rc);
	}
}

static void head_commit(struct merge_sums *sums, const struct sums_head *head)
{
	int rc = sums_commit(sums->sums, head);

	if (rc < 0) {
		give_up(sums, rc);
	}
}

void merge_sums_mark(struct merge_sums *sums, uint64_t offset)
{
	struct sums_head head;

	if (sums != NULL && sums->sums != NULL) {
		head = *sums_head(sums->sums);
		head.merged_bytes = offset;
		head_commit(sums, &head);
	}
}

/* ---- the end ---- */

void merge_sums_finish(struct merge_sums *sums, const struct manifest_image *image)
{
	const struct manifest_layer *layer;
	struct sums_head head;

	if (sums == NULL || sums->sums == NULL) {
		return;
	}
	layer = manifest_layer_find(image, sums->disk, sums->into_file);
	if (layer == NULL || !layer->frozen) {
		give_up(sums, -ESTALE);
		return;
	}
	head = *sums_head(sums->sums);
	head.merging[0] = '\0';
	head.merged_bytes = 0;
	sums_head_name(&head, layer);
	head_commit(sums, &head);
}

int merge_sums_judge(struct merge_sums *sums, struct answer *answer)
{
	struct store *store = sums->store;
	struct answer ignored;
	bool drops;

	if (sums->damaged_blocks == 0 || !(store->manifest.merge.copied ||
					   store->manifest.merge.offset > sums->damaged_offset)) {
		return 0; /* or it will be seen again */
	}
	/* A failover's point is not taken from under it: the check still tells of the damage. */
	drops = !merge_is_blocked(store);
	receiver_event(store->receiver, "error", store->vm,
		       "the layer %s was damaged on its storage: %" PRIu64
		       " blocks of disk %s, the first at byte %" PRIu64
		       ", are not as they were written%s",
		       sums->from_file, sums->damaged_blocks, sums->disk, sums->damaged_offset,
		       drops ? "; the recovery points over it are dropped, and the replica is "
			       "compared with the primary"
			     : "");
	if (drops) {
		manifest_point_drop_over(&store->manifest, sums->into_file);
		store_distrust(store, &ignored, "the layer %s was damaged on its storage",
			       sums->from_file);
	}
	return answer_busy(answer, "storage-error", 0, "the layer %s was damaged on its storage",
			   sums->from_file);
}

void merge_sums_end(struct merge_sums *sums)
{
	sums_close(sums->sums);
	sums_close(sums->from);
	memset(sums, 0, sizeof(*sums));
}
