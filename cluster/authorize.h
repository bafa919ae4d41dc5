/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vmreplica authorize, for whichever daemon is asked: the entries live in the cluster's settings,
 * so that a broker answers, and an engine where none runs. Control thread only.
 */
#ifndef VMR_CLUSTER_AUTHORIZE_H
#define VMR_CLUSTER_AUTHORIZE_H

#include "cluster/authorization.h"
#include "cluster/cluster.h"
#include "proto/admin.pb-c.h"

struct authorizer;

/* The answer, borrowed for the call, perhaps from inside authorizer_handle. NULL: there will be
 * none (authorizer_free); let go what arg holds. Called exactly once for each request. */
typedef void (*authorize_answer_cb)(void *arg, const Vmreplica__Admin__Response *response);

/* cluster is borrowed. NULL when out of memory. */
struct authorizer *authorizer_new(struct cluster *cluster);
/* After the cluster has stopped, which ends the changes that it had been asked for. NULL allowed.
 */
void authorizer_free(struct authorizer *authorizer);
/* Add, remove or list. A change is answered when the cluster's settings show it: a peer that comes
 * right after it must find it. missing: why nothing can be changed now, for an admin (no quorum);
 * NULL or "" = it can. */
void authorizer_handle(struct authorizer *authorizer,
		       const Vmreplica__Admin__AuthorizeRequest *request, const char *missing,
		       authorize_answer_cb answer, void *arg);

/* The entry that a site's replicas count for: the one that matches its name best, else one for
 * nodes of it. NULL = none. */
const struct authorization_entry *authorization_site_entry(const struct authorization_table *table,
							   const char *site);
/* How many configured replicas count for the entry. settings NULL = none. */
uint32_t authorization_count_replicas(const struct authorization_table *table,
				      const struct authorization_entry *entry,
				      const Vmreplica__Ipc__CibSettings *settings);

#endif
