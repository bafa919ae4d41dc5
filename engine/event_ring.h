/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The last events of this node: what `vmreplica events` shows. Control thread only. */
#ifndef VMR_ENGINE_EVENT_RING_H
#define VMR_ENGINE_EVENT_RING_H

#include <stddef.h>
#include <stdint.h>

#include "proto/limits.h"

#define EVENT_RING_SIZE 512

struct event_entry {
	uint64_t id;	 /* ascending, from 1 */
	int64_t time_ms; /* wall clock */
	char severity[16];
	char vm[VM_NAME_MAX + 1];
	char text[REASON_MAX];
};

/* Zero-initialize. Ids go on from start_id, so that a restarted engine's events are newer than
 * those seen before. */
struct event_ring {
	struct event_entry entries[EVENT_RING_SIZE];
	uint64_t next_id; /* 0 before the first use */
	uint64_t count;	  /* ever added */
};

void event_ring_init(struct event_ring *ring, uint64_t start_id);
void event_ring_add(struct event_ring *ring, int64_t time_ms, const char *severity, const char *vm,
		    const char *text);
/* The oldest kept event with an id above after; NULL when there is none. */
const struct event_entry *event_ring_next(const struct event_ring *ring, uint64_t after);

#endif
