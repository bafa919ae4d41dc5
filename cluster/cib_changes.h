/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Part of vmreplica-cib: the requests for changes, from template to CIB. Each blocks on libcib
 * (bounded). */
#ifndef VMR_CLUSTER_CIB_CHANGES_H
#define VMR_CLUSTER_CIB_CHANGES_H

#include "cluster/vm_resource.h"
#include "proto/ipc.pb-c.h"

/* 0 with "" in text, or a negative errno with a sentence. */
int cib_change_create_vm(const Vmreplica__Ipc__CibCreateVm *request,
			 char text[VM_RESOURCE_ERROR_LEN]);
int cib_change_delete_vm(const Vmreplica__Ipc__CibDeleteVm *request,
			 char text[VM_RESOURCE_ERROR_LEN]);
int cib_change_update_vm(const Vmreplica__Ipc__CibUpdateVm *request,
			 char text[VM_RESOURCE_ERROR_LEN]);
int cib_change_set_setting(const Vmreplica__Ipc__CibSetSetting *request,
			   char text[VM_RESOURCE_ERROR_LEN]);
int cib_change_create_domain(const Vmreplica__Ipc__CibCreateDomain *request,
			     char text[VM_RESOURCE_ERROR_LEN]);
int cib_change_delete_domain(const Vmreplica__Ipc__CibDeleteDomain *request,
			     char text[VM_RESOURCE_ERROR_LEN]);
int cib_change_switch(const Vmreplica__Ipc__CibSwitch *request, char text[VM_RESOURCE_ERROR_LEN]);

#endif
