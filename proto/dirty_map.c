/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proto/dirty_map.h"

#include <stdlib.h>

struct dirty_map {
	uint64_t size_bytes;
	uint64_t granules;
	uint64_t words[]; /* bit set = dirty */
};

struct dirty_map *dirty_map_new(uint64_t size_bytes)
{
	uint64_t granules = size_bytes / DIRTY_MAP_GRANULE + (size_bytes % DIRTY_MAP_GRANULE != 0);
	struct dirty_map *map;

	map = calloc(1, sizeof(*map) + (granules / 64 + 1) * sizeof(map->words[0]));
	if (map != NULL) {
		map->size_bytes = size_bytes;
		map->granules = granules;
	}
	return map;
}

void dirty_map_free(struct dirty_map *map)
{
	free(map);
}

/* Granules [*ret_first, *ret_end) touched by the range, cut at the disk's end. False when none. */
static bool dirty_map_granules(const struct dirty_map *map, uint64_t offset, uint64_t length,
			       uint64_t *ret_first, uint64_t *ret_end)
{
	if (length == 0 || offset >= map->size_bytes) {
		return false;
	}
	if (length > map->size_bytes - offset) {
		length = map->size_bytes - offset;
	}
	*ret_first = offset / DIRTY_MAP_GRANULE;
	*ret_end = (offset + length - 1) / DIRTY_MAP_GRANULE + 1;
	return true;
}

void dirty_map_set(struct dirty_map *map, uint64_t offset, uint64_t length)
{
	uint64_t first, end;

	if (!dirty_map_granules(map, offset, length, &first, &end)) {
		return;
	}
	for (uint64_t i = first; i < end; i++) {
		map->words[i / 64] |= 1ull << (i % 64);
	}
}

/* The first granule in [from, end) whose bit equals dirty; end when none. */
static uint64_t dirty_map_find(const struct dirty_map *map, uint64_t from, uint64_t end, bool dirty)
{
	while (from < end) {
		uint64_t word = dirty ? map->words[from / 64] : ~map->words[from / 64];

		word &= ~0ull << (from % 64);
		if (word != 0) {
			uint64_t found = from / 64 * 64 + (uint64_t)__builtin_ctzll(word);

			return found < end ? found : end;
		}
		from = (from / 64 + 1) * 64;
	}
	return end;
}

bool dirty_map_next(const struct dirty_map *map, uint64_t offset, uint64_t length,
		    uint64_t *ret_offset, uint64_t *ret_length)
{
	uint64_t first, end, limit, start;

	if (!dirty_map_granules(map, offset, length, &first, &end)) {
		return false;
	}
	limit = length > map->size_bytes - offset ? map->size_bytes : offset + length;
	first = dirty_map_find(map, first, end, true);
	if (first == end) {
		return false;
	}
	end = dirty_map_find(map, first, end, false) * DIRTY_MAP_GRANULE;
	start = first * DIRTY_MAP_GRANULE;
	*ret_offset = start > offset ? start : offset;
	*ret_length = (end < limit ? end : limit) - *ret_offset;
	return true;
}
