/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cluster/message_queue.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/arena.h"
#include "proto/limits.h"

void message_queue_init(struct message_queue *queue)
{
	STAILQ_INIT(&queue->list);
	queue->count = 0;
	queue->bytes = 0;
}

int message_queue_push(struct message_queue *queue, const Vmreplica__Cluster__Message *message)
{
	size_t len = vmreplica__cluster__message__get_packed_size(message);
	struct queued_message *item;

	if (len > CPG_MESSAGE_MAX) {
		return -EMSGSIZE;
	}
	if (queue->count >= MESSAGE_QUEUE_MAX || queue->bytes + len > MESSAGE_QUEUE_BYTES_MAX) {
		return -ENOBUFS;
	}
	item = malloc(sizeof(*item) + len);
	if (item == NULL) {
		return -ENOMEM;
	}
	item->len = vmreplica__cluster__message__pack(message, item->data);
	STAILQ_INSERT_TAIL(&queue->list, item, link);
	queue->count++;
	queue->bytes += item->len;
	return 0;
}

struct queued_message *message_queue_first(const struct message_queue *queue)
{
	return STAILQ_FIRST(&queue->list);
}

void message_queue_drop_first(struct message_queue *queue)
{
	struct queued_message *first = STAILQ_FIRST(&queue->list);

	STAILQ_REMOVE_HEAD(&queue->list, link);
	queue->count--;
	queue->bytes -= first->len;
	free(first);
}

void message_queue_clear(struct message_queue *queue)
{
	while (!STAILQ_EMPTY(&queue->list)) {
		message_queue_drop_first(queue);
	}
}

Vmreplica__Cluster__Message *message_unpack(const void *data, size_t len, struct arena *arena)
{
	arena_init(arena, ARENA_MAX);
	if (len > CPG_MESSAGE_MAX) {
		return NULL;
	}
	return vmreplica__cluster__message__unpack(&arena->allocator, len, data);
}
