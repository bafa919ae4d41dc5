/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/digest_estimate.h"

#include <inttypes.h>
#include <stdio.h>

#define MIB	(1ull << 20)
#define FASTEST (1ull << 44) /* bytes a second: disks of holes */

void digest_speed_note(struct digest_speed *speed, uint64_t bytes, int64_t took_ms)
{
	if (bytes >= DIGEST_MEASURED_MIN_BYTES && took_ms > 0) {
		double rate = (double)bytes * 1000 / (double)took_ms;

		speed->bytes_per_s = rate < 1		      ? 1
				     : rate > (double)FASTEST ? FASTEST
							      : (uint64_t)rate;
	}
}

static uint64_t speed_of(const struct digest_speed *speed)
{
	return speed->bytes_per_s > 0 ? speed->bytes_per_s : DIGEST_ASSUMED_BYTES_PER_S;
}

uint64_t digest_estimate_seconds(const struct digest_speed *speed, uint64_t bytes)
{
	uint64_t rate = speed_of(speed), seconds = bytes / rate + (bytes % rate != 0);

	return seconds > 0 ? seconds : 1;
}

/* Rounded up: "45 s", "4 min", "3 h", "12 d". */
static void format_duration(uint64_t seconds, char *buf, size_t size)
{
	static const struct {
		uint64_t seconds, below; /* of one; used below so many seconds */
		const char *name;
	} units[] = {{1, 120, "s"}, {60, 7200, "min"}, {3600, 172800, "h"}, {86400, 0, "d"}};
	size_t unit = 0;

	while (units[unit].below != 0 && seconds >= units[unit].below) {
		unit++;
	}
	snprintf(buf, size, "%" PRIu64 " %s",
		 (seconds + units[unit].seconds - 1) / units[unit].seconds, units[unit].name);
}

static void format_bytes(uint64_t bytes, char *buf, size_t size)
{
	static const char *const units[] = {"MiB", "GiB", "TiB", "PiB"};
	double value = (double)bytes / (double)MIB;
	size_t unit = 0;

	while (value >= 1023.95 && unit + 1 < sizeof(units) / sizeof(units[0])) {
		value /= 1024;
		unit++;
	}
	snprintf(buf, size, "%.1f %s", value, units[unit]);
}

char *digest_estimate_format(const struct digest_speed *speed, uint64_t bytes,
			     char buf[DIGEST_ESTIMATE_LEN])
{
	char size[32], duration[32], rate[32];

	format_bytes(bytes, size, sizeof(size));
	format_duration(digest_estimate_seconds(speed, bytes), duration, sizeof(duration));
	format_bytes(speed_of(speed), rate, sizeof(rate));
	snprintf(buf, DIGEST_ESTIMATE_LEN,
		 "%s are hashed on both sides, about %s at %s/s (%s); what differs is sent", size,
		 duration, rate, speed->bytes_per_s > 0 ? "measured" : "assumed");
	return buf;
}
