/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/digest_estimate.h"

#include "proto/limits.h"
#include "unit.h"

#define MIB (1ull << 20)
#define GIB (1ull << 30)

static void says(const struct digest_speed *speed, uint64_t bytes, const char *expected)
{
	char text[DIGEST_ESTIMATE_LEN];

	CU_ASSERT_STRING_EQUAL(digest_estimate_format(speed, bytes, text), expected);
}

static void test_assumed(void)
{
	const struct digest_speed none = {0};

	says(&none, 20 * GIB,
	     "20.0 GiB are hashed on both sides, about 4 min at 100.0 MiB/s (assumed); what "
	     "differs is sent");
	says(&none, GIB,
	     "1.0 GiB are hashed on both sides, about 11 s at 100.0 MiB/s (assumed); what "
	     "differs is sent");
	says(&none, 0,
	     "0.0 MiB are hashed on both sides, about 1 s at 100.0 MiB/s (assumed); what "
	     "differs is sent");
	CU_ASSERT_EQUAL(digest_estimate_seconds(&none, DIGEST_ASSUMED_BYTES_PER_S), 1);
	CU_ASSERT_EQUAL(digest_estimate_seconds(&none, DIGEST_ASSUMED_BYTES_PER_S + 1), 2);
}

static void test_measured(void)
{
	struct digest_speed speed = {0};

	digest_speed_note(&speed, 10 * GIB, 20480);
	CU_ASSERT_EQUAL(speed.bytes_per_s, 500 * MIB);
	says(&speed, 3 * 1024 * GIB,
	     "3.0 TiB are hashed on both sides, about 105 min at 500.0 MiB/s (measured); what "
	     "differs is sent");
	/* the last one counts, unless it says nothing */
	digest_speed_note(&speed, DIGEST_MEASURED_MIN_BYTES - 1, 1);
	digest_speed_note(&speed, 10 * GIB, 0);
	digest_speed_note(&speed, 10 * GIB, -5);
	CU_ASSERT_EQUAL(speed.bytes_per_s, 500 * MIB);
	digest_speed_note(&speed, 64 * MIB, 6400);
	CU_ASSERT_EQUAL(speed.bytes_per_s, 10 * MIB);
}

/* All disks of the largest VM: no overflow, and twice the bytes take twice as long. */
static void test_bounds(void)
{
	struct digest_speed speed = {0};
	const uint64_t all = DISK_SIZE_MAX * DISKS_MAX;

	says(&speed, all,
	     "64.0 PiB are hashed on both sides, about 7954 d at 100.0 MiB/s (assumed); what "
	     "differs is sent");
	CU_ASSERT_EQUAL(digest_estimate_seconds(&speed, all), all / DIGEST_ASSUMED_BYTES_PER_S + 1);
	digest_speed_note(&speed, all, 1);
	CU_ASSERT_EQUAL(speed.bytes_per_s, 1ull << 44);
	digest_speed_note(&speed, 64 * MIB, INT64_MAX);
	CU_ASSERT_EQUAL(speed.bytes_per_s, 1);
	CU_ASSERT_EQUAL(digest_estimate_seconds(&speed, 7), 7);
	CU_ASSERT_EQUAL(digest_estimate_seconds(&speed, UINT64_MAX), UINT64_MAX);
}

static const struct unit_test tests[] = {
	{"assumed", test_assumed},
	{"measured", test_measured},
	{"bounds", test_bounds},
};
UNIT_MAIN("digest estimate", tests)
