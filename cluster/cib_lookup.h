/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Questions to Pacemaker's <configuration> element. Pure; everything is borrowed from the tree. */
#ifndef VMR_CLUSTER_CIB_LOOKUP_H
#define VMR_CLUSTER_CIB_LOOKUP_H

#include <libxml/tree.h>
#include <stdbool.h>

/* The element with that id anywhere in the configuration, or NULL. */
const xmlNode *cib_find_id(const xmlNode *configuration, const char *id);
/* A resource of any kind (primitive, group, clone, bundle). element may be NULL. */
bool cib_is_resource(const xmlNode *element);
/* A primitive of ocf:vmreplica:vm. element may be NULL. */
bool cib_is_vm_resource(const xmlNode *element);
bool cib_is_alone_in_group(const xmlNode *primitive);
bool cib_has_node(const xmlNode *configuration, const char *name);
/* The nvpair with that name in a set of attributes, or NULL. set may be NULL. */
const xmlNode *cib_nvpair(const xmlNode *set, const char *name);
/* The template that a primitive is made from, or NULL. */
const xmlNode *cib_resource_template(const xmlNode *configuration, const xmlNode *primitive);

/*
 * Call cb for each pair of the element's sets of one kind ("instance_attributes",
 * "meta_attributes", "cluster_property_set"), in the order of precedence: the first value of a name
 * is the one that holds. Follows id-ref and resource templates; leaves out sets that depend on a
 * rule. Another return than 0 ends the walk with it.
 */
typedef int (*cib_attribute_cb)(void *arg, const char *name, const char *value);
int cib_attributes_each(const xmlNode *configuration, const xmlNode *element, const char *kind,
			cib_attribute_cb cb, void *arg);
/* The same for one set. */
int cib_nvpairs_each(const xmlNode *configuration, const xmlNode *set, cib_attribute_cb cb,
		     void *arg);
/* An instance attribute of a primitive, as it holds without rules; NULL when it has none. */
const char *cib_parameter(const xmlNode *configuration, const xmlNode *primitive, const char *name);
/* The value of one of vmreplica's settings; NULL: none, or one that counts as gone. */
const char *cib_standing_setting(const xmlNode *configuration, const char *name);

#endif
