/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which relationship runs its next cycle, and when. Pure: the caller gives the monotonic time.
 *
 * Each relationship has a grid of ticks, one a frequency. A tick that passes without its cycle done
 * is a missed cycle. Failures are retried after 1, 2, 4, 8 and 10 minutes, then every 30
 * (Hyper-V's), divided in the ratio of the frequency to 300 s when that is shorter. A denied peer
 * is not retried: its broker alone is asked again now and then (schedule_recheck_ms), without a cut
 * and without data, so that a corrected authorization needs no hand on this side.
 */
#ifndef VMR_ENGINE_SCHEDULE_H
#define VMR_ENGINE_SCHEDULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCHEDULE_MAX_RUNNING		 2 /* cycles at once: each may hold 32 MiB of buffers */
#define SCHEDULE_NEVER			 INT64_MAX
#define SCHEDULE_RETRIES_BEFORE_CRITICAL 5

enum schedule_outcome {
	SCHEDULE_OK,	    /* committed */
	SCHEDULE_MISSED,    /* could not run now, no fault of the stream: busy, scratch, moving */
	SCHEDULE_FAILED,    /* an error: back off */
	SCHEDULE_DENIED,    /* the peer refuses us */
	SCHEDULE_CONTINUED, /* a long transfer made a mark and gives way to its next cut */
	SCHEDULE_CANCELLED, /* we stopped it ourselves */
};

struct schedule_entry {
	uint32_t frequency_s;
	int32_t priority;  /* higher first */
	int64_t tick_ms;   /* next planned cycle, monotonic */
	int64_t retry_ms;  /* not before; 0 = the tick decides */
	uint32_t failures; /* in a row */
	bool eligible;	   /* attached, not suspended */
	bool running;
	bool wanted; /* the admin asked for a cycle now */
	bool bulk;   /* initial replication or resynchronization: long */
};

/* First cycle at now_ms. */
void schedule_entry_init(struct schedule_entry *entry, uint32_t frequency_s, int32_t priority,
			 int64_t now_ms);
/* A new frequency: the next tick is at most one frequency away. */
void schedule_entry_set_frequency(struct schedule_entry *entry, uint32_t frequency_s,
				  int64_t now_ms);
/* Replication goes on (resume, attach, a peer that came back): due at once, failures forgotten. */
void schedule_entry_restart(struct schedule_entry *entry, int64_t now_ms);
/* When the next cycle may begin; SCHEDULE_NEVER while running or not eligible. */
int64_t schedule_entry_due_ms(const struct schedule_entry *entry);
/* Count ticks that passed by now without a cycle done, and step over them. Initial replications
 * have no ticks to miss. */
uint64_t schedule_entry_account(struct schedule_entry *entry, int64_t now_ms);
/* A cycle ended. retry_hint_ms: the other side's or our own wish (0 = none). Returns how many
 * cycles were missed in all by it. Clears running, and wanted unless the cycle is to go on. */
uint64_t schedule_entry_finish(struct schedule_entry *entry, enum schedule_outcome outcome,
			       int64_t retry_hint_ms, int64_t now_ms);
/* True when the retries are used up: health is Critical. */
bool schedule_entry_is_exhausted(const struct schedule_entry *entry);

/* Index of the entry to start now, or SIZE_MAX: wanted ones first, then priority (each period
 * overdue counts as one step of it, so that nobody starves), then the earliest due. At most
 * SCHEDULE_MAX_RUNNING run, and one place is kept for deltas. */
size_t schedule_pick(const struct schedule_entry *const *entries, size_t count, int64_t now_ms);
/* When to look again: the earliest due time; SCHEDULE_NEVER when nothing waits. */
int64_t schedule_next_ms(const struct schedule_entry *const *entries, size_t count);

/* The pause after the given number of failures in a row (from 1). */
int64_t schedule_retry_ms(uint32_t failures, uint32_t frequency_s);
/* How often a peer that denied us is asked again: ten frequencies, within 1 to 30 minutes. */
int64_t schedule_recheck_ms(uint32_t frequency_s);
/* When a guest was frozen last, and when that did not do. Wall clock, as the times of points are.
 */
struct schedule_application {
	uint32_t interval_s; /* between application-consistent cuts; 0 = none are wanted */
	uint32_t frequency_s;
	int64_t last_ms;  /* the last committed one's cut; 0 = none yet */
	int64_t tried_ms; /* the last attempt that did not become one; 0 = none since */
};
/* Shall a cycle that begins now be application-consistent? As the receiver does with points, one
 * that is due half a cycle from now is taken now. An attempt that failed is repeated after a
 * minute, or the interval when that is shorter. A clock that was set back does not keep them from
 * being made. */
bool schedule_application_is_due(const struct schedule_application *application, int64_t now_ms);

const char *schedule_outcome_to_string(enum schedule_outcome outcome);

#endif
