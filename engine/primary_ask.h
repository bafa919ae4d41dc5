/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Before a replica fails over, or goes back from it, without --force: does the other side live, and
 * what does it say of itself?
 *
 *   its broker is asked (QUERY)     -> it answers how it stands, or refuses: an answer, too
 *   meanwhile, unplanned: its engine -> where the broker is silent: does the replication stream
 * live?
 *
 * Control thread only; what blocks is on a worker or in the receiver.
 */
#ifndef VMR_ENGINE_PRIMARY_ASK_H
#define VMR_ENGINE_PRIMARY_ASK_H

#include "engine/engine.h"
#include "engine/order_client.h"
#include "proto/admin.pb-c.h"

/* What came of it. */
struct primary_word {
	bool answered; /* the broker said how its side stands */
	struct order_answer answer;
	/* 0: nothing speaks against it; -EBUSY: text says what does; -EAGAIN: it cannot be told at
	 * the moment */
	int error;
	char text[REASON_MAX];
	const char *advice; /* never NULL */
};

/* word is borrowed for the call. */
typedef void (*primary_ask_cb)(void *arg, const struct primary_word *word);

/* kind: UNPLANNED or CANCEL. 0, and done is called once, perhaps before this returns; or -ENOMEM,
 * and it is not. */
int primary_ask(struct engine *engine, const char *relationship,
		Vmreplica__Admin__FailoverKind kind, primary_ask_cb done, void *arg);

#endif
