/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/source_rpc.h"

#include <errno.h>
#include <libvirt/libvirt-qemu.h>
#include <libvirt/virterror.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "engine/source_call.h"
#include "engine/source_error.h"

static int no_memory(char *error)
{
	return source_fail(-ENOMEM, error, "out of memory");
}

/* Run a call and hand over its first reply (never NULL after success). */
static int run_for_reply(struct source_call *call, int64_t timeout_ms, char **ret_reply,
			 char error[SOURCE_ERROR_LEN])
{
	int result;

	if (call == NULL) {
		return no_memory(error);
	}
	result = source_call_run(call, timeout_ms, error);
	if (result == 0 && ret_reply != NULL) {
		*ret_reply = steal_ptr(call->reply[0]);
	}
	return result;
}

static int get_domain(struct source_call *call, virConnectPtr conn, virDomainPtr domain)
{
	int state, reason;

	call->reply[0] = virDomainGetXMLDesc(domain, 0);
	call->reply[1] =
		virDomainGetXMLDesc(domain, VIR_DOMAIN_XML_INACTIVE | VIR_DOMAIN_XML_MIGRATABLE);
	if (call->reply[0] == NULL || call->reply[1] == NULL ||
	    virDomainGetState(domain, &state, &reason, 0) < 0) {
		return source_call_translate(call, conn, "reading the VM's definition");
	}
	call->number = state;
	return 0;
}

int source_rpc_domain(struct source_connection *connection, const char *vm,
		      struct source_rpc_domain *ret_domain, char error[SOURCE_ERROR_LEN])
{
	cleanup_source_call struct source_call *call =
		source_call_new(connection, vm, get_domain, NULL, NULL);
	char *live_xml = NULL;
	int result = run_for_reply(call, SOURCE_CALL_QUERY_MS, &live_xml, error);

	if (result == 0) {
		ret_domain->live_xml = live_xml;
		ret_domain->config_xml = steal_ptr(call->reply[1]);
		ret_domain->active =
			call->number != VIR_DOMAIN_SHUTOFF && call->number != VIR_DOMAIN_CRASHED;
		ret_domain->paused = call->number == VIR_DOMAIN_PAUSED;
	}
	return result;
}

static int get_definition(struct source_call *call, virConnectPtr conn, virDomainPtr domain)
{
	call->reply[0] =
		virDomainGetXMLDesc(domain, VIR_DOMAIN_XML_INACTIVE | VIR_DOMAIN_XML_SECURE);
	return call->reply[0] != NULL
		       ? 0
		       : source_call_translate(call, conn, "reading the VM's definition");
}

int source_rpc_definition(struct source_connection *connection, const char *vm, char **ret_xml,
			  char error[SOURCE_ERROR_LEN])
{
	cleanup_source_call struct source_call *call =
		source_call_new(connection, vm, get_definition, NULL, NULL);

	return run_for_reply(call, SOURCE_CALL_QUERY_MS, ret_xml, error);
}

static int define(struct source_call *call, virConnectPtr conn, virDomainPtr domain)
{
	virDomainPtr defined = virDomainDefineXML(conn, call->text[0]);

	(void)domain;
	if (defined == NULL) {
		return source_call_translate(call, conn, "defining the VM");
	}
	virDomainFree(defined);
	return 0;
}

int source_rpc_define(struct source_connection *connection, const char *xml,
		      char error[SOURCE_ERROR_LEN])
{
	cleanup_source_call struct source_call *call =
		source_call_new(connection, NULL, define, xml, NULL);

	return run_for_reply(call, SOURCE_CALL_CHANGE_MS, NULL, error);
}

/* Append name and a newline to call->reply[0]. */
static int append_name(struct source_call *call, const char *name)
{
	size_t used = call->reply[0] != NULL ? strlen(call->reply[0]) : 0;
	size_t size = used + strlen(name) + 2;
	char *grown = realloc(call->reply[0], size);

	if (grown == NULL) {
		return no_memory(call->error);
	}
	snprintf(grown + used, size - used, "%s\n", name);
	call->reply[0] = grown;
	return 0;
}

static int list_domains(struct source_call *call, virConnectPtr conn, virDomainPtr domain)
{
	virDomainPtr *domains = NULL;
	int count, result = 0;

	(void)domain;
	call->reply[0] = strdup("");
	count = virConnectListAllDomains(conn, &domains, VIR_CONNECT_LIST_DOMAINS_ACTIVE);
	if (count < 0) {
		return source_call_translate(call, conn, "listing the VMs");
	}
	for (int i = 0; i < count; i++) {
		result = result != 0 ? result : append_name(call, virDomainGetName(domains[i]));
		virDomainFree(domains[i]);
	}
	free(domains);
	return result;
}

int source_rpc_active_domains(struct source_connection *connection, char **ret_names,
			      char error[SOURCE_ERROR_LEN])
{
	cleanup_source_call struct source_call *call =
		source_call_new(connection, NULL, list_domains, NULL, NULL);

	return run_for_reply(call, SOURCE_CALL_QUERY_MS, ret_names, error);
}

static int ask_monitor(struct source_call *call, virConnectPtr conn, virDomainPtr domain)
{
	if (virDomainQemuMonitorCommand(domain, call->text[0], &call->reply[0], 0) < 0) {
		return source_call_translate(call, conn, "asking QEMU");
	}
	return 0;
}

int source_rpc_monitor(struct source_connection *connection, const char *vm, const char *command,
		       char **ret_reply, char error[SOURCE_ERROR_LEN])
{
	cleanup_source_call struct source_call *call =
		source_call_new(connection, vm, ask_monitor, command, NULL);

	return run_for_reply(call, SOURCE_CALL_CHANGE_MS, ret_reply, error);
}

static int list_checkpoints(struct source_call *call, virConnectPtr conn, virDomainPtr domain)
{
	virDomainCheckpointPtr *checkpoints = NULL;
	int count, result = 0;

	call->reply[0] = strdup("");
	count = virDomainListAllCheckpoints(domain, &checkpoints, 0);
	if (count < 0) {
		return source_call_translate(call, conn, "listing the VM's checkpoints");
	}
	for (int i = 0; i < count; i++) {
		result = result != 0
				 ? result
				 : append_name(call, virDomainCheckpointGetName(checkpoints[i]));
		virDomainCheckpointFree(checkpoints[i]);
	}
	free(checkpoints);
	return result;
}

int source_rpc_checkpoints(struct source_connection *connection, const char *vm, char **ret_names,
			   char error[SOURCE_ERROR_LEN])
{
	cleanup_source_call struct source_call *call =
		source_call_new(connection, vm, list_checkpoints, NULL, NULL);

	return run_for_reply(call, SOURCE_CALL_QUERY_MS, ret_names, error);
}

static int redefine_checkpoint(struct source_call *call, virConnectPtr conn, virDomainPtr domain)
{
	virDomainCheckpointPtr checkpoint = virDomainCheckpointCreateXML(
		domain, call->text[0],
		VIR_DOMAIN_CHECKPOINT_CREATE_REDEFINE |
			VIR_DOMAIN_CHECKPOINT_CREATE_REDEFINE_VALIDATE);

	if (checkpoint == NULL) {
		return source_call_translate(call, conn, "telling libvirt of a checkpoint");
	}
	virDomainCheckpointFree(checkpoint);
	return 0;
}

int source_rpc_checkpoint_redefine(struct source_connection *connection, const char *vm,
				   const char *xml, char error[SOURCE_ERROR_LEN])
{
	cleanup_source_call struct source_call *call =
		source_call_new(connection, vm, redefine_checkpoint, xml, NULL);

	return run_for_reply(call, SOURCE_CALL_CHANGE_MS, NULL, error);
}

static int delete_checkpoint(struct source_call *call, virConnectPtr conn, virDomainPtr domain)
{
	virDomainCheckpointPtr checkpoint =
		virDomainCheckpointLookupByName(domain, call->text[0], 0);
	int result = 0;

	if (checkpoint == NULL || virDomainCheckpointDelete(checkpoint, call->flags) < 0) {
		result = source_call_translate(call, conn, "deleting a checkpoint");
	}
	if (checkpoint != NULL) {
		virDomainCheckpointFree(checkpoint);
	}
	return result;
}

int source_rpc_checkpoint_delete(struct source_connection *connection, const char *vm,
				 const char *name, bool metadata_only, char error[SOURCE_ERROR_LEN])
{
	cleanup_source_call struct source_call *call =
		source_call_new(connection, vm, delete_checkpoint, name, NULL);

	if (call != NULL && metadata_only) {
		call->flags = VIR_DOMAIN_CHECKPOINT_DELETE_METADATA_ONLY;
	}
	return run_for_reply(call, SOURCE_CALL_CHANGE_MS, NULL, error);
}
