/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The routing table's inside, shared by routing_table.c (keeping and looking up) and routing_feed.c
 * (what comes in). */
#ifndef VMR_BROKER_ROUTING_INTERNAL_H
#define VMR_BROKER_ROUTING_INTERNAL_H

#include "broker/routing_table.h"
#include "proto/limits.h"

#define ROUTING_KEY_LEN 16u

/* One node's word that it owns a relationship. */
struct claim {
	struct claim *next;
	struct routing_node *node; /* borrowed from the table */
	uint32_t round;		   /* the node's list that named it last */
	uint64_t generation;
	Vmreplica__Role role;
	Vmreplica__State state;
	bool moving;
	int64_t at_ms;
	char *vm, *peer, *resource; /* owned */
};

struct entry {
	struct entry *next; /* in its bucket */
	uint8_t key[ROUTING_KEY_LEN];
	char relationship[RELATIONSHIP_LEN + 1];
	bool configured;
	Vmreplica__Role role;	    /* per the configuration */
	char *vm, *peer, *resource; /* per the configuration; owned, NULL when not configured */
	uint64_t size_bytes;	    /* as announced last; kept while nobody owns it */
	struct claim *claims;
	struct route route; /* what lookups hand out; made by table_refresh */
};

struct routing_table {
	struct entry **buckets;
	size_t bucket_count; /* a power of two */
	size_t entry_count;
	uint64_t seed;
	struct routing_node *nodes;
	struct placement *placement; /* a reference; NULL before the first */
};

/* The entry of a relationship, made when it is not there. NULL: not a UUID, or out of memory. */
struct entry *table_entry_get(struct routing_table *table, const char *relationship);
/* Judge every entry again and drop those that nobody names any more. */
void table_refresh(struct routing_table *table);
void claim_free(struct claim *claim);
void routing_node_free(struct routing_node *node);

#endif
