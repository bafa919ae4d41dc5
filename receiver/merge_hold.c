/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who keeps merges from running, and who asks for them. */
#include <errno.h>

#include "common/clock.h"
#include "receiver/merge.h"

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
