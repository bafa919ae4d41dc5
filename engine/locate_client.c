/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/locate_client.h"

#include "engine/broker_talk.h"

#define ENROLL_ANSWER_MS 60000 /* the other cluster makes a resource and starts it */
#define LOCATE_SOFTWARE	 "vmreplica 0.1.0"

void locate_fill_version(Vmreplica__Wire__Version *version)
{
	vmreplica__wire__version__init(version);
	version->min = PROTOCOL_VERSION_MIN;
	version->max = PROTOCOL_VERSION_MAX;
	version->features = PROTOCOL_FEATURES;
	version->software = (char *)(uintptr_t)LOCATE_SOFTWARE;
}

static int take_answer(void *arg, const struct locate_client *client, const struct frame *frame,
		       struct trouble *trouble)
{
	struct locate_answer answer = {0}, *ret_answer = arg;

	switch (frame->type) {
	case FRAME_REDIRECT: {
		const Vmreplica__Wire__Redirect *redirect =
			(const Vmreplica__Wire__Redirect *)frame->message;

		answer.kind = LOCATE_DIRECT;
		answer.port = (uint16_t)redirect->port;
		broker_talk_copy(answer.node, sizeof(answer.node), redirect->node);
		broker_talk_copy(answer.host, sizeof(answer.host), redirect->host);
		broker_talk_copy(answer.name, sizeof(answer.name), redirect->name);
		break;
	}
	case FRAME_RELAY: {
		const Vmreplica__Wire__Relay *relay =
			(const Vmreplica__Wire__Relay *)frame->message;

		answer.kind = LOCATE_RELAY;
		answer.port = client->port;
		broker_talk_copy(answer.node, sizeof(answer.node), relay->node);
		broker_talk_copy(answer.host, sizeof(answer.host), client->host);
		broker_talk_copy(answer.name, sizeof(answer.name), relay->name);
		broker_talk_copy(answer.token, sizeof(answer.token), relay->token);
		break;
	}
	case FRAME_NOT_FOUND:
		answer.kind = LOCATE_ABSENT;
		broker_talk_copy(answer.reason, sizeof(answer.reason),
				 ((const Vmreplica__Wire__NotFound *)frame->message)->reason);
		break;
	default:
		return broker_talk_unexpected(client, frame, trouble);
	}
	*ret_answer = answer;
	return 0;
}

int locate_client_ask(const struct locate_client *client, const char *relationship, bool relay,
		      struct locate_answer *ret_answer, struct trouble *trouble)
{
	Vmreplica__Wire__Locate locate = VMREPLICA__WIRE__LOCATE__INIT;
	Vmreplica__Wire__Version version;
	struct broker_question question = {FRAME_LOCATE, &locate.base, BROKER_TALK_ANSWER_MS};

	locate_fill_version(&version);
	locate.version = &version;
	locate.relationship = (char *)(uintptr_t)relationship;
	locate.relay = relay;
	return broker_talk_ask(client, &question, take_answer, ret_answer, trouble);
}

static int take_enrolled(void *arg, const struct locate_client *client, const struct frame *frame,
			 struct trouble *trouble)
{
	const Vmreplica__Wire__Enrolled *message =
		(const Vmreplica__Wire__Enrolled *)frame->message;
	struct locate_enrolled *enrolled = arg;

	if (frame->type != FRAME_ENROLLED) {
		return broker_talk_unexpected(client, frame, trouble);
	}
	broker_talk_copy(enrolled->resource, sizeof(enrolled->resource), message->resource);
	broker_talk_copy(enrolled->node, sizeof(enrolled->node), message->node);
	broker_talk_copy(enrolled->storage, sizeof(enrolled->storage), message->storage);
	broker_talk_copy(enrolled->site, sizeof(enrolled->site), message->site);
	for (size_t i = 0; i < message->n_warnings; i++) {
		sentence_list_add(&enrolled->warnings, "%s", message->warnings[i]);
	}
	return 0;
}

int locate_client_enroll(const struct locate_client *client, Vmreplica__Wire__Enroll *enroll,
			 struct locate_enrolled *ret_enrolled, struct trouble *trouble)
{
	Vmreplica__Wire__Version version;
	struct broker_question question = {FRAME_ENROLL, &enroll->base, ENROLL_ANSWER_MS};
	int result;

	locate_fill_version(&version);
	enroll->version = &version;
	result = broker_talk_ask(client, &question, take_enrolled, ret_enrolled, trouble);
	enroll->version = NULL;
	return result;
}

void locate_enrolled_destroy(struct locate_enrolled *enrolled)
{
	sentence_list_destroy(&enrolled->warnings);
}

static int take_withdrawn(void *arg, const struct locate_client *client, const struct frame *frame,
			  struct trouble *trouble)
{
	(void)arg;
	return frame->type == FRAME_WITHDRAWN || frame->type == FRAME_NOT_FOUND
		       ? 0
		       : broker_talk_unexpected(client, frame, trouble);
}

int locate_client_withdraw(const struct locate_client *client, const char *relationship,
			   const char *site, bool keep_store, struct trouble *trouble)
{
	Vmreplica__Wire__Withdraw withdraw = VMREPLICA__WIRE__WITHDRAW__INIT;
	Vmreplica__Wire__Version version;
	struct broker_question question = {FRAME_WITHDRAW, &withdraw.base, ENROLL_ANSWER_MS};

	locate_fill_version(&version);
	withdraw.version = &version;
	withdraw.relationship = (char *)(uintptr_t)relationship;
	withdraw.site = (char *)(uintptr_t)site;
	withdraw.keep_store = keep_store;
	return broker_talk_ask(client, &question, take_withdrawn, NULL, trouble);
}
