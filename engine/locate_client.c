/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/locate_client.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

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

static void copy_text(char *field, size_t size, const char *text)
{
	snprintf(field, size, "%s", text);
}

static int locate_take_answer(const struct broker_talk *talk, struct locate_answer *ret_answer,
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
		return broker_talk_unexpected(talk, trouble);
	}
	*ret_answer = answer;
	return 0;
}

int locate_client_ask(const struct locate_client *client, const char *relationship, bool relay,
		      struct locate_answer *ret_answer, struct trouble *trouble)
{
	Vmreplica__Wire__Locate locate = VMREPLICA__WIRE__LOCATE__INIT;
	Vmreplica__Wire__Version version;
	struct broker_talk talk;
	int result = broker_talk_begin(&talk, client, trouble);

	if (result < 0) {
		return result;
	}
	locate_fill_version(&version);
	locate.version = &version;
	locate.relationship = (char *)(uintptr_t)relationship;
	locate.relay = relay;
	result = broker_talk_ask(&talk, FRAME_LOCATE, &locate.base, BROKER_TALK_ANSWER_MS, trouble);
	if (result == 0) {
		result = locate_take_answer(&talk, ret_answer, trouble);
	}
	broker_talk_end(&talk);
	return result;
}

int locate_client_enroll(const struct locate_client *client, Vmreplica__Wire__Enroll *enroll,
			 struct locate_enrolled *ret_enrolled, struct trouble *trouble)
{
	Vmreplica__Wire__Version version;
	struct broker_talk talk;
	int result = broker_talk_begin(&talk, client, trouble);

	if (result < 0) {
		return result;
	}
	locate_fill_version(&version);
	enroll->version = &version;
	result = broker_talk_ask(&talk, FRAME_ENROLL, &enroll->base, ENROLL_ANSWER_MS, trouble);
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
		result = broker_talk_unexpected(&talk, trouble);
	}
	broker_talk_end(&talk);
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
	struct broker_talk talk;
	int result = broker_talk_begin(&talk, client, trouble);

	if (result < 0) {
		return result;
	}
	locate_fill_version(&version);
	withdraw.version = &version;
	withdraw.relationship = (char *)(uintptr_t)relationship;
	withdraw.site = (char *)(uintptr_t)site;
	withdraw.keep_store = keep_store;
	result = broker_talk_ask(&talk, FRAME_WITHDRAW, &withdraw.base, ENROLL_ANSWER_MS, trouble);
	if (result == 0 && talk.answer.type != FRAME_WITHDRAWN &&
	    talk.answer.type != FRAME_NOT_FOUND) {
		result = broker_talk_unexpected(&talk, trouble);
	}
	broker_talk_end(&talk);
	return result;
}
