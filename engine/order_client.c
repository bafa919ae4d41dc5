/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/order_client.h"

#include <stdio.h>
#include <string.h>

#include "engine/broker_talk.h"

#define ORDER_ANSWER_MS 30000 /* their broker asks the owner, which may read a disk's bitmap */
#define ORDER_RETRY_MS	1000

static void copy_text(char *field, size_t size, const char *text)
{
	snprintf(field, size, "%s", text);
}

static void take_answer(const Vmreplica__Wire__QueryAnswer *message,
			struct order_answer *ret_answer)
{
	*ret_answer = (struct order_answer){
		.known = message->known,
		.role = message->role,
		.state = message->state,
		.vm_running = message->vm_running,
		.authorized = message->authorized,
		.failing_over = message->failing_over,
		.seq = message->seq,
	};
	epoch_from_message(message->epoch, &ret_answer->epoch);
	copy_text(ret_answer->cut_id, sizeof(ret_answer->cut_id), message->cut_id);
	copy_text(ret_answer->site, sizeof(ret_answer->site), message->site);
	copy_text(ret_answer->node, sizeof(ret_answer->node), message->node);
	copy_text(ret_answer->job, sizeof(ret_answer->job), message->job);
	copy_text(ret_answer->storage, sizeof(ret_answer->storage), message->storage);
	copy_text(ret_answer->reason, sizeof(ret_answer->reason), message->reason);
}

int order_client_query(const struct locate_client *client, const char *relationship,
		       const char *site, const struct epoch *epoch, struct order_answer *ret_answer,
		       struct trouble *trouble)
{
	Vmreplica__Wire__Query query = VMREPLICA__WIRE__QUERY__INIT;
	Vmreplica__Wire__Version version;
	Vmreplica__Epoch known;
	struct broker_talk talk;
	int result = broker_talk_begin(&talk, client, trouble);

	if (result < 0) {
		return result;
	}
	locate_fill_version(&version);
	query.version = &version;
	query.relationship = (char *)(uintptr_t)relationship;
	query.site = (char *)(uintptr_t)site;
	if (epoch != NULL && epoch->number > 0) {
		epoch_to_message(epoch, &known);
		query.epoch = &known;
	}
	result = broker_talk_ask(&talk, FRAME_QUERY, &query.base, BROKER_TALK_ANSWER_MS, trouble);
	if (result == 0 && talk.answer.type == FRAME_QUERY_ANSWER) {
		take_answer((const Vmreplica__Wire__QueryAnswer *)talk.answer.message, ret_answer);
	} else if (result == 0) {
		result = broker_talk_unexpected(&talk, trouble);
	}
	broker_talk_end(&talk);
	return result;
}

static void take_result(const Vmreplica__Wire__Ordered *message, struct order_result *ret_result)
{
	*ret_result = (struct order_result){
		.done = message->done,
		.retry_ms = message->retry_ms > 0 ? message->retry_ms : ORDER_RETRY_MS,
		.extents = message->extents,
		.has_cut = message->cut != NULL,
	};
	epoch_from_message(message->epoch, &ret_result->epoch);
	if (message->cut != NULL) {
		ret_result->cut_seq = message->cut->seq;
		copy_text(ret_result->cut_id, sizeof(ret_result->cut_id), message->cut->cut_id);
	}
	copy_text(ret_result->job, sizeof(ret_result->job), message->job);
	copy_text(ret_result->text, sizeof(ret_result->text), message->text);
}

int order_client_order(const struct locate_client *client, Vmreplica__Wire__Order *order,
		       struct order_result *ret_result, struct trouble *trouble)
{
	Vmreplica__Wire__Version version;
	struct broker_talk talk;
	int result = broker_talk_begin(&talk, client, trouble);

	if (result < 0) {
		return result;
	}
	locate_fill_version(&version);
	order->version = &version;
	result = broker_talk_ask(&talk, FRAME_ORDER, &order->base, ORDER_ANSWER_MS, trouble);
	order->version = NULL;
	if (result == 0 && talk.answer.type == FRAME_ORDERED) {
		take_result((const Vmreplica__Wire__Ordered *)talk.answer.message, ret_result);
	} else if (result == 0) {
		result = broker_talk_unexpected(&talk, trouble);
	}
	broker_talk_end(&talk);
	return result;
}
