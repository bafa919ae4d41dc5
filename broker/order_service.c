/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/locate_service.h"
#include "broker/query_service.h"
#include "common/log.h"
#include "proto/arena.h"
#include "proto/validate.h"

#define ORDER_FORWARD_MS  25000
#define ORDER_ARENA_BYTES (64u * 1024u)
#define ORDER_PACKED_MAX  4096u

/* One ORDER that an engine carries out. */
struct order_wait {
	struct broker *broker;
	uint64_t session_id;
	char relationship[RELATIONSHIP_LEN + 1];
};

/* Which engine: the owner's; when no node owns it (the VM does not run, its resource is stopped),
 * the one beside us, or any other. */
static const char *order_node(const struct broker *broker, const char *relationship)
{
	const struct route *route = routing_table_find(broker->routes, relationship);
	const struct routing_node *nodes = routing_table_nodes(broker->routes);

	if (route != NULL && routing_table_find_node(broker->routes, route->node) != NULL) {
		return route->node;
	}
	if (routing_table_find_node(broker->routes, broker->config->node) != NULL) {
		return broker->config->node;
	}
	return nodes != NULL ? nodes->name : NULL;
}

static void order_pass_answer(struct order_wait *wait, struct peer_session *session,
			      const Vmreplica__Admin__PeerOrderResponse *response)
{
	Vmreplica__Wire__Ordered *ordered;
	struct arena arena;

	arena_init(&arena, ORDER_ARENA_BYTES);
	ordered = vmreplica__wire__ordered__unpack(&arena.allocator, response->ordered.len,
						   response->ordered.data);
	if (ordered != NULL) {
		peer_session_reply(session, FRAME_ORDERED, &ordered->base);
	} else {
		log_warning("%s: the engine's answer to an order cannot be read",
			    wait->relationship);
		query_service_busy(session, "engine", "the engine's answer cannot be read");
	}
	arena_reset(&arena);
}

static void order_reply_cb(void *arg, int error, const Vmreplica__Admin__Response *response)
{
	struct order_wait *wait = arg;
	struct broker *broker = wait->broker;
	struct peer_session *session =
		error == -ECANCELED ? NULL
				    : access_point_find(broker->access_point, wait->session_id);

	if (session == NULL) {
		free(wait);
		return;
	}
	if (error < 0) {
		query_service_busy(session, "engine",
				   error == -ETIMEDOUT ? "the engine does not answer"
						       : "the engine cannot be asked");
	} else if (response->error == 0 &&
		   response->body_case == VMREPLICA__ADMIN__RESPONSE__BODY_PEER_ORDER) {
		order_pass_answer(wait, session, response->peer_order);
	} else if (response->error == EAGAIN || response->error == EBUSY) {
		query_service_busy(session, "busy", response->text);
	} else {
		locate_service_deny(broker, session, "order-refused", response->text);
	}
	free(wait);
}

static int order_forward(struct order_wait *wait, const char *node,
			 const Vmreplica__Wire__Order *order)
{
	Vmreplica__Admin__Request request = VMREPLICA__ADMIN__REQUEST__INIT;
	Vmreplica__Admin__PeerOrderRequest body = VMREPLICA__ADMIN__PEER_ORDER_REQUEST__INIT;
	uint8_t packed[ORDER_PACKED_MAX];

	if (vmreplica__wire__order__get_packed_size(order) > sizeof(packed)) {
		return -EMSGSIZE;
	}
	body.order.len = vmreplica__wire__order__pack(order, packed);
	body.order.data = packed;
	body.peer_site = order->site;
	request.to = (char *)(uintptr_t)node;
	request.body_case = VMREPLICA__ADMIN__REQUEST__BODY_PEER_ORDER;
	request.peer_order = &body;
	return forward_request(wait->broker->forward, node, &request, ORDER_FORWARD_MS,
			       order_reply_cb, wait);
}

void order_service_handle(struct broker *broker, struct peer_session *session,
			  const Vmreplica__Wire__Order *order)
{
	const char *node = order_node(broker, order->relationship);
	struct order_wait *wait;
	struct peer_side side;
	char peer[DENIAL_PEER_LEN];

	if (!query_service_admit(broker, session, order->version, order->relationship, order->site,
				 &side)) {
		return;
	}
	if (side.outcome == PEER_SIDE_UNKNOWN) {
		locate_service_deny(broker, session, "unknown",
				    "there is no such relationship here");
		return;
	}
	wait = node != NULL ? calloc(1, sizeof(*wait)) : NULL;
	if (wait == NULL) {
		query_service_busy(session, "engine",
				   node == NULL ? "no engine runs here" : "out of memory");
		return;
	}
	wait->broker = broker;
	wait->session_id = session->id;
	snprintf(wait->relationship, sizeof(wait->relationship), "%s", order->relationship);
	log_notice("%s orders step %d of a failover of %s; %s is asked",
		   broker_peer_label(session, peer, sizeof(peer)), (int)order->kind,
		   order->relationship, node);
	if (order_forward(wait, node, order) < 0) {
		free(wait);
		query_service_busy(session, "engine", "the engine cannot be asked");
	}
}
