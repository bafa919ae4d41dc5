/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pcs commands (pcs 0.11) for an admin: those that end in the same configuration as CibCreateVm (a
 * test compares the two), and those that make a guard. Pure. */
#ifndef VMR_CLUSTER_PCS_COMMANDS_H
#define VMR_CLUSTER_PCS_COMMANDS_H

#include <stddef.h>

#include "cluster/vm_resource.h"
#include "proto/ipc.pb-c.h"

#define PCS_COMMANDS_MAX 6

struct pcs_commands {
	char *lines[PCS_COMMANDS_MAX]; /* each a command line for a shell, owned */
	size_t count;
};

/* 0, -EINVAL with a sentence for a field that the configuration may not hold, -ENOMEM. */
int pcs_commands_create_vm(const Vmreplica__Ipc__CibCreateVm *request,
			   struct pcs_commands *ret_commands, char error[VM_RESOURCE_ERROR_LEN]);
/* Those that make a guard (ocf:vmreplica:guard) before the VM's resource. 0, -EINVAL for an id that
 * cannot be one, -ENOMEM. */
int pcs_commands_create_guard(const char *vm_resource, const char *relationship,
			      struct pcs_commands *ret_commands);
void pcs_commands_destroy(struct pcs_commands *commands);

#endif
