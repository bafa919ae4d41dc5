/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The VM's own resource on a replica's side: an ocf:heartbeat:VirtualDomain that vmreplica made. It
 * carries the relationship as a meta attribute, so that nothing else is ever taken for it, and it
 * is Stopped until a failover. Pure.
 */
#ifndef VMR_CLUSTER_DOMAIN_RESOURCE_H
#define VMR_CLUSTER_DOMAIN_RESOURCE_H

#include <stdbool.h>

#include "cluster/vm_resource.h"

#define DOMAIN_RESOURCE_AGENT	   "ocf:heartbeat:VirtualDomain"
#define DOMAIN_META_RELATIONSHIP   "vmreplica-relationship"
#define DOMAIN_META_TEST	   "vmreplica-test" /* a test failover's */
#define DOMAIN_RESOURCE_PARAMETERS 4
#define DOMAIN_RESOURCE_HYPERVISOR "qemu:///system"

extern const struct vm_resource_operation domain_resource_operations[];
extern const size_t domain_resource_operation_count;

/* Check every field. 0, or -EINVAL with a sentence. */
int domain_resource_check_create(const Vmreplica__Ipc__CibCreateDomain *request,
				 char error[VM_RESOURCE_ERROR_LEN]);
int domain_resource_check_delete(const Vmreplica__Ipc__CibDeleteDomain *request,
				 char error[VM_RESOURCE_ERROR_LEN]);
int domain_resource_check_switch(const Vmreplica__Ipc__CibSwitch *request,
				 char error[VM_RESOURCE_ERROR_LEN]);

/* ---- for who asks ---- */

/* The resource of that id among those that matter to us, or NULL. settings may be NULL. */
const Vmreplica__Ipc__CibResource *
domain_resource_by_id(const Vmreplica__Ipc__CibSettings *settings, const char *id);
/* The resource that is marked with the relationship: a test failover's, or the VM's own. NULL when
 * there is none. settings may be NULL. */
const Vmreplica__Ipc__CibResource *domain_resource_find(const Vmreplica__Ipc__CibSettings *settings,
							const char *relationship, bool test);
/* The id for a VM's resource: its name, or when something else has that, with the peer site's short
 * name behind it; made fit for an id. Also the name under which libvirt runs the VM: two sites may
 * both replicate a web1 to here. */
void domain_resource_id(const Vmreplica__Ipc__CibSettings *settings, const char *vm,
			const char *relationship, const char *site,
			char ret_id[RESOURCE_ID_MAX + 1]);

/* A request with what it points at. */
struct domain_resource {
	Vmreplica__Ipc__CibCreateDomain request;
	Vmreplica__Ipc__CibNvpair pairs[DOMAIN_RESOURCE_PARAMETERS];
	Vmreplica__Ipc__CibNvpair *pointers[DOMAIN_RESOURCE_PARAMETERS];
};
/* Fill it as the cluster's other VMs have it (hypervisor, transport, live migration). All texts are
 * borrowed for the life of *ret_domain. location_node "" = shared storage. */
void domain_resource_fill(struct domain_resource *ret_domain,
			  const Vmreplica__Ipc__CibSettings *settings, const char *id,
			  const char *relationship, const char *config, const char *location_node);
/* Of a test failover: started at once, and ended by force, as nothing of it is kept. */
void domain_resource_make_test(struct domain_resource *domain);

#endif
