/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "proto/dirty_map.h"
#include "engine/extent_list.h"
#include "engine/selection.h"
#include "unit.h"

#define KIB 1024ull
#define MIB (1024 * KIB)

static bool item_is(const struct extent_list *list, size_t index, uint64_t offset, uint64_t length,
		    bool zero)
{
	return index < list->count && list->items[index].offset == offset &&
	       list->items[index].length == length && list->items[index].zero == zero;
}

static void test_add(void)
{
	struct extent_list list = {0};

	CU_ASSERT_EQUAL(extent_list_add(&list, 0, 0, false), -EINVAL);
	CU_ASSERT_EQUAL(extent_list_add(&list, UINT64_MAX, 2, false), -EINVAL);
	CU_ASSERT_EQUAL(extent_list_add(&list, 10, 10, false), 0);
	CU_ASSERT_EQUAL(extent_list_add(&list, 20, 5, false), 0); /* joined */
	CU_ASSERT_EQUAL(extent_list_add(&list, 25, 5, true), 0);  /* another kind */
	CU_ASSERT_EQUAL(extent_list_add(&list, 29, 5, true), -EINVAL);
	CU_ASSERT_EQUAL(extent_list_add(&list, 40, 5, true), 0);
	CU_ASSERT_EQUAL(list.count, 3);
	CU_ASSERT(item_is(&list, 0, 10, 15, false));
	CU_ASSERT(item_is(&list, 1, 25, 5, true));
	CU_ASSERT_EQUAL(extent_list_bytes(&list), 25);
	CU_ASSERT_EQUAL(extent_list_data_bytes(&list), 15);
	for (uint64_t i = 0; i < 1000; i++) {
		CU_ASSERT_EQUAL_FATAL(extent_list_add(&list, 100 + i * 2, 1, false), 0);
	}
	CU_ASSERT_EQUAL(list.count, 1003);
	extent_list_clear(&list);
	CU_ASSERT_EQUAL(list.count, 0);
	extent_list_destroy(&list);
}

static void test_union(void)
{
	struct extent_list a = {0}, b = {0}, both = {0};

	extent_list_add(&a, 0, 10, false);
	extent_list_add(&a, 20, 10, true);
	extent_list_add(&b, 5, 20, true);
	extent_list_add(&b, 40, 1, false);
	CU_ASSERT_EQUAL(extent_list_union(&a, &b, &both), 0);
	CU_ASSERT_EQUAL(both.count, 3);
	CU_ASSERT(item_is(&both, 0, 0, 10, false)); /* data wins */
	CU_ASSERT(item_is(&both, 1, 10, 20, true));
	CU_ASSERT(item_is(&both, 2, 40, 1, false));
	extent_list_clear(&b);
	CU_ASSERT_EQUAL(extent_list_union(&a, &b, &both), 0);
	CU_ASSERT_EQUAL(both.count, 2);
	extent_list_destroy(&a);
	extent_list_destroy(&b);
	extent_list_destroy(&both);
}

static void test_clip(void)
{
	struct extent_list list = {0};

	extent_list_add(&list, 0, 10, false);
	extent_list_add(&list, 20, 10, false);
	extent_list_add(&list, 40, 10, true);
	extent_list_clip(&list, 5, 40);
	CU_ASSERT_EQUAL(list.count, 3);
	CU_ASSERT(item_is(&list, 0, 5, 5, false));
	CU_ASSERT(item_is(&list, 2, 40, 5, true));
	extent_list_clip(&list, 10, 10);
	CU_ASSERT_EQUAL(list.count, 0);
	extent_list_add(&list, 0, 10, false);
	extent_list_clip(&list, 3, UINT64_MAX);
	CU_ASSERT(item_is(&list, 0, 3, 7, false));
	extent_list_destroy(&list);
}

static void test_chunks(void)
{
	struct extent_list list = {0};
	struct chunk_cursor cursor;
	struct extent chunk;
	uint64_t next = 192 * KIB, bytes = 0;
	size_t count = 0;

	extent_list_add(&list, 192 * KIB, 3 * MIB, false);
	extent_list_add(&list, 10 * MIB, 1ull << 40, true);
	extent_list_add(&list, (10 * MIB) + (1ull << 40), 5, false);
	chunk_cursor_init(&cursor, &list, MIB);
	while (chunk_cursor_next(&cursor, &chunk)) {
		count++;
		bytes += chunk.length;
		if (chunk.zero) {
			CU_ASSERT_EQUAL(chunk.length, 1ull << 40); /* zeros stay whole */
			next = chunk.offset + chunk.length;
			continue;
		}
		CU_ASSERT(chunk.length <= MIB);
		CU_ASSERT_EQUAL(chunk.offset / MIB, (chunk.offset + chunk.length - 1) /
							    MIB); /* within one chunk's place */
		CU_ASSERT_EQUAL(chunk.offset, next);
		next = chunk.offset + chunk.length;
	}
	CU_ASSERT_EQUAL(count, 6);
	CU_ASSERT_EQUAL(bytes, extent_list_bytes(&list));
	extent_list_destroy(&list);
}

static void test_dirty_map(void)
{
	const uint64_t granule = DIRTY_MAP_GRANULE;
	struct dirty_map *map = dirty_map_new(200 * granule + 1);
	uint64_t offset, length;

	CU_ASSERT_FALSE(dirty_map_next(map, 0, UINT64_MAX, &offset, &length));
	dirty_map_set(map, granule + 5, 1);
	dirty_map_set(map, 60 * granule, 10 * granule);
	dirty_map_set(map, 200 * granule, 5 * granule); /* over the end */
	dirty_map_set(map, 500 * granule, 5);
	CU_ASSERT(dirty_map_next(map, 0, 201 * granule, &offset, &length));
	CU_ASSERT(offset == granule && length == granule);
	CU_ASSERT(dirty_map_next(map, granule + 100, 50, &offset, &length));
	CU_ASSERT(offset == granule + 100 && length == 50);
	CU_ASSERT(dirty_map_next(map, 2 * granule, 63 * granule, &offset, &length));
	CU_ASSERT(offset == 60 * granule && length == 5 * granule);
	CU_ASSERT(dirty_map_next(map, 100 * granule, UINT64_MAX, &offset, &length));
	CU_ASSERT(offset == 200 * granule && length == 1);
	CU_ASSERT_FALSE(dirty_map_next(map, 70 * granule, 10 * granule, &offset, &length));
	dirty_map_free(map);
}

static void select_one(struct extent_list *list, enum resume_rule rule, bool dirty, bool zero,
		       const struct dirty_map *map)
{
	struct nbd_extent extent = {
		.offset = 0, .length = 10 * DIRTY_MAP_GRANULE, .dirty = dirty, .zero = zero};

	extent_list_clear(list);
	CU_ASSERT_EQUAL(selection_add(list, &extent, rule, map), 0);
}

/* A job whose changes are told apart from its exports: the extent's own flag counts for nothing. */
static void test_selection_changed(void)
{
	struct nbd_extent extent = {
		.offset = DIRTY_MAP_GRANULE, .length = 8 * DIRTY_MAP_GRANULE, .dirty = true};
	struct dirty_map *map = dirty_map_new(10 * DIRTY_MAP_GRANULE);
	struct dirty_map *changed = dirty_map_new(10 * DIRTY_MAP_GRANULE);
	struct extent_list list = {0};

	CU_ASSERT_EQUAL(selection_add_changed(&list, &extent, RESUME_DIRTY, NULL, changed), 0);
	CU_ASSERT_EQUAL(list.count, 0);
	dirty_map_set(changed, 0, 2 * DIRTY_MAP_GRANULE); /* from before the extent into it */
	dirty_map_set(changed, 4 * DIRTY_MAP_GRANULE, 1);
	dirty_map_set(changed, 8 * DIRTY_MAP_GRANULE, 2 * DIRTY_MAP_GRANULE);
	CU_ASSERT_EQUAL(selection_add_changed(&list, &extent, RESUME_DIRTY, NULL, changed), 0);
	CU_ASSERT_EQUAL(list.count, 3);
	CU_ASSERT(item_is(&list, 0, DIRTY_MAP_GRANULE, DIRTY_MAP_GRANULE, false));
	CU_ASSERT(item_is(&list, 1, 4 * DIRTY_MAP_GRANULE, DIRTY_MAP_GRANULE, false));
	CU_ASSERT(item_is(&list, 2, 8 * DIRTY_MAP_GRANULE, DIRTY_MAP_GRANULE, false));
	/* and what a look before the cut found */
	dirty_map_set(map, 6 * DIRTY_MAP_GRANULE, 1);
	extent_list_clear(&list);
	CU_ASSERT_EQUAL(selection_add_changed(&list, &extent, RESUME_DIRTY_OR_MAP, map, changed),
			0);
	CU_ASSERT_EQUAL(list.count, 4);
	CU_ASSERT(item_is(&list, 2, 6 * DIRTY_MAP_GRANULE, DIRTY_MAP_GRANULE, false));
	extent_list_clear(&list);
	CU_ASSERT_EQUAL(selection_add_changed(&list, &extent, RESUME_ALL, NULL, changed), 0);
	CU_ASSERT_EQUAL(extent_list_bytes(&list), 8 * DIRTY_MAP_GRANULE);
	extent_list_destroy(&list);
	dirty_map_free(map);
	dirty_map_free(changed);
}

static void test_selection(void)
{
	struct dirty_map *map = dirty_map_new(10 * DIRTY_MAP_GRANULE);
	struct extent_list list = {0};

	dirty_map_set(map, 2 * DIRTY_MAP_GRANULE, 1);
	dirty_map_set(map, 9 * DIRTY_MAP_GRANULE, 1);
	select_one(&list, RESUME_DIRTY, false, false, map);
	CU_ASSERT_EQUAL(list.count, 0);
	select_one(&list, RESUME_DIRTY, true, true, NULL);
	CU_ASSERT(
		item_is(&list, 0, 0, 10 * DIRTY_MAP_GRANULE, true)); /* what became zero travels */
	select_one(&list, RESUME_DIRTY_OR_MAP, false, false, map);
	CU_ASSERT_EQUAL(list.count, 2);
	CU_ASSERT(item_is(&list, 1, 9 * DIRTY_MAP_GRANULE, DIRTY_MAP_GRANULE, false));
	select_one(&list, RESUME_DIRTY_OR_MAP, true, false, map);
	CU_ASSERT_EQUAL(list.count, 1);
	select_one(&list, RESUME_ALLOCATED, false, true, NULL);
	CU_ASSERT_EQUAL(list.count, 0);
	select_one(&list, RESUME_ALL, false, true, NULL);
	CU_ASSERT_EQUAL(list.count, 1);
	select_one(&list, RESUME_DIGEST, false, false, NULL);
	CU_ASSERT_EQUAL(list.count, 1);
	extent_list_destroy(&list);
	dirty_map_free(map);
}

static const struct unit_test tests[] = {
	{"adding", test_add},
	{"union", test_union},
	{"clipping", test_clip},
	{"chunks", test_chunks},
	{"dirty map", test_dirty_map},
	{"selection", test_selection},
	{"selection by what changed", test_selection_changed},
};
UNIT_MAIN("extents", tests)
