/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/peer_order.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "engine/give_way.h"
#include "engine/planned.h"
#include "proto/arena.h"

#define ORDER_ARENA_BYTES (64u * 1024u)
#define ORDERED_MAX	  2048u
#define AGAIN_MS	  500u

void peer_order_answer(struct admin_call *call, const Vmreplica__Wire__Ordered *ordered)
{
	Vmreplica__Admin__Response response = VMREPLICA__ADMIN__RESPONSE__INIT;
	Vmreplica__Admin__PeerOrderResponse body = VMREPLICA__ADMIN__PEER_ORDER_RESPONSE__INIT;
	uint8_t packed[ORDERED_MAX];

	if (vmreplica__wire__ordered__get_packed_size(ordered) > sizeof(packed)) {
		admin_call_fail(call, EMSGSIZE, "", "the answer to an order is too long");
		return;
	}
	body.ordered.len = vmreplica__wire__ordered__pack(ordered, packed);
	body.ordered.data = packed;
	response.body_case = VMREPLICA__ADMIN__RESPONSE__BODY_PEER_ORDER;
	response.peer_order = &body;
	admin_call_reply(call, &response);
}

void peer_order_later(struct admin_call *call, const char *job, const char *text)
{
	Vmreplica__Wire__Ordered ordered = VMREPLICA__WIRE__ORDERED__INIT;

	ordered.retry_ms = AGAIN_MS;
	ordered.job = (char *)(uintptr_t)job;
	ordered.text = (char *)(uintptr_t)text;
	peer_order_answer(call, &ordered);
}

void peer_order_refuse(struct admin_call *call, const char *format, ...)
{
	char text[REASON_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	admin_call_fail(call, EPERM, "", "%s", text);
}

void peer_order_refuse_far(const struct peer_order *order, const struct epoch *known,
			   const struct epoch *theirs)
{
	peer_order_refuse(
		order->call,
		"%s names epoch %llu of %s, %s knows %llu: no failovers explain that. "
		"If %s is right, remove the VM at %s (vmreplica unprotect) and protect it "
		"from there anew",
		order->order->site, (unsigned long long)theirs->number, order->contact.vm,
		order->engine->config->site, (unsigned long long)known->number, order->order->site,
		order->engine->config->site);
}

static void order_planned(struct peer_order *order)
{
	struct relationship *rel =
		engine_find_relationship(order->engine, order->contact.relationship);
	Vmreplica__Wire__Ordered ordered = VMREPLICA__WIRE__ORDERED__INIT;
	char job[JOB_ID_LEN + 1], error[REASON_MAX];

	if (rel == NULL) {
		peer_order_refuse(order->call, "%s is the primary on no node of %s at the moment",
				  order->contact.vm, order->engine->config->site);
		return;
	}
	if (planned_begin(rel, job, error) < 0) {
		peer_order_refuse(order->call, "%s", error);
		return;
	}
	engine_event(order->engine, "notice", order->contact.vm,
		     "a planned failover was ordered by %s", order->order->site);
	ordered.done = true;
	ordered.job = job;
	peer_order_answer(order->call, &ordered);
}

static void peer_order_dispatch(struct peer_order *order)
{
	switch (order->order->kind) {
	case VMREPLICA__WIRE__ORDER_KIND__ORDER_PLANNED:
		order_planned(order);
		break;
	case VMREPLICA__WIRE__ORDER_KIND__ORDER_TAKE:
		if (order->order->ask) {
			peer_order_ready(order);
		} else {
			peer_order_take(order);
		}
		break;
	case VMREPLICA__WIRE__ORDER_KIND__ORDER_CANCEL:
		peer_order_cancel(order);
		break;
	case VMREPLICA__WIRE__ORDER_KIND__ORDER_BECOME_REPLICA:
		give_way_ordered(order);
		break;
	case VMREPLICA__WIRE__ORDER_KIND__ORDER_STAY:
		give_way_stay(order);
		break;
	default:
		peer_order_refuse(order->call, "this engine does not know the order");
	}
}

void admin_peer_order(struct admin_call *call, const Vmreplica__Admin__PeerOrderRequest *request)
{
	struct peer_order order = {.call = call, .engine = admin_call_engine(call)};
	struct arena arena;
	int result;

	if (!admin_call_is_trusted(call)) {
		admin_call_fail(call, EPERM, "", "daemons alone may order this");
		return;
	}
	arena_init(&arena, ORDER_ARENA_BYTES);
	order.order = vmreplica__wire__order__unpack(&arena.allocator, request->order.len,
						     request->order.data);
	if (order.order == NULL) {
		arena_reset(&arena);
		admin_call_misused(call, "the order cannot be read");
		return;
	}
	result = peer_contact_find(order.engine, order.order->relationship, &order.contact);
	if (result == -EAGAIN) {
		peer_order_later(call, "", "the cluster's settings are not read yet");
	} else if (result < 0) {
		peer_order_refuse(call, "there is no such relationship here");
	} else {
		peer_order_dispatch(&order);
	}
	arena_reset(&arena);
}
