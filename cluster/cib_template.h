/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of the templates share. */
#ifndef VMR_CLUSTER_CIB_TEMPLATE_H
#define VMR_CLUSTER_CIB_TEMPLATE_H

#include <libxml/tree.h>
#include <stdbool.h>

#include "cluster/vm_resource.h"

#define CIB_ID_LEN (RESOURCE_ID_MAX * 2 + 128)

/* Write the sentence and return result. */
int cib_refuse(char error[VM_RESOURCE_ERROR_LEN], int result, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
int cib_out_of_memory(char error[VM_RESOURCE_ERROR_LEN]); /* -ENOMEM */
/* An XPath of a primitive (borrowed, checked by the caller) and of all that refers to it. */
int cib_delete_primitive(const xmlNode *primitive, char **ret_xpath,
			 char error[VM_RESOURCE_ERROR_LEN]);
/* Append <nvpair id="<set_id>-<name>" name= value=>. False when out of memory. */
bool cib_add_nvpair(xmlNode *set, const char *set_id, const char *name, const char *value);
/* Append the instance attributes of resource: the parameters that have a value, ascending by name.
 * False when out of memory. */
bool cib_add_parameters(xmlNode *primitive, const char *resource,
			Vmreplica__Ipc__CibNvpair *const *parameters, size_t parameter_count);

/* Start resource after other, and where other runs; influence=false keeps a failure of ours from
 * moving other. False when out of memory. */
bool cib_add_follow(xmlNode *constraints, const char *resource, const char *other,
		    enum vm_constraint order, enum vm_constraint colocation);
/* Stop resource before other is moved, and go with it where it can. Orders nothing else: a resource
 * that other's state bound would be stopped with it. Likewise. */
bool cib_add_move(xmlNode *constraints, const char *resource, const char *other);
/* Only on that node. Likewise. */
bool cib_add_location(xmlNode *constraints, const char *resource, const char *node);

#endif
