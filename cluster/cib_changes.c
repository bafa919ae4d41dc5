/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cluster/cib_changes.h"

#include <stdlib.h>
#include <string.h>

#include "cluster/cib_connection.h"
#include "cluster/cib_domain.h"
#include "cluster/cib_lookup.h"
#include "cluster/cib_templates.h"
#include "cluster/epoch.h"
#include "cluster/switch_condition.h"
#include "cluster/xml_tree.h"
#include "common/cleanup.h"
#include "common/log.h"

_Static_assert(CIB_CONNECTION_ERROR_LEN <= VM_RESOURCE_ERROR_LEN, "sentences must fit");

static void configuration_free_fn(xmlNode **configuration)
{
	if (*configuration != NULL) {
		cib_connection_free(*configuration);
	}
}
#define cleanup_configuration __attribute__((cleanup(configuration_free_fn)))

int cib_change_create_vm(const Vmreplica__Ipc__CibCreateVm *request,
			 char text[VM_RESOURCE_ERROR_LEN])
{
	cleanup_configuration xmlNode *configuration = NULL;
	cleanup_xml_doc xmlDoc *fragment = NULL;
	int error = cib_connection_query(&configuration, text);

	if (error == 0) {
		error = cib_template_create_vm(configuration, request, &fragment, text);
	}
	if (error == 0) {
		error = cib_connection_merge(xmlDocGetRootElement(fragment), text);
	}
	if (error == 0) {
		log_notice("created resource %s with its constraints", request->resource);
	}
	return error;
}

int cib_change_delete_vm(const Vmreplica__Ipc__CibDeleteVm *request,
			 char text[VM_RESOURCE_ERROR_LEN])
{
	cleanup_configuration xmlNode *configuration = NULL;
	cleanup_free char *xpath = NULL;
	int error = cib_connection_query(&configuration, text);

	if (error == 0) {
		error = cib_template_delete_vm(configuration, request->resource, &xpath, text);
	}
	if (error == 0) {
		error = cib_connection_delete(xpath, text);
	}
	if (error == 0) {
		log_notice("deleted resource %s with its constraints", request->resource);
	}
	return error;
}

int cib_change_update_vm(const Vmreplica__Ipc__CibUpdateVm *request,
			 char text[VM_RESOURCE_ERROR_LEN])
{
	cleanup_configuration xmlNode *configuration = NULL;
	cleanup_xml_doc xmlDoc *fragment = NULL;
	cleanup_free char *xpath = NULL;
	cleanup_free char *delete_xpath = NULL;
	int error = cib_connection_query(&configuration, text);

	if (error == 0) {
		error = cib_template_update_vm(configuration, request, &fragment, &xpath,
					       &delete_xpath, text);
	}
	if (error == 0 && fragment != NULL) {
		error = cib_connection_merge_at(xpath, xmlDocGetRootElement(fragment), text);
	}
	if (error == 0 && delete_xpath != NULL) {
		error = cib_connection_delete(delete_xpath, text);
	}
	if (error == 0) {
		log_notice("changed parameters of resource %s", request->resource);
	}
	return error;
}

/* An epoch is not lowered, whatever its writer has heard. */
static int check_epoch(const Vmreplica__Ipc__CibSetSetting *request,
		       char text[VM_RESOURCE_ERROR_LEN])
{
	cleanup_configuration xmlNode *configuration = NULL;
	int error;

	if (strncmp(request->name, EPOCH_SETTING, sizeof(EPOCH_SETTING) - 1) != 0) {
		return 0;
	}
	error = cib_connection_query(&configuration, text);
	return error < 0 ? error
			 : switch_condition_setting(
				   request->name, request->value,
				   cib_standing_setting(configuration, request->name), text);
}

int cib_change_set_setting(const Vmreplica__Ipc__CibSetSetting *request,
			   char text[VM_RESOURCE_ERROR_LEN])
{
	cleanup_xml_doc xmlDoc *fragment = NULL;
	cleanup_free char *xpath = NULL;
	int error;

	if (request->value[0] == '\0') {
		error = cib_template_unset_setting(request->name, &xpath, text);
		if (error == 0) {
			error = cib_connection_delete(xpath, text);
		}
	} else {
		error = cib_template_set_setting(request->name, request->value, &fragment, text);
		if (error == 0) {
			error = check_epoch(request, text);
		}
		if (error == 0) {
			error = cib_connection_merge(xmlDocGetRootElement(fragment), text);
		}
	}
	if (error == 0) {
		log_notice("%s setting %s", request->value[0] == '\0' ? "removed" : "changed",
			   request->name);
	}
	return error;
}

int cib_change_create_domain(const Vmreplica__Ipc__CibCreateDomain *request,
			     char text[VM_RESOURCE_ERROR_LEN])
{
	cleanup_configuration xmlNode *configuration = NULL;
	cleanup_xml_doc xmlDoc *fragment = NULL;
	int error = cib_connection_query(&configuration, text);

	if (error == 0) {
		error = cib_template_create_domain(configuration, request, &fragment, text);
	}
	if (error == 0 && fragment != NULL) {
		error = cib_connection_merge(xmlDocGetRootElement(fragment), text);
	}
	if (error == 0 && fragment != NULL) {
		log_notice("created resource %s", request->resource);
	}
	return error;
}

int cib_change_delete_domain(const Vmreplica__Ipc__CibDeleteDomain *request,
			     char text[VM_RESOURCE_ERROR_LEN])
{
	cleanup_configuration xmlNode *configuration = NULL;
	cleanup_free char *xpath = NULL;
	int error = cib_connection_query(&configuration, text);

	if (error == 0) {
		error = cib_template_delete_domain(configuration, request, &xpath, text);
	}
	if (error == 0) {
		error = cib_connection_delete(xpath, text);
	}
	if (error == 0) {
		log_notice("deleted resource %s", request->resource);
	}
	return error;
}

/* What has become useless may stay for a while: it counts as gone. */
static void switch_clean(const char *xpath)
{
	char text[VM_RESOURCE_ERROR_LEN];

	if (xpath != NULL && cib_connection_delete(xpath, text) < 0) {
		log_warning("settings that are used no more stay for now: %s", text);
	}
}

int cib_change_switch(const Vmreplica__Ipc__CibSwitch *request, char text[VM_RESOURCE_ERROR_LEN])
{
	cleanup_configuration xmlNode *configuration = NULL;
	struct cib_switch change = {0};
	int error = cib_connection_query(&configuration, text);

	if (error == 0) {
		error = cib_template_switch(configuration, request, &change, text);
	}
	if (error == 0 && change.before_xpath != NULL) {
		error = cib_connection_delete(change.before_xpath, text);
	}
	if (error == 0 && change.fragment != NULL) {
		error = cib_connection_merge(xmlDocGetRootElement(change.fragment), text);
	}
	if (error == 0) {
		switch_clean(change.after_xpath);
		log_notice("switched %s%s%s", request->resource,
			   request->resource[0] != '\0' && request->vm_resource[0] != '\0' ? ", "
											   : "",
			   request->vm_resource);
	}
	cib_switch_destroy(&change);
	return error;
}
