/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Missing quorum in words. Pure. */
#include "cluster/quorum.h"

#include <stdio.h>
#include <string.h>

#include "common/quorum_steps.h"

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
		       quorum_steps(map->wait_for_all));
	return buf;
}
