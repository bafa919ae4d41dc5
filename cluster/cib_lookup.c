/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cluster/cib_lookup.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/vm_resource.h"
#include "cluster/xml_tree.h"

#define SETS_MAX       16
#define SCORE_INFINITY 1000000

const xmlNode *cib_find_id(const xmlNode *configuration, const char *id)
{
	return xml_find_id(configuration, id);
}

bool cib_is_resource(const xmlNode *element)
{
	return xml_is(element, "primitive") || xml_is(element, "group") ||
	       xml_is(element, "clone") || xml_is(element, "master") || xml_is(element, "bundle");
}

static bool attribute_is(const xmlNode *element, const char *name, const char *wanted)
{
	const char *value = xml_attribute(element, name);

	return value != NULL && strcmp(value, wanted) == 0;
}

bool cib_is_vm_resource(const xmlNode *element)
{
	return xml_is(element, "primitive") && attribute_is(element, "class", VM_RESOURCE_CLASS) &&
	       attribute_is(element, "provider", VM_RESOURCE_PROVIDER) &&
	       attribute_is(element, "type", VM_RESOURCE_TYPE);
}

bool cib_is_alone_in_group(const xmlNode *primitive)
{
	const xmlNode *first;

	if (!xml_is(primitive->parent, "group")) {
		return false;
	}
	first = xml_child(primitive->parent, "primitive");
	return first == primitive && xml_next(first, "primitive") == NULL;
}

bool cib_has_node(const xmlNode *configuration, const char *name)
{
	const xmlNode *nodes = xml_child(configuration, "nodes");

	for (const xmlNode *node = xml_child(nodes, "node"); node != NULL;
	     node = xml_next(node, "node")) {
		if (attribute_is(node, "uname", name)) {
			return true;
		}
	}
	return false;
}

const xmlNode *cib_nvpair(const xmlNode *set, const char *name)
{
	for (const xmlNode *pair = xml_child(set, "nvpair"); pair != NULL;
	     pair = xml_next(pair, "nvpair")) {
		if (attribute_is(pair, "name", name)) {
			return pair;
		}
	}
	return NULL;
}

/* "INFINITY", "-INFINITY" or a number; beyond a million is infinite, as Pacemaker has it. */
static long score_of(const xmlNode *set)
{
	const char *score = xml_attribute(set, "score");
	long value;

	if (score == NULL) {
		return 0;
	}
	if (strcmp(score, "INFINITY") == 0 || strcmp(score, "+INFINITY") == 0) {
		return SCORE_INFINITY;
	}
	if (strcmp(score, "-INFINITY") == 0) {
		return -SCORE_INFINITY;
	}
	value = strtol(score, NULL, 10);
	return value > SCORE_INFINITY	 ? SCORE_INFINITY
	       : value < -SCORE_INFINITY ? -SCORE_INFINITY
					 : value;
}

static const xmlNode *follow_reference(const xmlNode *configuration, const xmlNode *element)
{
	const char *id = xml_attribute(element, "id-ref");
	const xmlNode *target = id != NULL ? cib_find_id(configuration, id) : element;

	return target != NULL && xml_is(target, (const char *)element->name) ? target : NULL;
}

/* The element's sets of one kind that hold without a rule, highest score first, in document order
 * among equals. */
static size_t sets_collect(const xmlNode *configuration, const xmlNode *element, const char *kind,
			   const xmlNode *sets[SETS_MAX])
{
	size_t count = 0;

	for (const xmlNode *node = xml_child(element, kind); node != NULL;
	     node = xml_next(node, kind)) {
		const xmlNode *set = follow_reference(configuration, node);
		size_t place;

		if (set == NULL || xml_child(set, "rule") != NULL || count == SETS_MAX) {
			continue;
		}
		for (place = count; place > 0 && score_of(sets[place - 1]) < score_of(set);
		     place--) {
			sets[place] = sets[place - 1];
		}
		sets[place] = set;
		count++;
	}
	return count;
}

int cib_nvpairs_each(const xmlNode *configuration, const xmlNode *set, cib_attribute_cb cb,
		     void *arg)
{
	int result = 0;

	for (const xmlNode *node = xml_child(set, "nvpair"); node != NULL && result == 0;
	     node = xml_next(node, "nvpair")) {
		const xmlNode *pair = follow_reference(configuration, node);
		const char *name = xml_attribute(node, "name");
		const char *value = pair != NULL ? xml_attribute(pair, "value") : NULL;

		/* A reference may give the value another name. */
		if (name == NULL && pair != NULL) {
			name = xml_attribute(pair, "name");
		}
		if (name != NULL && value != NULL) {
			result = cb(arg, name, value);
		}
	}
	return result;
}

static int sets_each(const xmlNode *configuration, const xmlNode *element, const char *kind,
		     cib_attribute_cb cb, void *arg)
{
	const xmlNode *sets[SETS_MAX];
	size_t count = sets_collect(configuration, element, kind, sets);
	int result = 0;

	for (size_t i = 0; i < count && result == 0; i++) {
		result = cib_nvpairs_each(configuration, sets[i], cb, arg);
	}
	return result;
}

const xmlNode *cib_resource_template(const xmlNode *configuration, const xmlNode *primitive)
{
	const char *name = xml_attribute(primitive, "template");
	const xmlNode *template = name != NULL ? cib_find_id(configuration, name) : NULL;

	return xml_is(template, "template") ? template : NULL;
}

int cib_attributes_each(const xmlNode *configuration, const xmlNode *element, const char *kind,
			cib_attribute_cb cb, void *arg)
{
	const xmlNode *template = cib_resource_template(configuration, element);
	int result = sets_each(configuration, element, kind, cb, arg);

	if (result == 0 && template != NULL) {
		result = sets_each(configuration, template, kind, cb, arg);
	}
	return result;
}

struct wanted {
	const char *name, *value;
};

static int wanted_cb(void *arg, const char *name, const char *value)
{
	struct wanted *wanted = arg;

	if (strcmp(name, wanted->name) != 0) {
		return 0;
	}
	wanted->value = value;
	return 1;
}

const char *cib_parameter(const xmlNode *configuration, const xmlNode *primitive, const char *name)
{
	struct wanted wanted = {.name = name};

	(void)cib_attributes_each(configuration, primitive, "instance_attributes", wanted_cb,
				  &wanted);
	return wanted.value;
}

const char *cib_standing_setting(const xmlNode *configuration, const char *name)
{
	const xmlNode *pair = cib_nvpair(cib_find_id(configuration, CIB_SETTINGS_ID), name);
	const char *value = pair != NULL ? xml_attribute(pair, "value") : NULL;

	return value == NULL || strcmp(value, CIB_SETTING_GONE) == 0 ? NULL : value;
}
