/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which cycles become recovery points, which points and logs go: pure functions of the time, the
 * settings and what there is. Times are cut times, the sender's wall clock.
 */
#ifndef VMR_RECEIVER_RETENTION_H
#define VMR_RECEIVER_RETENTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A VM's settings. points 0 = none are kept: the replica is its newest cycle alone. */
struct retention_settings {
	uint32_t points;
	uint32_t interval_s;	 /* between points; up to one cycle's = every cycle */
	uint32_t app_interval_s; /* between application-consistent ones; 0 = none of their own */
	uint32_t frequency_s;	 /* between cycles; 0 = unknown */
};

struct retention_cut {
	uint64_t seq;
	int64_t time_ms;
	bool application;
};

struct retention_log {
	uint64_t seq;
	uint64_t size_bytes;
};

/* Shall this cut become a point, after those (ascending)? A cut due half a cycle from now is taken
 * now: the next one would be late by as much. A clock that was set back does not keep points from
 * being made. */
bool retention_is_due(const struct retention_settings *settings, const struct retention_cut *points,
		      size_t count, const struct retention_cut *cut);

struct retention_input {
	struct retention_settings settings;
	const struct retention_cut *points; /* ascending */
	size_t point_count;
	const struct retention_log *logs; /* applied ones that are kept, ascending */
	size_t log_count;
	uint64_t log_cap_bytes;		    /* of those logs; 0 = no cap */
	size_t log_count_max;		    /* the same; 0 = no bound */
	uint64_t free_bytes, reserve_bytes; /* of the file system */
};

enum retention_reason {
	RETENTION_AGE,	    /* nothing but what is older than the window goes */
	RETENTION_NO_POINT, /* there is no point to replay logs upon */
	RETENTION_CAP,	    /* also logs inside the window: the cap, or their number */
	RETENTION_RESERVE,  /* the same: the file system's reserve */
};

struct retention_decision {
	size_t drop_points; /* the first so many */
	size_t drop_logs;   /* the first so many */
	enum retention_reason reason;
};

/* Points beyond the number go, oldest first; then logs at or below the oldest point that stays,
 * then, oldest first, those over the cap or the number, or needed for the reserve. */
void retention_decide(const struct retention_input *input, struct retention_decision *ret_decision);

#endif
