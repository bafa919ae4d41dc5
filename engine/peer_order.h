/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Orders of the other side of a relationship (wire.proto Order), passed on by our broker: each is
 * answered at once with how it stands, and given again until it is done. Control thread only.
 *
 *   PLANNED         to the primary's side: begin a planned failover (planned.h)
 *   TAKE            to the replica's side: take the epoch, start the VM (peer_take.c)
 *   CANCEL          to the replica's side: promise never to take that epoch (peer_take.c)
 *   BECOME_REPLICA  to an old primary's side: stop, adopt the disks, receive (give_way.h)
 *   STAY            to the same: promise not to, and take back what was begun of it (give_way.h)
 */
#ifndef VMR_ENGINE_PEER_ORDER_H
#define VMR_ENGINE_PEER_ORDER_H

#include "cluster/epoch.h"
#include "engine/admin_service.h"
#include "engine/peer_contact.h"
#include "proto/wire.pb-c.h"

/* One order under way to its answer. order is decoded into the handler's arena: what is kept is
 * copied. */
struct peer_order {
	struct admin_call *call;
	struct engine *engine;
	const Vmreplica__Wire__Order *order;
	struct peer_contact contact;
};

/* Answer it; each takes the call. */
void peer_order_answer(struct admin_call *call, const Vmreplica__Wire__Ordered *ordered);
/* It is under way: the same order again in a moment. text: how far. */
void peer_order_later(struct admin_call *call, const char *job, const char *text);
/* It is not carried out, and will not be. */
void peer_order_refuse(struct admin_call *call, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Likewise: its epoch is further ahead of the known one than failovers explain. */
void peer_order_refuse_far(const struct peer_order *order, const struct epoch *known,
			   const struct epoch *theirs);

void peer_order_take(struct peer_order *order);
void peer_order_ready(struct peer_order *order); /* could it be taken? (peer_ready.c) */
void peer_order_cancel(struct peer_order *order);

#endif
