/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cluster/vm_resource.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/nvpair_list.h"
#include "proto/validate.h"

const struct vm_resource_operation vm_resource_operations[] = {
	{"monitor", "10s", "20s"},
	{"reload-agent", "0s", "20s"},
	{"start", "0s", "60s"},
	{"stop", "0s", "60s"},
};
const size_t vm_resource_operation_count =
	sizeof(vm_resource_operations) / sizeof(vm_resource_operations[0]);

const struct vm_resource_meta vm_resource_metas[] = {
	{"critical", "false"},
	{"failure-timeout", "60s"},
};
const size_t vm_resource_meta_count = sizeof(vm_resource_metas) / sizeof(vm_resource_metas[0]);

char *vm_constraint_id(enum vm_constraint kind, const char *resource, char buf[VM_RESOURCE_ID_LEN])
{
	static const struct {
		const char *prefix, *suffix;
	} parts[] = {
		[VM_CONSTRAINT_ORDER_VM] = {"order", "-vm"},
		[VM_CONSTRAINT_COLOCATION_VM] = {"colocation", "-vm"},
		[VM_CONSTRAINT_ORDER_ENGINE] = {"order", "-engine"},
		[VM_CONSTRAINT_COLOCATION_ENGINE] = {"colocation", "-engine"},
		[VM_CONSTRAINT_LOCATION] = {"location", ""},
		[VM_CONSTRAINT_ORDER_GUARD] = {"order", "-guard"},
		[VM_CONSTRAINT_ORDER_MOVE] = {"order", "-move"},
		[VM_CONSTRAINT_COLOCATION_MOVE] = {"colocation", "-move"},
	};

	(void)snprintf(buf, VM_RESOURCE_ID_LEN, "vmreplica-%s-%s%s", parts[kind].prefix, resource,
		       parts[kind].suffix);
	return buf;
}

__attribute__((format(printf, 2, 3))) static int refuse(char error[VM_RESOURCE_ERROR_LEN],
							const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(error, VM_RESOURCE_ERROR_LEN, format, args);
	va_end(args);
	return -EINVAL;
}

/* Length of the UTF-8 sequence at text, 0 when it is not one (RFC 3629: no overlong forms,
 * surrogates or beyond). */
static size_t utf8_length(const unsigned char *text)
{
	size_t length = text[0] < 0x80 ? 1 : text[0] < 0xe0 ? 2 : text[0] < 0xf0 ? 3 : 4;

	if ((text[0] >= 0x80 && text[0] < 0xc2) || text[0] > 0xf4 ||
	    (text[0] == 0xe0 && text[1] < 0xa0) || (text[0] == 0xed && text[1] > 0x9f) ||
	    (text[0] == 0xf0 && text[1] < 0x90) || (text[0] == 0xf4 && text[1] > 0x8f)) {
		return 0;
	}
	for (size_t i = 1; i < length; i++) {
		if ((text[i] & 0xc0) != 0x80) {
			return 0;
		}
	}
	return length;
}

/* Text that XML can hold and a line can show: UTF-8, no control characters, none of XML's
 * non-characters. */
bool vm_resource_value_is_plain(const char *value, size_t max)
{
	const unsigned char *text = (const unsigned char *)value;

	if (strlen(value) > max) {
		return false;
	}
	while (*text != '\0') {
		size_t length = utf8_length(text);

		if (length == 0 || *text < 0x20 || *text == 0x7f ||
		    (text[0] == 0xef && text[1] == 0xbf && text[2] >= 0xbe)) {
			return false;
		}
		text += length;
	}
	return true;
}

bool vm_resource_node_is_valid(const char *name)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789._-:";

	return name[0] != '\0' && strlen(name) <= NODE_NAME_MAX &&
	       strspn(name, allowed) == strlen(name);
}

static bool parameter_is_known(const char *name)
{
	static const char *const known[] = {
		"relationship", "vm",	     "vm_resource",    "role",	       "peer",
		"storage",	"frequency", "exclude_disks",  "bandwidth",    "resync",
		"priority",	"points",    "point_interval", "app_interval", "map",
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcmp(known[i], name) == 0) {
			return true;
		}
	}
	return false;
}

static int check_parameters(Vmreplica__Ipc__CibNvpair *const *pairs, size_t count,
			    char error[VM_RESOURCE_ERROR_LEN])
{
	for (size_t i = 0; i < count; i++) {
		if (!parameter_is_known(pairs[i]->name)) {
			return refuse(error, "ocf:vmreplica:vm has no parameter \"%.64s\"",
				      pairs[i]->name);
		}
		if (!vm_resource_value_is_plain(pairs[i]->value, VM_RESOURCE_VALUE_MAX)) {
			return refuse(error,
				      "the value of parameter %s is too long or no plain text",
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

int vm_resource_check_delete(const char *resource, char error[VM_RESOURCE_ERROR_LEN])
{
	if (!validate_resource_id(resource)) {
		return refuse(error, "\"%.64s\" cannot be the id of a resource", resource);
	}
	return 0;
}

int vm_resource_check_create(const Vmreplica__Ipc__CibCreateVm *request,
			     char error[VM_RESOURCE_ERROR_LEN])
{
	int result = vm_resource_check_delete(request->resource, error);
	const char *value;

	if (result < 0) {
		return result;
	}
	result = check_parameters(request->parameters, request->n_parameters, error);
	if (result < 0) {
		return result;
	}
	value = nvpair_find(request->parameters, request->n_parameters, "relationship");
	if (value == NULL || !validate_uuid(value)) {
		return refuse(error, "parameter relationship is not a UUID");
	}
	value = nvpair_find(request->parameters, request->n_parameters, "vm");
	if (value == NULL || !validate_vm_name(value)) {
		return refuse(error, "parameter vm is not the name of a virtual machine");
	}
	if (request->vm_resource[0] != '\0' && !validate_resource_id(request->vm_resource)) {
		return refuse(error, "\"%.64s\" cannot be the id of the VM's resource",
			      request->vm_resource);
	}
	if (!validate_resource_id(request->engine_clone)) {
		return refuse(error, "\"%.64s\" cannot be the id of the engine's clone",
			      request->engine_clone);
	}
	if (request->location_node[0] != '\0' &&
	    !vm_resource_node_is_valid(request->location_node)) {
		return refuse(error, "\"%.64s\" cannot be the name of a node",
			      request->location_node);
	}
	return 0;
}

int vm_resource_check_update(const Vmreplica__Ipc__CibUpdateVm *request,
			     char error[VM_RESOURCE_ERROR_LEN])
{
	int result = vm_resource_check_delete(request->resource, error);

	return result < 0 ? result
			  : check_parameters(request->parameters, request->n_parameters, error);
}

int vm_resource_check_setting(const char *name, const char *value,
			      char error[VM_RESOURCE_ERROR_LEN])
{
	size_t prefix = sizeof(CIB_SETTING_PREFIX) - 1;

	if (strncmp(name, CIB_SETTING_PREFIX, prefix) != 0 || name[prefix] == '\0' ||
	    !validate_resource_id(name)) {
		return refuse(error, "\"%.64s\" cannot be the name of a setting of vmreplica",
			      name);
	}
	if (!vm_resource_value_is_plain(value, VM_RESOURCE_VALUE_MAX)) {
		return refuse(error, "the value of %s is too long or no plain text", name);
	}
	return 0;
}

int vm_resource_check_health(const char *attribute, const char *value,
			     char error[VM_RESOURCE_ERROR_LEN])
{
	size_t prefix = sizeof(CIB_SETTING_PREFIX) - 1;

	/* a primary's by the VM, a replica's by its resource */
	if (strncmp(attribute, CIB_SETTING_PREFIX, prefix) != 0 ||
	    (!validate_vm_name(attribute + prefix) && !validate_resource_id(attribute + prefix))) {
		return refuse(error, "\"%.64s\" cannot be the health attribute of a VM", attribute);
	}
	if (!vm_resource_value_is_plain(value, VM_RESOURCE_VALUE_MAX)) {
		return refuse(error, "the value of %s is too long or no plain text", attribute);
	}
	return 0;
}

static int pair_compare(const void *a, const void *b)
{
	const Vmreplica__Ipc__CibNvpair *const *one = a;
	const Vmreplica__Ipc__CibNvpair *const *two = b;

	return strcmp((*one)->name, (*two)->name);
}

int vm_resource_sort(Vmreplica__Ipc__CibNvpair *const *parameters, size_t count,
		     const Vmreplica__Ipc__CibNvpair ***ret_pairs, size_t *ret_count)
{
	const Vmreplica__Ipc__CibNvpair **pairs = calloc(count + 1, sizeof(*pairs));
	size_t used = 0;

	if (pairs == NULL) {
		return -ENOMEM;
	}
	for (size_t i = 0; i < count; i++) {
		if (parameters[i]->value[0] != '\0') {
			pairs[used++] = parameters[i];
		}
	}
	qsort(pairs, used, sizeof(*pairs), pair_compare);
	*ret_pairs = pairs;
	*ret_count = used;
	return 0;
}
