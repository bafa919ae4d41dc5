/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which parts of a disk are dirty, and which read as zeros: two block-status contexts walked side
 * by side. */
#include <errno.h>
#include <libnbd.h>
#include <stdlib.h>
#include <string.h>

#include "common/checked.h"
#include "nbd_internal.h"

#define NBD_WINDOW_BYTES                                                                           \
	(2ull * 1024 * 1024 * 1024) /* of one block-status request, below its 32 bits */
/* QEMU's docs/interop/nbd.txt */
#define NBD_FLAG_DIRTY 1u
#define NBD_DEPTH_TOP  1u

/* What one context said of the window: lengths and flags in turn, as libnbd gives them. */
struct status {
	uint32_t *entries; /* owned */
	size_t count;
	size_t at;     /* while walking: index of the current pair */
	uint64_t left; /* while walking: bytes of it not yet used */
};

struct query {
	const struct nbd_disk *disk;
	struct status allocation, dirty;
	int error;
};

/* Collects equal neighbours before they are told. */
struct extent_merge {
	struct nbd_extent pending; /* length 0: none */
	nbd_extent_cb cb;
	void *arg;
};

static int extent_flush(struct extent_merge *merge)
{
	struct nbd_extent extent = merge->pending;

	merge->pending.length = 0;
	return extent.length > 0 ? merge->cb(merge->arg, &extent) : 0;
}

static int extent_push(struct extent_merge *merge, const struct nbd_extent *extent)
{
	struct nbd_extent *pending = &merge->pending;
	int r = 0;

	if (pending->length > 0 && pending->dirty == extent->dirty &&
	    pending->zero == extent->zero) {
		pending->length += extent->length;
		return 0;
	}
	r = extent_flush(merge);
	*pending = *extent;
	return r < 0 ? r : 0;
}

/* Under libnbd's lock: copy and leave. */
static int extent_status_cb(void *user_data, const char *context, uint64_t offset,
			    uint32_t *entries, size_t count, int *error)
{
	struct query *query = user_data;
	struct status *status;
	uint32_t *copy;

	(void)offset;
	(void)error;
	if (strcmp(context, LIBNBD_CONTEXT_BASE_ALLOCATION) == 0) {
		status = &query->allocation;
	} else if (strcmp(context, query->disk->bitmap_context) == 0) {
		status = &query->dirty;
	} else {
		return 0;
	}
	copy = realloc(status->entries, (status->count + count) * sizeof(*entries));
	if (copy == NULL) {
		query->error = -ENOMEM;
		return 0;
	}
	memcpy(copy + status->count, entries, count * sizeof(*entries));
	status->entries = copy;
	status->count += count;
	return 0;
}

static int query_run(struct nbd_disk *disk, struct query *query, uint64_t offset, uint64_t length)
{
	struct nbd_slot *slot = nbd_slot_take(disk);
	nbd_extent_callback extents = {.callback = extent_status_cb, .user_data = query};
	int r;

	if (slot == NULL) {
		return -EBUSY;
	}
	r = nbd_slot_finish(disk, slot,
			    nbd_aio_block_status(disk->handle, length, offset, extents,
						 nbd_slot_completion(slot), 0),
			    "block status");
	return r < 0 ? r : query->error;
}

/* Bytes of the current pair, moving to the next when it is used up; 0 = the server said no more. */
static uint64_t status_left(struct status *status)
{
	while (status->left == 0 && status->at + 1 < status->count) {
		status->left = status->entries[status->at];
		status->at += 2;
	}
	return status->left;
}

static uint32_t status_flags(const struct status *status)
{
	return status->entries[status->at - 1];
}

/* Tell what the answers have in common, from offset up to end at most. Bytes covered, or negative.
 */
static int64_t query_walk(struct query *query, uint64_t offset, uint64_t end,
			  struct extent_merge *merge)
{
	struct status *allocation = query->disk->has_allocation ? &query->allocation : NULL;
	struct status *dirty = query->disk->has_bitmap ? &query->dirty : NULL;
	uint64_t at = offset;

	while (at < end) {
		struct nbd_extent extent = {.offset = at, .length = end - at, .dirty = true};
		int r;

		if (allocation != NULL && status_left(allocation) < extent.length) {
			extent.length = allocation->left;
		}
		if (dirty != NULL && status_left(dirty) < extent.length) {
			extent.length = dirty->left;
		}
		if (extent.length == 0) {
			break;
		}
		if (allocation != NULL) {
			extent.zero = (status_flags(allocation) & LIBNBD_STATE_ZERO) != 0;
			allocation->left -= extent.length;
		}
		if (dirty != NULL) {
			extent.dirty = query->disk->is_depth
					       ? status_flags(dirty) == NBD_DEPTH_TOP
					       : (status_flags(dirty) & NBD_FLAG_DIRTY) != 0;
			dirty->left -= extent.length;
		}
		r = extent_push(merge, &extent);
		if (r < 0) {
			return r;
		}
		at += extent.length;
	}
	return (int64_t)(at - offset);
}

static int64_t window_walk(struct nbd_disk *disk, uint64_t offset, uint64_t length,
			   struct extent_merge *merge)
{
	struct query query = {.disk = disk};
	int64_t covered = query_run(disk, &query, offset, length);

	if (covered == 0) {
		covered = query_walk(&query, offset, offset + length, merge);
		if (covered == 0) {
			covered = -EPROTO; /* the server must tell something of what it was asked */
		}
	}
	free(query.allocation.entries);
	free(query.dirty.entries);
	return covered;
}

int nbd_disk_extents(struct nbd_disk *disk, uint64_t offset, uint64_t length, nbd_extent_cb cb,
		     void *arg)
{
	struct extent_merge merge = {.cb = cb, .arg = arg};
	uint64_t end = offset + length;
	int r;

	if (disk->handle == NULL) {
		return -ENOTCONN;
	}
	if (!range_is_inside(offset, length, disk->size)) {
		return -EINVAL;
	}
	if (!disk->has_allocation && !disk->has_bitmap) {
		/* Nothing can be asked: all of it is data. */
		r = cb(arg,
		       &(struct nbd_extent){.offset = offset, .length = length, .dirty = true});
		return r < 0 ? r : 0;
	}
	while (offset < end) {
		uint64_t window = end - offset < NBD_WINDOW_BYTES ? end - offset : NBD_WINDOW_BYTES;
		int64_t covered = window_walk(disk, offset, window, &merge);

		if (covered < 0) {
			return (int)covered;
		}
		offset += (uint64_t)covered;
	}
	r = extent_flush(&merge);
	return r < 0 ? r : 0;
}
