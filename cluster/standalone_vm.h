/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One file of vms.d: the parameters of the VM's resource, and beside them, as "vmreplica-<setting>
 * = value", the settings that belong to its relationship (its epoch, a failover under way, ...). In
 * a cluster a change of role is one change of the CIB; here it is one rename of this file, whatever
 * changes with it. Calls block on the local file system.
 */
#ifndef VMR_CLUSTER_STANDALONE_VM_H
#define VMR_CLUSTER_STANDALONE_VM_H

#include <stdbool.h>

#include "cluster/nvpair_list.h"
#include "cluster/settings_file.h"
#include "cluster/vm_resource.h"

struct standalone_vm {
	struct nvpair_list parameters; /* owned */
	struct nvpair_list settings;   /* owned; with their whole names (standing_order.h) */
};

/* The relationship that a setting's name ends with, or NULL. Borrowed from name. */
const char *standalone_vm_of_setting(const char *name);

/* Read the file at path. 0, -ENOENT, -EINVAL, -ENOMEM with a sentence. */
int standalone_vm_load(const char *path, struct standalone_vm *ret_vm,
		       char error[SETTINGS_FILE_ERROR_LEN]);
/* Replace it, in one rename. 0 or a negative errno with a sentence. */
int standalone_vm_store(const char *path, const struct standalone_vm *vm,
			char error[SETTINGS_FILE_ERROR_LEN]);
void standalone_vm_destroy(struct standalone_vm *vm);

/* The file of the relationship. 0, -ENOENT (none, or it cannot be read), or another negative errno.
 */
int standalone_vm_find(const char *directory, const char *relationship,
		       char ret_path[SETTINGS_FILE_PATH_LEN]);

/* Have list hold these pairs on top of its own; "" takes one out. 0 or -ENOMEM with list as it was.
 */
int standalone_pairs_change(struct nvpair_list *list, Vmreplica__Ipc__CibNvpair *const *pairs,
			    size_t count);

/* Have settings (all of one relationship) changed in one rename: in its VM's file, or where there
 * is none in settings.conf. The caller has the lock. 0 or a negative errno with a sentence. */
int standalone_settings_change(const char *directory, Vmreplica__Ipc__CibNvpair *const *pairs,
			       size_t count, char error[VM_RESOURCE_ERROR_LEN]);
/* Have what settings.conf holds of the relationship in the VM's file at path, and in *vm, which was
 * loaded from it. */
int standalone_settings_gather(const char *directory, const char *path, struct standalone_vm *vm,
			       const char *relationship, char error[VM_RESOURCE_ERROR_LEN]);

/* Only one process at a time changes files below directory: engine and broker both do. A descriptor
 * to close, or a negative errno. */
int standalone_lock(const char *directory);

#endif
