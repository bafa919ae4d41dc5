/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cluster/domain_resource.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cluster/nvpair_list.h"
#include "common/config.h"
#include "proto/validate.h"

/* What VirtualDomain's own metadata advises; in pcs's order. */
const struct vm_resource_operation domain_resource_operations[] = {
	{"migrate_from", "0s", "60s"}, {"migrate_to", "0s", "120s"}, {"monitor", "10s", "30s"},
	{"start", "0s", "90s"},	       {"stop", "0s", "90s"},
};
const size_t domain_resource_operation_count =
	sizeof(domain_resource_operations) / sizeof(domain_resource_operations[0]);

__attribute__((format(printf, 2, 3))) static int refuse(char error[VM_RESOURCE_ERROR_LEN],
							const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(error, VM_RESOURCE_ERROR_LEN, format, args);
	va_end(args);
	return -EINVAL;
}

/* ---- checks ---- */

static bool parameter_is_known(const char *name)
{
	return strcmp(name, "config") == 0 || strcmp(name, "hypervisor") == 0 ||
	       strcmp(name, "migration_transport") == 0 || strcmp(name, "force_stop") == 0;
}

static int check_parameters(Vmreplica__Ipc__CibNvpair *const *pairs, size_t count,
			    char error[VM_RESOURCE_ERROR_LEN])
{
	for (size_t i = 0; i < count; i++) {
		if (!parameter_is_known(pairs[i]->name)) {
			return refuse(error, "parameter \"%.64s\" of %s is not set from here",
				      pairs[i]->name, DOMAIN_RESOURCE_AGENT);
		}
		if (pairs[i]->value[0] == '\0' ||
		    !vm_resource_value_is_plain(pairs[i]->value, VM_RESOURCE_VALUE_MAX)) {
			return refuse(
				error,
				"the value of parameter %s is empty, too long or no plain text",
				pairs[i]->name);
		}
		for (size_t j = 0; j < i; j++) {
			if (strcmp(pairs[i]->name, pairs[j]->name) == 0) {
				return refuse(error, "parameter %s is given twice", pairs[i]->name);
			}
		}
	}
	return 0;
}

int domain_resource_check_create(const Vmreplica__Ipc__CibCreateDomain *request,
				 char error[VM_RESOURCE_ERROR_LEN])
{
	int result = vm_resource_check_delete(request->resource, error);
	const char *config;

	if (result < 0) {
		return result;
	}
	if (!validate_uuid(request->relationship)) {
		return refuse(error, "the relationship is not a UUID");
	}
	result = check_parameters(request->parameters, request->n_parameters, error);
	if (result < 0) {
		return result;
	}
	config = nvpair_find(request->parameters, request->n_parameters, "config");
	if (config == NULL || !validate_absolute_path(config)) {
		return refuse(error, "parameter config is not an absolute path");
	}
	if (request->location_node[0] != '\0' &&
	    !vm_resource_node_is_valid(request->location_node)) {
		return refuse(error, "\"%.64s\" cannot be the name of a node",
			      request->location_node);
	}
	return request->guard_clone[0] == '\0'
		       ? 0
		       : vm_resource_check_delete(request->guard_clone, error);
}

int domain_resource_check_delete(const Vmreplica__Ipc__CibDeleteDomain *request,
				 char error[VM_RESOURCE_ERROR_LEN])
{
	int result = vm_resource_check_delete(request->resource, error);

	if (result == 0 && !validate_uuid(request->relationship)) {
		result = refuse(error, "the relationship is not a UUID");
	}
	return result;
}

static int check_switch_vm(const Vmreplica__Ipc__CibSwitch *request,
			   char error[VM_RESOURCE_ERROR_LEN])
{
	bool needed = request->follow != VMREPLICA__IPC__CIB_FOLLOW__CIB_FOLLOW_KEEP ||
		      request->target != VMREPLICA__IPC__CIB_TARGET__CIB_TARGET_KEEP ||
		      request->n_vm_parameters > 0 || request->relocate;

	if (needed && !validate_resource_id(request->vm_resource)) {
		return refuse(error, "\"%.64s\" cannot be the id of the VM's resource",
			      request->vm_resource);
	}
	if (request->follow != VMREPLICA__IPC__CIB_FOLLOW__CIB_FOLLOW_KEEP &&
	    request->resource[0] == '\0') {
		return refuse(error, "what is to follow %.64s is not named", request->vm_resource);
	}
	if (request->relocate && request->resource[0] == '\0') {
		return refuse(error, "what is bound with %.64s is not named", request->vm_resource);
	}
	if (request->location_node[0] != '\0' &&
	    (!request->relocate || !vm_resource_node_is_valid(request->location_node))) {
		return refuse(error, "\"%.64s\" cannot be the name of a node",
			      request->location_node);
	}
	if (request->n_vm_parameters > 1 ||
	    (request->n_vm_parameters == 1 &&
	     strcmp(request->vm_parameters[0]->name, "config") != 0)) {
		return refuse(error, "of the VM's resource only the parameter config changes");
	}
	return check_parameters(request->vm_parameters, request->n_vm_parameters, error);
}

int domain_resource_check_switch(const Vmreplica__Ipc__CibSwitch *request,
				 char error[VM_RESOURCE_ERROR_LEN])
{
	Vmreplica__Ipc__CibUpdateVm update = VMREPLICA__IPC__CIB_UPDATE_VM__INIT;
	int result = check_switch_vm(request, error);

	update.resource = request->resource;
	update.parameters = request->parameters;
	update.n_parameters = request->n_parameters;
	if (result == 0 && (request->resource[0] != '\0' || request->n_parameters > 0)) {
		result = vm_resource_check_update(&update, error);
	}
	for (size_t i = 0; i < request->n_settings && result == 0; i++) {
		result = vm_resource_check_setting(request->settings[i]->name,
						   request->settings[i]->value, error);
	}
	for (size_t i = 0; i < request->n_expected && result == 0; i++) {
		result = vm_resource_check_setting(request->expected[i]->name,
						   request->expected[i]->value, error);
	}
	return result;
}

/* ---- for who asks ---- */

static const char *meta_of(const Vmreplica__Ipc__CibResource *resource, const char *name)
{
	return nvpair_find(resource->meta, resource->n_meta, name);
}

static bool is_domain(const Vmreplica__Ipc__CibResource *resource)
{
	const char *type = strrchr(resource->type, ':');

	return type != NULL && strcmp(type, ":VirtualDomain") == 0;
}

const Vmreplica__Ipc__CibResource *
domain_resource_by_id(const Vmreplica__Ipc__CibSettings *settings, const char *id)
{
	for (size_t i = 0; settings != NULL && i < settings->n_resources; i++) {
		if (strcmp(settings->resources[i]->id, id) == 0) {
			return settings->resources[i];
		}
	}
	return NULL;
}

const Vmreplica__Ipc__CibResource *domain_resource_find(const Vmreplica__Ipc__CibSettings *settings,
							const char *relationship, bool test)
{
	for (size_t i = 0; settings != NULL && i < settings->n_resources; i++) {
		const Vmreplica__Ipc__CibResource *resource = settings->resources[i];
		const char *marked = meta_of(resource, DOMAIN_META_RELATIONSHIP);

		if (is_domain(resource) && marked != NULL && strcmp(marked, relationship) == 0 &&
		    (meta_of(resource, DOMAIN_META_TEST) != NULL) == test) {
			return resource;
		}
	}
	return NULL;
}

/* Only resources that matter to us are known here; any other that has the id makes the creation
 * fail, which names it. */
static bool id_is_taken(const Vmreplica__Ipc__CibSettings *settings, const char *id,
			const char *relationship)
{
	for (size_t i = 0; settings != NULL && i < settings->n_resources; i++) {
		const Vmreplica__Ipc__CibResource *resource = settings->resources[i];
		const char *marked = meta_of(resource, DOMAIN_META_RELATIONSHIP);

		if (strcmp(resource->id, id) == 0 &&
		    (marked == NULL || strcmp(marked, relationship) != 0)) {
			return true;
		}
	}
	return false;
}

static void id_make_fit(char *id)
{
	for (char *c = id; *c != '\0'; c++) {
		if (!isalnum((unsigned char)*c) && *c != '.' && *c != '-') {
			*c = '_';
		}
	}
}

void domain_resource_id(const Vmreplica__Ipc__CibSettings *settings, const char *vm,
			const char *relationship, const char *site,
			char ret_id[RESOURCE_ID_MAX + 1])
{
	const Vmreplica__Ipc__CibResource *ours =
		domain_resource_find(settings, relationship, false);
	const char *before = isalpha((unsigned char)vm[0]) ? "" : "vm-";
	char site_short[SITE_NAME_MAX + 1];

	if (ours != NULL) {
		snprintf(ret_id, RESOURCE_ID_MAX + 1, "%s", ours->id);
		return;
	}
	snprintf(ret_id, RESOURCE_ID_MAX + 1, "%s%.*s", before, (int)VM_NAME_MAX, vm);
	id_make_fit(ret_id);
	if (id_is_taken(settings, ret_id, relationship)) {
		config_site_short(site, site_short, sizeof(site_short));
		snprintf(ret_id, RESOURCE_ID_MAX + 1, "%s%.*s-%.*s", before, (int)VM_NAME_MAX, vm,
			 (int)(RESOURCE_ID_MAX - VM_NAME_MAX - 16), site_short);
		id_make_fit(ret_id);
	}
}

/* The first other VM of the cluster: what it has, ours gets. */
static const Vmreplica__Ipc__CibResource *example_find(const Vmreplica__Ipc__CibSettings *settings)
{
	for (size_t i = 0; settings != NULL && i < settings->n_resources; i++) {
		if (is_domain(settings->resources[i]) &&
		    meta_of(settings->resources[i], DOMAIN_META_RELATIONSHIP) == NULL) {
			return settings->resources[i];
		}
	}
	return NULL;
}

static char *borrowed(const char *text)
{
	return (char *)(uintptr_t)text;
}

static void pair_set(struct domain_resource *domain, const char *name, const char *value)
{
	size_t i = domain->request.n_parameters++;

	vmreplica__ipc__cib_nvpair__init(&domain->pairs[i]);
	domain->pairs[i].name = borrowed(name);
	domain->pairs[i].value = borrowed(value);
	domain->pointers[i] = &domain->pairs[i];
}

void domain_resource_fill(struct domain_resource *ret_domain,
			  const Vmreplica__Ipc__CibSettings *settings, const char *id,
			  const char *relationship, const char *config, const char *location_node)
{
	const Vmreplica__Ipc__CibResource *example = example_find(settings);
	const char *hypervisor = NULL, *transport = NULL, *migrate = NULL;

	if (example != NULL) {
		hypervisor = nvpair_find(example->parameters, example->n_parameters, "hypervisor");
		transport = nvpair_find(example->parameters, example->n_parameters,
					"migration_transport");
		migrate = meta_of(example, "allow-migrate");
	}
	vmreplica__ipc__cib_create_domain__init(&ret_domain->request);
	ret_domain->request.resource = borrowed(id);
	ret_domain->request.relationship = borrowed(relationship);
	ret_domain->request.parameters = ret_domain->pointers;
	pair_set(ret_domain, "config", config);
	pair_set(ret_domain, "hypervisor",
		 hypervisor != NULL ? hypervisor : DOMAIN_RESOURCE_HYPERVISOR);
	pair_set(ret_domain, "migration_transport", transport != NULL ? transport : "ssh");
	ret_domain->request.location_node = borrowed(location_node);
	ret_domain->request.allow_migrate =
		location_node[0] == '\0' &&
		(example == NULL ||
		 (migrate != NULL && (strcmp(migrate, "true") == 0 || strcmp(migrate, "1") == 0)));
}

void domain_resource_make_test(struct domain_resource *domain)
{
	pair_set(domain, "force_stop", "true");
	domain->request.started = true;
	domain->request.test = true;
}
