/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The node attribute that crm_mon -A shows for a VM. It changes with health and the kind of reason
 * only, at most once a minute: the words of a reason may count minutes or cycles, and each change
 * of an attribute runs the scheduler (measured: 10 updates, 10 transitions). A trouble is shown
 * once it has lasted: what passes by itself while a VM or its replica starts is no news.
 * Control thread only.
 */
#ifndef VMR_ENGINE_HEALTH_ATTRIBUTE_H
#define VMR_ENGINE_HEALTH_ATTRIBUTE_H

#include <stdint.h>

#include "cluster/cluster.h"
#include "proto/status.pb-c.h"

#define HEALTH_ATTRIBUTE_LEN	   200
#define HEALTH_ATTRIBUTE_MS	   60000 /* between two changes */
#define HEALTH_ATTRIBUTE_SETTLE_MS 8000	 /* a trouble younger than this is not shown */

/* Zero-initialize. */
struct health_attribute {
	char shown[HEALTH_ATTRIBUTE_LEN]; /* health and kind of reason; "" = not set */
	int64_t shown_ms;		  /* monotonic */
	char pending[HEALTH_ATTRIBUTE_LEN];
	int64_t pending_ms; /* monotonic; since when pending holds */
};

/* Show the health of status as name's attribute when that is due at now_ms (monotonic). Tried again
 * with the next call when the cluster does not take it. */
void health_attribute_publish(struct health_attribute *attribute, struct cluster *cluster,
			      const char *name, const Vmreplica__VmStatus *status, int64_t now_ms);
/* Delete it, if it was ever set. */
void health_attribute_remove(struct health_attribute *attribute, struct cluster *cluster,
			     const char *name);

#endif
