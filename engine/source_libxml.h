/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The few steps through an XML tree that reading libvirt's documents needs. Private to source*.c.
 */
#ifndef VMR_ENGINE_SOURCE_LIBXML_H
#define VMR_ENGINE_SOURCE_LIBXML_H

#include <libxml/parser.h>
#include <libxml/tree.h>
#include <stdbool.h>
#include <string.h>

/* Parse without the network and without a word to standard error. NULL when it is not well-formed.
 */
static inline xmlDocPtr source_libxml_parse(const char *xml)
{
	return xmlReadMemory(xml, (int)strlen(xml), NULL, NULL,
			     XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
}

/* First child element of that name; NULL when there is none or parent is NULL. */
static inline const xmlNode *source_libxml_child(const xmlNode *parent, const char *name)
{
	const xmlNode *node = parent != NULL ? parent->children : NULL;

	while (node != NULL &&
	       (node->type != XML_ELEMENT_NODE || strcmp((const char *)node->name, name) != 0)) {
		node = node->next;
	}
	return node;
}

/* Value of an attribute as a string for free(); NULL when it or the node is missing. */
static inline char *source_libxml_attribute(const xmlNode *node, const char *name)
{
	xmlChar *value;
	char *copy;

	if (node == NULL) {
		return NULL;
	}
	value = xmlGetNoNsProp(node, (const xmlChar *)name);
	copy = value != NULL ? strdup((const char *)value) : NULL;
	xmlFree(value);
	return copy;
}

/* True when the node has that attribute with that value. */
static inline bool source_libxml_attribute_is(const xmlNode *node, const char *name,
					      const char *wanted)
{
	xmlChar *value = node != NULL ? xmlGetNoNsProp(node, (const xmlChar *)name) : NULL;
	bool same = value != NULL && strcmp((const char *)value, wanted) == 0;

	xmlFree(value);
	return same;
}

static inline void cleanup_xml_doc_fn(xmlDocPtr *document)
{
	xmlFreeDoc(*document);
}
#define cleanup_xml_doc __attribute__((cleanup(cleanup_xml_doc_fn)))

#endif
