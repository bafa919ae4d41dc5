/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Settings and resources out of Pacemaker's <configuration>. Pure. */
#ifndef VMR_CLUSTER_CIB_SETTINGS_H
#define VMR_CLUSTER_CIB_SETTINGS_H

#include <libxml/tree.h>

#include "proto/ipc.pb-c.h"

/*
 * The nvpairs named "vmreplica-..." of every cluster_property_set (ours first), and the primitives
 * that matter to us: ocf:vmreplica:* and ocf:*:VirtualDomain, wherever they stand (groups, clones,
 * bundles), with their parameters and meta attributes, both sorted by name. Returned: free with
 * vmreplica__ipc__cib_settings__free_unpacked. NULL when out of memory.
 */
Vmreplica__Ipc__CibSettings *cib_settings_read(const xmlNode *configuration);

#endif
