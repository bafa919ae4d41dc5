/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a failover job was ordered to do, as it stands in the cluster's settings while it is under
 * way (STANDING_FAILOVER + relationship), so that whoever owns the relationship goes on with it.
 * Everything that must not be chosen twice is in it: cycle, epoch, network. Pure.
 */
#ifndef VMR_ENGINE_FAILOVER_ORDER_H
#define VMR_ENGINE_FAILOVER_ORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cluster/epoch.h"
#include "engine/job_message.h"
#include "proto/admin.pb-c.h"
#include "proto/limits.h"

#define FAILOVER_ORDER_LEN 512u /* of its text, with the terminator */
#define FAILOVER_KIND_LEN  24u

struct failover_order {
	Vmreplica__Admin__FailoverKind kind;
	char job[JOB_ID_LEN + 1];
	bool undo;   /* it could not be done, and is being taken back */
	bool forced; /* UNPLANNED: whatever the other side says; not in one that is undone */
	bool latest; /* else seq */
	uint64_t seq;
	struct epoch epoch;		    /* to be raised to; number 0: this kind raises none */
	char cut_id[CUT_ID_LEN + 1]; /* PLANNED: of that cycle; "" = whatever it has */
	char network[NETWORK_NAME_MAX + 1]; /* TEST */
};

/* The word of a kind ("unplanned-failover", ...): also the job's. NULL for no kind. */
const char *failover_kind_to_string(Vmreplica__Admin__FailoverKind kind);
Vmreplica__Admin__FailoverKind failover_kind_from_string(const char *word); /* or FAILOVER_NONE */

/* Into buf. Returns buf. */
char *failover_order_encode(const struct failover_order *order, char buf[FAILOVER_ORDER_LEN]);
/* True and *ret_order filled when text is such an order. */
bool failover_order_decode(const char *text, struct failover_order *ret_order);

#endif
