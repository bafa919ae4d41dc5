/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QUERY and ORDER from the other side of a relationship (wire.proto). QUERY is answered from the
 * cluster's settings and placement, and, where an engine owns the relationship, from what that says
 * at once; it is answered when no owner runs, too. ORDER goes to the owner's engine (admin.proto
 * PeerOrderRequest), or to any that can stand in when nobody owns it; its answer goes back as it
 * is. Who may: broker/peer_side.h. Denials are events.
 */
#ifndef VMR_BROKER_QUERY_SERVICE_H
#define VMR_BROKER_QUERY_SERVICE_H

#include "broker/broker.h"
#include "broker/peer_side.h"
#include "proto/wire.pb-c.h"

/* Answers QUERY_ANSWER, DENIED or BUSY; later, when the owner is asked. */
void query_service_handle(struct broker *broker, struct peer_session *session,
			  const Vmreplica__Wire__Query *query);
/* Answers ORDERED, DENIED or BUSY, when the engine has answered. */
void order_service_handle(struct broker *broker, struct peer_session *session,
			  const Vmreplica__Wire__Order *order);

/* ---- for each other ---- */
/* Judge the peer. True: *ret_side holds OK or UNKNOWN; else it has been answered. */
bool query_service_admit(struct broker *broker, struct peer_session *session,
			 const Vmreplica__Wire__Version *version, const char *relationship,
			 const char *site, struct peer_side *ret_side);
void query_service_busy(struct peer_session *session, const char *code, const char *reason);

#endif
