/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * May the replica's side of a planned failover promise never to take the order's epoch (CANCEL)?
 * The primary's side starts the VM on that word alone, so it is given only when nothing here runs
 * the VM, or may yet do so: by that order or by any other failover. Pure.
 */
#ifndef VMR_ENGINE_PROMISE_H
#define VMR_ENGINE_PROMISE_H

#include <stdbool.h>

#include "cluster/epoch.h"

struct promise_facts {
	struct epoch order; /* the epoch that is to be given up */
	struct epoch known; /* the highest that is durable here, in the settings or in the store */
	bool is_replica;    /* as this side's resource says */
	bool under_way;	    /* a failover job of whatever kind: ordered, recorded or running */
	bool failed_over;   /* a failover stands in the store */
	bool is_refused;    /* the promise stands already */
	bool is_started;    /* the order's epoch is in the settings: the VM was told to start */
};

enum promise_verdict {
	PROMISE_GIVEN,
	PROMISE_LATER,	  /* not now, or never: the other side asks again */
	PROMISE_TOO_LATE, /* the known epoch is the answer: the VM is here, or was */
};

/* The verdict; why: a sentence for PROMISE_LATER, "" otherwise; never NULL. */
enum promise_verdict promise_judge(const struct promise_facts *facts, const char **ret_why);

#endif
