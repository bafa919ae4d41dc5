/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "common/rate.h"
#include "tests/unit/unit.h"

static void test_bucket_holds_rate(void)
{
	struct rate_bucket bucket;
	int64_t now_ms = 1000;
	uint64_t sent = 0;

	rate_bucket_init(&bucket, 1000000, now_ms);
	while (now_ms < 11000) {
		int64_t wait_ms = rate_bucket_charge(&bucket, 123457, now_ms);

		sent += 123457;
		now_ms += wait_ms > 0 ? wait_ms : 1;
	}
	/* Ten seconds at 1 MB/s, give or take the burst and one chunk. */
	CU_ASSERT_TRUE(sent >= 9800000 && sent <= 10400000);
}

static void test_bucket_saves_little(void)
{
	struct rate_bucket bucket;

	rate_bucket_init(&bucket, 1000, 0);
	/* An hour of silence is worth a tenth of a second. */
	CU_ASSERT_EQUAL(rate_bucket_charge(&bucket, 100, 3600000), 0);
	CU_ASSERT_EQUAL(rate_bucket_charge(&bucket, 100, 3600000), 100);
	/* A clock that goes back gives nothing and takes nothing. */
	CU_ASSERT_EQUAL(rate_bucket_charge(&bucket, 0, 3500000), 100);
	CU_ASSERT_EQUAL(rate_bucket_charge(&bucket, 0, 3500060), 40);
}

static void test_bucket_extremes(void)
{
	struct rate_bucket bucket;

	rate_bucket_init(&bucket, 0, 0);
	CU_ASSERT_EQUAL(rate_bucket_charge(&bucket, UINT64_MAX, 1), 0);
	rate_bucket_init(&bucket, 1, 0);
	CU_ASSERT_TRUE(rate_bucket_charge(&bucket, UINT64_MAX, 1) > 0);
	CU_ASSERT_TRUE(rate_bucket_charge(&bucket, UINT64_MAX, 2) > 0);
	rate_bucket_init(&bucket, UINT64_MAX, 0);
	CU_ASSERT_EQUAL(rate_bucket_charge(&bucket, 1 << 20, INT64_MAX), 0);
}

static void test_meter(void)
{
	struct rate_meter meter;

	rate_meter_init(&meter, 500);
	for (int64_t now_ms = 600; now_ms <= 1500; now_ms += 100) {
		rate_meter_add(&meter, 100000, now_ms);
	}
	/* After one second already the true rate, not a fifth of it. */
	CU_ASSERT_DOUBLE_EQUAL(meter.bytes_per_s, 1000000.0, 60000.0);
	for (int64_t now_ms = 1600; now_ms <= 60000; now_ms += 100) {
		rate_meter_add(&meter, 200000, now_ms);
	}
	CU_ASSERT_DOUBLE_EQUAL(meter.bytes_per_s, 2000000.0, 60000.0);
	CU_ASSERT_EQUAL(meter.total_bytes, 10 * 100000 + 585 * 200000);
	rate_meter_add(&meter, 0, 90000);
	CU_ASSERT_TRUE(meter.bytes_per_s < 10000.0);
}

static void test_parse(void)
{
	uint64_t bytes = 7;

	CU_ASSERT_EQUAL(rate_parse("1000000", &bytes), 0);
	CU_ASSERT_EQUAL(bytes, 1000000);
	CU_ASSERT_EQUAL(rate_parse("20M", &bytes), 0);
	CU_ASSERT_EQUAL(bytes, 20ull << 20);
	CU_ASSERT_EQUAL(rate_parse("512k", &bytes), 0);
	CU_ASSERT_EQUAL(bytes, 512ull << 10);
	CU_ASSERT_EQUAL(rate_parse("1G", &bytes), 0);
	CU_ASSERT_EQUAL(bytes, 1ull << 30);
	CU_ASSERT_EQUAL(rate_parse("2t", &bytes), 0);
	CU_ASSERT_EQUAL(bytes, 2ull << 40);
	CU_ASSERT_EQUAL(rate_parse("0", &bytes), 0);
	CU_ASSERT_EQUAL(bytes, 0);
	bytes = 7;
	CU_ASSERT_EQUAL(rate_parse("", &bytes), -EINVAL);
	CU_ASSERT_EQUAL(rate_parse("M", &bytes), -EINVAL);
	CU_ASSERT_EQUAL(rate_parse("-1", &bytes), -EINVAL);
	CU_ASSERT_EQUAL(rate_parse(" 1", &bytes), -EINVAL);
	CU_ASSERT_EQUAL(rate_parse("1 M", &bytes), -EINVAL);
	CU_ASSERT_EQUAL(rate_parse("1MB", &bytes), -EINVAL);
	CU_ASSERT_EQUAL(rate_parse("1x", &bytes), -EINVAL);
	CU_ASSERT_EQUAL(rate_parse("99999999999999999999", &bytes), -ERANGE);
	CU_ASSERT_EQUAL(rate_parse("99999999999999999T", &bytes), -ERANGE);
	CU_ASSERT_EQUAL(bytes, 7);
}

static const struct unit_test tests[] = {
	{"the bucket holds its rate", test_bucket_holds_rate},
	{"silence is hardly saved up", test_bucket_saves_little},
	{"extreme numbers", test_bucket_extremes},
	{"the meter follows the rate", test_meter},
	{"sizes in text", test_parse},
};

UNIT_MAIN("rate", tests)
