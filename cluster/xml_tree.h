/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The few steps on libxml2 trees that placement, settings and templates share. */
#ifndef VMR_CLUSTER_XML_TREE_H
#define VMR_CLUSTER_XML_TREE_H

#include <libxml/tree.h>
#include <stdbool.h>
#include <stddef.h>

/* Read len bytes without network, external entities or document type (one that has a DTD is
 * refused), silently. Returned: free with xmlFreeDoc; NULL when not well-formed. */
xmlDoc *xml_document_read(const char *xml, size_t len);
/* True for an element of that name. node may be NULL. */
bool xml_is(const xmlNode *node, const char *name);
/* First child element of that name, or NULL (also when parent is NULL). */
xmlNode *xml_child(const xmlNode *parent, const char *name);
/* Next sibling element of that name after node, or NULL. */
xmlNode *xml_next(const xmlNode *node, const char *name);
/* The value of an attribute that has a single text node, borrowed from the tree; NULL when absent
 * or "" when empty. */
const char *xml_attribute(const xmlNode *node, const char *name);
/* The attribute is "true" or "1". */
bool xml_flag(const xmlNode *node, const char *name);
/* Append a child element with attributes: name, value, ..., NULL (values are escaped when written).
 * NULL when out of memory or parent is NULL, so that calls can be nested. Owned by the tree. */
xmlNode *xml_add(xmlNode *parent, const char *element, ...) __attribute__((sentinel));
/* A document with a root element of that name. Returned: free with xmlFreeDoc; NULL when out of
 * memory. */
xmlDoc *xml_document_new(const char *root_name, xmlNode **ret_root);
/* The element below root (itself included) whose attribute id is that, or NULL. */
const xmlNode *xml_find_id(const xmlNode *root, const char *id);

static inline void xml_doc_free_fn(xmlDoc **doc)
{
	xmlFreeDoc(*doc);
}
#define cleanup_xml_doc __attribute__((cleanup(xml_doc_free_fn)))

#endif
