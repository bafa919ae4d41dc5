/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Corosync's quorum: watched, and put into words when it is missing. */
#ifndef VMR_CLUSTER_QUORUM_H
#define VMR_CLUSTER_QUORUM_H

#include <qb/qbloop.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cluster/cmap.h"

struct quorum_state {
	bool connected;	 /* to Corosync */
	bool quorate;	 /* false while not connected */
	uint32_t *nodes; /* owned: ids of the nodes present */
	size_t node_count;
};

struct quorum_watch;
typedef void (*quorum_changed_cb)(void *arg, const struct quorum_state *state);

/* Connect now or later (backs off) and stay connected; changed is called from the loop. NULL when
 * out of memory. */
struct quorum_watch *quorum_watch_new(qb_loop_t *loop, quorum_changed_cb changed, void *arg);
void quorum_watch_free(struct quorum_watch *watch); /* NULL allowed */
const struct quorum_state *quorum_watch_state(const struct quorum_watch *watch);

#define QUORUM_TEXT_LEN 1024
/* Why there is no quorum: the missing nodes by name and the steps, "" when there is. Pure. Returns
 * buf. */
char *quorum_text(const struct quorum_state *state, const struct cluster_map *map,
		  char buf[QUORUM_TEXT_LEN]);

#endif
