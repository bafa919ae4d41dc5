/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One question to the other side's broker on a connection of its own (internal to locate_client.c
 * and order_client.c). Blocking: workers only. */
#ifndef VMR_ENGINE_BROKER_TALK_H
#define VMR_ENGINE_BROKER_TALK_H

#include "engine/locate_client.h"
#include "proto/frame.h"

#define BROKER_TALK_ANSWER_MS 10000

/* One question on one connection; the arena holds the answer. */
struct broker_talk {
	const struct locate_client *client;
	struct tls_conn *conn;
	struct channel channel;
	struct arena arena;
	struct frame answer;
};

/* Connect. On failure there is nothing to end. */
int broker_talk_begin(struct broker_talk *talk, const struct locate_client *client,
		      struct trouble *trouble);
/* Ask and wait for the answer; DENIED, MOVING, BUSY and FAILURE come back as troubles. */
int broker_talk_ask(struct broker_talk *talk, enum frame_type type, const ProtobufCMessage *message,
		    int answer_ms, struct trouble *trouble);
/* The trouble for an answer that does not belong to the question. */
int broker_talk_unexpected(const struct broker_talk *talk, struct trouble *trouble);
void broker_talk_end(struct broker_talk *talk);

#endif
