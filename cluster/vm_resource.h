/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a protected VM looks like in Pacemaker's configuration: agent, operations, meta attributes,
 * ids of the constraints. One table for the XML that vmreplica-cib writes and for the pcs commands
 * that --dry-run prints. Pure.
 *
 * Why these constraints (measured on Pacemaker 2.1.5): without influence=false and critical=false a
 * failing replication resource makes Pacemaker migrate the VM; without the order after the engine a
 * standby stops the engine beside our agent's stop.
 */
#ifndef VMR_CLUSTER_VM_RESOURCE_H
#define VMR_CLUSTER_VM_RESOURCE_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/ipc.pb-c.h"
#include "proto/limits.h"

#define VM_RESOURCE_CLASS    "ocf"
#define VM_RESOURCE_PROVIDER "vmreplica"
#define VM_RESOURCE_TYPE     "vm"
#define VM_RESOURCE_AGENT    "ocf:vmreplica:vm"

#define VM_RESOURCE_VALUE_MAX 2048u /* bytes of a parameter or setting */
#define VM_RESOURCE_ERROR_LEN 256
#define VM_RESOURCE_ID_LEN    (RESOURCE_ID_MAX + 64u) /* a constraint's id with its terminator */

#define CIB_SETTINGS_ID		 "vmreplica-settings" /* our cluster_property_set */
/* The value of a setting that goes with a change of role; read as if it was not there. */
#define CIB_SETTING_GONE	 "none"
#define CIB_SETTING_PREFIX	 "vmreplica-"
#define CIB_ENGINE_CLONE_DEFAULT "vmreplica-engine-clone"

struct vm_resource_operation {
	const char *name, *interval, *timeout;
};
/* In pcs's own order (by name), so that both ways end in the same document. */
extern const struct vm_resource_operation vm_resource_operations[];
extern const size_t vm_resource_operation_count;

struct vm_resource_meta {
	const char *name, *value;
};
extern const struct vm_resource_meta vm_resource_metas[];
extern const size_t vm_resource_meta_count;

enum vm_constraint {
	VM_CONSTRAINT_ORDER_VM,
	VM_CONSTRAINT_COLOCATION_VM,
	VM_CONSTRAINT_ORDER_ENGINE,
	VM_CONSTRAINT_COLOCATION_ENGINE,
	VM_CONSTRAINT_LOCATION,
	VM_CONSTRAINT_ORDER_GUARD, /* of a replica VM's resource */
	VM_CONSTRAINT_ORDER_MOVE,  /* while a failed-over VM's images are merged */
	VM_CONSTRAINT_COLOCATION_MOVE,
};
/* "vmreplica-order-<resource>-vm" and so on, into buf. Returns buf. */
char *vm_constraint_id(enum vm_constraint kind, const char *resource, char buf[VM_RESOURCE_ID_LEN]);

/* Check every field of a request before it gets near a configuration. 0, or -EINVAL with a
 * sentence. */
int vm_resource_check_create(const Vmreplica__Ipc__CibCreateVm *request,
			     char error[VM_RESOURCE_ERROR_LEN]);
int vm_resource_check_update(const Vmreplica__Ipc__CibUpdateVm *request,
			     char error[VM_RESOURCE_ERROR_LEN]);
int vm_resource_check_delete(const char *resource, char error[VM_RESOURCE_ERROR_LEN]);
int vm_resource_check_setting(const char *name, const char *value,
			      char error[VM_RESOURCE_ERROR_LEN]);
int vm_resource_check_health(const char *attribute, const char *value,
			     char error[VM_RESOURCE_ERROR_LEN]);

/* UTF-8 without control characters, at most max bytes. */
bool vm_resource_value_is_plain(const char *value, size_t max);
bool vm_resource_node_is_valid(const char *name);

/* The parameters that have a value, ascending by name. *ret_pairs is an array to free; what it
 * points at is borrowed. 0 or -ENOMEM. */
int vm_resource_sort(Vmreplica__Ipc__CibNvpair *const *parameters, size_t count,
		     const Vmreplica__Ipc__CibNvpair ***ret_pairs, size_t *ret_count);

#endif
