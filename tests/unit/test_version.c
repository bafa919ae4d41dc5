/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "proto/limits.h"
#include "proto/version.h"
#include "unit.h"

static void test_choose(void)
{
	static const struct {
		struct version_range ours, theirs;
		uint32_t chosen;
	} cases[] = {
		{{1, 1}, {1, 1}, 1}, {{1, 1}, {2, 3}, 0}, {{2, 3}, {1, 1}, 0}, {{1, 2}, {1, 1}, 1},
		{{1, 1}, {1, 2}, 1}, {{1, 2}, {2, 3}, 2}, {{2, 3}, {1, 2}, 2}, {{1, 9}, {3, 7}, 7},
		{{4, 5}, {5, 6}, 5}, {{4, 5}, {6, 7}, 0}, {{1, 1}, {0, 0}, 0},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		CU_ASSERT_EQUAL(version_choose(cases[i].ours, cases[i].theirs), cases[i].chosen);
	}
}

/* A release speaks its own version and the one before it. */
static void test_ours(void)
{
	struct version_range ours = version_ours();
	char text[128], small[8];

	CU_ASSERT_EQUAL(ours.max, PROTOCOL_VERSION_MAX);
	CU_ASSERT_TRUE(ours.min >= 1 && ours.min <= ours.max && ours.max - ours.min <= 1);
	CU_ASSERT_STRING_EQUAL(
		version_explain((struct version_range){1, 1}, (struct version_range){2, 3}, text,
				sizeof(text)),
		"it speaks protocol versions 2 to 3, this side 1 to 1: update the older side");
	CU_ASSERT_EQUAL(strlen(version_explain(ours, ours, small, sizeof(small))), 7);
}

static const struct unit_test tests[] = {
	{"the highest common version", test_choose},
	{"ours", test_ours},
};

UNIT_MAIN("protocol versions", tests)
