/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Extents of one disk, ascending and disjoint, and how they become chunks. Pure.
 * A list holds one window of a disk at a time: the extents of a whole fragmented 1 TiB disk would
 * take 400 MB.
 */
#ifndef VMR_ENGINE_EXTENT_LIST_H
#define VMR_ENGINE_EXTENT_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct extent {
	uint64_t offset, length; /* bytes */
	bool zero;		 /* reads as zeros */
};

/* Zero-initialize; release with extent_list_destroy. */
struct extent_list {
	struct extent *items; /* owned */
	size_t count, capacity;
};

void extent_list_destroy(struct extent_list *list);
void extent_list_clear(struct extent_list *list); /* empty, keeps its memory */
/* Append; joined with the last one when adjacent and of the same kind. 0, -EINVAL (empty, overflow,
 * or not after the last one), -ENOMEM. */
int extent_list_add(struct extent_list *list, uint64_t offset, uint64_t length, bool zero);
/* All that is in a or in b, into *ret_list (emptied first; neither a nor b). Where both hold a
 * byte, it is zero only when both say so. 0 or -ENOMEM. */
int extent_list_union(const struct extent_list *a, const struct extent_list *b,
		      struct extent_list *ret_list);
/* Drop all outside [offset, offset + length). */
void extent_list_clip(struct extent_list *list, uint64_t offset, uint64_t length);
uint64_t extent_list_bytes(const struct extent_list *list);
/* Of these, the bytes that must be read (not zero). */
uint64_t extent_list_data_bytes(const struct extent_list *list);

/* Cuts the extents into chunks: data ends at multiples of max_bytes, so that a chunk never spans
 * one and the receiver's writes are aligned; zeros stay whole. */
struct chunk_cursor {
	const struct extent_list *list; /* borrowed */
	size_t index;
	uint64_t done; /* bytes of items[index] already given out */
	uint64_t max_bytes;
};
void chunk_cursor_init(struct chunk_cursor *cursor, const struct extent_list *list,
		       uint64_t max_bytes);
bool chunk_cursor_next(struct chunk_cursor *cursor,
		       struct extent *ret_chunk); /* false at the end */

#endif
