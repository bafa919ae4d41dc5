/* SPDX-License-Identifier: GPL-2.0-or-later */
/* VMs of ours on a replica's side, as libvirt has them: who QEMU is, whether one runs, starting and
 * ending one where Pacemaker does not, consolidating its images. All block, bounded; workers only.
 * Every function: 0 or a negative errno with a sentence. */
#ifndef VMR_ENGINE_SOURCE_RUN_H
#define VMR_ENGINE_SOURCE_RUN_H

#include <stdatomic.h>
#include <sys/types.h>

#include "engine/source.h"

/* The user and group that libvirt runs QEMU as here. */
int source_run_user(struct source_connection *connection, uid_t *ret_uid, gid_t *ret_gid,
		    char error[SOURCE_ERROR_LEN]);

enum source_run_state {
	SOURCE_RUN_ABSENT,
	SOURCE_RUN_OFF, /* defined, not running */
	SOURCE_RUN_RUNNING,
};
int source_run_state(struct source_connection *connection, const char *vm,
		     enum source_run_state *ret_state, char error[SOURCE_ERROR_LEN]);

/* Run a transient VM from its definition, as VirtualDomain does. One that runs already is left
 * alone (0). */
int source_run_create(struct source_connection *connection, const char *vm, const char *xml,
		      char error[SOURCE_ERROR_LEN]);
/* End it: asked to shut down, and after grace_ms (0: at once) by force. 0 also when it does not
 * run.
 */
int source_run_end(struct source_connection *connection, const char *vm, int grace_ms,
		   char error[SOURCE_ERROR_LEN]);

/* Merge all images of a running VM's disk (its target's name) from top down to above base into
 * base, while it runs; top is not the one that it writes to. -ENOTSUP or -EBUSY: another job has
 * that disk. Returns when it is done; *stop (may be set by another thread) gives up, -ECANCELED,
 * and the job is gone then (QEMU had a minute for that, else it is logged). */
int source_run_commit(struct source_connection *connection, const char *vm, const char *disk,
		      const char *base, const char *top, const atomic_bool *stop,
		      char error[SOURCE_ERROR_LEN]);
/* End such merges on vm that nobody of this process waits for: an earlier engine left them. Known
 * by their rate; jobs of others are left alone. How many were ended, or a negative errno. */
int source_run_end_commits(struct source_connection *connection, const char *vm,
			   char error[SOURCE_ERROR_LEN]);

#endif
