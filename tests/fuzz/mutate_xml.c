/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "mutate_xml.h"

#include <libxml/parser.h>
#include <libxml/tree.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

#define ELEMENTS_MAX 512u
#define READ_OPTIONS (XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_NONET)

static const char doctype[] = "<!DOCTYPE d [<!ENTITY x \"y\"><!ENTITY z \"&x;&x;&x;&x;\">"
			      "<!ENTITY f SYSTEM \"file:///etc/passwd\">]>";

static xmlDoc *document_read(const uint8_t *data, size_t size)
{
	return xmlReadMemory((const char *)data, (int)size, NULL, NULL, READ_OPTIONS);
}

static size_t document_write(xmlDoc *document, uint8_t *out, size_t max_size, size_t otherwise)
{
	xmlChar *text = NULL;
	int len = 0;

	xmlDocDumpMemory(document, &text, &len);
	if (text != NULL && len > 0 && (size_t)len <= max_size) {
		memcpy(out, text, (size_t)len);
		otherwise = (size_t)len;
	}
	xmlFree(text);
	return otherwise;
}

/* All elements of the document in its order, up to the limit. */
struct elements {
	xmlNode *items[ELEMENTS_MAX];
	size_t count;
};

static void elements_collect(struct elements *elements, xmlNode *node)
{
	for (; node != NULL && elements->count < ELEMENTS_MAX; node = node->next) {
		if (node->type == XML_ELEMENT_NODE) {
			elements->items[elements->count++] = node;
			elements_collect(elements, node->children);
		}
	}
}

static xmlNode *element_choose(struct mutate *mutate, xmlDoc *document)
{
	struct elements elements = {.count = 0};

	elements_collect(&elements, xmlDocGetRootElement(document));
	return elements.count == 0 ? NULL : elements.items[mutate_below(mutate, elements.count)];
}

static xmlAttr *attribute_choose(struct mutate *mutate, const xmlNode *node)
{
	xmlAttr *attribute = node->properties;
	size_t count = 0;

	for (const xmlAttr *a = attribute; a != NULL; a = a->next) {
		count++;
	}
	for (count = mutate_below(mutate, count); count > 0; count--) {
		attribute = attribute->next;
	}
	return attribute;
}

/* libxml2 takes UTF-8 alone; the other bytes come by way of the text. */
static void value_set(struct mutate *mutate, xmlNode *node, const xmlAttr *attribute)
{
	xmlChar *old = attribute != NULL ? xmlNodeListGetString(node->doc, attribute->children, 1)
					 : xmlNodeGetContent(node);
	char *text = mutate_text(mutate, old != NULL ? (const char *)old : "");

	if (!xmlCheckUTF8((const xmlChar *)text)) {
		text[0] = '\0';
	}
	if (attribute != NULL) {
		xmlSetProp(node, attribute->name, (const xmlChar *)text);
	} else {
		xmlNodeSetContent(node, NULL);
		xmlNodeAddContent(node, (const xmlChar *)text);
	}
	free(text);
	xmlFree(old);
}

static void attribute_change(struct mutate *mutate, xmlNode *node, xmlDoc *document)
{
	xmlAttr *attribute = attribute_choose(mutate, node);
	const xmlNode *other = element_choose(mutate, document);
	const xmlAttr *foreign = attribute_choose(mutate, other);

	if (foreign != NULL && mutate_once_in(mutate, 6)) { /* one that it did not have */
		attribute = xmlSetProp(node, foreign->name, (const xmlChar *)mutate_word(mutate));
	}
	if (attribute == NULL) {
		return;
	}
	if (mutate_once_in(mutate, 8)) {
		xmlRemoveProp(attribute);
	} else {
		value_set(mutate, node, attribute);
	}
}

/* Below or beside the place; the tree must not become a part of itself. */
static void subtree_put(struct mutate *mutate, xmlNode *subtree, xmlNode *place)
{
	if (place->parent == NULL || place->parent->type != XML_ELEMENT_NODE ||
	    mutate_once_in(mutate, 3)) {
		xmlAddChild(place, subtree);
	} else {
		xmlAddNextSibling(place, subtree);
	}
}

static void subtree_copy(struct mutate *mutate, xmlNode *node, xmlNode *place)
{
	xmlNode *copy = xmlDocCopyNode(node, place->doc, 1);

	if (copy != NULL) {
		subtree_put(mutate, copy, place);
	}
}

/* Beside itself, sometimes more often than anything may be. */
static void subtree_double(struct mutate *mutate, xmlNode *node)
{
	size_t times = mutate_once_in(mutate, 8) ? 70 : 1;

	if (node->parent == NULL || node->parent->type != XML_ELEMENT_NODE) {
		return;
	}
	for (size_t i = 0; i < times; i++) {
		xmlNode *copy = xmlDocCopyNode(node, node->doc, 1);

		if (copy != NULL) {
			xmlAddNextSibling(node, copy);
		}
	}
}

static void subtree_remove(xmlNode *node)
{
	if (node->parent != NULL && node->parent->type == XML_ELEMENT_NODE) {
		xmlUnlinkNode(node);
		xmlFreeNode(node);
	}
}

/* Into a chain of elements of its own name. */
static void subtree_deepen(struct mutate *mutate, xmlNode *node)
{
	for (size_t i = mutate_below(mutate, 20); i > 0; i--) {
		xmlNode *child = xmlNewChild(node, NULL, node->name, NULL);

		if (child == NULL) {
			return;
		}
		node = child;
	}
}

static void tree_change(struct mutate *mutate, xmlDoc *document)
{
	xmlNode *node = element_choose(mutate, document), *other = element_choose(mutate, document);

	if (node == NULL) {
		return;
	}
	switch (mutate_below(mutate, 12)) {
	case 0:
		subtree_double(mutate, node);
		break;
	case 1:
		subtree_remove(node);
		break;
	case 2:
		subtree_copy(mutate, node, other);
		break;
	case 3:
		subtree_deepen(mutate, node);
		break;
	case 4:
		xmlNodeSetName(node, other->name);
		break;
	case 5: /* a comment, an instruction, an entity: what is neither element nor text */
		xmlAddChild(node, mutate_once_in(mutate, 2)
					  ? xmlNewComment((const xmlChar *)"c")
					  : xmlNewPI((const xmlChar *)"p", (const xmlChar *)"x"));
		break;
	case 6:
		value_set(mutate, node, NULL);
		break;
	default:
		attribute_change(mutate, node, document);
		break;
	}
}

/* Insert text into the size bytes of data. */
static size_t text_insert(uint8_t *data, size_t size, size_t max_size, size_t at, const char *text)
{
	size_t len = strlen(text);

	if (size + len > max_size) {
		return size;
	}
	memmove(data + at + len, data + at, size - at);
	memcpy(data + at, text, len);
	return size + len;
}

static size_t text_change(struct mutate *mutate, uint8_t *data, size_t size, size_t max_size)
{
	static const char *const pieces[] = {"&x;",
					     "&z;",
					     "&f;",
					     "&#0;",
					     "&#x1b;",
					     "&lt;",
					     "<![CDATA[a<b]]>",
					     "<!--",
					     "xmlns:q='urn:q' ",
					     "<q:a/>",
					     "\xff",
					     "\xfe\xff",
					     "<?xml version='1.1'?>"};

	if (mutate_once_in(mutate, 3)) {
		return text_insert(data, size, max_size, 0, doctype);
	}
	if (mutate_once_in(mutate, 2)) {
		return text_insert(
			data, size, max_size, mutate_below(mutate, size + 1),
			pieces[mutate_below(mutate, sizeof(pieces) / sizeof(pieces[0]))]);
	}
	return LLVMFuzzerMutate(data, size, max_size);
}

size_t mutate_xml(struct mutate *mutate, uint8_t *data, size_t size, size_t max_size)
{
	xmlDoc *document = mutate_once_in(mutate, 10) ? NULL : document_read(data, size);

	if (document == NULL) {
		return text_change(mutate, data, size, max_size);
	}
	for (size_t i = 1 + mutate_below(mutate, 3); i > 0; i--) {
		tree_change(mutate, document);
	}
	size = document_write(document, data, max_size, size);
	xmlFreeDoc(document);
	return size;
}

size_t mutate_xml_cross(struct mutate *mutate, const uint8_t *data, size_t size,
			const uint8_t *other, size_t other_size, uint8_t *out, size_t max_size)
{
	xmlDoc *document = document_read(data, size), *foreign = document_read(other, other_size);
	xmlNode *place = document != NULL ? element_choose(mutate, document) : NULL;
	xmlNode *subtree = foreign != NULL ? element_choose(mutate, foreign) : NULL;
	size_t result = 0;

	if (place != NULL && subtree != NULL) {
		subtree_copy(mutate, subtree, place);
		result = document_write(document, out, max_size, 0);
	}
	xmlFreeDoc(document);
	xmlFreeDoc(foreign);
	return result;
}
