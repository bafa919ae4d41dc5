/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/order_client.h"

#include "engine/broker_talk.h"

#define ORDER_ANSWER_MS 30000 /* their broker asks the owner, which may read a disk's bitmap */
#define ORDER_RETRY_MS	1000

static int take_answer(void *arg, const struct locate_client *client, const struct frame *answer,
		       struct trouble *trouble)
{
	const Vmreplica__Wire__QueryAnswer *message =
		(const Vmreplica__Wire__QueryAnswer *)answer->message;
	struct order_answer *ret_answer = arg;

	if (answer->type != FRAME_QUERY_ANSWER) {
		return broker_talk_unexpected(client, answer, trouble);
	}
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
	broker_talk_copy(ret_answer->cut_id, sizeof(ret_answer->cut_id), message->cut_id);
	broker_talk_copy(ret_answer->site, sizeof(ret_answer->site), message->site);
	broker_talk_copy(ret_answer->node, sizeof(ret_answer->node), message->node);
	broker_talk_copy(ret_answer->job, sizeof(ret_answer->job), message->job);
	broker_talk_copy(ret_answer->storage, sizeof(ret_answer->storage), message->storage);
	broker_talk_copy(ret_answer->reason, sizeof(ret_answer->reason), message->reason);
	return 0;
}

int order_client_query(const struct locate_client *client, const char *relationship,
		       const char *site, const struct epoch *epoch, struct order_answer *ret_answer,
		       struct trouble *trouble)
{
	Vmreplica__Wire__Query query = VMREPLICA__WIRE__QUERY__INIT;
	Vmreplica__Wire__Version version;
	Vmreplica__Epoch known;
	struct broker_question question = {FRAME_QUERY, &query.base, BROKER_TALK_ANSWER_MS};

	locate_fill_version(&version);
	query.version = &version;
	query.relationship = (char *)(uintptr_t)relationship;
	query.site = (char *)(uintptr_t)site;
	if (epoch != NULL && epoch->number > 0) {
		epoch_to_message(epoch, &known);
		query.epoch = &known;
	}
	return broker_talk_ask(client, &question, take_answer, ret_answer, trouble);
}

static int take_result(void *arg, const struct locate_client *client, const struct frame *answer,
		       struct trouble *trouble)
{
	const Vmreplica__Wire__Ordered *message = (const Vmreplica__Wire__Ordered *)answer->message;
	struct order_result *ret_result = arg;

	if (answer->type != FRAME_ORDERED) {
		return broker_talk_unexpected(client, answer, trouble);
	}
	*ret_result = (struct order_result){
		.done = message->done,
		.retry_ms = message->retry_ms > 0 ? message->retry_ms : ORDER_RETRY_MS,
		.extents = message->extents,
		.has_cut = message->cut != NULL,
	};
	epoch_from_message(message->epoch, &ret_result->epoch);
	if (message->cut != NULL) {
		ret_result->cut_seq = message->cut->seq;
		broker_talk_copy(ret_result->cut_id, sizeof(ret_result->cut_id),
				 message->cut->cut_id);
	}
	broker_talk_copy(ret_result->job, sizeof(ret_result->job), message->job);
	broker_talk_copy(ret_result->text, sizeof(ret_result->text), message->text);
	return 0;
}

int order_client_order(const struct locate_client *client, Vmreplica__Wire__Order *order,
		       struct order_result *ret_result, struct trouble *trouble)
{
	Vmreplica__Wire__Version version;
	struct broker_question question = {FRAME_ORDER, &order->base, ORDER_ANSWER_MS};
	int result;

	locate_fill_version(&version);
	order->version = &version;
	result = broker_talk_ask(client, &question, take_result, ret_result, trouble);
	order->version = NULL;
	return result;
}
