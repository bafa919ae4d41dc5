/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Time. Durations come from the monotonic clock; wall time is a label and is never subtracted for a
 * decision. */
#ifndef VMR_COMMON_CLOCK_H
#define VMR_COMMON_CLOCK_H

#include <stddef.h>
#include <stdint.h>

#define RFC3339_LEN 32 /* room for "2026-11-22T10:31:00.123Z" and the terminator */

/* Milliseconds of CLOCK_BOOTTIME (counts on through a suspend of the host). Never fails. */
int64_t clock_monotonic_ms(void);

/* Milliseconds since 1970 by CLOCK_REALTIME. Never fails. */
int64_t clock_wall_ms(void);

/* Write wall_ms as RFC 3339 in UTC, to the millisecond, into buf (RFC3339_LEN bytes). Returns buf.
 * wall_ms 0 gives "". */
char *clock_format_rfc3339(int64_t wall_ms, char buf[RFC3339_LEN]);

/* Block the calling thread. Not for the control thread. */
void clock_sleep_ms(int64_t ms);

#endif
