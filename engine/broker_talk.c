/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/broker_talk.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "proto/validate.h"

#define TALK_DIAL_MS 5000

/* One question on one connection; the arena holds the answer. */
struct broker_talk {
	const struct locate_client *client;
	struct tls_conn *conn;
	struct channel channel;
	struct arena arena;
	struct frame answer;
};

static void talk_end(struct broker_talk *talk)
{
	if (talk->client->canceller != NULL) {
		canceller_watch(talk->client->canceller, NULL);
	}
	channel_destroy(&talk->channel);
	arena_reset(&talk->arena);
	tls_conn_free(talk->conn);
}

static int talk_unreachable(const struct locate_client *client, int error, const char *why,
			    struct trouble *trouble)
{
	if (client->canceller != NULL && canceller_is_cancelled(client->canceller)) {
		return trouble_set(trouble, -ECANCELED, SCHEDULE_CANCELLED, "cancelled",
				   "stopped from this side");
	}
	if (error == -EKEYREJECTED || error == -EKEYEXPIRED) {
		return trouble_set(trouble, error, SCHEDULE_FAILED, "certificate",
				   "the broker %s port %u: %s", client->host, client->port, why);
	}
	return trouble_set(trouble, error, SCHEDULE_FAILED, "broker-unreachable",
			   "no connection to the broker %s: %s", client->host, why);
}

/* Connect. On failure there is nothing to end. */
static int talk_begin(struct broker_talk *talk, const struct locate_client *client,
		      struct trouble *trouble)
{
	char error[TLS_ERROR_LEN] = "";
	struct tls_context *context = tls_store_get(client->tls, error);
	int fd, result;

	*talk = (struct broker_talk){.client = client};
	if (context == NULL) {
		return trouble_set(trouble, -EKEYREJECTED, SCHEDULE_FAILED, "own-certificate", "%s",
				   error);
	}
	fd = tls_dial(client->host, client->port, TALK_DIAL_MS, error);
	if (fd < 0) {
		tls_context_unref(context);
		return talk_unreachable(client, fd, error, trouble);
	}
	talk->conn = tls_client_new(context, fd, client->host, NULL);
	tls_context_unref(context);
	if (talk->conn == NULL) {
		return trouble_set(trouble, -ENOMEM, SCHEDULE_FAILED, "memory", "out of memory");
	}
	channel_init_tls(&talk->channel, talk->conn);
	arena_init(&talk->arena, ARENA_MAX);
	result = client->canceller != NULL ? canceller_watch(client->canceller, talk->conn) : 0;
	if (result == 0) {
		result = tls_handshake_full(talk->conn, TALK_DIAL_MS);
	}
	if (result < 0) {
		talk_unreachable(client, result, tls_error(talk->conn), trouble);
		talk_end(talk);
	}
	return result;
}

static int talk_denied(const struct locate_client *client, const Vmreplica__Wire__Denied *denied,
		       struct trouble *trouble)
{
	/* their cluster's trouble, not a word about us: it is tried again as any failure */
	if (strcmp(denied->code, "no-quorum") == 0) {
		return trouble_set(trouble, -EAGAIN, SCHEDULE_FAILED, "peer-no-quorum",
				   "the cluster behind %s has no quorum: %s", client->host,
				   denied->reason);
	}
	return trouble_set(trouble, -EACCES, SCHEDULE_DENIED,
			   denied->code[0] != '\0' ? denied->code : "denied",
			   "%s refuses this VM: %s", client->host, denied->reason);
}

static int talk_moving(const Vmreplica__Wire__Moving *moving, struct trouble *trouble)
{
	trouble_set(trouble, -EAGAIN, SCHEDULE_MISSED, "replica-moving",
		    "the replica is on no node yet: %s", moving->reason);
	trouble->retry_ms = moving->retry_ms > 0 ? moving->retry_ms : 1000;
	return -EAGAIN;
}

static int talk_failure(const struct locate_client *client, const Vmreplica__Wire__Failure *failure,
			struct trouble *trouble)
{
	return trouble_set(trouble, -EPROTO, SCHEDULE_FAILED,
			   failure->code[0] != '\0' ? failure->code : "broker-failure",
			   "the broker %s: %s", client->host, failure->reason);
}

/* Answers that mean the same to every question. 0 when it is none of them. */
static int talk_common_answer(const struct broker_talk *talk, struct trouble *trouble)
{
	switch (talk->answer.type) {
	case FRAME_DENIED:
		return talk_denied(talk->client,
				   (const Vmreplica__Wire__Denied *)talk->answer.message, trouble);
	case FRAME_MOVING:
		return talk_moving((const Vmreplica__Wire__Moving *)talk->answer.message, trouble);
	case FRAME_FAILURE:
		return talk_failure(talk->client,
				    (const Vmreplica__Wire__Failure *)talk->answer.message,
				    trouble);
	case FRAME_BUSY: {
		const Vmreplica__Wire__Busy *busy =
			(const Vmreplica__Wire__Busy *)talk->answer.message;

		trouble_set(trouble, -EBUSY, SCHEDULE_MISSED,
			    busy->code[0] != '\0' ? busy->code : "broker-busy", "the broker %s: %s",
			    talk->client->host, busy->reason);
		trouble->retry_ms = busy->retry_ms > 0 ? busy->retry_ms : 5000;
		return -EBUSY;
	}
	default:
		return 0;
	}
}

static int talk_exchange(struct broker_talk *talk, const struct broker_question *question,
			 struct trouble *trouble)
{
	char error[VALIDATE_ERROR_LEN] = "";
	int result = channel_send(&talk->channel, question->type, question->message, NULL, 0,
				  BROKER_TALK_ANSWER_MS);

	if (result == 0) {
		result = channel_receive(&talk->channel, &talk->arena, &talk->answer, NULL, 0,
					 question->answer_ms);
	}
	if (result < 0) {
		const char *why = tls_error(talk->conn);

		return talk_unreachable(talk->client, result,
					why[0] != '\0' ? why : strerror(-result), trouble);
	}
	if (validate_frame(&talk->answer, error) < 0) {
		return trouble_set(trouble, -EPROTO, SCHEDULE_FAILED, "protocol",
				   "the broker %s sent a malformed answer: %s", talk->client->host,
				   error);
	}
	return talk_common_answer(talk, trouble);
}

int broker_talk_ask(const struct locate_client *client, const struct broker_question *question,
		    broker_answer_cb take, void *arg, struct trouble *trouble)
{
	struct broker_talk talk;
	int result = talk_begin(&talk, client, trouble);

	if (result < 0) {
		return result;
	}
	result = talk_exchange(&talk, question, trouble);
	if (result == 0) {
		result = take(arg, client, &talk.answer, trouble);
	}
	talk_end(&talk);
	return result;
}

int broker_talk_unexpected(const struct locate_client *client, const struct frame *answer,
			   struct trouble *trouble)
{
	return trouble_set(trouble, -EPROTO, SCHEDULE_FAILED, "protocol",
			   "the broker %s sent an unexpected %s", client->host,
			   frame_type_to_string(answer->type));
}

void broker_talk_copy(char *field, size_t size, const char *text)
{
	snprintf(field, size, "%s", text);
}
