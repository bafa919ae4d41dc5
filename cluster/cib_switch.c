/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The template of a change of role. Pacemaker has no change that both removes and modifies, so
 * that it is made in three, of which the second is the change of role:
 *
 *   constraints go -> everything that comes or changes, in one; settings that go get a value that
 *   says so, and count as gone from here on -> those settings go
 *
 * Whoever dies behind the first has changed no role, behind the second all of it.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/cib_domain.h"
#include "cluster/cib_lookup.h"
#include "cluster/cib_template.h"
#include "cluster/switch_condition.h"
#include "cluster/xml_tree.h"
#include "common/cleanup.h"

#define DEPTH_MAX 8 /* of a primitive below <resources>: clone, group, bundle */

/* ---- what goes ---- */

/* One more of those that go, by its id. */
static void print_constraint(FILE *out, enum vm_constraint kind, const char *resource,
			     const char **before)
{
	char id[VM_RESOURCE_ID_LEN];

	(void)fprintf(out, "%s@id='%s'", *before, vm_constraint_id(kind, resource, id));
	*before = " or ";
}

static void print_constraints(FILE *out, const Vmreplica__Ipc__CibSwitch *request)
{
	bool remove = request->follow == VMREPLICA__IPC__CIB_FOLLOW__CIB_FOLLOW_REMOVE;
	const char *ours = request->resource, *first = "//constraints/*[", *before = first;

	if (remove || request->follow == VMREPLICA__IPC__CIB_FOLLOW__CIB_FOLLOW_ADD) {
		print_constraint(out, VM_CONSTRAINT_ORDER_MOVE, ours, &before);
		print_constraint(out, VM_CONSTRAINT_COLOCATION_MOVE, ours, &before);
	}
	if (remove) {
		print_constraint(out, VM_CONSTRAINT_ORDER_VM, ours, &before);
		print_constraint(out, VM_CONSTRAINT_COLOCATION_VM, ours, &before);
	}
	if (request->relocate) {
		print_constraint(out, VM_CONSTRAINT_LOCATION, ours, &before);
		print_constraint(out, VM_CONSTRAINT_LOCATION, request->vm_resource, &before);
	}
	if (before != first) {
		(void)fputc(']', out);
	}
}

static void print_values(FILE *out, const Vmreplica__Ipc__CibSwitch *request)
{
	const char *separator = "";

	for (size_t i = 0; i < request->n_parameters; i++) {
		if (request->parameters[i]->value[0] == '\0') {
			(void)fprintf(out,
				      "%s//resources//primitive[@id='%s']/instance_attributes/"
				      "nvpair[@name='%s']",
				      separator, request->resource, request->parameters[i]->name);
			separator = "|";
		}
	}
	for (size_t i = 0; i < request->n_settings; i++) {
		if (request->settings[i]->value[0] == '\0') {
			/* One that somebody has set anew meanwhile stays. */
			(void)fprintf(out,
				      "%s//crm_config/cluster_property_set/"
				      "nvpair[@name='%s' and @value='" CIB_SETTING_GONE "']",
				      separator, request->settings[i]->name);
			separator = "|";
		}
	}
}

/* *ret_xpath NULL: nothing goes. */
static int make_xpath(void (*print)(FILE *out, const Vmreplica__Ipc__CibSwitch *request),
		      const Vmreplica__Ipc__CibSwitch *request, char **ret_xpath)
{
	cleanup_free char *xpath = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&xpath, &size);

	if (out == NULL) {
		return -ENOMEM;
	}
	print(out, request);
	if (fclose(out) != 0) {
		return -ENOMEM;
	}
	*ret_xpath = size > 0 ? steal_ptr(xpath) : NULL;
	return 0;
}

/* ---- what comes or changes ---- */

/* The same element below root again: its parents up to <resources>, each by name and id, so that a
 * modification of the whole finds it wherever it stands. NULL when out of memory. */
static xmlNode *add_path(xmlNode *resources, const xmlNode *element)
{
	const xmlNode *chain[DEPTH_MAX];
	size_t count = 0;
	xmlNode *at = resources;

	for (const xmlNode *up = element; up != NULL && !xml_is(up, "resources"); up = up->parent) {
		if (count == DEPTH_MAX) {
			return NULL;
		}
		chain[count++] = up;
	}
	while (count-- > 0 && at != NULL) {
		at = xml_add(at, (const char *)chain[count]->name, "id",
			     xml_attribute(chain[count], "id"), NULL);
	}
	return at;
}

/* The attribute of a set of that kind, where it stands, or in the set that pcs would make. */
static bool add_attribute(xmlNode *target, const xmlNode *element, const char *kind,
			  const char *name, const char *value)
{
	const char *resource = xml_attribute(element, "id");
	const xmlNode *set = NULL, *pair = NULL;
	char set_id[CIB_ID_LEN];
	xmlNode *added;

	for (const xmlNode *each = xml_child(element, kind); each != NULL && pair == NULL;
	     each = xml_next(each, kind)) {
		if (xml_child(each, "rule") == NULL) { /* it always holds */
			pair = cib_nvpair(each, name);
			set = set == NULL || pair != NULL ? each : set;
		}
	}
	(void)snprintf(set_id, sizeof(set_id), "%s-%s", resource, kind);
	if (set != NULL && xml_attribute(set, "id") != NULL) {
		(void)snprintf(set_id, sizeof(set_id), "%s", xml_attribute(set, "id"));
	}
	added = xml_child(target, kind);
	if (added == NULL || strcmp(xml_attribute(added, "id"), set_id) != 0) {
		added = xml_add(target, kind, "id", set_id, NULL);
	}
	if (pair != NULL && xml_attribute(pair, "id") != NULL) {
		return xml_add(added, "nvpair", "id", xml_attribute(pair, "id"), "name", name,
			       "value", value, NULL) != NULL;
	}
	return added != NULL && cib_add_nvpair(added, set_id, name, value);
}

static bool has_values(Vmreplica__Ipc__CibNvpair *const *pairs, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (pairs[i]->value[0] != '\0') {
			return true;
		}
	}
	return false;
}

static bool add_role(xmlNode *resources, const xmlNode *element,
		     const Vmreplica__Ipc__CibSwitch *request)
{
	cleanup_free const Vmreplica__Ipc__CibNvpair **pairs = NULL;
	xmlNode *target;
	size_t count;
	bool ok;

	if (!has_values(request->parameters, request->n_parameters)) {
		return true;
	}
	target = add_path(resources, element);
	ok = target != NULL &&
	     vm_resource_sort(request->parameters, request->n_parameters, &pairs, &count) == 0;
	for (size_t i = 0; ok && i < count; i++) {
		ok = add_attribute(target, element, "instance_attributes", pairs[i]->name,
				   pairs[i]->value);
	}
	return ok;
}

static bool add_vm(xmlNode *resources, const xmlNode *element,
		   const Vmreplica__Ipc__CibSwitch *request)
{
	bool retarget = request->target != VMREPLICA__IPC__CIB_TARGET__CIB_TARGET_KEEP;
	bool start = request->target == VMREPLICA__IPC__CIB_TARGET__CIB_TARGET_STARTED;
	xmlNode *target;

	if (!retarget && request->n_vm_parameters == 0) {
		return true;
	}
	target = add_path(resources, element);
	return target != NULL &&
	       (request->n_vm_parameters == 0 ||
		add_attribute(target, element, "instance_attributes", "config",
			      request->vm_parameters[0]->value)) &&
	       (!retarget || add_attribute(target, element, "meta_attributes", "target-role",
					   start ? "Started" : "Stopped"));
}

static bool add_settings(xmlNode *root, const Vmreplica__Ipc__CibSwitch *request)
{
	xmlNode *set;
	bool ok = true;

	if (request->n_settings == 0) {
		return true;
	}
	set = xml_add(xml_add(root, "crm_config", NULL), "cluster_property_set", "id",
		      CIB_SETTINGS_ID, NULL);
	for (size_t i = 0; i < request->n_settings && ok; i++) {
		const char *value = request->settings[i]->value;

		ok = set != NULL && cib_add_nvpair(set, CIB_SETTINGS_ID, request->settings[i]->name,
						   value[0] != '\0' ? value : CIB_SETTING_GONE);
	}
	return ok;
}

static bool add_follow(xmlNode *constraints, const Vmreplica__Ipc__CibSwitch *request)
{
	const char *ours = request->resource, *vm = request->vm_resource;

	switch (request->follow) {
	case VMREPLICA__IPC__CIB_FOLLOW__CIB_FOLLOW_ADD:
		return cib_add_follow(constraints, ours, vm, VM_CONSTRAINT_ORDER_VM,
				      VM_CONSTRAINT_COLOCATION_VM);
	case VMREPLICA__IPC__CIB_FOLLOW__CIB_FOLLOW_MOVES:
		return cib_add_move(constraints, ours, vm);
	default:
		return true;
	}
}

/* What nothing was added to would be a change all the same. */
static void drop_empty(xmlNode *node)
{
	if (node->children == NULL) {
		xmlUnlinkNode(node);
		xmlFreeNode(node);
	}
}

static bool add_constraints(xmlNode *root, const Vmreplica__Ipc__CibSwitch *request)
{
	const char *node = request->location_node;
	xmlNode *constraints = xml_add(root, "constraints", NULL);

	if (constraints == NULL || !add_follow(constraints, request) ||
	    (node[0] != '\0' && (!cib_add_location(constraints, request->resource, node) ||
				 !cib_add_location(constraints, request->vm_resource, node)))) {
		return false;
	}
	drop_empty(constraints);
	return true;
}

static bool add_all(xmlNode *root, const xmlNode *ours, const xmlNode *vm,
		    const Vmreplica__Ipc__CibSwitch *request)
{
	xmlNode *resources;

	if (!add_settings(root, request)) { /* in the schema's order */
		return false;
	}
	resources = xml_add(root, "resources", NULL);
	if (resources == NULL || !add_role(resources, ours, request) ||
	    !add_vm(resources, vm, request)) {
		return false;
	}
	drop_empty(resources);
	return add_constraints(root, request);
}

static int find_resources(const xmlNode *configuration, const Vmreplica__Ipc__CibSwitch *request,
			  const xmlNode **ret_ours, const xmlNode **ret_vm,
			  char error[VM_RESOURCE_ERROR_LEN])
{
	*ret_ours =
		request->resource[0] != '\0' ? cib_find_id(configuration, request->resource) : NULL;
	*ret_vm = request->vm_resource[0] != '\0' ? cib_find_id(configuration, request->vm_resource)
						  : NULL;
	if (request->resource[0] != '\0' && !cib_is_vm_resource(*ret_ours)) {
		return cib_refuse(error, -ENOENT, "Pacemaker has no resource %s of type %s",
				  request->resource, VM_RESOURCE_AGENT);
	}
	if (request->vm_resource[0] != '\0' && !cib_is_resource(*ret_vm)) {
		return cib_refuse(error, -ENOENT, "Pacemaker has no resource %s",
				  request->vm_resource);
	}
	if (request->location_node[0] != '\0' &&
	    !cib_has_node(configuration, request->location_node)) {
		return cib_refuse(error, -ENOENT, "Pacemaker has no node %s",
				  request->location_node);
	}
	return 0;
}

/* What stands at this moment. The change follows within the helper's next call of Pacemaker: what
 * another node does in between, it does within these milliseconds. */
static const char *standing_setting(void *arg, const char *name)
{
	return cib_standing_setting(arg, name);
}

static int check_conditions(const xmlNode *configuration, const Vmreplica__Ipc__CibSwitch *request,
			    const xmlNode *ours, char error[VM_RESOURCE_ERROR_LEN])
{
	return switch_condition_check(
		request, ours != NULL ? cib_parameter(configuration, ours, "role") : NULL,
		standing_setting, (void *)(uintptr_t)configuration, error);
}

int cib_template_switch(const xmlNode *configuration, const Vmreplica__Ipc__CibSwitch *request,
			struct cib_switch *ret_switch, char error[VM_RESOURCE_ERROR_LEN])
{
	cleanup_xml_doc xmlDoc *doc = NULL;
	cleanup_free char *before = NULL;
	cleanup_free char *after = NULL;
	const xmlNode *ours = NULL, *vm = NULL;
	xmlNode *root;
	int result = domain_resource_check_switch(request, error);

	if (result == 0) {
		result = find_resources(configuration, request, &ours, &vm, error);
	}
	if (result == 0) {
		result = check_conditions(configuration, request, ours, error);
	}
	if (result < 0) {
		return result;
	}
	doc = xml_document_new("configuration", &root);
	if (doc == NULL || !add_all(root, ours, vm, request) ||
	    make_xpath(print_constraints, request, &before) < 0 ||
	    make_xpath(print_values, request, &after) < 0) {
		return cib_out_of_memory(error);
	}
	ret_switch->before_xpath = steal_ptr(before);
	ret_switch->fragment = root->children != NULL ? steal_ptr(doc) : NULL;
	ret_switch->after_xpath = steal_ptr(after);
	return 0;
}

void cib_switch_destroy(struct cib_switch *change)
{
	free(change->before_xpath);
	free(change->after_xpath);
	if (change->fragment != NULL) {
		xmlFreeDoc(change->fragment);
	}
	*change = (struct cib_switch){0};
}
