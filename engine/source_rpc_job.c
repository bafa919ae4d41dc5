/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The part of source_rpc.h that is about jobs. */
#include <errno.h>
#include <libvirt/virterror.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/log.h"
#include "engine/source_call.h"
#include "engine/source_error.h"
#include "engine/source_rpc.h"
#include "engine/source_xml.h"

/* An aborted backup job ends within milliseconds; a busy disk may make QEMU wait for its requests
 * in flight. */
#define END_WAIT_MS 10000
#define END_POLL_MS 10

/* The running job's operation (virDomainJobOperation), 0 when there is none, -1 after an error. */
static int job_operation(virDomainPtr domain)
{
	virTypedParameterPtr params = NULL;
	int type = VIR_DOMAIN_JOB_NONE, count = 0, operation = 0;

	if (virDomainGetJobStats(domain, &type, &params, &count, 0) < 0) {
		return -1;
	}
	if (type != VIR_DOMAIN_JOB_NONE) {
		virTypedParamsGetInt(params, count, VIR_DOMAIN_JOB_OPERATION, &operation);
	}
	virTypedParamsFree(params, count);
	return operation;
}

static enum source_job_kind kind_of(int operation)
{
	switch (operation) {
	case VIR_DOMAIN_JOB_OPERATION_BACKUP:
		return SOURCE_JOB_BACKUP;
	case VIR_DOMAIN_JOB_OPERATION_MIGRATION_IN:
	case VIR_DOMAIN_JOB_OPERATION_MIGRATION_OUT:
	case VIR_DOMAIN_JOB_OPERATION_SAVE:
	case VIR_DOMAIN_JOB_OPERATION_RESTORE:
	case VIR_DOMAIN_JOB_OPERATION_SNAPSHOT:
	case VIR_DOMAIN_JOB_OPERATION_DUMP:
		return SOURCE_JOB_MIGRATION;
	default:
		return SOURCE_JOB_NONE;
	}
}

static int get_job_kind(struct source_call *call, virConnectPtr conn, virDomainPtr domain)
{
	int operation = job_operation(domain);

	/* A shut off domain has no job, and libvirt calls the question an invalid operation. */
	if (operation < 0 && virGetLastErrorCode() != VIR_ERR_OPERATION_INVALID) {
		return source_call_translate(call, conn, "asking for the VM's running job");
	}
	call->number = kind_of(operation);
	if (call->number == SOURCE_JOB_BACKUP) {
		call->reply[0] = virDomainBackupGetXMLDesc(domain, 0);
		if (call->reply[0] == NULL) {
			call->number = SOURCE_JOB_NONE; /* it has just ended */
		}
	}
	return 0;
}

int source_rpc_job_kind(struct source_connection *connection, const char *vm,
			enum source_job_kind *ret_kind, char **ret_backup_xml,
			char error[SOURCE_ERROR_LEN])
{
	cleanup_source_call struct source_call *call =
		source_call_new(connection, vm, get_job_kind, NULL, NULL);
	int result;

	if (call == NULL) {
		return source_fail(-ENOMEM, error, "out of memory");
	}
	result = source_call_run(call, SOURCE_CALL_QUERY_MS, error);
	if (result == 0) {
		*ret_kind = (enum source_job_kind)call->number;
		*ret_backup_xml = steal_ptr(call->reply[0]);
	}
	return result;
}

static int find_block_job(struct source_call *call, virConnectPtr conn, virDomainPtr domain)
{
	char *rest = call->text[0], *disk;

	(void)conn;
	while ((disk = strsep(&rest, "\n")) != NULL) {
		virDomainBlockJobInfo info;

		if (*disk != '\0' && virDomainGetBlockJobInfo(domain, disk, &info, 0) == 1) {
			call->reply[0] = strdup(disk);
			return 0;
		}
	}
	return 0;
}

int source_rpc_block_job(struct source_connection *connection, const char *vm, const char *names,
			 char **ret_disk, char error[SOURCE_ERROR_LEN])
{
	cleanup_source_call struct source_call *call =
		source_call_new(connection, vm, find_block_job, names, NULL);
	int result;

	if (call == NULL) {
		return source_fail(-ENOMEM, error, "out of memory");
	}
	result = source_call_run(call, SOURCE_CALL_QUERY_MS, error);
	if (result == 0) {
		*ret_disk = steal_ptr(call->reply[0]);
	}
	return result;
}

/* True when a backup job runs whose NBD socket is socket_path. */
static bool is_running(virDomainPtr domain, const char *socket_path)
{
	cleanup_free char *xml = virDomainBackupGetXMLDesc(domain, 0);
	cleanup_free char *running = xml != NULL ? source_xml_backup_socket(xml) : NULL;

	return running != NULL && strcmp(running, socket_path) == 0;
}

/* 0 when the job was not there, 1 when it has ended now, negative errno. */
static int abort_backup(struct source_call *call, virConnectPtr conn, virDomainPtr domain,
			const char *socket_path)
{
	int64_t until_ms = clock_monotonic_ms() + END_WAIT_MS;

	if (!is_running(domain, socket_path)) {
		return virConnectIsAlive(conn) == 1
			       ? 0
			       : source_call_translate(call, conn, "asking for the backup job");
	}
	if (virDomainAbortJob(domain) < 0 && is_running(domain, socket_path)) {
		return source_call_translate(call, conn, "ending the backup job");
	}
	while (is_running(domain, socket_path)) {
		if (clock_monotonic_ms() > until_ms) {
			return source_fail(-EAGAIN, call->error,
					   "the backup job was told to end but still runs");
		}
		clock_sleep_ms(END_POLL_MS);
	}
	return 1;
}

/* A write of the guest that found no room in a job's scratch file pauses the guest with an I/O
 * error, and ending the job does not resume it. Returns 1 when the guest was resumed. */
static int resume_guest(struct source_call *call, virConnectPtr conn, virDomainPtr domain)
{
	int state, reason;

	if (virDomainGetState(domain, &state, &reason, 0) < 0) {
		return source_call_translate(call, conn, "asking for the VM's state");
	}
	if (state != VIR_DOMAIN_PAUSED || reason != VIR_DOMAIN_PAUSED_IOERROR) {
		return 0;
	}
	if (virDomainResume(domain) < 0) {
		return source_call_translate(call, conn,
					     "resuming the VM, which our backup job had paused");
	}
	log_error("vm %s: the guest was paused by an I/O error while our backup job was open (its "
		  "scratch file found no room); the job was ended and the guest resumed",
		  source_call_vm(call));
	return 1;
}

#define ENDED	1
#define RESUMED 2

static int end_backup_at(struct source_call *call, virConnectPtr conn, virDomainPtr domain,
			 const char *socket_path)
{
	int result = abort_backup(call, conn, domain, socket_path);

	if (result > 0) {
		call->number |= ENDED;
	}
	if (result >= 0 && (call->flags & SOURCE_END_RESUME) != 0) {
		result = resume_guest(call, conn, domain);
		if (result > 0) {
			call->number |= RESUMED;
		}
	}
	return result < 0 ? result : 0;
}

static int end_backup(struct source_call *call, virConnectPtr conn, virDomainPtr domain)
{
	return end_backup_at(call, conn, domain, call->text[0]);
}

int source_rpc_backup_end(struct source_connection *connection, const char *vm,
			  const char *socket_path, unsigned int flags,
			  struct source_end_result *ret_result, char error[SOURCE_ERROR_LEN])
{
	cleanup_source_call struct source_call *call =
		source_call_new(connection, vm, end_backup, socket_path, NULL);
	int result;

	if (call == NULL) {
		return source_fail(-ENOMEM, error, "out of memory");
	}
	call->flags = flags;
	call->persistent = (flags & (SOURCE_END_PERSISTENT | SOURCE_END_DETACHED)) != 0;
	result = source_call_run(
		call, (flags & SOURCE_END_DETACHED) != 0 ? 1 : SOURCE_CALL_CHANGE_MS, error);
	if (result == -ENOENT) {
		*ret_result = (struct source_end_result){0};
		return 0;
	}
	if (result == 0) {
		ret_result->ended = (call->number & ENDED) != 0;
		ret_result->resumed = (call->number & RESUMED) != 0;
	}
	return result;
}

static int begin_backup(struct source_call *call, virConnectPtr conn, virDomainPtr domain)
{
	if (virDomainBackupBegin(domain, call->text[0], call->text[1], 0) < 0) {
		return source_call_translate(call, conn, "starting the backup job");
	}
	return 0;
}

static int undo_begin(struct source_call *call, virConnectPtr conn, virDomainPtr domain)
{
	cleanup_free char *socket_path = source_xml_backup_socket(call->text[0]);

	if (socket_path == NULL) {
		return source_fail(-ENOMEM, call->error, "out of memory");
	}
	call->flags = SOURCE_END_RESUME;
	return end_backup_at(call, conn, domain, socket_path);
}

int source_rpc_backup_begin(struct source_connection *connection, const char *vm,
			    const char *backup_xml, const char *checkpoint_xml,
			    char error[SOURCE_ERROR_LEN])
{
	cleanup_source_call struct source_call *call =
		source_call_new(connection, vm, begin_backup, backup_xml, checkpoint_xml);

	if (call == NULL) {
		return source_fail(-ENOMEM, error, "out of memory");
	}
	call->undo = undo_begin;
	return source_call_run(call, SOURCE_CALL_CHANGE_MS, error);
}
