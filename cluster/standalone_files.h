/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The configuration of a host without a cluster, as files below one directory (normally
 * /etc/vmreplica):
 *
 *   vms.d/<resource>.conf   one protected VM: the parameters of ocf:vmreplica:vm, "name = value",
 *                           and what is set for its relationship (standalone_vm.h)
 *   authorize.d/<any>.conf  one authorization entry: pattern, storage, group, max-vms, max-size
 *   settings.conf           other settings: "vmreplica-<setting> = value"
 *
 * Written atomically (temporary file, fsync, rename, fsync of the directory), under a lock that
 * engine and broker share. Calls block on the local file system.
 */
#ifndef VMR_CLUSTER_STANDALONE_FILES_H
#define VMR_CLUSTER_STANDALONE_FILES_H

#include "cluster/vm_resource.h"
#include "proto/ipc.pb-c.h"

/*
 * Read everything. A VM's file that cannot be used keeps what it said in previous (may be NULL), so
 * that a slip of the admin's editor does not end a replication; an unusable authorization entry
 * authorizes nobody. Both are logged. Returned: free with
 * vmreplica__ipc__cib_settings__free_unpacked; NULL when a folder cannot be read (logged) or out of
 * memory: keep previous then.
 */
Vmreplica__Ipc__CibSettings *standalone_files_read(const char *directory,
						   const Vmreplica__Ipc__CibSettings *previous);

/* The changes of cluster.h. 0 or a negative errno with a sentence (VM_RESOURCE_ERROR_LEN bytes). */
int standalone_files_create_vm(const char *directory, const Vmreplica__Ipc__CibCreateVm *request,
			       char error[VM_RESOURCE_ERROR_LEN]);
int standalone_files_update_vm(const char *directory, const Vmreplica__Ipc__CibUpdateVm *request,
			       char error[VM_RESOURCE_ERROR_LEN]);
int standalone_files_delete_vm(const char *directory, const char *resource,
			       char error[VM_RESOURCE_ERROR_LEN]);
/* value "" or NULL removes. */
int standalone_files_set_setting(const char *directory, const char *name, const char *value,
				 char error[VM_RESOURCE_ERROR_LEN]);
/* Parameters and settings of one VM, in one rename: all of it, or nothing. The VM itself is
 * libvirt's. */
int standalone_files_switch_role(const char *directory, const Vmreplica__Ipc__CibSwitch *request,
				 char error[VM_RESOURCE_ERROR_LEN]);

#endif
