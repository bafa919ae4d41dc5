/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a replica's owner says must travel besides what changed here: EXTENTS behind its WELCOME. */
#include <errno.h>
#include <stdlib.h>

#include "engine/peer.h"

#define EXTENTS_WAIT_MS 30000
#define EXTENT_BYTES	16u

static uint64_t read_u64(const uint8_t *at)
{
	uint64_t value = 0;

	for (int i = 0; i < 8; i++) {
		value = value << 8 | at[i];
	}
	return value;
}

void peer_drop_extents(struct peer *peer)
{
	for (size_t i = 0; i < DISKS_MAX; i++) {
		dirty_map_free(peer->extents[i]);
		peer->extents[i] = NULL;
	}
}

bool peer_has_extents(const struct peer *peer)
{
	for (size_t i = 0; i < DISKS_MAX; i++) {
		if (peer->extents[i] != NULL) {
			return true;
		}
	}
	return false;
}

/* One frame into its disk's map. Every extent must lie inside the disk. */
static int take_frame(struct peer *peer, const Vmreplica__Wire__Hello *hello,
		      const struct frame *frame, const uint8_t *payload)
{
	const Vmreplica__Wire__Extents *message =
		(const Vmreplica__Wire__Extents *)(const void *)frame->message;
	uint64_t size;

	if (frame->type != FRAME_EXTENTS || message->disk >= hello->n_disks) {
		return -EPROTO;
	}
	size = hello->disks[message->disk]->size_bytes;
	if (peer->extents[message->disk] == NULL) {
		peer->extents[message->disk] = dirty_map_new(size);
	}
	if (peer->extents[message->disk] == NULL) {
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < message->count; i++) {
		uint64_t offset = read_u64(payload + (size_t)i * EXTENT_BYTES);
		uint64_t length = read_u64(payload + (size_t)i * EXTENT_BYTES + 8);

		if (length == 0 || offset >= size || length > size - offset) {
			return -EPROTO;
		}
		dirty_map_set(peer->extents[message->disk], offset, length);
	}
	return 0;
}

int peer_take_extents(struct peer *peer, const Vmreplica__Wire__Hello *hello, uint32_t frames,
		      struct trouble *trouble)
{
	uint8_t *payload = frames > 0 ? malloc(EXTENTS_COUNT_MAX * EXTENT_BYTES) : NULL;
	int result = 0;

	if (frames > 0 && payload == NULL) {
		return trouble_set(trouble, -ENOMEM, SCHEDULE_FAILED, "memory", "out of memory");
	}
	for (uint32_t i = 0; i < frames && result == 0; i++) {
		struct frame frame;

		result = peer_receive(peer, &frame, payload, EXTENTS_COUNT_MAX * EXTENT_BYTES,
				      EXTENTS_WAIT_MS, trouble);
		if (result == -ETIMEDOUT) {
			result = peer_failed(peer, result, "waiting for its list of extents",
					     trouble);
		} else if (result == 0) {
			result = take_frame(peer, hello, &frame, payload);
			if (result < 0) {
				trouble_set(trouble, result, SCHEDULE_FAILED, "protocol",
					    "%s sent a list of extents that its disks do not have",
					    peer->node);
			}
		}
	}
	free(payload);
	return result;
}
