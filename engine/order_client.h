/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One side of a relationship talks with the other's broker: QUERY (how does your side stand?) and
 * ORDER (a step of a failover). As engine/locate_client.h: a TLS connection a question, blocking
 * (workers only), a failure fills *trouble and returns a negative errno.
 */
#ifndef VMR_ENGINE_ORDER_CLIENT_H
#define VMR_ENGINE_ORDER_CLIENT_H

#include "cluster/epoch.h"
#include "engine/locate_client.h"

/* What the other side said of itself. */
struct order_answer {
	bool known; /* it has the relationship */
	Vmreplica__Role role;
	Vmreplica__State state;
	struct epoch epoch; /* the highest that is durable there; number 0: none */
	bool vm_running;    /* or being started */
	bool authorized;    /* our replica may be made there */
	bool failing_over;  /* the VM is being taken over there; epoch may not show it yet */
	uint64_t seq;	    /* its last committed cycle */
	char cut_id[CUT_ID_LEN + 1];
	char node[NODE_NAME_MAX + 1]; /* the owner; "" = none at the moment */
	char site[SITE_NAME_MAX + 1]; /* its name; "" = it does not say */
	char job[17];		      /* a failover under way; "" = none */
	char storage[PATH_LEN_MAX + 1];
	char reason[REASON_MAX];
};

/* Ask. site: ours. epoch: the highest that we know; number 0 or NULL: not told. */
int order_client_query(const struct locate_client *client, const char *relationship,
		       const char *site, const struct epoch *epoch, struct order_answer *ret_answer,
		       struct trouble *trouble);

/* What became of an order. */
struct order_result {
	bool done;	   /* false: under way; give it again after retry_ms */
	uint32_t retry_ms; /* never 0 then */
	char job[17];
	struct epoch epoch; /* TAKE: the one that is durable there; number 0: none */
	bool extents;	    /* BECOME_REPLICA: a delta is enough */
	bool has_cut;
	uint64_t cut_seq; /* BECOME_REPLICA: the last cut that the old primary knows committed */
	char cut_id[CUT_ID_LEN + 1];
	char text[REASON_MAX];
};

/* Order. order is the caller's but for its version, which is filled in here. Orders are idempotent:
 * after a failure that leaves the outcome unknown they may be given again. */
int order_client_order(const struct locate_client *client, Vmreplica__Wire__Order *order,
		       struct order_result *ret_result, struct trouble *trouble);

#endif
