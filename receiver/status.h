/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A store's state, health and numbers as the engine gets them. */
#ifndef VMR_RECEIVER_STATUS_H
#define VMR_RECEIVER_STATUS_H

#include "receiver/view.h"

struct status_names {
	const char *vm, *relationship, *node, *peer_site, *directory, *resource; /* borrowed */
};

/* State and health of a view, and why. *ret_code and *ret_reason point into view or at static text.
 * The caller holds view->lock. Pure. */
void status_judge(const struct view *view, Vmreplica__State *ret_state,
		  Vmreplica__Health *ret_health, const char **ret_code, const char **ret_reason);

/* Send a REPLICA_STATUS of view over link. 0 or a negative errno. Control thread. */
struct link;
int status_send(struct link *link, struct view *view, const struct status_names *names);

#endif
