/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The replica VM's own resource, disabled until a failover: made after the replica's, and taken
 * away before it. */
#ifndef VMR_BROKER_REPLICA_DOMAIN_H
#define VMR_BROKER_REPLICA_DOMAIN_H

#include "broker/enrollment_internal.h"

/* Make it as the job's plan has it, then go on with next, whatever came of it: a failure is logged,
 * and a failover makes it. */
void replica_domain_create(struct job *job, const char *vm, const char *site,
			   void (*next)(struct job *job));
/* Take it away, then go on with next; a failure refuses the job and ends it. */
void replica_domain_remove(struct job *job, void (*next)(struct job *job));

/* Does a VM run on the replica, or may it: a failover or a test of it stands? A sentence, or NULL.
 * Pure; settings may be NULL. */
const char *replica_domain_in_use(const Vmreplica__Ipc__CibSettings *settings,
				  const char *relationship);

#endif
