/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/host_vm.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/cleanup.h"
#include "engine/definition_file.h"
#include "engine/engine.h"
#include "engine/source_call.h"
#include "engine/source_define.h"
#include "engine/source_error.h"
#include "engine/source_rpc.h"

#define DEFINITIONS_DIR ENGINE_STATE_DIR "/definitions"

char *host_vm_definition(const char *relationship, char buf[PATH_LEN_MAX + 1])
{
	snprintf(buf, PATH_LEN_MAX + 1, DEFINITIONS_DIR "/%s.xml", relationship);
	return buf;
}

/* ---- its definition ---- */

/* What source_define made for a while is not the VM's own. */
int host_vm_save(struct source_connection *connection, const char *vm, const char *path,
		 char error[SOURCE_ERROR_LEN])
{
	cleanup_free char *xml = NULL;
	bool changed;
	int result = source_rpc_definition(connection, vm, &xml, error);

	if (result < 0 || source_define_is_marked(xml)) {
		return result == -ENOENT ? 0 : result;
	}
	/* it may hold passwords */
	result = mkdir(DEFINITIONS_DIR, 0700) < 0 && errno != EEXIST ? -errno : 0;
	if (result == 0) {
		result = definition_file_write(path, DEFINITION_FILE_MODE, xml, &changed);
	}
	return result == 0 ? 0
			   : source_fail(result, error, "the definition of %s is not saved: %s: %s",
					 vm, path, strerror(-result));
}

static int load(const char *path, char **ret_xml, char error[SOURCE_ERROR_LEN])
{
	int result = definition_file_load(path, ret_xml);

	return result == 0 ? 0
			   : source_fail(result, error, "the VM's definition %s cannot be read: %s",
					 path, strerror(-result));
}

/* ---- stopping ---- */

int host_vm_stop(struct source_connection *connection, const char *vm, const char *path,
		 int grace_ms, char error[SOURCE_ERROR_LEN])
{
	int result = host_vm_save(connection, vm, path, error);

	return result < 0 ? result : source_run_end(connection, vm, grace_ms, error);
}

static int undefine(struct source_call *call, virConnectPtr conn, virDomainPtr domain)
{
	unsigned int flags = VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA |
			     VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA |
			     VIR_DOMAIN_UNDEFINE_KEEP_NVRAM;

#if LIBVIR_VERSION_NUMBER >= 8009000
	flags |= VIR_DOMAIN_UNDEFINE_KEEP_TPM;
#endif
	if (virDomainIsActive(domain) == 1) {
		return source_fail(-EBUSY, call->error, "%s runs", source_call_vm(call));
	}
	return virDomainUndefineFlags(domain, flags) == 0
		       ? 0
		       : source_call_translate(call, conn, "undefining the VM");
}

static int run_on(struct source_connection *connection, const char *vm, source_call_fn fn,
		  const char *text, unsigned int flags, int *ret_number,
		  char error[SOURCE_ERROR_LEN])
{
	cleanup_source_call struct source_call *call =
		source_call_new(connection, vm, fn, text, NULL);
	int result;

	if (call == NULL) {
		return source_fail(-ENOMEM, error, "out of memory");
	}
	call->flags = flags;
	result = source_call_run(call, SOURCE_CALL_CHANGE_MS, error);
	if (result == 0 && ret_number != NULL) {
		*ret_number = call->number;
	}
	return result;
}

int host_vm_forget(struct source_connection *connection, const char *vm, const char *path,
		   char error[SOURCE_ERROR_LEN])
{
	int result = host_vm_save(connection, vm, path, error);

	if (result == 0) {
		result = run_on(connection, vm, undefine, NULL, 0, NULL, error);
	}
	return result == -ENOENT ? 0 : result;
}

/* ---- starting ---- */

static int start(struct source_call *call, virConnectPtr conn, virDomainPtr domain)
{
	return virDomainIsActive(domain) == 1 || virDomainCreate(domain) == 0
		       ? 0
		       : source_call_translate(call, conn, "starting the VM");
}

static int define_from(struct source_connection *connection, const char *path,
		       char error[SOURCE_ERROR_LEN])
{
	cleanup_free char *xml = NULL;
	int result = load(path, &xml, error);

	return result < 0 ? result : source_rpc_define(connection, xml, error);
}

int host_vm_start(struct source_connection *connection, const char *vm, const char *path,
		  char error[SOURCE_ERROR_LEN])
{
	int result = run_on(connection, vm, start, NULL, 0, NULL, error);

	if (result == -ENOENT) {
		result = define_from(connection, path, error);
		if (result == 0) {
			result = run_on(connection, vm, start, NULL, 0, NULL, error);
		}
	}
	return result;
}

/* number: 1 when its UUID is not text[0]. */
static int compare_uuid(struct source_call *call, virConnectPtr conn, virDomainPtr domain)
{
	char uuid[VIR_UUID_STRING_BUFLEN];

	if (virDomainGetUUIDString(domain, uuid) < 0) {
		return source_call_translate(call, conn, "asking for the VM's UUID");
	}
	call->number = strcmp(uuid, call->text[0]) != 0;
	return 0;
}

/* The one that replica_domain.c wrote: the element stands on a line of its own. False: it names
 * none, and libvirt will choose one. */
static bool find_uuid(const char *xml, char uuid[VIR_UUID_STRING_BUFLEN])
{
	const char *found = strstr(xml, "<uuid>");

	if (found == NULL || strlen(found) < sizeof("<uuid>") + VIR_UUID_STRING_BUFLEN) {
		return false;
	}
	snprintf(uuid, VIR_UUID_STRING_BUFLEN, "%s", found + sizeof("<uuid>") - 1);
	return true;
}

int host_vm_check_name(struct source_connection *connection, const char *vm, const char *path,
		       char error[SOURCE_ERROR_LEN])
{
	char uuid[VIR_UUID_STRING_BUFLEN] = "";
	cleanup_free char *xml = NULL;
	int other = 0, result = load(path, &xml, error);

	if (result < 0 && result != -ENOENT) {
		return result;
	}
	if (result == 0) {
		find_uuid(xml, uuid);
	}
	result = run_on(connection, vm, compare_uuid, uuid, 0, &other, error);
	if (result == 0 && other != 0) {
		return source_fail(-EEXIST, error, "libvirt has another VM called %s on this host",
				   vm);
	}
	return result == -ENOENT ? 0 : result;
}

int host_vm_define(struct source_connection *connection, const char *vm, const char *path,
		   char error[SOURCE_ERROR_LEN])
{
	enum source_run_state state = SOURCE_RUN_ABSENT;
	int result = source_run_state(connection, vm, &state, error);

	return result < 0 || state != SOURCE_RUN_ABSENT ? result
							: define_from(connection, path, error);
}

int host_vm_define_and_start(struct source_connection *connection, const char *vm, const char *path,
			     char error[SOURCE_ERROR_LEN])
{
	enum source_run_state state = SOURCE_RUN_ABSENT;
	int result = host_vm_check_name(connection, vm, path, error);

	if (result == 0) {
		result = source_run_state(connection, vm, &state, error);
	}
	if (result < 0 || state == SOURCE_RUN_RUNNING) {
		return result;
	}
	result = define_from(connection, path, error);
	return result < 0 ? result : run_on(connection, vm, start, NULL, 0, NULL, error);
}

/* ---- with the host ---- */

static int get_autostart(struct source_call *call, virConnectPtr conn, virDomainPtr domain)
{
	int on = 0;

	if (virDomainIsPersistent(domain) == 1 && virDomainGetAutostart(domain, &on) < 0) {
		return source_call_translate(call, conn, "asking whether the VM starts by itself");
	}
	call->number = on;
	return 0;
}

static int set_autostart(struct source_call *call, virConnectPtr conn, virDomainPtr domain)
{
	return virDomainSetAutostart(domain, call->flags == 1 ? 1 : 0) == 0
		       ? 0
		       : source_call_translate(call, conn,
					       "saying whether the VM starts by itself");
}

int host_vm_autostart(struct source_connection *connection, const char *vm, bool *ret_on,
		      char error[SOURCE_ERROR_LEN])
{
	int on = 0, result = run_on(connection, vm, get_autostart, NULL, 0, &on, error);

	if (result == 0 || result == -ENOENT) {
		*ret_on = on == 1;
		return 0;
	}
	return result;
}

int host_vm_set_autostart(struct source_connection *connection, const char *vm, bool on,
			  char error[SOURCE_ERROR_LEN])
{
	return run_on(connection, vm, set_autostart, NULL, on ? 1 : 0, NULL, error);
}
