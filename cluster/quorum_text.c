/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Missing quorum in words. Pure. */
#include "cluster/quorum.h"

#include <stdio.h>
#include <string.h>

static bool node_is_present(const struct quorum_state *state, uint32_t id)
{
	for (size_t i = 0; i < state->node_count; i++) {
		if (state->nodes[i] == id) {
			return true;
		}
	}
	return false;
}

/* "a2, a3" into buf (cut with "..." when it does not fit); returns how many are missing. */
static size_t missing_names(const struct quorum_state *state, const struct cluster_map *map,
			    char *buf, size_t size)
{
	size_t missing = 0;
	size_t used = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < map->node_count; i++) {
		const struct cluster_map_node *node = &map->nodes[i];

		if (node_is_present(state, node->id)) {
			continue;
		}
		missing++;
		if (used + strlen(node->name) + sizeof(", ...") < size) {
			used += (size_t)snprintf(buf + used, size - used, "%s%s",
						 used > 0 ? ", " : "", node->name);
		} else if (used + sizeof(", ...") <= size) {
			(void)snprintf(buf + used, size - used, ", ...");
			used = size;
		}
	}
	return missing;
}

/*
 * votequorum(5): two_node implies wait_for_all, so a node that starts alone after both were down
 * waits for the other one. `pcs quorum unblock` fences the missing nodes and then cancels the wait;
 * without working fencing it is done by hand, and only a human can know that the other node is
 * really off.
 */
#define STEPS_WAIT                                                                                 \
	"start it; if it cannot come back, make sure that it is switched off and stays off, then " \
	"on this node: pcs quorum unblock (or: corosync-cmapctl -s quorum.cancel_wait_for_all "    \
	"u8 1). Never do this while it may run: both would act"
#define STEPS_MAJORITY                                                                             \
	"start enough of them for a majority; if they cannot come back, make sure that they are "  \
	"switched off and stay off, then on this node: corosync-quorumtool -e VOTES, with the "    \
	"number of nodes that are left"

char *quorum_text(const struct quorum_state *state, const struct cluster_map *map,
		  char buf[QUORUM_TEXT_LEN])
{
	char names[QUORUM_TEXT_LEN / 2];
	size_t missing;

	buf[0] = '\0';
	if (state->quorate) {
		return buf;
	}
	if (!state->connected) {
		(void)snprintf(buf, QUORUM_TEXT_LEN,
			       "corosync does not run on this node: start the cluster here "
			       "(pcs cluster start)");
		return buf;
	}
	missing = missing_names(state, map, names, sizeof(names));
	if (missing == 0) {
		(void)snprintf(buf, QUORUM_TEXT_LEN,
			       "no quorum although every known node is present: see "
			       "corosync-quorumtool -s on this node");
		return buf;
	}
	(void)snprintf(buf, QUORUM_TEXT_LEN, "no quorum, missing %s: %s", names,
		       map->wait_for_all ? STEPS_WAIT : STEPS_MAJORITY);
	return buf;
}
