/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Part of vmreplica-cib: node attributes of this node, set by attrd_updater one after the other. */
#ifndef VMR_CLUSTER_CIB_HEALTH_H
#define VMR_CLUSTER_CIB_HEALTH_H

#define HEALTH_TIMEOUT_MS 15000
#define HEALTH_RETRY_MS	  5000
#define HEALTH_ATTEMPTS	  5u

/* Set the attribute, or delete it when value is "". A newer value replaces one that still waits.
 * Both checked before (vm_resource_check_health), both copied. */
void cib_health_set(const char *attribute, const char *value);
void cib_health_stop(void);

#endif
