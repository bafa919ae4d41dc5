/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The template of a protected VM: its primitive and constraints. */
#include "cluster/cib_templates.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "cluster/cib_lookup.h"
#include "cluster/cib_template.h"
#include "cluster/nvpair_list.h"
#include "cluster/xml_tree.h"
#include "common/cleanup.h"

static bool add_meta(xmlNode *primitive, const char *resource)
{
	char id[CIB_ID_LEN];
	xmlNode *set;
	bool ok;

	(void)snprintf(id, sizeof(id), "%s-meta_attributes", resource);
	set = xml_add(primitive, "meta_attributes", "id", id, NULL);
	ok = set != NULL;
	for (size_t i = 0; ok && i < vm_resource_meta_count; i++) {
		ok = cib_add_nvpair(set, id, vm_resource_metas[i].name, vm_resource_metas[i].value);
	}
	return ok;
}

static bool add_operations(xmlNode *primitive, const char *resource)
{
	xmlNode *operations = xml_add(primitive, "operations", NULL);
	bool ok = operations != NULL;

	for (size_t i = 0; ok && i < vm_resource_operation_count; i++) {
		const struct vm_resource_operation *op = &vm_resource_operations[i];
		char id[CIB_ID_LEN];

		(void)snprintf(id, sizeof(id), "%s-%s-interval-%s", resource, op->name,
			       op->interval);
		ok = xml_add(operations, "op", "name", op->name, "interval", op->interval,
			     "timeout", op->timeout, "id", id, NULL) != NULL;
	}
	return ok;
}

static bool add_primitive(xmlNode *root, const Vmreplica__Ipc__CibCreateVm *request)
{
	xmlNode *resources = xml_add(root, "resources", NULL);
	xmlNode *primitive =
		xml_add(resources, "primitive", "id", request->resource, "class", VM_RESOURCE_CLASS,
			"type", VM_RESOURCE_TYPE, "provider", VM_RESOURCE_PROVIDER, NULL);

	return primitive != NULL &&
	       cib_add_parameters(primitive, request->resource, request->parameters,
				  request->n_parameters) &&
	       add_meta(primitive, request->resource) &&
	       add_operations(primitive, request->resource);
}

bool cib_add_follow(xmlNode *constraints, const char *resource, const char *other,
		    enum vm_constraint order, enum vm_constraint colocation)
{
	char id[VM_RESOURCE_ID_LEN];

	return xml_add(constraints, "rsc_order", "first", other, "then", resource, "id",
		       vm_constraint_id(order, resource, id), "first-action", "start",
		       "then-action", "start", NULL) != NULL &&
	       xml_add(constraints, "rsc_colocation", "rsc", resource, "with-rsc", other, "score",
		       "INFINITY", "influence", "false", "id",
		       vm_constraint_id(colocation, resource, id), NULL) != NULL;
}

bool cib_add_move(xmlNode *constraints, const char *resource, const char *other)
{
	char id[VM_RESOURCE_ID_LEN];

	/* Optional: only where both are to be done anyway. A finite score, above any stickiness that
	 * people use: other need not run. */
	return xml_add(constraints, "rsc_order", "first", other, "then", resource, "id",
		       vm_constraint_id(VM_CONSTRAINT_ORDER_MOVE, resource, id), "first-action",
		       "start", "then-action", "start", "kind", "Optional", NULL) != NULL &&
	       xml_add(constraints, "rsc_colocation", "rsc", resource, "with-rsc", other, "score",
		       "500000", "influence", "false", "id",
		       vm_constraint_id(VM_CONSTRAINT_COLOCATION_MOVE, resource, id), NULL) != NULL;
}

/* A replica whose storage is local to one node runs there or nowhere; a rule holds for nodes that
 * come later, too. */
bool cib_add_location(xmlNode *constraints, const char *resource, const char *node)
{
	char id[VM_RESOURCE_ID_LEN], rule_id[VM_RESOURCE_ID_LEN + 8],
		expression_id[VM_RESOURCE_ID_LEN + 16];
	xmlNode *location, *rule;

	(void)vm_constraint_id(VM_CONSTRAINT_LOCATION, resource, id);
	(void)snprintf(rule_id, sizeof(rule_id), "%s-rule", id);
	(void)snprintf(expression_id, sizeof(expression_id), "%s-rule-expr", id);
	location = xml_add(constraints, "rsc_location", "id", id, "rsc", resource, NULL);
	rule = xml_add(location, "rule", "id", rule_id, "score", "-INFINITY", NULL);
	return xml_add(rule, "expression", "id", expression_id, "operation", "ne", "attribute",
		       "#uname", "value", node, NULL) != NULL;
}

static bool add_constraints(xmlNode *root, const Vmreplica__Ipc__CibCreateVm *request)
{
	xmlNode *constraints = xml_add(root, "constraints", NULL);

	if (constraints == NULL) {
		return false;
	}
	if (request->vm_resource[0] != '\0' &&
	    !cib_add_follow(constraints, request->resource, request->vm_resource,
			    VM_CONSTRAINT_ORDER_VM, VM_CONSTRAINT_COLOCATION_VM)) {
		return false;
	}
	if (!cib_add_follow(constraints, request->resource, request->engine_clone,
			    VM_CONSTRAINT_ORDER_ENGINE, VM_CONSTRAINT_COLOCATION_ENGINE)) {
		return false;
	}
	return request->location_node[0] == '\0' ||
	       cib_add_location(constraints, request->resource, request->location_node);
}

/* Is what has this id the resource that the request would make, made before? */
static bool is_same_relationship(const xmlNode *configuration, const xmlNode *existing,
				 const Vmreplica__Ipc__CibCreateVm *request)
{
	const char *theirs, *ours;

	if (!cib_is_vm_resource(existing)) {
		return false;
	}
	theirs = cib_parameter(configuration, existing, "relationship");
	ours = nvpair_find(request->parameters, request->n_parameters, "relationship");
	return theirs != NULL && ours != NULL && strcmp(theirs, ours) == 0;
}

static int check_surroundings(const xmlNode *configuration,
			      const Vmreplica__Ipc__CibCreateVm *request,
			      char error[VM_RESOURCE_ERROR_LEN])
{
	const xmlNode *existing = cib_find_id(configuration, request->resource);

	if (existing != NULL && !is_same_relationship(configuration, existing, request)) {
		return cib_refuse(error, -EEXIST,
				  "the id %s is taken in Pacemaker's configuration: rename or "
				  "remove what has it",
				  request->resource);
	}
	if (request->vm_resource[0] != '\0' &&
	    !cib_is_resource(cib_find_id(configuration, request->vm_resource))) {
		return cib_refuse(error, -ENOENT, "Pacemaker has no resource %s",
				  request->vm_resource);
	}
	if (!cib_is_resource(cib_find_id(configuration, request->engine_clone))) {
		return cib_refuse(error, -ENOENT,
				  "Pacemaker has no resource %s: create the clone of "
				  "ocf:vmreplica:engine first",
				  request->engine_clone);
	}
	if (request->location_node[0] != '\0' &&
	    !cib_has_node(configuration, request->location_node)) {
		return cib_refuse(error, -ENOENT, "Pacemaker has no node %s",
				  request->location_node);
	}
	return 0;
}

int cib_template_create_vm(const xmlNode *configuration, const Vmreplica__Ipc__CibCreateVm *request,
			   xmlDoc **ret_fragment, char error[VM_RESOURCE_ERROR_LEN])
{
	cleanup_xml_doc xmlDoc *doc = NULL;
	xmlNode *root;
	int result = vm_resource_check_create(request, error);

	if (result == 0) {
		result = check_surroundings(configuration, request, error);
	}
	if (result < 0) {
		return result;
	}
	doc = xml_document_new("configuration", &root);
	if (doc == NULL || !add_primitive(root, request) || !add_constraints(root, request)) {
		return cib_out_of_memory(error);
	}
	*ret_fragment = steal_ptr(doc);
	return 0;
}
