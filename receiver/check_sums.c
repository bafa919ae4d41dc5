/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What no kept log wrote, mostly the base, against its sums (sums.h). What has no sum is counted:
 * a check that says nothing of it would be taken for one that had looked. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "common/cleanup.h"
#include "receiver/check.h"
#include "receiver/check_image.h"
#include "receiver/sums.h"
#include "receiver/sums_fill.h"

#define PIECE_BYTES  (1024u * 1024u)
#define WINDOW_BYTES (1ull << 30)
#define FINDINGS_MAX 8u /* of one layer */

struct sums_compare {
	struct check *check;
	const struct manifest_layer *layer;
	const struct manifest_disk *chain; /* the layer is that of index */
	size_t index;
	struct check_image image;
	struct sums *sums; /* NULL: the layer has none that hold */
	uint8_t *data;	   /* PIECE_BYTES at offset, when length > 0 */
	uint64_t offset, length;
	size_t findings;
	bool page_told;
};

/* Is it the very file that the sums are of? In a copy of a store it is another one with the same
 * time. */
static bool layer_is_as_closed(const struct sums_compare *compare)
{
	const struct manifest_layer *layer = compare->layer;
	struct stat st;

	return layer->frozen &&
	       fstatat(compare->check->dir_fd, layer->file, &st,
		       layer->adopted ? 0 : AT_SYMLINK_NOFOLLOW) == 0 &&
	       (uint64_t)st.st_size == layer->size_bytes &&
	       (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec == layer->mtime_ns;
}

/* Are the layer and all below it what they were? A merge says so in the manifest before it changes
 * any file. */
static bool chain_stands(struct sums_compare *compare)
{
	struct check *check = compare->check;
	bool stands = compare->layer->frozen; /* else it may be a VM's, which writes it now */

	for (size_t i = 0; i <= compare->index && stands; i++) {
		stands = check_layer_stands(check, &compare->chain->layers[i]);
	}
	if (!stands && compare->layer->frozen && !check->changed) {
		check->changed = true;
		check_find(check, CHECK_NOTE, compare->layer->file, CHECK_NO_OFFSET,
			   "its chain was changed by a receiver meanwhile: not all was compared "
			   "with the sums");
	}
	return stands;
}

/* ---- one block ---- */

static void block_find(struct sums_compare *compare, uint64_t offset, const char *what)
{
	uint64_t at;
	const char *file;

	if (compare->findings++ >= FINDINGS_MAX || !chain_stands(compare)) {
		return;
	}
	file = check_image_locate(&compare->image, offset, &at);
	check_find(compare->check, CHECK_DAMAGE, file, at,
		   "the block at byte %" PRIu64 " of disk %s %s (seen through %s)", offset,
		   compare->chain->name, what, compare->layer->file);
}

/* The sum that is kept of a block, 0 for none. */
static uint64_t sum_known(struct sums_compare *compare, uint64_t block)
{
	uint64_t sum = 0;
	int rc = compare->sums == NULL ? 0 : sums_get(compare->sums, block, &sum);

	if (rc < 0 && !compare->page_told && !compare->check->in_use) {
		char name[SUMS_FILE_NAME_LEN];

		compare->page_told = true;
		check_find(compare->check, CHECK_NOTE, sums_file_name(compare->layer->file, name),
			   CHECK_NO_OFFSET,
			   "sums in it are damaged, or were cut short by a crash: %s",
			   strerror(-rc));
	}
	return rc < 0 ? 0 : sum;
}

/* The block's bytes, read with those that follow. */
static int block_read(struct sums_compare *compare, uint64_t offset, size_t length)
{
	uint64_t left = compare->image.nbd == NULL ? 0 : nbd_disk_size(compare->image.nbd) - offset;
	int rc;

	if (offset >= compare->offset && offset + length <= compare->offset + compare->length) {
		return 0;
	}
	compare->offset = offset;
	compare->length = left < PIECE_BYTES ? left : PIECE_BYTES;
	rc = nbd_disk_read(compare->image.nbd, compare->data, offset, (size_t)compare->length);
	if (rc < 0) {
		compare->length = 0;
	}
	return rc;
}

static void block_compare(struct sums_compare *compare, uint64_t block, bool allocated, bool zero)
{
	size_t length = sums_block_length(nbd_disk_size(compare->image.nbd), block);
	uint64_t offset = block * SUMS_BLOCK_BYTES, sum = sum_known(compare, block);

	if (sum == 0) { /* zeros that are made up need no source */
		compare->check->alone.blocks += allocated && !zero;
		compare->check->alone.bytes += allocated && !zero ? length : 0;
		return;
	}
	compare->check->summed.blocks++;
	compare->check->summed.bytes += length;
	if (block_read(compare, offset, length) < 0) {
		block_find(compare, offset, nbd_disk_error(compare->image.nbd));
	} else if (sums_of(compare->data + (offset - compare->offset), length, block) != sum) {
		block_find(compare, offset, "is not as its sum says that it was written");
	}
}

/* ---- one layer ---- */

/* Blocks that the extent begins, or goes through. */
static int extent_compare_cb(void *arg, const struct nbd_extent *extent)
{
	struct sums_compare *compare = arg;
	uint64_t block = (extent->offset + SUMS_BLOCK_BYTES - 1) / SUMS_BLOCK_BYTES;

	for (; block * SUMS_BLOCK_BYTES < extent->offset + extent->length; block++) {
		block_compare(compare, block, extent->dirty, extent->zero);
	}
	return 0;
}

static void layer_walk(struct sums_compare *compare)
{
	uint64_t size = nbd_disk_size(compare->image.nbd);

	for (uint64_t at = 0; at < size; at += WINDOW_BYTES) {
		uint64_t length = size - at < WINDOW_BYTES ? size - at : WINDOW_BYTES;

		if (nbd_disk_extents(compare->image.nbd, at, length, extent_compare_cb, compare) <
		    0) {
			block_find(compare, at, nbd_disk_error(compare->image.nbd));
		}
	}
}

static void sums_attach(struct sums_compare *compare)
{
	struct check *check = compare->check;
	int rc = sums_open(check->dir_fd, compare->layer->file, &compare->sums);
	char name[SUMS_FILE_NAME_LEN];

	if (rc == -EUCLEAN && !check->in_use) {
		check_find(check, CHECK_NOTE, sums_file_name(compare->layer->file, name), 0,
			   "it holds no sums that this version can read");
	}
	if (rc == 0 &&
	    (!layer_is_as_closed(compare) ||
	     !sums_hold(compare->sums, compare->layer, nbd_disk_size(compare->image.nbd)))) {
		sums_close(steal_ptr(compare->sums)); /* of what the layer was before */
	}
}

static void layer_compare(struct check *check, const struct manifest_disk *disk, size_t index)
{
	struct sums_compare compare = {
		.check = check, .layer = &disk->layers[index], .chain = disk, .index = index};
	cleanup_free uint8_t *data = malloc(PIECE_BYTES);
	char error[NBD_ERROR_LEN] = "";

	compare.data = data;
	if (data == NULL) {
		check->out_of_memory = true;
		return;
	}
	if (check_image_open(&compare.image, disk, index, error) == 0) {
		sums_attach(&compare);
		layer_walk(&compare);
	} else if (chain_stands(&compare)) {
		check_find(check, CHECK_DAMAGE, compare.layer->file, 0,
			   "what stands on it cannot be read: %.300s", error);
	}
	sums_close(compare.sums);
	check_image_close(&compare.image);
}

/* ---- all of them ---- */

/* A layer may be in several chains; it is looked at once. */
static bool is_compared_before(const struct check *check, const struct manifest_image *image,
			       const char *file)
{
	const struct manifest_image *current = &check->manifest.current;

	return image != current && manifest_image_holds(current, file);
}

static void image_compare(struct check *check, const struct point_item *items,
			  const struct manifest_image *image)
{
	for (size_t i = 0; i < image->disk_count; i++) {
		const struct manifest_disk *disk = &image->disks[i];

		for (size_t k = 0; k < disk->layer_count; k++) {
			/* What is being written is left out as everywhere. */
			if ((disk->layers[k].frozen || !check->in_use) &&
			    !is_compared_before(check, image, disk->layers[k].file) &&
			    sums_layer_is_alone(&check->manifest, items, disk, k)) {
				layer_compare(check, disk, k);
			}
		}
	}
}

void check_sums(struct check *check)
{
	cleanup_free struct point_item *items = NULL;
	size_t count = 0;

	if (point_list_make(&check->manifest, &check->history, &POINT_RANGE_ALL, false, NULL, NULL,
			    &items, &count) < 0) {
		check->out_of_memory = true;
		return;
	}
	image_compare(check, items, &check->manifest.current);
	image_compare(check, items, &check->manifest.retired);
}
