/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/domain_walk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "engine/domain_own.h"

/* ---- writing ---- */

void domain_start(struct domain_walk *walk, const char *element)
{
	walk->failed |= xmlTextWriterStartElement(walk->writer, (const xmlChar *)element) < 0;
}

void domain_end(struct domain_walk *walk)
{
	walk->failed |= xmlTextWriterEndElement(walk->writer) < 0;
}

void domain_attribute(struct domain_walk *walk, const char *name, const char *value)
{
	walk->failed |= xmlTextWriterWriteAttribute(walk->writer, (const xmlChar *)name,
						    (const xmlChar *)value) < 0;
}

void domain_text(struct domain_walk *walk, const char *text)
{
	walk->failed |= xmlTextWriterWriteString(walk->writer, (const xmlChar *)text) < 0;
}

/* ---- reading ---- */

const xmlNode *domain_child(const xmlNode *parent, const char *name)
{
	const xmlNode *node = parent != NULL ? parent->children : NULL;

	while (node != NULL && (node->type != XML_ELEMENT_NODE || node->ns != NULL ||
				strcmp((const char *)node->name, name) != 0)) {
		node = node->next;
	}
	return node;
}

static char *take_string(xmlChar *value)
{
	char *copy = value != NULL ? strdup((const char *)value) : NULL;

	xmlFree(value);
	return copy;
}

char *domain_value(const xmlNode *node, const char *attribute)
{
	return node != NULL ? take_string(xmlGetNoNsProp(node, (const xmlChar *)attribute)) : NULL;
}

bool domain_value_is(const xmlNode *node, const char *attribute, const char *wanted)
{
	cleanup_free char *value = domain_value(node, attribute);

	return value != NULL && strcmp(value, wanted) == 0;
}

char *domain_content(const xmlNode *node)
{
	static const char space[] = " \t\r\n";
	cleanup_free char *text = NULL;
	char *begin;
	size_t len;

	if (node == NULL || xmlFirstElementChild((xmlNode *)(uintptr_t)node) != NULL) {
		return NULL;
	}
	text = take_string(xmlNodeGetContent(node));
	if (text == NULL) {
		return NULL;
	}
	begin = text + strspn(text, space);
	len = strlen(begin);
	while (len > 0 && strchr(space, begin[len - 1]) != NULL) {
		len--;
	}
	return strndup(begin, len);
}

/* ---- copying ---- */

static void note_dropped(struct domain_walk *walk, const char *path)
{
	const char *sentence = domain_rule_explain(path);

	if (sentence != NULL) {
		sentence_list_add(walk->notes, "%s", sentence);
	} else {
		sentence_list_add(walk->notes, "element %s is not taken over", path);
	}
}

/* Libvirt takes the last or the first of two, or refuses: only one goes through. */
static bool is_second(const xmlNode *node)
{
	for (const xmlNode *before = node->prev; before != NULL; before = before->prev) {
		if (before->type == XML_ELEMENT_NODE && before->ns == NULL &&
		    strcmp((const char *)before->name, (const char *)node->name) == 0) {
			return true;
		}
	}
	return false;
}

void domain_copy_attributes(struct domain_walk *walk, const xmlNode *node,
			    const struct domain_rule *rule)
{
	for (const xmlAttr *attr = node->properties; attr != NULL; attr = attr->next) {
		const char *name = (const char *)attr->name;
		cleanup_free char *value = attr->ns == NULL ? domain_value(node, name) : NULL;

		if (attr->ns == NULL && domain_rule_lists(rule->replaced, name)) {
			continue;
		}
		if (value == NULL || !domain_rule_lists(rule->attributes, name) ||
		    !domain_rule_attribute_is_plain(name, value)) {
			sentence_list_add(walk->notes, "attribute %.40s of %s is not taken over",
					  name, rule->path);
			continue;
		}
		domain_attribute(walk, name, value);
	}
}

void domain_copy_children(struct domain_walk *walk, const xmlNode *node, const char *path)
{
	char child_path[DOMAIN_PATH_LEN];

	for (const xmlNode *child = node->children; child != NULL; child = child->next) {
		if (child->type != XML_ELEMENT_NODE) {
			continue;
		}
		snprintf(child_path, sizeof(child_path), "%s%s%s", path, path[0] != '\0' ? "/" : "",
			 (const char *)child->name);
		domain_copy(walk, child, child_path);
	}
	domain_own_put_back(walk, path);
}

void domain_copy_plainly(struct domain_walk *walk, const xmlNode *node,
			 const struct domain_rule *rule)
{
	cleanup_free char *text = rule->text != DOMAIN_TEXT_NONE ? domain_content(node) : NULL;

	if (rule->text != DOMAIN_TEXT_NONE &&
	    (text == NULL || !domain_rule_text_is_plain(rule->text, text))) {
		sentence_list_add(walk->notes,
				  "element %s is not taken over: its text is not "
				  "what belongs there",
				  rule->path);
		return;
	}
	domain_start(walk, (const char *)node->name);
	domain_copy_attributes(walk, node, rule);
	if (text != NULL) {
		domain_text(walk, text);
	} else {
		domain_copy_children(walk, node, rule->path);
	}
	domain_end(walk);
}

static void make_name(struct domain_walk *walk, const xmlNode *node, const struct domain_rule *rule)
{
	const struct replica_domain_options *options = walk->options;
	cleanup_free char *name = domain_content(node);

	(void)rule;
	if (name == NULL || strcmp(name, options->name) != 0) {
		sentence_list_add(walk->notes, "the definition is of another VM's name (%.64s)",
				  name != NULL ? name : "");
	}
	domain_start(walk, "name");
	domain_text(walk, options->test != NULL	     ? options->test->name
			  : options->runs_as != NULL ? options->runs_as
						     : options->name);
	domain_end(walk);
}

static void make_uuid(struct domain_walk *walk, const xmlNode *node, const struct domain_rule *rule)
{
	const struct replica_domain_test *test = walk->options->test;

	if (test == NULL) {
		domain_copy_plainly(walk, node, rule);
		return;
	}
	domain_start(walk, "uuid");
	domain_text(walk, test->uuid);
	domain_end(walk);
}

typedef void (*make_fn)(struct domain_walk *walk, const xmlNode *node,
			const struct domain_rule *rule);

static const make_fn makers[] = {
	[DOMAIN_COPY] = domain_copy_plainly,
	[DOMAIN_MAKE_NAME] = make_name,
	[DOMAIN_MAKE_UUID] = make_uuid,
	[DOMAIN_MAKE_OS] = domain_make_os,
	[DOMAIN_MAKE_KERNEL] = domain_make_kernel,
	[DOMAIN_MAKE_CMDLINE] = domain_make_cmdline,
	[DOMAIN_MAKE_EMULATOR] = domain_make_emulator,
	[DOMAIN_MAKE_DISK] = domain_make_disk,
	[DOMAIN_MAKE_INTERFACE] = domain_make_interface,
	[DOMAIN_MAKE_SERIAL] = domain_make_serial,
	[DOMAIN_MAKE_CHANNEL] = domain_make_channel,
	[DOMAIN_MAKE_INPUT] = domain_make_input,
	[DOMAIN_MAKE_GRAPHICS] = domain_make_graphics,
	[DOMAIN_MAKE_RNG] = domain_make_rng,
	[DOMAIN_MAKE_TPM] = domain_make_tpm,
};

void domain_copy(struct domain_walk *walk, const xmlNode *node, const char *path)
{
	const struct domain_rule *rule = node->ns == NULL ? domain_rule_find(path) : NULL;

	if (node->ns != NULL) {
		sentence_list_add(walk->notes,
				  "element %s of another namespace (%.60s) is not taken over", path,
				  (const char *)node->ns->href);
	} else if (rule == NULL) {
		note_dropped(walk, path);
	} else if (rule->make == DOMAIN_DROP_QUIETLY) {
		return;
	} else if (!rule->many && is_second(node)) {
		sentence_list_add(walk->notes, "element %s stands there twice: the first counts",
				  path);
	} else {
		makers[rule->make](walk, node, rule);
	}
}
