/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Asks the receiver about takeovers of a store: STORE_TAKEOVER, STORE_TAKEOVER_END, STORE_EXTENTS,
 * STORE_PULSE, each answered by STORE_TAKEN. Every request may be given again after a failure
 * (receiver/takeover.h): it goes on, or gives the same answer. Control thread only.
 */
#ifndef VMR_ENGINE_REPLICA_TAKEOVER_H
#define VMR_ENGINE_REPLICA_TAKEOVER_H

#include "engine/replica.h"
#include "proto/ipc.pb-c.h"

/* Called with working = true (there is so much to do; it is told once or more), then exactly once
 * with the outcome: error is 0 or a negative errno with a sentence. -ECONNRESET: the receiver died,
 * -ETIMEDOUT: it does not answer, -ESHUTDOWN: the engine is stopping; ask again when the store is
 * open. answer is borrowed for the call. Never called before the request has returned. */
typedef void (*replica_takeover_cb)(void *arg, const Vmreplica__Ipc__StoreTaken *answer);

/* Ask; id and relationship are filled in. 0, and done will be called; or a negative errno, and it
 * will not: -ENOTCONN (the store is not open), -ENOMEM. */
int replica_takeover_ask(struct replica *replica, Vmreplica__Ipc__StoreTakeover *request,
			 replica_takeover_cb done, void *arg);
int replica_takeover_end(struct replica *replica, Vmreplica__Ipc__StoreTakeoverEnd *request,
			 replica_takeover_cb done, void *arg);
/* The same for a store that is open, but no replica's of this engine; request has the
 * relationship. */
int replica_takeover_end_at(struct engine *engine, Vmreplica__Ipc__StoreTakeoverEnd *request,
			    replica_takeover_cb done, void *arg);
int replica_takeover_extents(struct replica *replica, Vmreplica__Ipc__StoreExtents *request,
			     replica_takeover_cb done, void *arg);
/* Does its primary live (answer->primary_lives, seen as text says)? Its stream is asked, for four
 * seconds at most. */
int replica_takeover_pulse(struct replica *replica, replica_takeover_cb done, void *arg);
/* Who asked does not want to know any more (all its requests). */
void replica_takeover_forget(struct engine *engine, const void *arg);

/* ---- from receiver_child.c and the clock ---- */
void replica_takeover_answered(struct engine *engine, const Vmreplica__Ipc__StoreTaken *answer);
void replica_takeover_receiver_lost(struct engine *engine);
/* now_ms INT64_MAX: all fail, at the end. */
void replica_takeover_tick(struct engine *engine, int64_t now_ms);

#endif
