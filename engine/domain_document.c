/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/domain_document.h"

#include <errno.h>
#include <libxml/parser.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "proto/limits.h"

static int refuse(char *error, int code, const char *why)
{
	snprintf(error, DOMAIN_ERROR_LEN, "the VM's definition %s", why);
	return code;
}

/* "<!" opens comments, CDATA, and what nobody needs here: a document type with its entities. It is
 * looked for in the bytes, before the parser sees any; no other encoding can hide it, because the
 * parser is told UTF-8 and zero bytes are refused. */
static bool has_doctype(const char *xml, size_t len)
{
	const char *end = xml + len, *at = xml;

	while ((at = memmem(at, (size_t)(end - at), "<!", 2)) != NULL) {
		size_t rest = (size_t)(end - at);

		if (!(rest >= 4 && memcmp(at, "<!--", 4) == 0) &&
		    !(rest >= 9 && memcmp(at, "<![CDATA[", 9) == 0)) {
			return true;
		}
		at += 2;
	}
	return false;
}

/* The parser compares all attributes of an element with each other, before it shows us any. They
 * are counted in the bytes therefore: each has an equals sign before a quote, and all of them stand
 * before the next "<", whatever is inside of quotes. Text has such signs as well, so the bound is a
 * loose one, that costs the parser little. */
#define ASSIGNMENTS_MAX 1024u

static bool has_crowded_tag(const char *xml, size_t len)
{
	unsigned int count = 0;
	bool assigned = false;

	for (size_t i = 0; i < len; i++) {
		if (xml[i] == '<') {
			count = 0;
		} else if (assigned && (xml[i] == '"' || xml[i] == '\'') &&
			   ++count > ASSIGNMENTS_MAX) {
			return true;
		}
		assigned = xml[i] == '=' || (assigned && strchr(" \t\r\n", xml[i]) != NULL);
	}
	return false;
}

/* The parser may not build what would be refused anyway: it is stopped at the first element beyond
 * a bound. */
struct bounds {
	startElementNsSAX2Func start;
	endElementNsSAX2Func end;
	unsigned int depth, elements;
	bool crossed;
};

static void start_element_cb(void *ctx, const xmlChar *name, const xmlChar *prefix,
			     const xmlChar *uri, int namespaces, const xmlChar **namespace_list,
			     int attributes, int defaulted, const xmlChar **attribute_list)
{
	struct bounds *bounds = ((xmlParserCtxt *)ctx)->_private;

	if (++bounds->depth > DOMAIN_XML_DEPTH_MAX ||
	    ++bounds->elements > DOMAIN_XML_ELEMENTS_MAX ||
	    attributes > (int)DOMAIN_XML_ATTRIBUTES_MAX ||
	    namespaces > (int)DOMAIN_XML_ATTRIBUTES_MAX) {
		bounds->crossed = true;
		xmlStopParser(ctx);
		return;
	}
	bounds->start(ctx, name, prefix, uri, namespaces, namespace_list, attributes, defaulted,
		      attribute_list);
}

static void end_element_cb(void *ctx, const xmlChar *name, const xmlChar *prefix,
			   const xmlChar *uri)
{
	struct bounds *bounds = ((xmlParserCtxt *)ctx)->_private;

	bounds->depth--;
	bounds->end(ctx, name, prefix, uri);
}

static xmlDoc *read_bounded(const char *xml, size_t len, struct bounds *bounds)
{
	xmlParserCtxt *ctxt = xmlNewParserCtxt();
	xmlDoc *document;

	if (ctxt == NULL) {
		return NULL;
	}
	bounds->start = ctxt->sax->startElementNs;
	bounds->end = ctxt->sax->endElementNs;
	ctxt->sax->startElementNs = start_element_cb;
	ctxt->sax->endElementNs = end_element_cb;
	ctxt->_private = bounds;
	document = xmlCtxtReadMemory(ctxt, xml, (int)len, NULL, "UTF-8",
				     XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING |
					     XML_PARSE_NOCDATA);
	xmlFreeParserCtxt(ctxt);
	return document;
}

int domain_document_read(const char *xml, size_t len, xmlDoc **ret_document,
			 char error[DOMAIN_ERROR_LEN])
{
	struct bounds bounds = {0};
	const xmlNode *root;
	xmlDoc *document;

	if (len == 0 || len > DOMAIN_XML_MAX) {
		return refuse(error, -E2BIG, len == 0 ? "is empty" : "is too long");
	}
	if (memchr(xml, '\0', len) != NULL || has_doctype(xml, len)) {
		return refuse(error, -EBADMSG, "has a document type or is no text: not libvirt's");
	}
	bounds.crossed = has_crowded_tag(xml, len);
	document = bounds.crossed ? NULL : read_bounded(xml, len, &bounds);
	if (bounds.crossed) {
		xmlFreeDoc(document);
		return refuse(error, -E2BIG,
			      "has too many elements or attributes, or is nested too deep");
	}
	root = document != NULL ? xmlDocGetRootElement(document) : NULL;
	if (root == NULL || root->ns != NULL || strcmp((const char *)root->name, "domain") != 0) {
		xmlFreeDoc(document);
		return refuse(error, -EBADMSG, "is not a <domain> of libvirt's");
	}
	*ret_document = document;
	return 0;
}
