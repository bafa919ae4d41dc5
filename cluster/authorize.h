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

/* ---- what an entry's replicas take (authorization_count.c) ---- */

/* The sizes of a replica's disks together, as its VM sees them; 0 = not known yet. */
typedef uint64_t (*authorization_size_cb)(void *arg, const char *relationship);

/* Where the answers' sizes come from. Not called: they are 0. */
void authorizer_set_sizes(struct authorizer *authorizer, authorization_size_cb size, void *arg);

struct authorization_usage {
	uint32_t vms;
	uint64_t bytes; /* UINT64_MAX = as much, or more */
};

/* Is the resource a replica's? Then whose, and of what; both borrowed. */
bool authorization_resource_counts(const Vmreplica__Ipc__CibResource *resource,
				   const char **ret_site, const char **ret_relationship);
void authorization_usage_add(struct authorization_usage *usage, uint64_t size_bytes);
/* What the configured replicas that count for the entry take, but the one of relationship except
 * (NULL = all). settings NULL = none; size NULL: they are not counted. */
void authorization_usage_of(const struct authorization_table *table,
			    const struct authorization_entry *entry,
			    const Vmreplica__Ipc__CibSettings *settings, const char *except,
			    authorization_size_cb size, void *arg,
			    struct authorization_usage *ret_usage);
/* May there be a replica of so many bytes, beside those others? */
bool authorization_has_room(const struct authorization_entry *entry,
			    const struct authorization_usage *usage, uint64_t size_bytes);
#define AUTHORIZATION_ROOM_LEN 400u
/* Why not, and what to do, as a sentence. Returns buf. */
char *authorization_explain_room(const struct authorization_entry *entry,
				 const struct authorization_usage *usage, uint64_t size_bytes,
				 char buf[AUTHORIZATION_ROOM_LEN]);

#endif
