/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What to do with an ENROLL: a pure decision out of what the cluster's settings,
 * placement and the engines' announcements say. Carrying it out is enrollment.c's.
 *
 * Room: a replica is thin, and how much of its disks is in use is not known before the initial
 * replication. So a storage is refused only below its reserve ([store] reserve), where the receiver
 * would not begin; it stops by itself there later. Location: a storage id that several nodes
 * announce is shared, and the replica may run anywhere. An id that one node alone announces is that
 * node's own, and the replica's resource is bound to it.
 */
#ifndef VMR_BROKER_ENROLL_H
#define VMR_BROKER_ENROLL_H

#include "broker/replica_resource.h"
#include "broker/routing_table.h"
#include "cluster/authorization.h"
#include "proto/limits.h"
#include "proto/wire.pb-c.h"

enum enroll_outcome {
	ENROLL_DENIED,
	ENROLL_CREATE, /* make the resource */
	ENROLL_EXISTS, /* it is there: the same answer again; see update_frequency */
};

/* A replica whose resource is being made: the settings do not show it yet. */
struct enroll_pending {
	const char *relationship, *site; /* borrowed */
	uint64_t size_bytes;
};

struct enroll_world {
	const struct authorization_table *authorizations;
	const Vmreplica__Ipc__CibSettings *settings; /* NULL = not read yet */
	const struct placement *placement;	     /* NULL = not read yet */
	const struct routing_table *routes;
	const char *own_site;
	uint64_t reserve_bytes;
	const struct enroll_pending *pending;
	size_t pending_count;
};

struct enroll_plan {
	enum enroll_outcome outcome;
	char resource[RESOURCE_ID_MAX + 1];
	char node[NODE_NAME_MAX + 1];	       /* chosen, or the present owner; "" = unknown */
	char location_node[NODE_NAME_MAX + 1]; /* CREATE: bind to it; "" = anywhere */
	char storage[PATH_LEN_MAX + 1];
	char vm[VM_NAME_MAX + 1];     /* CREATE: as the request names it */
	char site[SITE_NAME_MAX + 1]; /* CREATE: likewise, the primary's */
	uint64_t size_bytes;	      /* CREATE: of its disks together */
	bool update_frequency;	      /* EXISTS: the asked one, or the asked points, differ */
	bool update_map;	      /* EXISTS: likewise, and one was asked for */
	char code[REPLICA_CODE_LEN];  /* DENIED: a stable word */
	char reason[REASON_MAX + 1];  /* DENIED: a sentence */
};

/* names: the peer's SANs, NULL-terminated. */
void enroll_decide(const struct enroll_world *world, const Vmreplica__Wire__Enroll *enroll,
		   const char *const *names, struct enroll_plan *ret_plan);

/* The networks' map that it asks for, as the resource's parameter, into buf. Pure. */
void enroll_join_maps(const Vmreplica__Wire__Enroll *enroll, char *buf, size_t size);

#endif
