/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bandwidth: a token bucket (pure; the caller gives the time and sleeps) and a meter for rate and
 * time left. */
#ifndef VMR_COMMON_RATE_H
#define VMR_COMMON_RATE_H

#include <stdint.h>

struct rate_bucket {
	uint64_t bytes_per_s; /* 0 = unlimited */
	int64_t tokens;	      /* bytes that may go now; negative: debt */
	int64_t last_ms;
};

void rate_bucket_init(struct rate_bucket *bucket, uint64_t bytes_per_s, int64_t now_ms);
/* Charge bytes; returns the milliseconds that the caller must wait before it sends on (0 = none).
 */
int64_t rate_bucket_charge(struct rate_bucket *bucket, uint64_t bytes, int64_t now_ms);

struct rate_meter {
	int64_t start_ms, last_ms;
	uint64_t total_bytes;
	double bytes_per_s; /* smoothed over about 5 s; add 0 bytes to let it fall while nothing
			       moves */
	double window;	    /* the smoothing's own state */
};

void rate_meter_init(struct rate_meter *meter, int64_t now_ms);
void rate_meter_add(struct rate_meter *meter, uint64_t bytes, int64_t now_ms);

/* Parse "20M", "512k", "1G", "1000000" (bytes per second; powers of 1024). 0 or -EINVAL/-ERANGE;
 * *ret untouched on failure. */
int rate_parse(const char *text, uint64_t *ret_bytes);

#endif
