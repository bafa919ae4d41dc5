/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "receiver/merge_copy.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "receiver/qsd.h"

#define BLOCK_BYTES  65536u	  /* of the layers: what is all zeros in a block is not written */
#define WINDOW_BYTES (1ull << 30) /* looked through for data at once */

int merge_copy_open(struct merge_copy *copy, const char *socket, uint64_t size_bytes,
		    uint64_t offset)
{
	int rc;

	memset(copy, 0, sizeof(*copy));
	snprintf(copy->into_disk.name, sizeof(copy->into_disk.name), QSD_MERGE_INTO);
	copy->into_disk.size_bytes = size_bytes;
	copy->size_bytes = size_bytes;
	copy->offset = offset;
	target_init(&copy->into, socket, &copy->into_disk, 1);
	copy->buffer = malloc(MERGE_PIECE_BYTES);
	if (copy->buffer == NULL) {
		snprintf(copy->error, sizeof(copy->error), "out of memory");
		return -ENOMEM;
	}
	rc = nbd_disk_open_depth(socket, QSD_MERGE_FROM, &copy->from, copy->error);
	if (rc == 0 && nbd_disk_size(copy->from) != size_bytes) {
		snprintf(copy->error, sizeof(copy->error), "the layer has another size");
		rc = -EUCLEAN;
	}
	return rc;
}

void merge_copy_close(struct merge_copy *copy)
{
	nbd_disk_close(copy->from);
	target_close(&copy->into);
	free(copy->buffer);
	memset(copy, 0, sizeof(*copy));
}

/* The first allocated extent at or after the offset, cut to a piece. */
struct extent_search {
	struct nbd_extent found; /* length 0: none */
	uint64_t end;		 /* looked at up to here */
};

#define SEARCH_FOUND (-EXFULL)

static int extent_search_cb(void *arg, const struct nbd_extent *extent)
{
	struct extent_search *search = arg;

	search->end = extent->offset + extent->length;
	if (!extent->dirty) {
		return 0;
	}
	search->found = *extent;
	return SEARCH_FOUND;
}

static bool block_is_zero(const uint8_t *data, size_t length)
{
	return data[0] == 0 && memcmp(data, data + 1, length - 1) == 0;
}

static int target_fail(struct merge_copy *copy, int rc)
{
	if (rc < 0) {
		snprintf(copy->error, sizeof(copy->error), "%s", copy->into.error);
	}
	return rc;
}

/* Write length bytes of the buffer, runs of zero blocks as zeros. */
static int piece_write(struct merge_copy *copy, uint64_t offset, size_t length)
{
	size_t at = 0;
	int rc = 0;

	while (at < length && rc == 0) {
		size_t run = 0;
		bool zero = false;

		while (at + run < length) {
			size_t block = BLOCK_BYTES - (size_t)((offset + at + run) % BLOCK_BYTES);
			bool is_zero;

			block = block < length - at - run ? block : length - at - run;
			is_zero = block_is_zero(copy->buffer + at + run, block);
			if (run > 0 && is_zero != zero) {
				break;
			}
			zero = is_zero;
			run += block;
		}
		rc = zero ? target_zero(&copy->into, 0, offset + at, run)
			  : target_write(&copy->into, 0, copy->buffer + at, offset + at, run);
		copy->written_bytes += zero ? 0 : run;
		at += run;
	}
	return target_fail(copy, rc);
}

/* Move to the next allocated extent, unless we are still in one: a layer is asked once for each
 * stretch of it, not for each piece. 1: there is one at the offset, 0: none so far. */
static int extent_find(struct merge_copy *copy)
{
	uint64_t left = copy->size_bytes - copy->offset;
	struct extent_search search = {.end = copy->offset};
	int rc;

	if (copy->extent.length > 0) {
		return 1;
	}
	rc = nbd_disk_extents(copy->from, copy->offset, left < WINDOW_BYTES ? left : WINDOW_BYTES,
			      extent_search_cb, &search);
	if ((rc < 0 && rc != SEARCH_FOUND) || search.end <= copy->offset) {
		snprintf(copy->error, sizeof(copy->error), "%s", nbd_disk_error(copy->from));
		return rc < 0 ? rc : -EIO;
	}
	copy->extent = search.found;
	copy->offset = search.found.length > 0 ? search.found.offset : search.end;
	return search.found.length > 0;
}

static int data_copy(struct merge_copy *copy, uint64_t offset, size_t length)
{
	int rc = nbd_disk_read(copy->from, copy->buffer, offset, length);

	if (rc < 0) {
		snprintf(copy->error, sizeof(copy->error), "%s", nbd_disk_error(copy->from));
		return rc;
	}
	copy->read_bytes += length;
	merge_sums_data(copy->sums, copy->buffer, offset, length);
	return piece_write(copy, offset, length);
}

int merge_copy_step(struct merge_copy *copy)
{
	struct nbd_extent *extent = &copy->extent;
	uint64_t length;
	int rc;

	if (copy->offset == copy->size_bytes) {
		return 0;
	}
	rc = extent_find(copy);
	if (rc <= 0) {
		return rc < 0 ? rc : copy->offset < copy->size_bytes;
	}
	length = extent->zero || extent->length < MERGE_PIECE_BYTES ? extent->length
								    : MERGE_PIECE_BYTES;
	if (extent->zero) {
		merge_sums_data(copy->sums, NULL, extent->offset, length);
	}
	rc = extent->zero ? target_fail(copy, target_zero(&copy->into, 0, extent->offset, length))
			  : data_copy(copy, extent->offset, (size_t)length);
	if (rc < 0) {
		return rc;
	}
	extent->offset += length;
	extent->length -= length;
	copy->offset = extent->offset;
	return copy->offset < copy->size_bytes;
}

int merge_copy_flush(struct merge_copy *copy)
{
	return target_fail(copy, target_flush(&copy->into));
}
