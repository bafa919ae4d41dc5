/* SPDX-License-Identifier: GPL-2.0-or-later */
/* May a replica fail over, or go back from a failover, without --force, after what the other side
 * says of itself? And in which epoch. Pure. */
#ifndef VMR_ENGINE_FAILOVER_PEER_H
#define VMR_ENGINE_FAILOVER_PEER_H

#include <stdbool.h>

#include "cluster/epoch.h"
#include "engine/order_client.h"
#include "proto/admin.pb-c.h"

/* NULL: it may. Otherwise why not, into text (REASON_MAX), with what to do. answer: that of a side
 * that answered. own_site: this one. */
const char *failover_peer_objection(Vmreplica__Admin__FailoverKind kind,
				    const struct order_answer *answer, const char *own_site,
				    char *text, size_t size, const char **ret_advice);

/* A cancel, after the other side was ordered to make way, without its word that it stays. said:
 * what it answered, or why there is no answer. Fills text and advice.
 */
void failover_peer_no_word(const char *said, char *text, size_t size, const char **ret_advice);

/* Of a primary's side whose broker could not be asked how it stands, before an unplanned failover:
 * is its trouble an answer all the same? A broker that refuses, is busy, or speaks in a certificate
 * that does not hold, is one that runs. NULL: it is silence. Else as above. */
const char *failover_peer_refusal(const char *site, const struct trouble *trouble, char *text,
				  size_t size, const char **ret_advice);

/* The same of one that lives by the word of the receiver (seen); broker: why its broker is silent,
 * "" = it has none. Never NULL. */
const char *failover_peer_lives(const char *site, const char *seen, const char *broker, char *text,
				size_t size, const char **ret_advice);

/* What to do where it cannot be told. */
#define FAILOVER_PEER_AGAIN                                                                        \
	"order it again in a moment; where the primary is gone for sure: --force"

/* The epoch of an unplanned failover. known: the highest that is durable here. answer: the other
 * side's, or NULL when it is silent or was not asked. What it has given back to this site is taken
 * as it is; else known is raised, and once more when this side is the replica since a moment ago
 * (handed_over): the other side may have given the next one back without our having heard of it. 0
 * or as epoch_raise. */
int failover_peer_epoch(const struct epoch *known, const struct order_answer *answer,
			bool handed_over, const char *own_site, struct epoch *ret_epoch);

#endif
