/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Does the primary of a store live? Asked before an unplanned failover whose primary's broker is
 * silent: the engines of that side may replicate all the same. Its stream is asked by a PING,
 * parked or in a cycle, because one of a site that is dark stands for a while yet.
 */
#ifndef VMR_RECEIVER_PULSE_H
#define VMR_RECEIVER_PULSE_H

#include "proto/ipc.pb-c.h"
#include "receiver/answer.h"
#include "receiver/receiver.h"

struct session;
struct store;

/* Answered by STORE_TAKEN, at once or when what is waited for has not come. Control thread. */
void pulse_request(struct receiver *receiver, const Vmreplica__Ipc__StorePulse *request);

/* ---- for the session, on its worker ---- */
/* A new stream of the store's primary: earlier questions are none of its. */
void pulse_greet(struct session *session);
/* Send a PING if one is wanted. 0 or as session_send. */
int pulse_ping(struct session *session, struct answer *answer);
/* A PONG came. */
void pulse_take(struct session *session, uint64_t value);

#endif
