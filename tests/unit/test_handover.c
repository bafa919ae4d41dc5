/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/handover.h"

#include <string.h>

#include "unit.h"

#define CUT "0123456789abcdef"

static void test_handover(void)
{
	struct handover handover = {.epoch = 3}, read;
	char text[HANDOVER_LEN];
	static const char *const wrong[] = {
		"",
		"0 0 -",
		"3 7 -",
		"3 7 xyz",
		"3 0",
		"3 7 " CUT "0",
		"3 7 " CUT " more",
		"x 7 " CUT,
		"-1 7 " CUT,
		"3 -7 " CUT,
		"99999999999999999999 7 " CUT,
		"3 0 x",
		" 3 0 -",
	};

	CU_ASSERT_STRING_EQUAL(handover_encode(&handover, text), "3 0 -");
	CU_ASSERT_FATAL(handover_decode(text, &read));
	CU_ASSERT_EQUAL(read.epoch, 3);
	CU_ASSERT_EQUAL(read.seq, 0);
	handover.seq = UINT64_MAX;
	strcpy(handover.cut_id, CUT);
	CU_ASSERT_FATAL(handover_decode(handover_encode(&handover, text), &read));
	CU_ASSERT_EQUAL(read.seq, UINT64_MAX);
	CU_ASSERT_STRING_EQUAL(read.cut_id, CUT);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		CU_ASSERT_FALSE(handover_decode(wrong[i], &read));
	}
	CU_ASSERT_FALSE(handover_decode(NULL, &read));
	CU_ASSERT_EQUAL(read.seq, UINT64_MAX); /* untouched */
}

static void test_adopt(void)
{
	struct adopt_order order = {.seq = 17, .cut_id = CUT}, read;
	char text[ADOPT_LEN];
	static const char *const wrong[] = {
		"",
		"17 " CUT,
		"17 " CUT " delta",
		"17 " CUT " maybe -",
		"17 " CUT " delta relative",
		"17 " CUT " delta /a/../b",
		"17 xyz delta -",
		"-17 " CUT " delta -",
		"017 " CUT " delta -",
	};

	CU_ASSERT_STRING_EQUAL(adopt_order_encode(&order, text), "17 " CUT " delta -");
	CU_ASSERT_FATAL(adopt_order_decode(text, &read));
	CU_ASSERT_FALSE(read.digest);
	CU_ASSERT_STRING_EQUAL(read.extents, "");
	order.digest = true;
	strcpy(order.extents, "/srv/a replica/x.extents");
	CU_ASSERT_FATAL(adopt_order_decode(adopt_order_encode(&order, text), &read));
	CU_ASSERT(read.digest);
	CU_ASSERT_STRING_EQUAL(read.extents, "/srv/a replica/x.extents");
	CU_ASSERT_EQUAL(read.seq, 17);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		CU_ASSERT_FALSE(adopt_order_decode(wrong[i], &read));
	}
	CU_ASSERT_FALSE(adopt_order_decode(NULL, &read));
}

static const struct unit_test tests[] = {
	{"handover", test_handover},
	{"adopted disks", test_adopt},
};
UNIT_MAIN("handover", tests)
