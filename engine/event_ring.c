/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/event_ring.h"

#include <stdio.h>
#include <string.h>

void event_ring_init(struct event_ring *ring, uint64_t start_id)
{
	memset(ring, 0, sizeof(*ring));
	ring->next_id = start_id > 0 ? start_id : 1;
}

void event_ring_add(struct event_ring *ring, int64_t time_ms, const char *severity, const char *vm,
		    const char *text)
{
	struct event_entry *entry = &ring->entries[ring->count % EVENT_RING_SIZE];

	entry->id = ring->next_id++;
	entry->time_ms = time_ms;
	snprintf(entry->severity, sizeof(entry->severity), "%s", severity);
	snprintf(entry->vm, sizeof(entry->vm), "%s", vm);
	snprintf(entry->text, sizeof(entry->text), "%s", text);
	ring->count++;
}

const struct event_entry *event_ring_next(const struct event_ring *ring, uint64_t after)
{
	uint64_t kept = ring->count < EVENT_RING_SIZE ? ring->count : EVENT_RING_SIZE;
	uint64_t oldest = ring->next_id - kept;
	uint64_t wanted = after + 1 > oldest ? after + 1 : oldest;

	if (wanted >= ring->next_id) {
		return NULL;
	}
	return &ring->entries[(ring->count - (ring->next_id - wanted)) % EVENT_RING_SIZE];
}
