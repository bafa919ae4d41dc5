/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The few changes that vmreplica makes to Pacemaker's configuration, each a fixed template filled
 * with checked fields. Pure: they look at a configuration element and give the fragment to merge
 * (cib_modify) or an XPath of what goes.
 */
#ifndef VMR_CLUSTER_CIB_TEMPLATES_H
#define VMR_CLUSTER_CIB_TEMPLATES_H

#include <libxml/tree.h>

#include "cluster/vm_resource.h"

/* All functions: configuration is the <configuration> element (borrowed, unchanged); errors are
 * negative errnos with a sentence in error. Fragments are documents whose root is to be merged into
 * the element named; free with xmlFreeDoc. */

/*
 * The primitive with its constraints, for merging into <configuration> in one step. -EEXIST when
 * the id is taken by something other than this relationship (the same one again is the same
 * fragment: a retried request), -ENOENT when the VM's resource, the engine's clone or the node does
 * not exist.
 */
int cib_template_create_vm(const xmlNode *configuration, const Vmreplica__Ipc__CibCreateVm *request,
			   xmlDoc **ret_fragment, char error[VM_RESOURCE_ERROR_LEN]);

/* An XPath that matches the primitive and all that refers to it and must go with it (no match lies
 * inside another). *ret_xpath is for free. -ENOENT when there is no such resource of ours, -EBUSY
 * when it is alone in a group. */
int cib_template_delete_vm(const xmlNode *configuration, const char *resource, char **ret_xpath,
			   char error[VM_RESOURCE_ERROR_LEN]);

/*
 * New values of parameters, for merging into the element that *ret_xpath matches; a parameter with
 * value "" is taken out instead, by *ret_delete_xpath. Either result may be NULL when there is
 * nothing of its kind. -ENOENT as above.
 */
int cib_template_update_vm(const xmlNode *configuration, const Vmreplica__Ipc__CibUpdateVm *request,
			   xmlDoc **ret_fragment, char **ret_xpath, char **ret_delete_xpath,
			   char error[VM_RESOURCE_ERROR_LEN]);

/* A cluster-wide setting, for merging into <configuration>. */
int cib_template_set_setting(const char *name, const char *value, xmlDoc **ret_fragment,
			     char error[VM_RESOURCE_ERROR_LEN]);
/* An XPath of that setting wherever it stands. */
int cib_template_unset_setting(const char *name, char **ret_xpath,
			       char error[VM_RESOURCE_ERROR_LEN]);

#endif
