/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "broker/denial_ring.h"

#include <stdio.h>
#include <string.h>

static bool denial_is_same(const struct denial *denial, const char *peer, const char *reason)
{
	return strcmp(denial->peer, peer) == 0 && strcmp(denial->reason, reason) == 0;
}

static bool ring_may_tell(struct denial_ring *ring, int64_t wall_ms)
{
	if (wall_ms - ring->news_ms > 60000 || wall_ms < ring->news_ms) {
		ring->news_ms = wall_ms;
		ring->news = 0;
	}
	return ring->news++ < DENIAL_NEWS_MAX;
}

bool denial_ring_add(struct denial_ring *ring, const char *peer, const char *reason,
		     int64_t wall_ms)
{
	struct denial *slot = &ring->denials[ring->next];

	for (size_t i = 0; i < ring->count; i++) {
		struct denial *known = &ring->denials[i];

		if (denial_is_same(known, peer, reason)) {
			bool news = wall_ms - known->time_ms > DENIAL_NEWS_MS;

			known->times++;
			known->time_ms = wall_ms;
			return news && ring_may_tell(ring, wall_ms);
		}
	}
	snprintf(slot->peer, sizeof(slot->peer), "%s", peer);
	snprintf(slot->reason, sizeof(slot->reason), "%s", reason);
	slot->time_ms = wall_ms;
	slot->times = 1;
	ring->next = (ring->next + 1) % DENIAL_RING_SIZE;
	ring->count += ring->count < DENIAL_RING_SIZE;
	return ring_may_tell(ring, wall_ms);
}

const struct denial *denial_ring_at(const struct denial_ring *ring, size_t index)
{
	if (index >= ring->count) {
		return NULL;
	}
	return &ring->denials[(ring->next + DENIAL_RING_SIZE - 1 - index) % DENIAL_RING_SIZE];
}
