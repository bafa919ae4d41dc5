/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/source_orphan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/log.h"
#include "engine/source_connection.h"
#include "engine/source_error.h"
#include "engine/source_rpc.h"
#include "engine/source_run.h"

char *source_orphan_socket(const char *socket_directory, const char *vm)
{
	char *path;

	return asprintf(&path, "%s/" SOURCE_FILE_PREFIX "%s.sock", socket_directory, vm) >= 0
		       ? path
		       : NULL;
}

static bool is_ours(const char *socket_path)
{
	const char *slash = socket_path != NULL ? strrchr(socket_path, '/') : NULL;

	return slash != NULL &&
	       strncmp(slash + 1, SOURCE_FILE_PREFIX, strlen(SOURCE_FILE_PREFIX)) == 0;
}

static bool is_below(const char *path, const char *directory)
{
	size_t length = strlen(directory);

	return strncmp(path, directory, length) == 0 && path[length] == '/';
}

/* What job runs on vm; *ret_socket is set when it is one of ours, else NULL. */
static int find_job(struct source_connection *connection, const char *vm,
		    enum source_job_kind *ret_kind, char **ret_socket, char **ret_xml,
		    char error[SOURCE_ERROR_LEN])
{
	char *xml, *socket_path;
	int result = source_rpc_job_kind(connection, vm, ret_kind, &xml, error);

	if (result != 0) {
		return result;
	}
	socket_path = xml != NULL ? source_xml_backup_socket(xml) : NULL;
	if (!is_ours(socket_path)) {
		free(socket_path);
		socket_path = NULL;
	}
	*ret_socket = socket_path;
	*ret_xml = xml;
	return 0;
}

static int end_orphan(struct source_connection *connection, const char *vm, const char *socket_path,
		      char error[SOURCE_ERROR_LEN])
{
	struct source_end_result ended;
	int result = source_rpc_backup_end(connection, vm, socket_path, SOURCE_END_RESUME, &ended,
					   error);

	if (result == 0 && ended.ended) {
		log_notice("vm %s: ended a backup job of ours that nobody watched", vm);
	}
	return result;
}

static int busy(const char *vm, const char *backup_xml, char error[SOURCE_ERROR_LEN])
{
	cleanup_free char *what = source_xml_backup_describe(backup_xml);

	return source_fail(
		-EBUSY, error,
		"another tool's backup job is running on %s (%s): replication goes on when "
		"it is over; virsh domjobabort %s ends it",
		vm, what != NULL ? what : "unknown", vm);
}

/* -EBUSY when a disk of ours is being copied or committed by someone; a merge of ours is ended: who
 * waits for one has no cycle begun meanwhile. */
static int check_block_jobs(struct source *source, char error[SOURCE_ERROR_LEN])
{
	char names[DISKS_MAX * (DISK_NAME_MAX + 1) + 1] = "";
	cleanup_free char *disk = NULL;
	size_t used = 0;
	int result;

	for (size_t i = 0; i < source->domain.count; i++) {
		if (source_disk_is_replicated(&source->domain.disks[i])) {
			used += (size_t)snprintf(names + used, sizeof(names) - used, "%s\n",
						 source->domain.disks[i].name);
		}
	}
	result = source_rpc_block_job(source->connection, source->vm, names, &disk, error);
	if (result == 0 && disk != NULL &&
	    source_run_end_commits(source->connection, source->vm, error) > 0) {
		free(steal_ptr(disk));
		result = source_rpc_block_job(source->connection, source->vm, names, &disk, error);
	}
	if (result == 0 && disk != NULL) {
		return source_fail(
			-EBUSY, error,
			"a block job is running on %s of %s (copy, commit or another tool's "
			"backup): replication goes on when it is over; virsh blockjob %s %s "
			"shows it",
			disk, source->vm, source->vm, disk);
	}
	return result;
}

int source_orphan_clear(struct source *source, char error[SOURCE_ERROR_LEN])
{
	cleanup_free char *socket_path = NULL, *xml = NULL;
	enum source_job_kind kind;
	int result = find_job(source->connection, source->vm, &kind, &socket_path, &xml, error);

	if (result != 0) {
		return result;
	}
	if (kind == SOURCE_JOB_NONE) {
		return source->active ? check_block_jobs(source, error) : 0;
	}
	if (kind == SOURCE_JOB_MIGRATION) {
		return source_fail(-EAGAIN, error, "%s is being migrated or saved", source->vm);
	}
	if (socket_path == NULL) {
		return busy(source->vm, xml, error);
	}
	if (source_connection_job_is_watched(source->connection, socket_path)) {
		return source_fail(-EBUSY, error, "a backup job of ours is open on %s already",
				   source->vm);
	}
	return end_orphan(source->connection, source->vm, socket_path, error);
}

int source_job_abort_by_name(struct source_connection *connection, const char *vm,
			     char error[SOURCE_ERROR_LEN])
{
	cleanup_free char *socket_path = NULL, *xml = NULL;
	enum source_job_kind kind;
	struct source_end_result ended;
	int result = find_job(connection, vm, &kind, &socket_path, &xml, error);

	if (result == -ENOENT) {
		return 0; /* a VM that is gone has no job */
	}
	if (result != 0 || socket_path == NULL) {
		return result;
	}
	return source_rpc_backup_end(connection, vm, socket_path, SOURCE_END_RESUME, &ended, error);
}

/* 1 when an orphan of ours was ended on vm; merges (source_run_end_commits) are not counted. */
static int end_orphan_of(struct source_connection *connection, const char *vm,
			 const char *socket_directory)
{
	cleanup_free char *socket_path = NULL, *xml = NULL;
	enum source_job_kind kind;
	char error[SOURCE_ERROR_LEN];
	int result = source_run_end_commits(connection, vm, error);

	if (result < 0 && result != -ENOENT) {
		log_warning("vm %s: cannot tell whether a merge of images of ours is left: %s", vm,
			    error);
	}
	result = find_job(connection, vm, &kind, &socket_path, &xml, error);
	if (result == 0 && (socket_path == NULL || !is_below(socket_path, socket_directory) ||
			    source_connection_job_is_watched(connection, socket_path))) {
		return 0;
	}
	if (result == 0) {
		result = end_orphan(connection, vm, socket_path, error);
	}
	if (result != 0 && result != -ENOENT) {
		log_warning("vm %s: cannot tell whether a backup job of ours is left: %s", vm,
			    error);
	}
	return result == 0 ? 1 : 0;
}

int source_end_orphans(struct source_connection *connection, const char *socket_directory)
{
	cleanup_free char *names = NULL;
	char error[SOURCE_ERROR_LEN];
	char *rest, *vm;
	int ended = 0;
	int result = source_rpc_active_domains(connection, &names, error);

	if (result != 0) {
		log_warning("cannot look for backup jobs that an earlier engine left: %s", error);
		return result;
	}
	rest = names;
	while ((vm = strsep(&rest, "\n")) != NULL) {
		if (*vm != '\0') {
			ended += end_orphan_of(connection, vm, socket_directory);
		}
	}
	return ended;
}
