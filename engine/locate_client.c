/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/locate_client.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "proto/frame.h"
#include "proto/validate.h"

#define LOCATE_DIAL_MS	 5000
#define LOCATE_ANSWER_MS 10000
#define ENROLL_ANSWER_MS 60000 /* the other cluster makes a resource and starts it */
#define LOCATE_SOFTWARE	 "vmreplica 0.1.0"

void locate_fill_version(Vmreplica__Wire__Version *version)
{
	vmreplica__wire__version__init(version);
	version->min = PROTOCOL_VERSION_MIN;
	version->max = PROTOCOL_VERSION_MAX;
	version->features = PROTOCOL_FEATURE_DEFINITION;
	version->software = (char *)(uintptr_t)LOCATE_SOFTWARE;
}

/* One question on one connection; the arena holds the answer. */
struct locate_talk {
	const struct locate_client *client;
	struct tls_conn *conn;
	struct channel channel;
	struct arena arena;
	struct frame answer;
};

static void locate_talk_end(struct locate_talk *talk)
{
	if (talk->client->canceller != NULL) {
		canceller_watch(talk->client->canceller, NULL);
	}
	channel_destroy(&talk->channel);
	arena_reset(&talk->arena);
	tls_conn_free(talk->conn);
}

static int locate_unreachable(const struct locate_client *client, int error, const char *why,
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
			   "the broker %s port %u cannot be reached: %s", client->host,
			   client->port, why);
}

/* Connect. On failure there is nothing to end. */
static int locate_talk_begin(struct locate_talk *talk, const struct locate_client *client,
			     struct trouble *trouble)
{
	char error[TLS_ERROR_LEN] = "";
	struct tls_context *context = tls_store_get(client->tls, error);
	int fd, result;

	*talk = (struct locate_talk){.client = client};
	if (context == NULL) {
		return trouble_set(trouble, -EKEYREJECTED, SCHEDULE_FAILED, "certificate", "%s",
				   error);
	}
	fd = tls_dial(client->host, client->port, LOCATE_DIAL_MS, error);
	if (fd < 0) {
		tls_context_unref(context);
		return locate_unreachable(client, fd, error, trouble);
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
		result = tls_handshake_full(talk->conn, LOCATE_DIAL_MS);
	}
	if (result < 0) {
		locate_unreachable(client, result, tls_error(talk->conn), trouble);
		locate_talk_end(talk);
	}
	return result;
}

static int locate_denied(const struct locate_client *client, const Vmreplica__Wire__Denied *denied,
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

static int locate_moving(const Vmreplica__Wire__Moving *moving, struct trouble *trouble)
{
	trouble_set(trouble, -EAGAIN, SCHEDULE_MISSED, "replica-moving",
		    "the replica is on no node yet: %s", moving->reason);
	trouble->retry_ms = moving->retry_ms > 0 ? moving->retry_ms : 1000;
	return -EAGAIN;
}

static int locate_failure(const struct locate_client *client,
			  const Vmreplica__Wire__Failure *failure, struct trouble *trouble)
{
	return trouble_set(trouble, -EPROTO, SCHEDULE_FAILED,
			   failure->code[0] != '\0' ? failure->code : "broker-failure",
			   "the broker %s: %s", client->host, failure->reason);
}

/* Answers that mean the same to every question. 0 when it is none of them. */
static int locate_common_answer(const struct locate_talk *talk, struct trouble *trouble)
{
	switch (talk->answer.type) {
	case FRAME_DENIED:
		return locate_denied(talk->client,
				     (const Vmreplica__Wire__Denied *)talk->answer.message,
				     trouble);
	case FRAME_MOVING:
		return locate_moving((const Vmreplica__Wire__Moving *)talk->answer.message,
				     trouble);
	case FRAME_FAILURE:
		return locate_failure(talk->client,
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

/* Ask and wait for the answer; DENIED, MOVING, BUSY and FAILURE come back as troubles. */
static int locate_talk_ask(struct locate_talk *talk, enum frame_type type,
			   const ProtobufCMessage *message, int answer_ms, struct trouble *trouble)
{
	char error[VALIDATE_ERROR_LEN] = "";
	int result = channel_send(&talk->channel, type, message, NULL, 0, LOCATE_ANSWER_MS);

	if (result == 0) {
		result = channel_receive(&talk->channel, &talk->arena, &talk->answer, NULL, 0,
					 answer_ms);
	}
	if (result < 0) {
		const char *why = tls_error(talk->conn);

		return locate_unreachable(talk->client, result,
					  why[0] != '\0' ? why : strerror(-result), trouble);
	}
	if (validate_frame(&talk->answer, error) < 0) {
		return trouble_set(trouble, -EPROTO, SCHEDULE_FAILED, "protocol",
				   "the broker %s sent a malformed answer: %s", talk->client->host,
				   error);
	}
	return locate_common_answer(talk, trouble);
}

static int locate_unexpected(const struct locate_talk *talk, struct trouble *trouble)
{
	return trouble_set(trouble, -EPROTO, SCHEDULE_FAILED, "protocol",
			   "the broker %s sent an unexpected %s", talk->client->host,
			   frame_type_to_string(talk->answer.type));
}

static void copy_text(char *field, size_t size, const char *text)
{
	snprintf(field, size, "%s", text);
}

static int locate_take_answer(const struct locate_talk *talk, struct locate_answer *ret_answer,
			      struct trouble *trouble)
{
	struct locate_answer answer = {0};

	switch (talk->answer.type) {
	case FRAME_REDIRECT: {
		const Vmreplica__Wire__Redirect *redirect =
			(const Vmreplica__Wire__Redirect *)talk->answer.message;

		answer.kind = LOCATE_DIRECT;
		answer.port = (uint16_t)redirect->port;
		copy_text(answer.node, sizeof(answer.node), redirect->node);
		copy_text(answer.host, sizeof(answer.host), redirect->host);
		copy_text(answer.name, sizeof(answer.name), redirect->name);
		break;
	}
	case FRAME_RELAY: {
		const Vmreplica__Wire__Relay *relay =
			(const Vmreplica__Wire__Relay *)talk->answer.message;

		answer.kind = LOCATE_RELAY;
		answer.port = talk->client->port;
		copy_text(answer.node, sizeof(answer.node), relay->node);
		copy_text(answer.host, sizeof(answer.host), talk->client->host);
		copy_text(answer.name, sizeof(answer.name), relay->name);
		copy_text(answer.token, sizeof(answer.token), relay->token);
		break;
	}
	case FRAME_NOT_FOUND:
		answer.kind = LOCATE_ABSENT;
		copy_text(answer.reason, sizeof(answer.reason),
			  ((const Vmreplica__Wire__NotFound *)talk->answer.message)->reason);
		break;
	default:
		return locate_unexpected(talk, trouble);
	}
	*ret_answer = answer;
	return 0;
}

int locate_client_ask(const struct locate_client *client, const char *relationship, bool relay,
		      struct locate_answer *ret_answer, struct trouble *trouble)
{
	Vmreplica__Wire__Locate locate = VMREPLICA__WIRE__LOCATE__INIT;
	Vmreplica__Wire__Version version;
	struct locate_talk talk;
	int result = locate_talk_begin(&talk, client, trouble);

	if (result < 0) {
		return result;
	}
	locate_fill_version(&version);
	locate.version = &version;
	locate.relationship = (char *)(uintptr_t)relationship;
	locate.relay = relay;
	result = locate_talk_ask(&talk, FRAME_LOCATE, &locate.base, LOCATE_ANSWER_MS, trouble);
	if (result == 0) {
		result = locate_take_answer(&talk, ret_answer, trouble);
	}
	locate_talk_end(&talk);
	return result;
}

int locate_client_enroll(const struct locate_client *client, Vmreplica__Wire__Enroll *enroll,
			 struct locate_enrolled *ret_enrolled, struct trouble *trouble)
{
	Vmreplica__Wire__Version version;
	struct locate_talk talk;
	int result = locate_talk_begin(&talk, client, trouble);

	if (result < 0) {
		return result;
	}
	locate_fill_version(&version);
	enroll->version = &version;
	result = locate_talk_ask(&talk, FRAME_ENROLL, &enroll->base, ENROLL_ANSWER_MS, trouble);
	enroll->version = NULL;
	if (result == 0 && talk.answer.type == FRAME_ENROLLED) {
		const Vmreplica__Wire__Enrolled *enrolled =
			(const Vmreplica__Wire__Enrolled *)talk.answer.message;

		copy_text(ret_enrolled->resource, sizeof(ret_enrolled->resource),
			  enrolled->resource);
		copy_text(ret_enrolled->node, sizeof(ret_enrolled->node), enrolled->node);
		copy_text(ret_enrolled->storage, sizeof(ret_enrolled->storage), enrolled->storage);
		copy_text(ret_enrolled->site, sizeof(ret_enrolled->site), enrolled->site);
		for (size_t i = 0; i < enrolled->n_warnings; i++) {
			sentence_list_add(&ret_enrolled->warnings, "%s", enrolled->warnings[i]);
		}
	} else if (result == 0) {
		result = locate_unexpected(&talk, trouble);
	}
	locate_talk_end(&talk);
	return result;
}

void locate_enrolled_destroy(struct locate_enrolled *enrolled)
{
	sentence_list_destroy(&enrolled->warnings);
}

int locate_client_withdraw(const struct locate_client *client, const char *relationship,
			   const char *site, bool keep_store, struct trouble *trouble)
{
	Vmreplica__Wire__Withdraw withdraw = VMREPLICA__WIRE__WITHDRAW__INIT;
	Vmreplica__Wire__Version version;
	struct locate_talk talk;
	int result = locate_talk_begin(&talk, client, trouble);

	if (result < 0) {
		return result;
	}
	locate_fill_version(&version);
	withdraw.version = &version;
	withdraw.relationship = (char *)(uintptr_t)relationship;
	withdraw.site = (char *)(uintptr_t)site;
	withdraw.keep_store = keep_store;
	result = locate_talk_ask(&talk, FRAME_WITHDRAW, &withdraw.base, ENROLL_ANSWER_MS, trouble);
	if (result == 0 && talk.answer.type != FRAME_WITHDRAWN &&
	    talk.answer.type != FRAME_NOT_FOUND) {
		result = locate_unexpected(&talk, trouble);
	}
	locate_talk_end(&talk);
	return result;
}
