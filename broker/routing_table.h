/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The routing table: relationship -> owner, served from memory. A pure data structure, fed with
 *   - the engines' announcements (a full list per node over several parts; a new boot voids what
 * the old one said),
 *   - members of the group that leave,
 *   - the ocf:vmreplica:vm resources of the cluster's configuration, and placement snapshots,
 * and read by lookups (no allocation, no lock: one thread). Times are monotonic milliseconds that
 * the caller gives.
 */
#ifndef VMR_BROKER_ROUTING_TABLE_H
#define VMR_BROKER_ROUTING_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "broker/route.h"
#include "proto/cluster.pb-c.h"
#include "proto/ipc.pb-c.h"

#define ROUTING_RESOURCE_TYPE "ocf:vmreplica:vm"

struct routing_table;

/* One relationship as lookups see it. Strings are never NULL ("" = unknown) and, like the route,
 * live until the table is next fed. */
struct route {
	const char *relationship, *vm, *resource, *peer;
	Vmreplica__Role role;
	Vmreplica__State state;
	bool configured; /* a resource in the cluster's configuration carries it */
	bool moving;
	const char *why;	 /* moving: a phrase; else "" */
	const char *node;	 /* owner, or while moving the last one known */
	const char *host, *name; /* where its receiver listens; SAN of its certificate */
	uint16_t port;		 /* 0 = unknown */
	uint64_t size_bytes;	 /* of its disks together; 0 = not known yet */
	enum route_source source;
	int64_t since_ms; /* when the newest evidence came in */
};

struct routing_storage {
	char *path, *id, *error;
	uint64_t free_bytes;
	bool writable;
};

/* A node whose engine has announced itself. */
struct routing_node {
	struct routing_node *next;
	char *name, *host, *san, *site;
	uint16_t port;
	uint64_t boot, seq;
	bool complete;	      /* all parts of its newest list are here */
	int64_t announced_ms; /* the last part */
	uint32_t round;	      /* counts its lists */
	uint32_t parts, next_part;
	struct routing_storage *storages;
	size_t storage_count;
};

struct routing_table *routing_table_new(void); /* NULL when out of memory */
void routing_table_free(struct routing_table *table);

/* Feed. 0 or -ENOMEM (the table stays consistent, what was said may be missing until it is said
 * again). A malformed announcement is -EBADMSG and changes nothing. */
int routing_table_announce(struct routing_table *table,
			   const Vmreplica__Cluster__Announcement *announcement, int64_t now_ms);
int routing_table_set_settings(struct routing_table *table,
			       const Vmreplica__Ipc__CibSettings *settings);
void routing_table_set_placement(struct routing_table *table, const struct placement *placement);
/* The engine on node has left the group: nothing that it said holds any more. */
void routing_table_engine_left(struct routing_table *table, const char *node);

/* Look up. NULL = unknown here. */
const struct route *routing_table_find(const struct routing_table *table, const char *relationship);
/* By libvirt's name; a primary wins over a replica of the same name. */
const struct route *routing_table_find_vm(const struct routing_table *table, const char *vm);
size_t routing_table_count(const struct routing_table *table);
/* Call cb for each route, in no particular order. The callback must not feed the table. */
void routing_table_for_each(const struct routing_table *table,
			    void (*cb)(void *arg, const struct route *route), void *arg);
const struct routing_node *
routing_table_nodes(const struct routing_table *table); /* list, NULL = none */
const struct routing_node *routing_table_find_node(const struct routing_table *table,
						   const char *name);
/* What a replica was enrolled with, until its owner announces it. Nothing when it is not configured
 * here. */
void routing_table_note_size(struct routing_table *table, const char *relationship,
			     uint64_t size_bytes);
/* How many replicas a node owns. */
uint32_t routing_table_replicas_on(const struct routing_table *table, const char *node);

/* A parameter of a configured resource, NULL if it is not set. */
const char *routing_parameter(const Vmreplica__Ipc__CibResource *resource, const char *name);

#endif
