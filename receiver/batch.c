/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The records are gone through from the last to the first, in runs: stretches of records that
 * ascend and do not overlap, which is what a log is made of (one run, a few after a resumption).
 * A run and the set of what is covered already are both sorted, so one walk over both finds a run's
 * pieces and one merge makes the new set: linear for each log, whatever its records are.
 */
#include "receiver/batch.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define GROW_MIN 256u

struct batch_record {
	uint64_t offset, length;
	uint32_t disk;
	uint32_t first_piece, piece_count;
};

/* Covered bytes; sorted by disk and start, disjoint, not touching. */
struct extent {
	uint64_t start, end;
	uint32_t disk;
};

struct extent_set {
	struct extent *extents; /* owned */
	size_t count;
};

struct batch {
	struct batch_record *records; /* owned */
	size_t count, capacity;
	struct batch_piece *pieces; /* owned */
	size_t piece_count, piece_capacity;
};

struct batch *batch_new(void)
{
	return calloc(1, sizeof(struct batch));
}

void batch_free(struct batch *batch)
{
	if (batch != NULL) {
		free(batch->records);
		free(batch->pieces);
		free(batch);
	}
}

void batch_clear(struct batch *batch)
{
	free(batch->records);
	free(batch->pieces);
	memset(batch, 0, sizeof(*batch));
}

size_t batch_count(const struct batch *batch)
{
	return batch->count;
}

/* Room for one more in an array of elements of size bytes. 0 or -ENOMEM. */
static int array_reserve(void **array, size_t count, size_t *capacity, size_t size)
{
	size_t wanted = *capacity == 0 ? GROW_MIN : *capacity * 2;
	void *grown;

	if (count < *capacity) {
		return 0;
	}
	grown = reallocarray(*array, wanted, size);
	if (grown == NULL) {
		return -ENOMEM;
	}
	*array = grown;
	*capacity = wanted;
	return 0;
}

int batch_add(struct batch *batch, uint32_t disk, uint64_t offset, uint64_t length)
{
	void *records = batch->records;

	if (length == 0 || offset > UINT64_MAX - length) {
		return -EINVAL;
	}
	if (batch->count == BATCH_RECORDS_MAX) {
		return -E2BIG;
	}
	if (array_reserve(&records, batch->count, &batch->capacity, sizeof(*batch->records)) < 0) {
		return -ENOMEM;
	}
	batch->records = records;
	batch->records[batch->count++] =
		(struct batch_record){.disk = disk, .offset = offset, .length = length};
	return 0;
}

void batch_truncate(struct batch *batch, size_t count)
{
	if (count < batch->count) {
		batch->count = count;
	}
}

/* ---- planning ---- */

static int piece_add(struct batch *batch, uint32_t disk, uint64_t start, uint64_t end)
{
	void *pieces = batch->pieces;

	if (array_reserve(&pieces, batch->piece_count, &batch->piece_capacity,
			  sizeof(*batch->pieces)) < 0) {
		return -ENOMEM;
	}
	batch->pieces = pieces;
	batch->pieces[batch->piece_count++] =
		(struct batch_piece){.disk = disk, .offset = start, .length = end - start};
	return 0;
}

/* What of record is not covered, from extent *at of the set on; *at moves to the first extent that
 * may matter to the record after it. */
static int record_plan(struct batch *batch, struct batch_record *record,
		       const struct extent_set *covered, size_t *at)
{
	uint64_t start = record->offset, end = record->offset + record->length;

	record->first_piece = (uint32_t)batch->piece_count;
	while (*at < covered->count && start < end) {
		const struct extent *extent = &covered->extents[*at];

		if (extent->disk < record->disk ||
		    (extent->disk == record->disk && extent->end <= start)) {
			(*at)++;
			continue;
		}
		if (extent->disk > record->disk || extent->start >= end) {
			break;
		}
		if (extent->start > start &&
		    piece_add(batch, record->disk, start, extent->start) < 0) {
			return -ENOMEM;
		}
		start = extent->end;
	}
	if (start < end && piece_add(batch, record->disk, start, end) < 0) {
		return -ENOMEM;
	}
	record->piece_count = (uint32_t)batch->piece_count - record->first_piece;
	return 0;
}

/* Put an extent behind the others, joined to the last when they touch. */
static void set_append(struct extent_set *set, const struct extent *extent)
{
	struct extent *last = set->count == 0 ? NULL : &set->extents[set->count - 1];

	if (last != NULL && last->disk == extent->disk && last->end == extent->start) {
		last->end = extent->end;
	} else {
		set->extents[set->count++] = *extent;
	}
}

static bool extent_is_before(const struct extent *a, const struct extent *b)
{
	return a->disk != b->disk ? a->disk < b->disk : a->start < b->start;
}

/* The set and the pieces from the first-th on, which do not overlap, as one set. */
static int set_merge(struct extent_set *set, const struct batch *batch, size_t first)
{
	struct extent_set merged = {0};
	size_t i = 0;

	merged.extents =
		calloc(set->count + batch->piece_count - first + 1, sizeof(*merged.extents));
	if (merged.extents == NULL) {
		return -ENOMEM;
	}
	for (size_t k = first; k < batch->piece_count; k++) {
		const struct batch_piece *piece = &batch->pieces[k];
		struct extent extent = {.disk = piece->disk,
					.start = piece->offset,
					.end = piece->offset + piece->length};

		while (i < set->count && extent_is_before(&set->extents[i], &extent)) {
			set_append(&merged, &set->extents[i++]);
		}
		set_append(&merged, &extent);
	}
	while (i < set->count) {
		set_append(&merged, &set->extents[i++]);
	}
	free(set->extents);
	*set = merged;
	return 0;
}

/* Where the run begins that ends before the end-th record. */
static size_t run_begin(const struct batch *batch, size_t end)
{
	size_t begin = end - 1;

	while (begin > 0) {
		const struct batch_record *a = &batch->records[begin - 1];
		const struct batch_record *b = &batch->records[begin];

		if (a->disk > b->disk ||
		    (a->disk == b->disk && a->offset + a->length > b->offset)) {
			break;
		}
		begin--;
	}
	return begin;
}

int batch_plan(struct batch *batch)
{
	struct extent_set covered = {0};
	size_t end = batch->count;
	int rc = 0;

	batch->piece_count = 0;
	while (rc == 0 && end > 0) {
		size_t begin = run_begin(batch, end), first = batch->piece_count, at = 0;

		for (size_t i = begin; rc == 0 && i < end; i++) {
			rc = record_plan(batch, &batch->records[i], &covered, &at);
		}
		if (rc == 0 && batch->piece_count > first) {
			rc = set_merge(&covered, batch, first);
		}
		end = begin;
	}
	free(covered.extents);
	return rc;
}

const struct batch_piece *batch_pieces(const struct batch *batch, size_t index, size_t *ret_count)
{
	const struct batch_record *record = &batch->records[index];

	*ret_count = record->piece_count;
	return record->piece_count == 0 ? NULL : &batch->pieces[record->first_piece];
}
