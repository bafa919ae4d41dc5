/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "receiver/sums_fill.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/nbd.h"
#include "receiver/image.h"
#include "receiver/merge.h"
#include "receiver/merge_turn.h"
#include "receiver/qsd.h"
#include "receiver/sums.h"

#define PIECE_BYTES  (1024u * 1024u)
#define WINDOW_BYTES (1ull << 30) /* looked through for data at once */

struct fill {
	struct store *store; /* borrowed */
	struct sums *sums;   /* owned */
	/* A reader of its own: the store's daemon is driven under the store's lock, and when it
	 * hangs, logs must still be received. */
	struct qsd *qsd;
	struct nbd_disk *nbd;
	uint8_t *buffer;	   /* owned; PIECE_BYTES */
	struct manifest_disk disk; /* its layers are owned */
	struct manifest_layer layer;
	size_t index; /* of the layer in its chain */
	uint64_t disk_bytes;
	uint64_t begin, offset;	  /* where this pass began, and is */
	struct nbd_extent extent; /* what the layer has from offset on */
	uint64_t read_bytes;
};

/* ---- what is to be done; the lock is held ---- */

/* 1: the layer lacks sums, and fill->sums is its file; 0: it does not; or a negative errno. */
static int layer_begin(struct fill *fill)
{
	struct store *store = fill->store;
	struct sums_head head = {.generation = store->manifest.generation};
	int rc = image_layer_size(store, fill->layer.file, &fill->disk_bytes);

	if (rc < 0) {
		return rc;
	}
	rc = sums_take(store->dir_fd, fill->layer.file, head.generation, &fill->sums);
	if (rc == 0 && sums_hold(fill->sums, &fill->layer, fill->disk_bytes)) {
		fill->begin = fill->offset = sums_head(fill->sums)->filled_bytes;
		if (fill->offset < fill->disk_bytes) {
			return 1;
		}
		sums_close(steal_ptr(fill->sums));
		return 0;
	}
	if (rc == -EEXIST) {
		return rc; /* the store is not ours any more */
	}
	sums_close(steal_ptr(fill->sums));
	head.disk_bytes = fill->disk_bytes;
	sums_head_name(&head, &fill->layer);
	fill->begin = fill->offset = 0;
	rc = sums_create(store->dir_fd, fill->layer.file, &head, &fill->sums);
	return rc < 0 ? rc : 1;
}

static int chain_take(struct fill *fill, const struct manifest_disk *disk)
{
	fill->disk = *disk;
	fill->disk.layers = calloc(disk->layer_count, sizeof(*disk->layers));
	if (fill->disk.layers == NULL) {
		return -ENOMEM;
	}
	memcpy(fill->disk.layers, disk->layers, disk->layer_count * sizeof(*disk->layers));
	return 1;
}

static int layer_find(struct fill *fill, const struct point_item *items)
{
	const struct manifest *m = &fill->store->manifest;
	int rc = 0;

	for (size_t i = 0; i < m->current.disk_count && rc == 0; i++) {
		const struct manifest_disk *disk = &m->current.disks[i];

		for (size_t k = 0; k + 1 < disk->layer_count && rc == 0; k++) {
			if (!disk->layers[k].frozen || disk->layers[k].adopted ||
			    !sums_layer_is_alone(m, items, disk, k)) {
				continue;
			}
			fill->layer = disk->layers[k];
			fill->index = k;
			rc = layer_begin(fill);
			rc = rc > 0 ? chain_take(fill, disk) : rc;
		}
	}
	return rc;
}

/* 1: there is a layer to look through; 0: there is none; or a negative errno. */
static int fill_begin(struct fill *fill)
{
	struct store *store = fill->store;
	cleanup_free struct point_item *items = NULL;
	size_t count = 0;
	int rc = point_list_make(&store->manifest, &store->history, &POINT_RANGE_ALL, false, NULL,
				 NULL, &items, &count);

	return rc < 0 ? rc : layer_find(fill, items);
}

/* ---- the data; without the lock ---- */

#define SEARCH_FOUND (-EXFULL)

struct search {
	struct nbd_extent found; /* length 0: none */
	uint64_t end;		 /* looked at up to here */
};

static int search_cb(void *arg, const struct nbd_extent *extent)
{
	struct search *search = arg;

	search->end = extent->offset + extent->length;
	if (!extent->dirty) {
		return 0;
	}
	search->found = *extent;
	return SEARCH_FOUND;
}

/* To whole blocks. What was all zeros need not be so then. */
static void extent_widen(struct nbd_extent *extent, uint64_t disk_bytes)
{
	uint64_t begin = extent->offset - extent->offset % SUMS_BLOCK_BYTES;
	uint64_t end = extent->offset + extent->length + SUMS_BLOCK_BYTES - 1;

	end -= end % SUMS_BLOCK_BYTES;
	end = end < disk_bytes ? end : disk_bytes;
	extent->zero = extent->zero && end - begin == extent->length;
	extent->offset = begin;
	extent->length = end - begin;
}

/* Move to what the layer has at or after the offset, at block boundaries. */
static int extent_find(struct fill *fill)
{
	uint64_t left = fill->disk_bytes - fill->offset;
	struct search search = {.end = fill->offset};
	int rc = nbd_disk_extents(fill->nbd, fill->offset,
				  left < WINDOW_BYTES ? left : WINDOW_BYTES, search_cb, &search);

	if ((rc < 0 && rc != SEARCH_FOUND) || search.end <= fill->offset) {
		return rc < 0 ? rc : -EIO;
	}
	if (search.found.length == 0) {
		fill->offset = search.end;
		return 0;
	}
	fill->extent = search.found;
	extent_widen(&fill->extent, fill->disk_bytes);
	fill->offset = fill->extent.offset;
	return 0;
}

/* data NULL: zeros. Blocks that have a sum already got it from a merge. */
static int blocks_set(struct fill *fill, const uint8_t *data, size_t length)
{
	int rc = 0;

	for (size_t at = 0; at < length && rc == 0; at += SUMS_BLOCK_BYTES) {
		uint64_t block = (fill->offset + at) / SUMS_BLOCK_BYTES, known = 0;
		size_t block_length = sums_block_length(fill->disk_bytes, block);

		rc = sums_get(fill->sums, block, &known);
		if ((rc == 0 && known == 0) || rc == -EBADMSG) {
			rc = sums_set(fill->sums, block,
				      data == NULL ? sums_of_zeros(block_length, block)
						   : sums_of(data + at, block_length, block));
		}
	}
	return rc;
}

/* One piece. */
static int fill_step(struct fill *fill)
{
	uint64_t length = fill->extent.length < PIECE_BYTES ? fill->extent.length : PIECE_BYTES;
	bool zero = fill->extent.zero;
	int rc = 0;

	if (fill->extent.length == 0) {
		return extent_find(fill);
	}
	if (!zero) {
		rc = nbd_disk_read(fill->nbd, fill->buffer, fill->offset, (size_t)length);
	}
	rc = rc < 0 ? rc : blocks_set(fill, zero ? NULL : fill->buffer, (size_t)length);
	if (rc == 0) {
		fill->read_bytes += zero ? 0 : length;
		fill->offset += length;
		fill->extent.offset += length;
		fill->extent.length -= length;
	}
	return rc;
}

static int fill_commit(struct fill *fill)
{
	struct sums_head head = *sums_head(fill->sums);

	/* Less: a page from before this pass was damaged, and is filled by another one. */
	if (head.filled_bytes >= fill->begin) {
		head.filled_bytes = fill->offset;
	}
	return sums_commit(fill->sums, &head);
}

/* 0: the layer is done; 1: there is more; -ECANCELED: something else comes first. */
static int fill_run(struct fill *fill, const struct merge_turn *turn)
{
	int64_t mark_ms = clock_monotonic_ms() + MERGE_MARK_MS;
	struct merge_pace pace;
	int rc = 0, commit_rc;

	merge_pace_init(&pace);
	while (rc == 0 && fill->offset < fill->disk_bytes &&
	       !merge_turn_is_over(fill->store, turn)) {
		rc = merge_pace(fill->store, &pace, fill->read_bytes);
		rc = rc < 0 ? rc : fill_step(fill);
		if (rc == 0 && clock_monotonic_ms() > mark_ms) {
			mark_ms = clock_monotonic_ms() + MERGE_MARK_MS;
			rc = fill_commit(fill);
		}
	}
	if (rc < 0 && rc != -ECANCELED) {
		return rc;
	}
	commit_rc = fill_commit(fill);
	return commit_rc < 0 ? commit_rc : rc < 0 ? rc : fill->offset < fill->disk_bytes;
}

/* ---- one layer ---- */

/* Only layers that nobody writes are opened, so it needs no hold of the store's lock: who takes the
 * store over does not wait for it. */
static int reader_attach(struct fill *fill, char error[QSD_ERROR_LEN])
{
	cleanup_free char(*paths)[IMAGE_PATH_LEN] = calloc(fill->index + 1, sizeof(*paths));
	cleanup_free const char **list = calloc(fill->index + 1, sizeof(*list));
	const struct qsd_chain chain = {.paths = list, .count = fill->index + 1, .depth = true};
	int rc;

	if (paths == NULL || list == NULL) {
		return -ENOMEM;
	}
	for (size_t i = 0; i <= fill->index; i++) {
		list[i] = image_path(fill->store, fill->disk.layers[i].file, paths[i]);
	}
	rc = qsd_disk_attach(fill->qsd, fill->disk.name, &chain, error);
	return rc < 0 ? rc
		      : nbd_disk_open_depth(qsd_socket(fill->qsd), fill->disk.name, &fill->nbd,
					    error);
}

static int reader_start(struct fill *fill, char error[QSD_ERROR_LEN])
{
	/* of the store's own copy nothing may be read without the lock */
	const struct manifest manifest = {.current = {.disks = &fill->disk, .disk_count = 1}};
	const struct cell cell = {.directory = fill->store->directory, .manifest = &manifest};
	char name[RELATIONSHIP_LEN + 8];
	int rc;

	snprintf(name, sizeof(name), "%s-s", fill->store->relationship);
	rc = qsd_start(&cell, fill->store->receiver->run_directory, name, -1, &fill->qsd, error);
	return rc < 0 ? rc : reader_attach(fill, error);
}

static int fill_look(struct fill *fill, const struct merge_turn *turn, char error[QSD_ERROR_LEN])
{
	int rc;

	fill->buffer = malloc(PIECE_BYTES);
	rc = fill->buffer == NULL ? -ENOMEM : reader_start(fill, error);
	if (rc == 0 && nbd_disk_size(fill->nbd) != fill->disk_bytes) {
		rc = -EUCLEAN;
	}
	rc = rc < 0 ? rc : fill_run(fill, turn);
	nbd_disk_close(fill->nbd);
	qsd_stop(fill->qsd);
	return rc;
}

static int fill_one(struct store *store, const struct merge_turn *turn)
{
	struct fill fill = {.store = store};
	char error[QSD_ERROR_LEN] = "";
	int rc = fill_begin(&fill);
	bool found = rc != 0;

	if (rc > 0) {
		pthread_mutex_unlock(&store->lock);
		rc = fill_look(&fill, turn, error);
		pthread_mutex_lock(&store->lock);
	}
	if (rc < 0 && rc != -ECANCELED) {
		log_info("%s: taking the sums of %s waits: %s%s%s", store->vm, fill.layer.file,
			 strerror(-rc), error[0] == '\0' ? "" : ": ", error);
	} else if (rc == 0 && found) {
		log_debug("%s: the sums of %s are taken", store->vm, fill.layer.file);
	}
	sums_close(fill.sums);
	free(fill.disk.layers);
	free(fill.buffer);
	return rc < 0 ? rc : found;
}

int sums_fill(struct store *store, const struct merge_turn *turn)
{
	struct answer answer;
	int rc = 1;

	while (rc > 0 && !merge_is_blocked(store) && !merge_turn_is_over(store, turn)) {
		if (store_check_space(store, true, &answer) < 0) {
			return 0;
		}
		rc = fill_one(store, turn);
	}
	return rc > 0;
}

/* ---- those of an earlier owner ---- */

struct renewal {
	struct store *store;
	struct merge_pace pace;
};

static int renew_pace_cb(void *arg, uint64_t bytes)
{
	struct renewal *renewal = arg;

	return merge_pace(renewal->store, &renewal->pace, bytes);
}

void sums_renew_all(struct store *store)
{
	uint64_t generation = store->manifest.generation;
	struct renewal renewal = {.store = store};

	if (store->sums_generation == generation) {
		return;
	}
	for (size_t i = 0; i < store->manifest.current.disk_count; i++) {
		for (size_t k = 0;
		     i < store->manifest.current.disk_count &&
		     k < store->manifest.current.disks[i].layer_count && !merge_is_blocked(store);
		     k++) {
			char file[MANIFEST_FILE_MAX + 1];

			memcpy(file, store->manifest.current.disks[i].layers[k].file, sizeof(file));
			merge_pace_init(&renewal.pace);
			pthread_mutex_unlock(&store->lock);
			sums_renew(store->dir_fd, file, generation, renew_pace_cb, &renewal);
			pthread_mutex_lock(&store->lock);
		}
	}
	store->sums_generation = merge_is_blocked(store) ? 0 : generation;
}
