/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One question to the other side's broker on a connection of its own (internal to locate_client.c
 * and order_client.c). Blocking: workers only. A failure fills *trouble and returns a negative
 * errno. */
#ifndef VMR_ENGINE_BROKER_TALK_H
#define VMR_ENGINE_BROKER_TALK_H

#include "engine/locate_client.h"
#include "proto/frame.h"

#define BROKER_TALK_ANSWER_MS 10000

/* What is asked. */
struct broker_question {
	enum frame_type type;
	const ProtobufCMessage *message; /* borrowed */
	int answer_ms;			 /* how long the answer may take */
};

/* Takes an answer of another kind than DENIED, MOVING, BUSY and FAILURE, which are troubles. The
 * frame is valid for the call. 0, or what broker_talk_unexpected returned. */
typedef int (*broker_answer_cb)(void *arg, const struct locate_client *client,
				const struct frame *answer, struct trouble *trouble);

/* Connect, ask, have the answer taken, end. 0, or a negative errno. */
int broker_talk_ask(const struct locate_client *client, const struct broker_question *question,
		    broker_answer_cb take, void *arg, struct trouble *trouble);

/* The trouble for an answer that does not belong to the question. */
int broker_talk_unexpected(const struct locate_client *client, const struct frame *answer,
			   struct trouble *trouble);

/* Cuts text to size bytes with its end. */
void broker_talk_copy(char *field, size_t size, const char *text);

#endif
