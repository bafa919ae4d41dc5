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
/* Append <nvpair id="<set_id>-<name>" name= value=>. False when out of memory. */
bool cib_add_nvpair(xmlNode *set, const char *set_id, const char *name, const char *value);

#endif
