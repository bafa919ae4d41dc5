/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cluster/xml_tree.h"

#include <libxml/parser.h>
#include <limits.h>
#include <stdarg.h>
#include <string.h>

/* A document type never comes from Pacemaker: stop before its entities are read. */
static void refuse_dtd_cb(void *ctx, const xmlChar *name, const xmlChar *external,
			  const xmlChar *system)
{
	(void)name;
	(void)external;
	(void)system;
	xmlStopParser(ctx);
}

xmlDoc *xml_document_read(const char *xml, size_t len)
{
	xmlParserCtxt *ctxt;
	xmlDoc *doc;

	if (xml == NULL || len == 0 || len > INT_MAX) {
		return NULL;
	}
	ctxt = xmlNewParserCtxt();
	if (ctxt == NULL) {
		return NULL;
	}
	ctxt->sax->internalSubset = refuse_dtd_cb;
	doc = xmlCtxtReadMemory(ctxt, xml, (int)len, NULL, NULL,
				XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
	xmlFreeParserCtxt(ctxt);
	return doc;
}

bool xml_is(const xmlNode *node, const char *name)
{
	return node != NULL && node->type == XML_ELEMENT_NODE &&
	       strcmp((const char *)node->name, name) == 0;
}

static xmlNode *first_from(xmlNode *node, const char *name)
{
	while (node != NULL && !xml_is(node, name)) {
		node = node->next;
	}
	return node;
}

xmlNode *xml_child(const xmlNode *parent, const char *name)
{
	return parent != NULL ? first_from(parent->children, name) : NULL;
}

xmlNode *xml_next(const xmlNode *node, const char *name)
{
	return first_from(node->next, name);
}

const char *xml_attribute(const xmlNode *node, const char *name)
{
	for (const xmlAttr *attr = node->properties; attr != NULL; attr = attr->next) {
		if (strcmp((const char *)attr->name, name) != 0) {
			continue;
		}
		if (attr->children == NULL || attr->children->content == NULL) {
			return "";
		}
		return (const char *)attr->children->content;
	}
	return NULL;
}

bool xml_flag(const xmlNode *node, const char *name)
{
	const char *value = xml_attribute(node, name);

	return value != NULL && (strcmp(value, "true") == 0 || strcmp(value, "1") == 0);
}

xmlNode *xml_add(xmlNode *parent, const char *element, ...)
{
	xmlNode *node =
		parent != NULL ? xmlNewChild(parent, NULL, (const xmlChar *)element, NULL) : NULL;
	const char *name;
	va_list args;

	va_start(args, element);
	while (node != NULL && (name = va_arg(args, const char *)) != NULL) {
		const char *value = va_arg(args, const char *);

		if (xmlSetProp(node, (const xmlChar *)name, (const xmlChar *)value) == NULL) {
			node = NULL;
		}
	}
	va_end(args);
	return node;
}

xmlDoc *xml_document_new(const char *root_name, xmlNode **ret_root)
{
	xmlDoc *doc = xmlNewDoc((const xmlChar *)"1.0");
	xmlNode *root =
		doc != NULL ? xmlNewDocNode(doc, NULL, (const xmlChar *)root_name, NULL) : NULL;

	if (root == NULL) {
		xmlFreeDoc(doc);
		return NULL;
	}
	(void)xmlDocSetRootElement(doc, root);
	*ret_root = root;
	return doc;
}

/* Step through the tree without recursion: below root, then aside, then up. */
static const xmlNode *tree_next(const xmlNode *node, const xmlNode *root)
{
	if (node->type == XML_ELEMENT_NODE && node->children != NULL) {
		return node->children;
	}
	while (node != root && node->next == NULL) {
		node = node->parent;
	}
	return node == root ? NULL : node->next;
}

const xmlNode *xml_find_id(const xmlNode *root, const char *id)
{
	for (const xmlNode *node = root; node != NULL; node = tree_next(node, root)) {
		const char *value =
			node->type == XML_ELEMENT_NODE ? xml_attribute(node, "id") : NULL;

		if (value != NULL && strcmp(value, id) == 0) {
			return node;
		}
	}
	return NULL;
}
