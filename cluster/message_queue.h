/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Packed messages of the group that wait to be sent, capped by count and bytes. */
#ifndef VMR_CLUSTER_MESSAGE_QUEUE_H
#define VMR_CLUSTER_MESSAGE_QUEUE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "proto/cluster.pb-c.h"

#define MESSAGE_QUEUE_MAX	1024u
#define MESSAGE_QUEUE_BYTES_MAX (4u * 1024u * 1024u)

struct queued_message {
	STAILQ_ENTRY(queued_message) link;
	size_t len;
	uint8_t data[];
};

struct message_queue {
	STAILQ_HEAD(message_queue_list, queued_message) list;
	size_t count, bytes;
};

void message_queue_init(struct message_queue *queue);
/* Pack and append. 0, -EMSGSIZE above CPG_MESSAGE_MAX, -ENOBUFS when full, -ENOMEM. */
int message_queue_push(struct message_queue *queue, const Vmreplica__Cluster__Message *message);
struct queued_message *message_queue_first(const struct message_queue *queue); /* or NULL */
void message_queue_drop_first(struct message_queue *queue);		       /* not when empty */
void message_queue_clear(struct message_queue *queue);

/* Decode a message of the group (len bounded, memory budgeted). NULL when malformed. Owned by the
 * arena. */
struct arena;
Vmreplica__Cluster__Message *message_unpack(const void *data, size_t len, struct arena *arena);

#endif
