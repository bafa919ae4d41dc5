/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The templates of what is changed and taken away; cib_create.c holds the one that makes something.
 */
#include "cluster/cib_templates.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/cib_lookup.h"
#include "cluster/cib_template.h"
#include "cluster/xml_tree.h"
#include "common/cleanup.h"
#include "proto/validate.h"

int cib_refuse(char error[VM_RESOURCE_ERROR_LEN], int result, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(error, VM_RESOURCE_ERROR_LEN, format, args);
	va_end(args);
	return result;
}

int cib_out_of_memory(char error[VM_RESOURCE_ERROR_LEN])
{
	return cib_refuse(error, -ENOMEM, "out of memory");
}

bool cib_add_nvpair(xmlNode *set, const char *set_id, const char *name, const char *value)
{
	cleanup_free char *id = NULL;

	if (asprintf(&id, "%s-%s", set_id, name) < 0) {
		id = NULL;
		return false;
	}
	return xml_add(set, "nvpair", "id", id, "name", name, "value", value, NULL) != NULL;
}

bool cib_add_parameters(xmlNode *primitive, const char *resource,
			Vmreplica__Ipc__CibNvpair *const *parameters, size_t parameter_count)
{
	cleanup_free const Vmreplica__Ipc__CibNvpair **pairs = NULL;
	char id[CIB_ID_LEN];
	xmlNode *set;
	size_t count;
	bool ok;

	(void)snprintf(id, sizeof(id), "%s-instance_attributes", resource);
	set = xml_add(primitive, "instance_attributes", "id", id, NULL);
	ok = set != NULL && vm_resource_sort(parameters, parameter_count, &pairs, &count) == 0;
	for (size_t i = 0; ok && i < count; i++) {
		ok = cib_add_nvpair(set, id, pairs[i]->name, pairs[i]->value);
	}
	return ok;
}

/* The primitive of ours with this id, or NULL with *ret_result and a sentence. */
static const xmlNode *find_ours(const xmlNode *configuration, const char *resource, int *ret_result,
				char error[VM_RESOURCE_ERROR_LEN])
{
	const xmlNode *primitive;

	*ret_result = vm_resource_check_delete(resource, error);
	if (*ret_result < 0) {
		return NULL;
	}
	primitive = cib_find_id(configuration, resource);
	if (!cib_is_vm_resource(primitive)) {
		*ret_result = cib_refuse(error, -ENOENT, "Pacemaker has no resource %s of type %s",
					 resource, VM_RESOURCE_AGENT);
		return NULL;
	}
	return primitive;
}

/*
 * Whoever else names the resource in a set or a tag keeps the rest of it: only the reference goes,
 * or the set that holds nothing else, or the constraint that has no other set. The conditions
 * exclude each other, because deleting a match inside another match is not safe in every version of
 * libcib.
 */
#define ONLY_US "count(resource_ref)=1 and resource_ref/@id='%1$s'"
#define DELETE_XPATH                                                                               \
	"//resources//primitive[@id='%1$s']"                                                       \
	"|//constraints/*[@rsc='%1$s' or @with-rsc='%1$s' or @first='%1$s' or @then='%1$s']"       \
	"|//constraints/*[resource_set and not(resource_set[not(" ONLY_US ")])]"                   \
	"|//constraints/*[resource_set[not(" ONLY_US ")]]/resource_set[" ONLY_US "]"               \
	"|//constraints/*/resource_set[count(resource_ref)>1]/resource_ref[@id='%1$s']"            \
	"|//tags/tag[count(obj_ref)=1 and obj_ref/@id='%1$s']"                                     \
	"|//tags/tag[count(obj_ref)>1]/obj_ref[@id='%1$s']"

int cib_delete_primitive(const xmlNode *primitive, char **ret_xpath,
			 char error[VM_RESOURCE_ERROR_LEN])
{
	const char *resource = xml_attribute(primitive, "id");
	char *xpath = NULL;

	if (cib_is_alone_in_group(primitive)) {
		return cib_refuse(
			error, -EBUSY,
			"%s is the only member of a group, which cannot be empty: take it out with "
			"'pcs resource ungroup', then try again",
			resource);
	}
	if (asprintf(&xpath, DELETE_XPATH, resource) < 0) {
		return cib_out_of_memory(error);
	}
	*ret_xpath = xpath;
	return 0;
}

/* A replica whose VM was this side's own may have bound that, too (cib_switch.c), for the sake of a
 * store that goes with the replica. A VM that has come home stands on it, and stays. */
static int add_location(const xmlNode *configuration, const xmlNode *primitive, char **xpath,
			char error[VM_RESOURCE_ERROR_LEN])
{
	const char *role = cib_parameter(configuration, primitive, "role");
	const char *vm = cib_parameter(configuration, primitive, "vm_resource");
	char id[VM_RESOURCE_ID_LEN], *more = NULL;

	if (role == NULL || strcmp(role, "replica") != 0 || vm == NULL ||
	    !validate_resource_id(vm)) {
		return 0;
	}
	if (asprintf(&more, "%s|//constraints/rsc_location[@id='%s']", *xpath,
		     vm_constraint_id(VM_CONSTRAINT_LOCATION, vm, id)) < 0) {
		return cib_out_of_memory(error);
	}
	free(*xpath);
	*xpath = more;
	return 0;
}

int cib_template_delete_vm(const xmlNode *configuration, const char *resource, char **ret_xpath,
			   char error[VM_RESOURCE_ERROR_LEN])
{
	cleanup_free char *xpath = NULL;
	const xmlNode *primitive;
	int result;

	primitive = find_ours(configuration, resource, &result, error);
	if (primitive == NULL) {
		return result;
	}
	result = cib_delete_primitive(primitive, &xpath, error);
	if (result == 0) {
		result = add_location(configuration, primitive, &xpath, error);
	}
	if (result == 0) {
		*ret_xpath = steal_ptr(xpath);
	}
	return result;
}

/* An XPath of the parameters that lose their value; NULL when there are none. 0 or -ENOMEM. */
static int deletions_xpath(const Vmreplica__Ipc__CibUpdateVm *request, char **ret_xpath)
{
	cleanup_free char *xpath = NULL;
	size_t size = 0;
	size_t count = 0;
	FILE *out = open_memstream(&xpath, &size);

	if (out == NULL) {
		return -ENOMEM;
	}
	(void)fprintf(out, "//resources//primitive[@id='%s']/instance_attributes/nvpair[",
		      request->resource);
	for (size_t i = 0; i < request->n_parameters; i++) {
		if (request->parameters[i]->value[0] == '\0') {
			(void)fprintf(out, "%s@name='%s'", count++ > 0 ? " or " : "",
				      request->parameters[i]->name);
		}
	}
	(void)fputc(']', out);
	if (fclose(out) != 0) {
		return -ENOMEM;
	}
	*ret_xpath = count > 0 ? steal_ptr(xpath) : NULL;
	return 0;
}

/* The pairs that get a value, with the ids that they have already or that pcs would give them. */
static int update_fragment(const xmlNode *primitive, const Vmreplica__Ipc__CibUpdateVm *request,
			   xmlDoc **ret_fragment)
{
	cleanup_free const Vmreplica__Ipc__CibNvpair **pairs = NULL;
	const xmlNode *existing = xml_child(primitive, "instance_attributes");
	cleanup_xml_doc xmlDoc *doc = NULL;
	const char *set_id = existing != NULL ? xml_attribute(existing, "id") : NULL;
	char default_id[CIB_ID_LEN];
	xmlNode *root, *set;
	size_t count;

	if (vm_resource_sort(request->parameters, request->n_parameters, &pairs, &count) < 0) {
		return -ENOMEM;
	}
	if (count == 0) {
		*ret_fragment = NULL;
		return 0;
	}
	if (set_id == NULL) {
		(void)snprintf(default_id, sizeof(default_id), "%s-instance_attributes",
			       request->resource);
		set_id = default_id;
	}
	doc = xml_document_new("primitive", &root);
	if (doc == NULL ||
	    xmlSetProp(root, (const xmlChar *)"id", (const xmlChar *)request->resource) == NULL) {
		return -ENOMEM;
	}
	set = xml_add(root, "instance_attributes", "id", set_id, NULL);
	for (size_t i = 0; i < count; i++) {
		const xmlNode *pair = cib_nvpair(existing, pairs[i]->name);
		const char *id = pair != NULL ? xml_attribute(pair, "id") : NULL;
		bool ok = id != NULL ? xml_add(set, "nvpair", "id", id, "name", pairs[i]->name,
					       "value", pairs[i]->value, NULL) != NULL
				     : set != NULL && cib_add_nvpair(set, set_id, pairs[i]->name,
								     pairs[i]->value);

		if (!ok) {
			return -ENOMEM;
		}
	}
	*ret_fragment = steal_ptr(doc);
	return 0;
}

int cib_template_update_vm(const xmlNode *configuration, const Vmreplica__Ipc__CibUpdateVm *request,
			   xmlDoc **ret_fragment, char **ret_xpath, char **ret_delete_xpath,
			   char error[VM_RESOURCE_ERROR_LEN])
{
	cleanup_xml_doc xmlDoc *fragment = NULL;
	cleanup_free char *delete_xpath = NULL;
	cleanup_free char *xpath = NULL;
	const xmlNode *primitive;
	int result = vm_resource_check_update(request, error);

	if (result < 0) {
		return result;
	}
	primitive = find_ours(configuration, request->resource, &result, error);
	if (primitive == NULL) {
		return result;
	}
	if (update_fragment(primitive, request, &fragment) < 0 ||
	    deletions_xpath(request, &delete_xpath) < 0) {
		return cib_out_of_memory(error);
	}
	if (asprintf(&xpath, "//resources//primitive[@id='%s']", request->resource) < 0) {
		xpath = NULL;
		return cib_out_of_memory(error);
	}
	*ret_fragment = steal_ptr(fragment);
	*ret_xpath = steal_ptr(xpath);
	*ret_delete_xpath = steal_ptr(delete_xpath);
	return 0;
}

int cib_template_set_setting(const char *name, const char *value, xmlDoc **ret_fragment,
			     char error[VM_RESOURCE_ERROR_LEN])
{
	cleanup_xml_doc xmlDoc *doc = NULL;
	xmlNode *root, *set;
	int result = vm_resource_check_setting(name, value, error);

	if (result < 0) {
		return result;
	}
	doc = xml_document_new("configuration", &root);
	if (doc == NULL) {
		return cib_out_of_memory(error);
	}
	set = xml_add(xml_add(root, "crm_config", NULL), "cluster_property_set", "id",
		      CIB_SETTINGS_ID, NULL);
	if (set == NULL || !cib_add_nvpair(set, CIB_SETTINGS_ID, name, value)) {
		return cib_out_of_memory(error);
	}
	*ret_fragment = steal_ptr(doc);
	return 0;
}

int cib_template_unset_setting(const char *name, char **ret_xpath,
			       char error[VM_RESOURCE_ERROR_LEN])
{
	char *xpath = NULL;
	int result = vm_resource_check_setting(name, "", error);

	if (result < 0) {
		return result;
	}
	if (asprintf(&xpath, "//crm_config/cluster_property_set/nvpair[@name='%s']", name) < 0) {
		return cib_out_of_memory(error);
	}
	*ret_xpath = xpath;
	return 0;
}
