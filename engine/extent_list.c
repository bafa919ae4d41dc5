/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/extent_list.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "common/checked.h"

void extent_list_destroy(struct extent_list *list)
{
	free(list->items);
	*list = (struct extent_list){0};
}

void extent_list_clear(struct extent_list *list)
{
	list->count = 0;
}

static int extent_list_grow(struct extent_list *list)
{
	size_t capacity = list->capacity == 0 ? 64 : list->capacity * 2;
	struct extent *items = reallocarray(list->items, capacity, sizeof(*items));

	if (items == NULL) {
		return -ENOMEM;
	}
	list->items = items;
	list->capacity = capacity;
	return 0;
}

int extent_list_add(struct extent_list *list, uint64_t offset, uint64_t length, bool zero)
{
	struct extent *last = list->count > 0 ? &list->items[list->count - 1] : NULL;
	uint64_t end;

	if (length == 0 || !checked_add_u64(offset, length, &end)) {
		return -EINVAL;
	}
	if (last != NULL && offset < last->offset + last->length) {
		return -EINVAL;
	}
	if (last != NULL && offset == last->offset + last->length && zero == last->zero) {
		last->length += length;
		return 0;
	}
	if (list->count == list->capacity && extent_list_grow(list) < 0) {
		return -ENOMEM;
	}
	list->items[list->count++] = (struct extent){offset, length, zero};
	return 0;
}

/* The extent at or after position, or an empty one at the end of the world. */
static struct extent extent_at(const struct extent_list *list, size_t *index, uint64_t position)
{
	while (*index < list->count &&
	       list->items[*index].offset + list->items[*index].length <= position) {
		(*index)++;
	}
	if (*index == list->count) {
		return (struct extent){UINT64_MAX, 0, true};
	}
	return list->items[*index];
}

static uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Where extent begins or ends next, seen from position; UINT64_MAX when it is behind. */
static uint64_t extent_next_edge(const struct extent *extent, uint64_t position)
{
	return position < extent->offset ? extent->offset : extent->offset + extent->length;
}

int extent_list_union(const struct extent_list *a, const struct extent_list *b,
		      struct extent_list *ret_list)
{
	uint64_t position = 0;
	size_t ia = 0, ib = 0;

	assert(ret_list != a && ret_list != b);
	extent_list_clear(ret_list);
	for (;;) {
		struct extent ea = extent_at(a, &ia, position), eb = extent_at(b, &ib, position);
		uint64_t start = min_u64(ea.offset, eb.offset), end;
		bool in_a, in_b;

		if (start == UINT64_MAX) {
			return 0;
		}
		if (start > position) {
			position = start;
		}
		in_a = ea.offset <= position;
		in_b = eb.offset <= position;
		end = min_u64(extent_next_edge(&ea, position), extent_next_edge(&eb, position));
		if (extent_list_add(ret_list, position, end - position,
				    (!in_a || ea.zero) && (!in_b || eb.zero)) < 0) {
			return -ENOMEM;
		}
		position = end;
	}
}

void extent_list_clip(struct extent_list *list, uint64_t offset, uint64_t length)
{
	uint64_t end, kept = 0;

	if (!checked_add_u64(offset, length, &end)) {
		end = UINT64_MAX;
	}
	for (size_t i = 0; i < list->count; i++) {
		struct extent item = list->items[i];
		uint64_t item_end = min_u64(item.offset + item.length, end);
		uint64_t item_start = item.offset > offset ? item.offset : offset;

		if (item_start < item_end) {
			list->items[kept++] =
				(struct extent){item_start, item_end - item_start, item.zero};
		}
	}
	list->count = kept;
}

uint64_t extent_list_bytes(const struct extent_list *list)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < list->count; i++) {
		bytes += list->items[i].length;
	}
	return bytes;
}

uint64_t extent_list_data_bytes(const struct extent_list *list)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < list->count; i++) {
		bytes += list->items[i].zero ? 0 : list->items[i].length;
	}
	return bytes;
}

void chunk_cursor_init(struct chunk_cursor *cursor, const struct extent_list *list,
		       uint64_t max_bytes)
{
	assert(max_bytes > 0);
	*cursor = (struct chunk_cursor){.list = list, .max_bytes = max_bytes};
}

bool chunk_cursor_next(struct chunk_cursor *cursor, struct extent *ret_chunk)
{
	const struct extent *item;
	struct extent chunk;

	if (cursor->index == cursor->list->count) {
		return false;
	}
	item = &cursor->list->items[cursor->index];
	chunk = (struct extent){item->offset + cursor->done, item->length - cursor->done,
				item->zero};
	if (!chunk.zero) {
		chunk.length =
			min_u64(chunk.length, cursor->max_bytes - chunk.offset % cursor->max_bytes);
	}
	cursor->done += chunk.length;
	if (cursor->done == item->length) {
		cursor->index++;
		cursor->done = 0;
	}
	*ret_chunk = chunk;
	return true;
}
