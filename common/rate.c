/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/rate.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/checked.h"

#define RATE_BURST_MS	  100 /* what may be saved up while nothing is sent */
#define RATE_SMOOTHING_MS 5000.0

void rate_bucket_init(struct rate_bucket *bucket, uint64_t bytes_per_s, int64_t now_ms)
{
	bucket->bytes_per_s = bytes_per_s > INT64_MAX / 2 ? INT64_MAX / 2 : bytes_per_s;
	bucket->tokens = 0;
	bucket->last_ms = now_ms;
}

static int64_t saturate(__int128 value)
{
	if (value > INT64_MAX / 2) {
		return INT64_MAX / 2;
	}
	return value < INT64_MIN / 2 ? INT64_MIN / 2 : (int64_t)value;
}

int64_t rate_bucket_charge(struct rate_bucket *bucket, uint64_t bytes, int64_t now_ms)
{
	int64_t elapsed_ms = now_ms > bucket->last_ms ? now_ms - bucket->last_ms : 0;
	__int128 rate = bucket->bytes_per_s;
	__int128 tokens;

	bucket->last_ms = now_ms;
	if (rate == 0) {
		return 0;
	}
	tokens = bucket->tokens + rate * elapsed_ms / 1000;
	if (tokens > rate * RATE_BURST_MS / 1000) {
		tokens = rate * RATE_BURST_MS / 1000;
	}
	tokens -= bytes;
	bucket->tokens = saturate(tokens);
	return tokens >= 0 ? 0 : saturate((-tokens * 1000 + rate - 1) / rate);
}

void rate_meter_init(struct rate_meter *meter, int64_t now_ms)
{
	memset(meter, 0, sizeof(*meter));
	meter->start_ms = now_ms;
	meter->last_ms = now_ms;
}

void rate_meter_add(struct rate_meter *meter, uint64_t bytes, int64_t now_ms)
{
	double elapsed_ms = now_ms > meter->last_ms ? (double)(now_ms - meter->last_ms) : 0.0;
	double age_ms, seen;

	meter->total_bytes += bytes;
	meter->last_ms = now_ms > meter->last_ms ? now_ms : meter->last_ms;
	/* An exponential window: each byte adds a pulse that decays, and the area under it is the
	 * byte. */
	meter->window = meter->window * exp(-elapsed_ms / RATE_SMOOTHING_MS) +
			(double)bytes * 1000.0 / RATE_SMOOTHING_MS;
	/* A young meter has seen a part of its window only: without this, time left starts far too
	 * high. */
	age_ms = (double)(meter->last_ms - meter->start_ms);
	seen = 1.0 - exp(-(age_ms < 1.0 ? 1.0 : age_ms) / RATE_SMOOTHING_MS);
	meter->bytes_per_s = meter->window / seen;
}

static int rate_unit_shift(const char *unit)
{
	static const char units[] = "kKmMgGtT";
	const char *at = *unit != '\0' ? strchr(units, *unit) : NULL;

	if (*unit == '\0') {
		return 0;
	}
	return at != NULL && unit[1] == '\0' ? 10 * (int)((at - units) / 2 + 1) : -EINVAL;
}

int rate_parse(const char *text, uint64_t *ret_bytes)
{
	unsigned long long number;
	char *end;
	int shift;

	if (text[0] < '0' || text[0] > '9') {
		return -EINVAL;
	}
	errno = 0;
	number = strtoull(text, &end, 10);
	if (errno == ERANGE) {
		return -ERANGE;
	}
	shift = rate_unit_shift(end);
	if (shift < 0) {
		return shift;
	}
	return checked_mul_u64(number, 1ull << shift, ret_bytes) ? 0 : -ERANGE;
}
