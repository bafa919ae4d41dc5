/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where each resource runs, as Pacemaker says: a pure parse of `crm_mon -1 --output-as=xml` (versioned output) into an
 * immutable, reference-counted snapshot. Raw CIB status is never parsed (Pacemaker's own advice).
 */
#ifndef VMR_CLUSTER_PLACEMENT_H
#define VMR_CLUSTER_PLACEMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum placement_state {
	PLACEMENT_UNKNOWN,   /* running on several nodes, failed, blocked, or its node is unclean */
	PLACEMENT_STOPPED,   /* on no node */
	PLACEMENT_RUNNING,   /* on exactly one healthy node */
	PLACEMENT_MOVING,    /* running, with a start, stop or migration pending */
};

struct placement_resource {
	const char *id;
	const char *agent; /* "ocf:vmreplica:vm" */
	const char *role;  /* Pacemaker's word, e.g. "Started" */
	const char *node;  /* the one node, or NULL */
	const char *pending; /* pending operation, or NULL */
	enum placement_state state;
	bool managed, failed, blocked, orphaned, maintenance;
	const char *why; /* for PLACEMENT_UNKNOWN: a phrase */
};

struct placement_node {
	const char *name;
	bool online, standby, maintenance, pending, unclean, shutdown;
	/* Node attribute vmreplica-replication-address (`pcs node attribute`), or NULL. */
	const char *replication_address;
};

struct placement {
	int references;
	bool quorate;	       /* per Pacemaker's DC */
	const char *dc;	       /* node name or NULL */
	bool stonith_enabled;
	bool maintenance_mode;
	struct placement_resource *resources; /* sorted by id (binary search in placement_find) */
	size_t resource_count;
	struct placement_node *nodes;	      /* sorted by name */
	size_t node_count;
	int64_t read_ms;       /* monotonic, when it was read */
	void *strings;	       /* owned by the snapshot */
};

/* Parse xml (len bytes; DTDs are refused, size bounded to 16 MiB). 0 with *ret_placement (one reference), -EBADMSG
 * with *ret_error pointing at a static sentence (may be NULL). */
int placement_parse(const char *xml, size_t len, struct placement **ret_placement, const char **ret_error);
struct placement *placement_ref(struct placement *placement);
void placement_unref(struct placement *placement); /* NULL allowed */

const struct placement_resource *placement_find(const struct placement *placement, const char *id);	  /* or NULL */
const struct placement_node *placement_find_node(const struct placement *placement, const char *name); /* or NULL */

/* The address that senders are redirected to for node: its attribute, which the whole cluster sees and can change, goes
 * before configured (the node's own file; "" or NULL: none). NULL when neither is set: the cluster's own address of
 * the node holds. placement may be NULL. Borrowed from either. */
const char *placement_node_address(const struct placement *placement, const char *node, const char *configured);

/* The node where a clone's instance of agent runs healthily? e.g. the engine on node. */
bool placement_agent_runs_on(const struct placement *placement, const char *agent, const char *node);

struct placement_candidate {
	const char *node;
	uint64_t free_bytes;   /* of the storage, as the engine there announced */
	uint32_t replicas;     /* already there */
	bool writable;
};
/* Choose the node for a new replica: online, not standby/maintenance/unclean/shutting down, its engine running,
 * storage writable with room for need_bytes; fewest replicas first, then most free, then name. NULL with a sentence
 * in *ret_why (static) if none. Pure. */
const char *placement_choose(const struct placement *placement, const struct placement_candidate *candidates,
			     size_t count, uint64_t need_bytes, const char **ret_why);

#endif
