/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The last refusals, for `vmreplica broker`: an admin who set up the other side finds here which
 * entry is missing. */
#ifndef VMR_BROKER_DENIAL_RING_H
#define VMR_BROKER_DENIAL_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/limits.h"

#define DENIAL_RING_SIZE 64u
#define DENIAL_PEER_LEN	 256u
#define DENIAL_NEWS_MAX	 30u	/* a minute: a peer may vary what it asks for, to fill the log */
#define DENIAL_NEWS_MS	 600000 /* a refusal that comes again later than this is logged again */

struct denial {
	int64_t time_ms; /* wall clock */
	char peer[DENIAL_PEER_LEN];
	char reason[REASON_MAX + 1];
	uint64_t times; /* the same refusal repeated: counted, not listed again */
};

/* Zero-initialize. */
struct denial_ring {
	struct denial denials[DENIAL_RING_SIZE];
	size_t count, next;
	int64_t news_ms; /* wall clock: since then */
	uint32_t news;	 /* so many were news */
};

/* Remember. True when it is news: worth a line in the log and an event; a repetition within
 * DENIAL_NEWS_MS is only counted, and of what is above DENIAL_NEWS_MAX in a minute only kept. */
bool denial_ring_add(struct denial_ring *ring, const char *peer, const char *reason,
		     int64_t wall_ms);
/* The index-th newest (0 = newest), NULL past the end. */
const struct denial *denial_ring_at(const struct denial_ring *ring, size_t index);

#endif
