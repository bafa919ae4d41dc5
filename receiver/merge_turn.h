/* SPDX-License-Identifier: GPL-2.0-or-later */
/* When what goes on in the background of a store may go on, and how fast: merges, and taking sums.
 * All of it comes after replication. */
#ifndef VMR_RECEIVER_MERGE_TURN_H
#define VMR_RECEIVER_MERGE_TURN_H

#include "common/rate.h"
#include "receiver/store.h"

#define MERGE_MARK_MS  5000 /* between records of how far it is */
#define MERGE_TURN_MS  2000 /* then another store that waits has its turn */
#define MERGE_YIELD_MS 500  /* to a log that is applied, for each piece */

/* Something else comes first, or the store is not ours to work on. store->lock is held. */
bool merge_is_blocked(const struct store *store);
/* Wait until no log is being applied, for timeout_ms at most. store->lock is held, and let go while
 * waiting. 0, -EBUSY (one still is), -ECANCELED (blocked). */
int merge_turn_wait(struct store *store, int timeout_ms);

/* Has another store a merge to begin, or to go on with? There is one thread for all. */
bool merge_others_wait(const struct store *store);

/* A store's turn on that thread: until end_ms, or from others_ms on until another store waits. So
 * each gets on, however many there are. Monotonic. */
struct merge_turn {
	int64_t others_ms, end_ms;
};
struct merge_turn merge_turn_begin(void);
bool merge_turn_is_over(const struct store *store, const struct merge_turn *turn);

struct merge_pace {
	struct rate_bucket bucket;
	uint64_t done_bytes; /* charged so far */
	int64_t check_ms;    /* monotonic; when to look next whether the store is still ours */
};

void merge_pace_init(struct merge_pace *pace);
/* Before each piece, without the lock: waits as long as the rate and the applier want it.
 * now_bytes: read and written so far. 0, or -ECANCELED (blocked). */
int merge_pace(struct store *store, struct merge_pace *pace, uint64_t now_bytes);

#endif
