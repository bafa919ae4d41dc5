/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The guard of a VM in Pacemaker's configuration. It is the admin's to make
 * (pcs_commands_create_guard). Pure. */
#ifndef VMR_CLUSTER_GUARD_RESOURCE_H
#define VMR_CLUSTER_GUARD_RESOURCE_H

#include <stdbool.h>

#include "proto/ipc.pb-c.h"

#define GUARD_RESOURCE_AGENT "ocf:vmreplica:guard"

/* Is there a guard of the relationship? Not whether its order before the VM is right. settings may
 * be NULL: then it is not known, and counts as there. */
bool guard_resource_exists(const Vmreplica__Ipc__CibSettings *settings, const char *relationship);

#endif
