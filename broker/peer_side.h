/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The other side of a relationship, when its engines ask or order something: whether it is who it
 * says, and what this cluster's configuration knows by itself. Pure. */
#ifndef VMR_BROKER_PEER_SIDE_H
#define VMR_BROKER_PEER_SIDE_H

#include "broker/replica_resource.h"
#include "cluster/authorization.h"
#include "cluster/epoch.h"
#include "cluster/placement.h"

struct peer_side_world {
	const struct authorization_table *authorizations;
	const Vmreplica__Ipc__CibSettings *settings; /* NULL = not read yet */
	const struct placement *placement;	     /* NULL = not read yet */
	const char *own_site;
};

/* The peer as its connection proves it. */
struct peer_identity {
	const char *const *names; /* DNS names of the certificate, NULL-terminated */
	/* Does the certificate carry host, a DNS name or an address? */
	bool (*carries)(const void *arg, const char *host);
	const void *arg;
};

enum peer_side_outcome {
	PEER_SIDE_DENIED,
	PEER_SIDE_STARTING, /* the configuration was not read yet: ask again */
	PEER_SIDE_UNKNOWN,  /* no such relationship here */
	PEER_SIDE_OK,
};

struct peer_side {
	enum peer_side_outcome outcome;
	const Vmreplica__Ipc__CibResource *resource; /* OK: borrowed from settings */
	Vmreplica__Role role;
	struct epoch epoch; /* what the settings say, or the first */
	bool failing_over;  /* REPLICA: a failover to here is ordered, and not over */
	bool vm_running;    /* or it starts, or that is not known */
	const struct authorization_entry *entry; /* site may have its replica here; NULL: not */
	char code[REPLICA_CODE_LEN];		 /* DENIED */
	char reason[REASON_MAX + 1];
};

/* Whose relationship is it? On the replica side the resource names the primary's site; on the
 * primary side it names the broker over there, which the certificate must carry, as it must when we
 * dial it. */
void peer_side_judge(const struct peer_side_world *world, const struct peer_identity *peer,
		     const char *relationship, const char *site, struct peer_side *ret_side);

#endif
