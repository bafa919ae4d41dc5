/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The templates of a failover: the replica VM's own resource, and the change of roles. Pure, as
 * those of cib_templates.h. */
#ifndef VMR_CLUSTER_CIB_DOMAIN_H
#define VMR_CLUSTER_CIB_DOMAIN_H

#include <libxml/tree.h>

#include "cluster/domain_resource.h"

/* The VirtualDomain with its constraints, for merging into <configuration>. *ret_fragment is NULL
 * when the resource is there already (a retried request must not stop what has been started since).
 * -EEXIST when something else has the id, -ENOENT when node or guard do not exist. */
int cib_template_create_domain(const xmlNode *configuration,
			       const Vmreplica__Ipc__CibCreateDomain *request,
			       xmlDoc **ret_fragment, char error[VM_RESOURCE_ERROR_LEN]);

/* An XPath of it and of what refers to it, as cib_template_delete_vm. -ENOENT when there is no such
 * resource that carries the relationship. */
int cib_template_delete_domain(const xmlNode *configuration,
			       const Vmreplica__Ipc__CibDeleteDomain *request, char **ret_xpath,
			       char error[VM_RESOURCE_ERROR_LEN]);

/* A change of role (ipc.proto, CibSwitch), to be made in this order; each may be NULL. The second
 * is the change: who dies before it has changed no role, who dies behind it all of it. */
struct cib_switch {
	char *before_xpath; /* owned; what goes before: constraints */
	xmlDoc *fragment;   /* owned; merged into <configuration> in one; settings that go have the
			       value CIB_SETTING_GONE there, which counts as none */
	char *after_xpath;  /* owned; what is of no use any more */
};
/* -ENOENT when a resource is not there. */
int cib_template_switch(const xmlNode *configuration, const Vmreplica__Ipc__CibSwitch *request,
			struct cib_switch *ret_switch, char error[VM_RESOURCE_ERROR_LEN]);
void cib_switch_destroy(struct cib_switch *change);

#endif
