/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a verification keeps of its slices. */
#include <string.h>

#include "engine/cycle_verify.h"
#include "engine/relationship_verify.h"
#include "unit.h"

#define BLOCK 65536u

static const struct verify_disk two[] = {{"vda", 8 * BLOCK}, {"vdb", 3 * BLOCK + 512}};

static void state_begin(struct verify_state *state)
{
	*state = (struct verify_state){0};
	CU_ASSERT_EQUAL_FATAL(verify_state_init(state, 1000), 0);
	verify_state_take_disks(state, two, 2);
}

static void test_differences_join(void)
{
	static const uint8_t map[] = {0x36}; /* blocks 1, 2, 4, 5 */
	static const uint8_t last[] = {0x08};
	struct verify_state state;

	state_begin(&state);
	CU_ASSERT_EQUAL(state.total_bytes, two[0].size_bytes + two[1].size_bytes);
	verify_state_note(&state, 0, 0, 8 * BLOCK, BLOCK, map, 8);
	CU_ASSERT_EQUAL(state.difference_count, 2);
	CU_ASSERT_EQUAL(state.differences[0].offset, BLOCK);
	CU_ASSERT_EQUAL(state.differences[0].length, 2 * BLOCK);
	CU_ASSERT_EQUAL(state.differences[1].offset, 4 * BLOCK);
	/* the last block of a disk is short, and another disk is no continuation */
	verify_state_note(&state, 1, 0, two[1].size_bytes, BLOCK, last, 4);
	CU_ASSERT_EQUAL(state.difference_count, 3);
	CU_ASSERT_STRING_EQUAL(state.differences[2].disk, "vdb");
	CU_ASSERT_EQUAL(state.differences[2].length, 512);
	CU_ASSERT_EQUAL(state.differing_bytes, 4 * BLOCK + 512);
	verify_state_destroy(&state);
}

static void test_list_is_bounded(void)
{
	static const uint8_t map[] = {0x55};
	struct verify_state state;

	state_begin(&state);
	for (unsigned int i = 0; i < VERIFY_DIFFERENCES_MAX; i++) {
		verify_state_note(&state, 0, 0, 8 * BLOCK, BLOCK, map, 8);
	}
	CU_ASSERT_EQUAL(state.difference_count, VERIFY_DIFFERENCES_MAX);
	CU_ASSERT_EQUAL(state.differing_bytes, 4ull * BLOCK * VERIFY_DIFFERENCES_MAX);
	verify_state_destroy(&state);
}

static void test_other_disks_begin_anew(void)
{
	static const uint8_t map[] = {0xff};
	struct verify_disk grown[2];
	struct verify_state state;

	state_begin(&state);
	verify_state_note(&state, 0, 0, 8 * BLOCK, BLOCK, map, 8);
	state.disk = 1;
	state.offset = BLOCK;
	verify_state_take_disks(&state, two, 2); /* the same: goes on */
	CU_ASSERT_EQUAL(state.disk, 1);
	CU_ASSERT_EQUAL(state.difference_count, 1);
	memcpy(grown, two, sizeof(two));
	grown[1].size_bytes *= 2;
	verify_state_take_disks(&state, grown, 2);
	CU_ASSERT_EQUAL(state.disk, 0);
	CU_ASSERT_EQUAL(state.offset, 0);
	CU_ASSERT_EQUAL(state.difference_count, 0);
	CU_ASSERT_EQUAL(state.differing_bytes, 0);
	verify_state_destroy(&state);
}

static void test_slices_leave_room(void)
{
	CU_ASSERT_EQUAL(verify_slice_ms(5), 1250);
	CU_ASSERT_EQUAL(verify_slice_ms(1), 1000);
	CU_ASSERT_EQUAL(verify_slice_ms(300), 20000);
}

static const struct unit_test tests[] = {
	{"differences join", test_differences_join},
	{"the list is bounded", test_list_is_bounded},
	{"other disks begin anew", test_other_disks_begin_anew},
	{"slices leave room for cycles", test_slices_leave_room},
};

UNIT_MAIN("verify_state", tests)
