/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Before a cancel of a failover whose reverse was ordered (STANDING_REVERSING): the other side's
 * promise that it does not become the replica (ORDER_STAY). Until it has given that it may at any
 * moment, and what its VM wrote alone would lie on neither side as something that a command starts.
 */
#ifndef VMR_ENGINE_FAILOVER_WORD_H
#define VMR_ENGINE_FAILOVER_WORD_H

#include "cluster/epoch.h"
#include "engine/job_message.h"
#include "engine/peer_contact.h"

struct failover_word {
	struct peer_contact contact;
	struct tls_store *tls;		/* borrowed */
	const char *site;		/* ours, borrowed */
	char reversing[JOB_ID_LEN + 1]; /* whose order to make way stands */
	struct epoch epoch;		/* in which it was ordered: the one that this side holds */
	/* what came of it */
	char why[REASON_MAX]; /* there is no such promise: why; "" = it has been given */
	const char *advice;   /* with why; static */
};

/* Fill the rest in. Blocking, up to half a minute: workers only. */
void failover_word_ask(struct failover_word *word);

#endif
