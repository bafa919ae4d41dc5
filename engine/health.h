/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Replication health by Hyper-V's rules. Pure.
 *
 *   Critical  denied; cannot send and the retries are used up; resynchronization required; the
 *             replica is suspended
 *   Warning   the primary is suspended; initial replication not done; resynchronizing; the last
 *             cycle did not get through; more than 20 % of the cycles missed in the monitoring
 *             interval; last success older than one hour
 */
#ifndef VMR_ENGINE_HEALTH_H
#define VMR_ENGINE_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/limits.h"
#include "proto/status.pb-c.h"

#define HEALTH_CODE_LEN		 32
#define HEALTH_INTERVAL_MS	 (12ll * 3600 * 1000) /* Hyper-V's default monitoring interval */
#define HEALTH_BUCKETS		 24
#define HEALTH_MISSED_PERCENT	 20
#define HEALTH_MISSED_MIN_CYCLES 20 /* fewer say nothing yet */
#define HEALTH_STALE_MS		 (3600ll * 1000)

/* Cycle counts over the monitoring interval, in buckets that fall out one after the other.
 * Zero-initialize. */
struct health_window {
	struct {
		uint32_t ok, missed, failed;
	} buckets[HEALTH_BUCKETS];
	int64_t last; /* index of the newest bucket since the clock's start */
};
struct health_counts {
	uint64_t ok, missed, failed;
};
void health_window_add(struct health_window *window, const struct health_counts *counts,
		       int64_t now_ms);
struct health_counts health_window_sum(struct health_window *window, int64_t now_ms);

struct health_input {
	Vmreplica__State state;
	bool suspended;		/* by the admin */
	bool releasing;		/* ... and bitmaps are still to be removed */
	bool resync_ordered;	/* by the admin: begins as soon as it can */
	bool replica_suspended; /* the other side's admin */
	bool denied;
	bool blind;	/* the VM was started without the other side's word */
	bool exhausted; /* retries used up */
	uint32_t frequency_s;
	struct health_counts counts; /* in the monitoring interval */
	int64_t since_success_ms;    /* -1 = never */
	const char *obstacle;	     /* what stopped the last cycle, a sentence; "" = nothing */
	const char *obstacle_code;   /* stable word for it */
	const char *resync;	     /* what a resynchronization takes; NULL or "": not known */
};

struct health_verdict {
	Vmreplica__Health health;
	char reason[REASON_MAX];    /* "" when OK */
	char code[HEALTH_CODE_LEN]; /* "" when OK */
};

void health_judge(const struct health_input *input, struct health_verdict *ret_verdict);

#endif
