/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What to do with a WITHDRAW: the other side unprotects its VM. A pure decision; enrollment.c
 * carries it out. */
#ifndef VMR_BROKER_WITHDRAW_H
#define VMR_BROKER_WITHDRAW_H

#include "broker/enroll.h"

enum withdraw_outcome {
	WITHDRAW_DENIED,
	WITHDRAW_DELETE, /* delete the resource, destroy the store */
	WITHDRAW_GONE,	 /* there is none (any more) */
};

struct withdraw_plan {
	enum withdraw_outcome outcome;
	char resource[RESOURCE_ID_MAX + 1];
	char vm[VM_NAME_MAX + 1];
	char site[SITE_NAME_MAX + 1]; /* the primary's */
	char storage[PATH_LEN_MAX + 1];
	char node[NODE_NAME_MAX + 1]; /* whose engine destroys the store: the owner, else one that
					 has the storage; "" = none */
	bool keep_store;	      /* the resource alone is deleted */
	char code[REPLICA_CODE_LEN];
	char reason[REASON_MAX + 1];
};

void withdraw_decide(const struct enroll_world *world, const Vmreplica__Wire__Withdraw *withdraw,
		     const char *const *names, struct withdraw_plan *ret_plan);

#endif
