/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who keeps merges from running, who goes before them, and who asks for them. */
#include "receiver/merge_turn.h"

#include <errno.h>

#include "common/clock.h"
#include "receiver/merge.h"

#define BYTES_PER_S (64ull << 20) /* read and written */
#define SLICE_MS    20000	  /* then the next store has its turn */
#define CHECK_MS    1000	  /* between looks whether another node took the store */

void merge_kick(struct store *store)
{
	atomic_store(&store->merge_wanted, true);
}

int merge_hold(struct store *store, int timeout_ms)
{
	int64_t deadline_ms = clock_monotonic_ms() + timeout_ms;

	store->merge_holds++;
	while (store->merging) {
		if (clock_monotonic_ms() > deadline_ms) {
			store->merge_holds--;
			return -ETIMEDOUT;
		}
		store_wait(store, 500);
	}
	return 0;
}

void merge_release(struct store *store)
{
	store->merge_holds--;
	merge_kick(store);
}

bool merge_is_blocked(const struct store *store)
{
	return atomic_load(&store->closing) || store->stale || store->broken || store->dir_fd < 0 ||
	       store->merge_holds > 0 || store->manifest.resync_needed ||
	       store->manifest.failover.kind != VMREPLICA__TAKEOVER_KIND__TAKEOVER_NONE ||
	       store->manifest.pending.disk_count > 0;
}

int merge_turn_wait(struct store *store, int timeout_ms)
{
	int64_t deadline_ms = clock_monotonic_ms() + timeout_ms;

	while (store->applying && !merge_is_blocked(store) && clock_monotonic_ms() < deadline_ms) {
		store_wait(store, timeout_ms < 100 ? timeout_ms : 100);
	}
	return merge_is_blocked(store) ? -ECANCELED : store->applying ? -EBUSY : 0;
}

bool merge_others_wait(const struct store *store)
{
	return atomic_load(&store->receiver->merges_waiting) > 0;
}

struct merge_turn merge_turn_begin(void)
{
	int64_t now_ms = clock_monotonic_ms();

	return (struct merge_turn){now_ms + MERGE_TURN_MS, now_ms + SLICE_MS};
}

bool merge_turn_is_over(const struct store *store, const struct merge_turn *turn)
{
	int64_t now_ms = clock_monotonic_ms();

	return now_ms >= turn->end_ms || (now_ms >= turn->others_ms && merge_others_wait(store));
}

void merge_pace_init(struct merge_pace *pace)
{
	*pace = (struct merge_pace){.done_bytes = 0};
	rate_bucket_init(&pace->bucket, BYTES_PER_S, clock_monotonic_ms());
}

int merge_pace(struct store *store, struct merge_pace *pace, uint64_t now_bytes)
{
	int64_t now_ms = clock_monotonic_ms();
	int64_t wait_ms = rate_bucket_charge(&pace->bucket, now_bytes - pace->done_bytes, now_ms);
	struct answer answer;
	int rc;

	pace->done_bytes = now_bytes;
	pthread_mutex_lock(&store->lock);
	if (now_ms >= pace->check_ms) {
		pace->check_ms = now_ms + CHECK_MS;
		/* A node that took the store over reads the layer that is written here. What is
		 * only not readable now is seen by the next look, or by the next record. */
		store_check_generation(store, &answer);
	}
	/* A log that takes long does not stop a merge for good: the merge makes room, too. */
	rc = merge_turn_wait(store, MERGE_YIELD_MS);
	pthread_mutex_unlock(&store->lock);
	if (wait_ms > 0 && rc != -ECANCELED) {
		clock_sleep_ms(wait_ms < MERGE_YIELD_MS ? wait_ms : MERGE_YIELD_MS);
	}
	return rc == -ECANCELED ? rc : 0;
}
