/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cluster/pcs_commands.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/guard_resource.h"
#include "common/cleanup.h"
#include "proto/validate.h"

/* name=value, quoted for a shell when it holds anything that a shell could read as its own. */
static void print_option(FILE *out, const char *name, const char *value)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789._-+:/@%,=";

	(void)fprintf(out, " %s=", name);
	if (strspn(value, plain) == strlen(value)) {
		(void)fputs(value, out);
		return;
	}
	(void)fputc('\'', out);
	for (const char *p = value; *p != '\0'; p++) {
		if (*p == '\'') {
			(void)fputs("'\\''", out);
		} else {
			(void)fputc(*p, out);
		}
	}
	(void)fputc('\'', out);
}

static void print_create(FILE *out, const Vmreplica__Ipc__CibCreateVm *request,
			 const Vmreplica__Ipc__CibNvpair *const *pairs, size_t count)
{
	(void)fprintf(out, "pcs resource create %s %s", request->resource, VM_RESOURCE_AGENT);
	for (size_t i = 0; i < count; i++) {
		print_option(out, pairs[i]->name, pairs[i]->value);
	}
	(void)fputs(" op", out);
	for (size_t i = 0; i < vm_resource_operation_count; i++) {
		(void)fprintf(out, " %s interval=%s timeout=%s", vm_resource_operations[i].name,
			      vm_resource_operations[i].interval,
			      vm_resource_operations[i].timeout);
	}
	(void)fputs(" meta", out);
	for (size_t i = 0; i < vm_resource_meta_count; i++) {
		print_option(out, vm_resource_metas[i].name, vm_resource_metas[i].value);
	}
}

/* Take what was written to *text as the next line. -ENOMEM when the stream failed. */
static int finish_line(struct pcs_commands *commands, FILE *out, char **text)
{
	if (out == NULL || fclose(out) != 0) {
		return -ENOMEM;
	}
	commands->lines[commands->count++] = steal_ptr(*text);
	return 0;
}

__attribute__((format(printf, 2, 3))) static int add_line(struct pcs_commands *commands,
							  const char *format, ...)
{
	char *line = NULL;
	va_list args;
	int length;

	va_start(args, format);
	length = vasprintf(&line, format, args);
	va_end(args);
	if (length < 0) {
		return -ENOMEM;
	}
	commands->lines[commands->count++] = line;
	return 0;
}

static int add_follow(struct pcs_commands *commands, const char *resource, const char *other,
		      enum vm_constraint order, enum vm_constraint colocation)
{
	char id[VM_RESOURCE_ID_LEN];
	int result;

	result = add_line(commands, "pcs constraint order %s then %s id=%s", other, resource,
			  vm_constraint_id(order, resource, id));
	if (result < 0) {
		return result;
	}
	return add_line(commands,
			"pcs constraint colocation add %s with %s INFINITY influence=false id=%s",
			resource, other, vm_constraint_id(colocation, resource, id));
}

static int add_constraints(struct pcs_commands *commands,
			   const Vmreplica__Ipc__CibCreateVm *request)
{
	const char *resource = request->resource;
	char id[VM_RESOURCE_ID_LEN];
	int result = 0;

	if (request->vm_resource[0] != '\0') {
		result = add_follow(commands, resource, request->vm_resource,
				    VM_CONSTRAINT_ORDER_VM, VM_CONSTRAINT_COLOCATION_VM);
	}
	if (result == 0) {
		result = add_follow(commands, resource, request->engine_clone,
				    VM_CONSTRAINT_ORDER_ENGINE, VM_CONSTRAINT_COLOCATION_ENGINE);
	}
	if (result < 0 || request->location_node[0] == '\0') {
		return result;
	}
	return add_line(
		commands,
		"pcs constraint location %s rule constraint-id=%s score=-INFINITY '#uname' ne %s",
		resource, vm_constraint_id(VM_CONSTRAINT_LOCATION, resource, id),
		request->location_node);
}

int pcs_commands_create_vm(const Vmreplica__Ipc__CibCreateVm *request,
			   struct pcs_commands *ret_commands, char error[VM_RESOURCE_ERROR_LEN])
{
	cleanup_free const Vmreplica__Ipc__CibNvpair **pairs = NULL;
	__attribute__((cleanup(pcs_commands_destroy))) struct pcs_commands commands = {0};
	cleanup_free char *text = NULL;
	size_t size, count;
	FILE *out;
	int result = vm_resource_check_create(request, error);

	if (result < 0) {
		return result;
	}
	(void)snprintf(error, VM_RESOURCE_ERROR_LEN, "out of memory");
	if (vm_resource_sort(request->parameters, request->n_parameters, &pairs, &count) < 0) {
		return -ENOMEM;
	}
	out = open_memstream(&text, &size);
	if (out != NULL) {
		print_create(out, request, pairs, count);
	}
	if (finish_line(&commands, out, &text) < 0 || add_constraints(&commands, request) < 0) {
		return -ENOMEM;
	}
	*ret_commands = commands;
	commands = (struct pcs_commands){0};
	return 0;
}

/*
 * Tried with Pacemaker 2.1.5. A clone, because a plain resource before the VM turns each live
 * migration into a restart. Ordered one-sidedly and not colocated, or Pacemaker stops a VM that
 * runs as soon as its guard fails, loses its state or is disabled. And a stop that fails would
 * fence the node, though there is nothing to a guard's stop.
 */
int pcs_commands_create_guard(const char *vm_resource, const char *relationship,
			      struct pcs_commands *ret_commands)
{
	__attribute__((cleanup(pcs_commands_destroy))) struct pcs_commands commands = {0};

	if (!validate_resource_id(vm_resource) || !validate_uuid(relationship)) {
		return -EINVAL;
	}
	if (add_line(&commands,
		     "pcs resource create %s-guard " GUARD_RESOURCE_AGENT
		     " relationship=%s op stop timeout=20s on-fail=ignore"
		     " meta failure-timeout=60s clone interleave=true",
		     vm_resource, relationship) < 0 ||
	    add_line(&commands, "pcs constraint order %s then %s-guard-clone kind=Optional",
		     CIB_ENGINE_CLONE_DEFAULT, vm_resource) < 0 ||
	    add_line(&commands,
		     "pcs constraint order start %s-guard-clone then start %s symmetrical=false",
		     vm_resource, vm_resource) < 0) {
		return -ENOMEM;
	}
	*ret_commands = commands;
	commands = (struct pcs_commands){0};
	return 0;
}

void pcs_commands_destroy(struct pcs_commands *commands)
{
	for (size_t i = 0; i < commands->count; i++) {
		free(commands->lines[i]);
	}
	commands->count = 0;
}
