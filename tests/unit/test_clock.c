/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/clock.h"
#include "tests/unit/unit.h"

static void test_rfc3339(void)
{
	char buf[RFC3339_LEN];

	CU_ASSERT_STRING_EQUAL(clock_format_rfc3339(0, buf), "");
	CU_ASSERT_STRING_EQUAL(clock_format_rfc3339(1, buf), "1970-01-01T00:00:00.001Z");
	CU_ASSERT_STRING_EQUAL(clock_format_rfc3339(-1, buf), "1969-12-31T23:59:59.999Z");
	CU_ASSERT_STRING_EQUAL(clock_format_rfc3339(1795343460123, buf),
			       "2026-11-22T10:31:00.123Z");
	CU_ASSERT_STRING_EQUAL(clock_format_rfc3339(951782400000, buf), "2000-02-29T00:00:00.000Z");
	CU_ASSERT_STRING_EQUAL(clock_format_rfc3339(INT64_MAX, buf), "");
	CU_ASSERT_STRING_EQUAL(clock_format_rfc3339(INT64_MIN, buf), "");
}

static void test_sleep_passes_time(void)
{
	int64_t begin = clock_monotonic_ms();

	clock_sleep_ms(30);
	CU_ASSERT_TRUE(clock_monotonic_ms() - begin >= 29);
	begin = clock_monotonic_ms();
	clock_sleep_ms(-5);
	CU_ASSERT_TRUE(clock_monotonic_ms() - begin < 1000);
	CU_ASSERT_TRUE(clock_wall_ms() > 1700000000000);
}

static const struct unit_test tests[] = {
	{"RFC 3339", test_rfc3339},
	{"sleeping takes time", test_sleep_passes_time},
};

UNIT_MAIN("clock", tests)
