/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The VirtualDomain of a replica: made, taken away. */
#include "cluster/cib_domain.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "cluster/cib_lookup.h"
#include "cluster/cib_template.h"
#include "cluster/nvpair_list.h"
#include "cluster/xml_tree.h"
#include "common/cleanup.h"

struct wanted {
	const char *name;
	const char *value;
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

/* Is this a VirtualDomain that carries the relationship? */
static bool is_ours(const xmlNode *configuration, const xmlNode *element, const char *relationship)
{
	struct wanted wanted = {.name = DOMAIN_META_RELATIONSHIP};
	const char *type = element != NULL ? xml_attribute(element, "type") : NULL;

	if (!xml_is(element, "primitive") || type == NULL || strcmp(type, "VirtualDomain") != 0) {
		return false;
	}
	cib_attributes_each(configuration, element, "meta_attributes", wanted_cb, &wanted);
	return wanted.value != NULL && strcmp(wanted.value, relationship) == 0;
}

static bool add_meta(xmlNode *primitive, const Vmreplica__Ipc__CibCreateDomain *request)
{
	char id[CIB_ID_LEN];
	xmlNode *set;

	(void)snprintf(id, sizeof(id), "%s-meta_attributes", request->resource);
	set = xml_add(primitive, "meta_attributes", "id", id, NULL);
	return set != NULL &&
	       cib_add_nvpair(set, id, "allow-migrate",
			      request->allow_migrate ? "true" : "false") &&
	       cib_add_nvpair(set, id, "target-role", request->started ? "Started" : "Stopped") &&
	       cib_add_nvpair(set, id, DOMAIN_META_RELATIONSHIP, request->relationship) &&
	       (!request->test || cib_add_nvpair(set, id, DOMAIN_META_TEST, "true"));
}

static bool add_operations(xmlNode *primitive, const char *resource)
{
	xmlNode *operations = xml_add(primitive, "operations", NULL);
	bool ok = operations != NULL;

	for (size_t i = 0; ok && i < domain_resource_operation_count; i++) {
		const struct vm_resource_operation *op = &domain_resource_operations[i];
		char id[CIB_ID_LEN];

		(void)snprintf(id, sizeof(id), "%s-%s-interval-%s", resource, op->name,
			       op->interval);
		ok = xml_add(operations, "op", "name", op->name, "interval", op->interval,
			     "timeout", op->timeout, "id", id, NULL) != NULL;
	}
	return ok;
}

/* One-sided: measured, that a guard which fails, is disabled or has lost its state leaves a VM that
 * runs alone, and one that does not run stopped. */
static bool add_guard(xmlNode *constraints, const char *resource, const char *guard)
{
	char id[VM_RESOURCE_ID_LEN];

	return xml_add(constraints, "rsc_order", "first", guard, "then", resource, "id",
		       vm_constraint_id(VM_CONSTRAINT_ORDER_GUARD, resource, id), "first-action",
		       "start", "then-action", "start", "symmetrical", "false", NULL) != NULL;
}

static bool add_constraints(xmlNode *root, const Vmreplica__Ipc__CibCreateDomain *request)
{
	bool located = request->location_node[0] != '\0', guarded = request->guard_clone[0] != '\0';
	xmlNode *constraints;

	if (!located && !guarded) {
		return true;
	}
	constraints = xml_add(root, "constraints", NULL);
	return constraints != NULL &&
	       (!located ||
		cib_add_location(constraints, request->resource, request->location_node)) &&
	       (!guarded || add_guard(constraints, request->resource, request->guard_clone));
}

static int check_surroundings(const xmlNode *configuration,
			      const Vmreplica__Ipc__CibCreateDomain *request,
			      char error[VM_RESOURCE_ERROR_LEN])
{
	if (cib_find_id(configuration, request->resource) != NULL) {
		return cib_refuse(error, -EEXIST,
				  "the id %s is taken in Pacemaker's configuration: rename or "
				  "remove what has it",
				  request->resource);
	}
	if (request->location_node[0] != '\0' &&
	    !cib_has_node(configuration, request->location_node)) {
		return cib_refuse(error, -ENOENT, "Pacemaker has no node %s",
				  request->location_node);
	}
	if (request->guard_clone[0] != '\0' &&
	    !cib_is_resource(cib_find_id(configuration, request->guard_clone))) {
		return cib_refuse(error, -ENOENT,
				  "Pacemaker has no resource %s: create the clone of "
				  "ocf:vmreplica:guard first",
				  request->guard_clone);
	}
	return 0;
}

int cib_template_create_domain(const xmlNode *configuration,
			       const Vmreplica__Ipc__CibCreateDomain *request,
			       xmlDoc **ret_fragment, char error[VM_RESOURCE_ERROR_LEN])
{
	cleanup_xml_doc xmlDoc *doc = NULL;
	xmlNode *root, *primitive;
	int result = domain_resource_check_create(request, error);

	if (result == 0 && is_ours(configuration, cib_find_id(configuration, request->resource),
				   request->relationship)) {
		*ret_fragment = NULL;
		return 0;
	}
	if (result == 0) {
		result = check_surroundings(configuration, request, error);
	}
	if (result < 0) {
		return result;
	}
	doc = xml_document_new("configuration", &root);
	primitive = doc == NULL ? NULL
				: xml_add(xml_add(root, "resources", NULL), "primitive", "id",
					  request->resource, "class", "ocf", "type",
					  "VirtualDomain", "provider", "heartbeat", NULL);
	if (primitive == NULL ||
	    !cib_add_parameters(primitive, request->resource, request->parameters,
				request->n_parameters) ||
	    !add_meta(primitive, request) || !add_operations(primitive, request->resource) ||
	    !add_constraints(root, request)) {
		return cib_out_of_memory(error);
	}
	*ret_fragment = steal_ptr(doc);
	return 0;
}

int cib_template_delete_domain(const xmlNode *configuration,
			       const Vmreplica__Ipc__CibDeleteDomain *request, char **ret_xpath,
			       char error[VM_RESOURCE_ERROR_LEN])
{
	const xmlNode *primitive;
	int result = domain_resource_check_delete(request, error);

	if (result < 0) {
		return result;
	}
	primitive = cib_find_id(configuration, request->resource);
	if (!is_ours(configuration, primitive, request->relationship)) {
		return cib_refuse(error, -ENOENT,
				  "Pacemaker has no resource %s that vmreplica made for this VM",
				  request->resource);
	}
	return cib_delete_primitive(primitive, ret_xpath, error);
}
