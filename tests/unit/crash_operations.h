/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a replica is doing when it is killed (test_crash_rounds.c). To add an operation, write its
 * step and put it into the table of crash_operations.c: the rounds do the rest.
 */
#ifndef VMR_TESTS_CRASH_OPERATIONS_H
#define VMR_TESTS_CRASH_OPERATIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "points_scene.h"

struct crash_operation {
	const char *name;
	uint32_t points;	/* recovery points that the store keeps, */
	int64_t step_ms;	/* and how far apart cycles are (an interval is 5 s) */
	unsigned int window_ms; /* the kill comes within this time */
	/* Done again and again until the kill. It stands whatever dies under it, notes the cut of
	 * what it sends (scene_note_as) before the end of a cycle, and tells crash_sent and
	 * crash_acknowledged of it. false: it cannot go on. */
	bool (*step)(void);
	bool resyncs; /* a resynchronization that had begun is asked for again */
	/* NULL, or: right after the restart, before a sender connects: what the operation left is
	 * judged, and brought to an end. */
	void (*settle)(void);
};

extern const struct crash_operation crash_operations[];
extern const size_t crash_operation_count;

/* Newest cut that was sent whole, perhaps without an answer, and newest that was acknowledged
 * (seq 0: none). */
extern struct sender_cut crash_sent_cut, crash_acknowledged_cut;
void crash_sent(void);
void crash_acknowledged(void);

/* The epoch that senders show (0: the first one). */
extern uint64_t crash_epoch;

/* A connection that knows what the receiver holds; cut times go on from where they were. A cut that
 * was sent whole and is found committed counts as acknowledged. */
bool crash_connect(void);

/* One cycle of the mode that the last WELCOME asked for, to its end: true when acknowledged. */
bool crash_cycle(int changes);

/* Takeovers of the store (crash_takeovers.c). */
bool crash_step_test(void);
void crash_settle_test(void);
bool crash_step_failover(void);
void crash_settle_failover(void);
/* The ways of a failover, each a path of stages that are done one after the other and may be asked
 * for again: cancelled; committed, with its chain merged, and home; home at once. */
bool crash_step_cancel(void);
bool crash_step_commit(void);
bool crash_step_reverse(void);
void crash_settle_path(void);

/* The VM has run on the store (its images, a disk each), goes on elsewhere from a cut that both
 * sides know, and has written more here: the images change, and a list of it is made. The cut is
 * noted. crash_home.c */
void crash_home_leave(char images[MODEL_DISKS][RIG_PATH]);
/* The store adopts these images in epoch. true when it is open with them. */
bool crash_home_adopt(char images[MODEL_DISKS][RIG_PATH], uint64_t epoch);
/* The first cycle of the other direction, with what the list names: true when acknowledged. */
bool crash_home_first(void);

#endif
