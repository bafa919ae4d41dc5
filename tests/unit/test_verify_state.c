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
	CU_ASSERT_EQUAL_FATAL(verify_state_init(state, 1000, false), 0);
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
	CU_ASSERT_EQUAL(verify_slice_ms(5, false), 1250);
	CU_ASSERT_EQUAL(verify_slice_ms(1, false), 1000);
	CU_ASSERT_EQUAL(verify_slice_ms(300, false), 20000);
	CU_ASSERT_EQUAL(verify_slice_ms(5, true), INT64_C(604800000));
}

static void compared(struct verify_state *state, uint64_t bytes)
{
	atomic_store(&state->done_bytes, bytes);
}

static void test_slices_add_up(void)
{
	struct verify_state state;

	state_begin(&state);
	compared(&state, BLOCK);
	verify_state_end_slice(&state, 7, 0, true, false);
	verify_state_end_slice(&state, 8, BLOCK, true, false); /* nothing was done */
	verify_state_end_slice(&state, 8, BLOCK, true, true);
	CU_ASSERT_EQUAL(state.fruitless, 1);
	CU_ASSERT_FALSE(state.complete);
	compared(&state, state.total_bytes);
	verify_state_end_slice(&state, 9, BLOCK, true, false);
	CU_ASSERT_TRUE(state.complete);
	CU_ASSERT_EQUAL(state.first_seq, 7);
	CU_ASSERT_EQUAL(state.last_seq, 9);
	CU_ASSERT_EQUAL(state.cuts, 2);
	CU_ASSERT_EQUAL(state.fruitless, 0);
	verify_state_destroy(&state);
}

static void test_not_of_the_cut(void)
{
	struct verify_state state;

	state_begin(&state);
	compared(&state, state.total_bytes);
	verify_state_end_slice(&state, 7, 0, false, false);
	CU_ASSERT_FALSE(state.complete);
	CU_ASSERT_EQUAL(state.done_bytes, 0);
	CU_ASSERT_EQUAL(state.fruitless, 1);
	verify_state_destroy(&state);
}

/* What was compared at another cut does not count. */
static void test_one_cut(void)
{
	struct verify_state state;

	state_begin(&state);
	state.one_cut = true;
	compared(&state, BLOCK);
	verify_state_end_slice(&state, 7, 0, true, true);
	CU_ASSERT_EQUAL(state.done_bytes, 0);
	CU_ASSERT_EQUAL(state.cuts, 0);
	CU_ASSERT_FALSE(state.complete);
	compared(&state, state.total_bytes);
	verify_state_end_slice(&state, 8, 0, true, false);
	CU_ASSERT_TRUE(state.complete);
	CU_ASSERT_EQUAL(state.first_seq, 8);
	CU_ASSERT_EQUAL(state.last_seq, 8);
	CU_ASSERT_EQUAL(state.cuts, 1);
	verify_state_destroy(&state);
}

static const struct unit_test tests[] = {
	{"differences join", test_differences_join},
	{"the list is bounded", test_list_is_bounded},
	{"other disks begin anew", test_other_disks_begin_anew},
	{"slices leave room for cycles", test_slices_leave_room},
	{"slices add up", test_slices_add_up},
	{"not of the cut", test_not_of_the_cut},
	{"at one cut", test_one_cut},
};

UNIT_MAIN("verify_state", tests)
