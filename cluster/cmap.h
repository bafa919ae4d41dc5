/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What Corosync's configuration map says of the nodes: names, addresses, quorum options. Kept
 * current; a reload of corosync.conf sends one event for each key, so the map is read once when
 * config.totemconfig_reload_in_progress ends.
 */
#ifndef VMR_CLUSTER_CMAP_H
#define VMR_CLUSTER_CMAP_H

#include <qb/qbloop.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/limits.h"

#define CLUSTER_ADDRESS_LEN 256

struct cluster_map_node {
	uint32_t id;
	char name[NODE_NAME_MAX + 1];	   /* nodelist name; else the address; never "" */
	bool named;			   /* the nodelist has a name */
	char address[CLUSTER_ADDRESS_LEN]; /* ring0_addr; "" if there is none */
};

struct cluster_map {
	struct cluster_map_node *nodes; /* owned; in nodelist order */
	size_t node_count;
	size_t local;	   /* index of this node; node_count when unknown */
	bool wait_for_all; /* as votequorum holds it now (two_node implies it) */
};

struct map_watch;
typedef void (*map_changed_cb)(void *arg); /* after each successful read */

/* Connect now or later (backs off) and stay connected. NULL when out of memory. */
struct map_watch *map_watch_new(qb_loop_t *loop, map_changed_cb changed, void *arg);
void map_watch_free(struct map_watch *watch); /* NULL allowed */
/* The newest map, kept over a loss of the connection; empty before the first. Borrowed until the
 * next loop turn. */
const struct cluster_map *map_watch_map(const struct map_watch *watch);
/* Read the quorum options again, which votequorum changes at run time without an event. */
void map_watch_refresh(struct map_watch *watch);

#endif
