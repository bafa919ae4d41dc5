/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What we ask libvirt for, each as one bounded call. Private to source*.c. Every function: 0 or a
 * negative errno as source_call_translate makes it, or -ETIMEDOUT/-ENOTCONN/-ENOENT/-ENOMEM, always
 * with a sentence in error. Returned strings are the caller's to free. All block.
 */
#ifndef VMR_ENGINE_SOURCE_RPC_H
#define VMR_ENGINE_SOURCE_RPC_H

#include <stdbool.h>

#include "engine/source.h"

struct source_rpc_domain {
	char *live_xml;	  /* as it runs: with aliases, node indexes, labels */
	char *config_xml; /* what another host needs to start it */
	bool active;
	bool paused;
};
int source_rpc_domain(struct source_connection *connection, const char *vm,
		      struct source_rpc_domain *ret_domain, char error[SOURCE_ERROR_LEN]);
/* Names of all active domains, one a line. */
int source_rpc_active_domains(struct source_connection *connection, char **ret_names,
			      char error[SOURCE_ERROR_LEN]);

/* The persistent definition, whole and with secrets, as libvirt would take it back; and giving it one.
 */
int source_rpc_definition(struct source_connection *connection, const char *vm, char **ret_xml,
			  char error[SOURCE_ERROR_LEN]);
int source_rpc_define(struct source_connection *connection, const char *xml,
		      char error[SOURCE_ERROR_LEN]);

/* A QMP command to the domain's QEMU. Marks the domain as tainted ("custom monitor control commands
 * issued"), once. */
int source_rpc_monitor(struct source_connection *connection, const char *vm, const char *command,
		       char **ret_reply, char error[SOURCE_ERROR_LEN]);

/* Names of the checkpoints that libvirt has metadata of, one a line. */
int source_rpc_checkpoints(struct source_connection *connection, const char *vm, char **ret_names,
			   char error[SOURCE_ERROR_LEN]);
/* REDEFINE|REDEFINE_VALIDATE. -ESTALE when a bitmap is missing or inconsistent. */
int source_rpc_checkpoint_redefine(struct source_connection *connection, const char *vm,
				   const char *xml, char error[SOURCE_ERROR_LEN]);
/* -ESTALE when libvirt has no such checkpoint. */
int source_rpc_checkpoint_delete(struct source_connection *connection, const char *vm,
				 const char *name, bool metadata_only,
				 char error[SOURCE_ERROR_LEN]);

enum source_job_kind {
	SOURCE_JOB_NONE,
	SOURCE_JOB_BACKUP,
	SOURCE_JOB_MIGRATION, /* in or out, also a save, dump, snapshot: the VM is in another's
				 hands */
};
/* What job runs on the domain; *ret_backup_xml is set for SOURCE_JOB_BACKUP, else NULL. */
int source_rpc_job_kind(struct source_connection *connection, const char *vm,
			enum source_job_kind *ret_kind, char **ret_backup_xml,
			char error[SOURCE_ERROR_LEN]);

/* The first disk (of names, one a line) that a block job works on (copy, commit, a push backup's);
 * *ret_disk is NULL when there is none. */
int source_rpc_block_job(struct source_connection *connection, const char *vm, const char *names,
			 char **ret_disk, char error[SOURCE_ERROR_LEN]);

/* Start a pull backup. If the answer comes after our deadline, the job is ended again by the thread
 * that waited. checkpoint_xml may be NULL. */
int source_rpc_backup_begin(struct source_connection *connection, const char *vm,
			    const char *backup_xml, const char *checkpoint_xml,
			    char error[SOURCE_ERROR_LEN]);

enum source_end_flags {
	SOURCE_END_RESUME = 1u, /* resume a guest that an I/O error has paused */
	SOURCE_END_PERSISTENT =
		2u, /* go on trying when libvirt does not answer now, also after we returned */
	SOURCE_END_DETACHED =
		4u, /* persistent, and do not wait for it: returns -ETIMEDOUT at once */
};
struct source_end_result {
	bool ended;   /* a job was there and has ended */
	bool resumed; /* the guest had been paused by an I/O error and runs again */
};
/* End the backup job whose NBD socket is socket_path, and no other job: aborting "the current job"
 * blindly could cancel a live migration. 0 also when there is no such job (any more) and when the
 * VM is gone. */
int source_rpc_backup_end(struct source_connection *connection, const char *vm,
			  const char *socket_path, unsigned int flags,
			  struct source_end_result *ret_result, char error[SOURCE_ERROR_LEN]);

#endif
