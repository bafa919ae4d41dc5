/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the other side says before a failover is begun, or taken back, on an admin's order: does it
 * answer as the primary, or has it become the replica? And before a cancel, when it was ordered to
 * make way (STANDING_REVERSING): its promise that it does not (ORDER_STAY). Until it has given that
 * it may become the replica at any moment, and what its VM wrote alone would lie on neither side as
 * something that a command starts.
 */
#ifndef VMR_ENGINE_FAILOVER_WORD_H
#define VMR_ENGINE_FAILOVER_WORD_H

#include "cluster/epoch.h"
#include "engine/job_message.h"
#include "engine/order_client.h"
#include "engine/peer_contact.h"
#include "proto/admin.pb-c.h"

struct failover_word {
	Vmreplica__Admin__FailoverKind kind;
	bool force; /* it is asked all the same, but may say what it wants */
	struct peer_contact contact;
	struct tls_store *tls;		/* borrowed */
	const char *site;		/* ours, borrowed */
	char reversing[JOB_ID_LEN + 1]; /* whose order to make way stands; "" = none */
	struct epoch epoch;		/* in which it was ordered: the one that this side holds */
	/* what came of it */
	bool answered;
	struct order_answer answer;
	char why[REASON_MAX]; /* why it may not be done; "" = it may */
	const char *advice;   /* with why; static */
};

/* Fill the rest in. Blocking, up to half a minute: workers only. */
void failover_word_ask(struct failover_word *word);

#endif
