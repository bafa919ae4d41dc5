/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A primary VM as the sender sees it: its disks, our checkpoints (persistent dirty bitmaps) and backup jobs in pull mode.
 * The only files that know libvirt are source*.c. Every call blocks (libvirt RPC, QEMU): workers only, one thread per
 * source at a time. First law: nothing here stops, moves or pauses the VM; a guest that a job of ours paused
 * (scratch full) is resumed and reported.
 */
#ifndef VMR_ENGINE_SOURCE_H
#define VMR_ENGINE_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/nbd.h"
#include "proto/limits.h"
#include "proto/names.h"

#define SOURCE_ERROR_LEN 512

struct source_connection; /* one libvirt connection, shared, reconnecting; its event loop runs in a thread of its own */
/* uri NULL = qemu:///system. Starts the event thread; connects lazily. */
struct source_connection *source_connection_new(const char *uri);
void source_connection_free(struct source_connection *connection);

struct dirty_map;
struct replica_lender;
struct source_options {
	const char *vm;			       /* libvirt's name */
	const char *const *exclude_disks;      /* NULL-terminated, may be NULL */
	const char *scratch_directory;
	uint64_t scratch_reserve_bytes, scratch_cap_bytes;
	const char *socket_directory;	       /* for the jobs' NBD sockets; must be reachable by QEMU's user */
	const struct replica_lender *lender;   /* not NULL: the VM is a replica here, whose store is read (source_replica.h); borrowed */
	int64_t job_max_age_ms;		       /* source_job_check ends a job that is older; 0 = 15 minutes */
};

struct source_disk {
	char name[DISK_NAME_MAX + 1];
	uint64_t size_bytes;
	char *path;	   /* owned: the image */
	char *format;	   /* owned: "qcow2", "raw", ... */
	char *problem;	   /* owned: why it cannot be replicated, with what to do; NULL = fine */
	bool excluded;
	char *data_path;   /* owned: the raw disk that path is the header of (wrap); NULL = none */
};

struct source;
/* Look the VM up and examine its disks (without touching them). -ENOENT unknown VM, -ETIMEDOUT libvirt does not answer,
 * -ENOTCONN, with a sentence in error. A VM with disks that cannot be replicated still opens: see problem. */
int source_open(struct source_connection *connection, const struct source_options *options, struct source **ret_source,
		char error[SOURCE_ERROR_LEN]);
void source_close(struct source *source); /* does not end a job; NULL allowed */
size_t source_disk_count(const struct source *source); /* with the excluded ones */
const struct source_disk *source_disk_at(const struct source *source, size_t index);
bool source_is_active(const struct source *source);    /* running or paused, as of source_open or the last job */
const char *source_domain_xml(const struct source *source);
/* What the VM keeps beside its disks (proto/vm_state.h), as it is now: to be freed, *ret_archive is NULL when there is
 * nothing. 0, -EFBIG or another negative errno with a sentence. Blocks on files alone. */
int source_vm_state(const struct source *source, uint8_t **ret_archive, size_t *ret_len, char error[SOURCE_ERROR_LEN]);

/* Our bitmaps of relationship that stand, consistent, on every replicated disk, ascending by seq: caller frees the array.
 * Inconsistent or incomplete ones are counted in *ret_broken. Checkpoint metadata that libvirt lost (migration,
 * transient restart) is redefined here (REDEFINE|REDEFINE_VALIDATE). -EAGAIN while the VM migrates; -EREMCHG as in
 * source_job_begin. */
int source_checkpoints(struct source *source, const char *relationship, struct checkpoint_name **ret_names, size_t *ret_count,
		       size_t *ret_broken, char error[SOURCE_ERROR_LEN]);
/* A replica that is read has no bitmaps: its store's logs tell what changed since a cut. Which of wanted (whatever their seq)
 * are such cuts: into ret_names, which has room for all. 0, -EAGAIN, ... with a sentence; and 0 with none for any other VM. */
int source_cuts_find(struct source *source, const struct checkpoint_name *wanted, size_t count, struct checkpoint_name *ret_names,
		     size_t *ret_count, char error[SOURCE_ERROR_LEN]);
/* Remove a checkpoint and its bitmaps; 0 also when it is already gone. */
int source_checkpoint_delete(struct source *source, const struct checkpoint_name *name, char error[SOURCE_ERROR_LEN]);
/* Remove every bitmap and checkpoint of relationship, broken ones too (unprotect, pause --release, before a resync). */
int source_checkpoints_release(struct source *source, const char *relationship, char error[SOURCE_ERROR_LEN]);

struct source_job;
struct source_job_request {
	const struct checkpoint_name *incremental; /* dirty since this cut; NULL = whole disks */
	const struct checkpoint_name *cut;	   /* new checkpoint made at the job's instant; NULL = none (only look) */
	bool application;			   /* freeze the guest's file systems round that instant; a VM that is shut off has none */
};
/* Begin a pull backup of all replicated disks at one instant (about 50 ms). A VM that is shut off is read from its images
 * (see source_job_confirm). -EBUSY: another tool's job (error names it);
 * -EAGAIN: the VM is migrating or libvirt holds its state lock; -ENOSPC: scratch reserve; -ESTALE: the incremental checkpoint is gone;
 * -EOPNOTSUPP: a disk has a problem; -EREMCHG: the VM's disks changed since source_open (open it again). */
int source_job_begin(struct source *source, const struct source_job_request *request, struct source_job **ret_job,
		     char error[SOURCE_ERROR_LEN]);
/* Open disk index (of source_disk_at) of the job: extents' dirty flags follow request->incremental. The caller closes it. */
int source_job_disk_open(struct source_job *job, size_t index, struct nbd_disk **ret_disk, char error[SOURCE_ERROR_LEN]);
/* Watch: 0 while all is well; -ENOSPC when scratch reached its cap or the reserve (end the job now: the cycle is "missed:
 * scratch"); -ECANCELED when the job is over without us; -ETIMEDOUT when it is older than its maximum age. Cheap; call every
 * second. */
int source_job_check(struct source_job *job, char error[SOURCE_ERROR_LEN]);
/* To be called after the last read, before anything read is vouched for: 0 when all of it is the cut; -ECANCELED when the
 * VM was shut off at the job's begin and has been started since. Cheap. */
int source_job_confirm(struct source_job *job, char error[SOURCE_ERROR_LEN]);
/* The cut that the job shows: what the request named; but a replica that is read shows one of its primary's. NULL: the request's. */
const char *source_job_cut_id(const struct source_job *job);
/* What changed on disk index since request->incremental, when the exports' dirty flags do not say so; NULL = they do. The job's. */
const struct dirty_map *source_job_changed(const struct source_job *job, size_t index);
int64_t source_job_cut_time_ms(const struct source_job *job); /* wall clock of the cut */
/* How the freeze that was asked for went. The guest's file systems held still at the cut, for the time in *ret_frozen_ms: 1.
 * They did not: 0, with a sentence (the job's) in *ret_why that says why; "" when the VM is shut off, so that none could. */
int source_job_application(const struct source_job *job, int64_t *ret_frozen_ms, const char **ret_why);
/* End the job (abort), remove its scratch files and socket, resume a guest that the job paused (logged, and error tells of
 * it; else error is ""). Always frees job. Any open nbd_disk of it is dead afterwards. 0 or negative errno: libvirt did not
 * answer; the end is then tried again in the background until it does. */
int source_job_end(struct source_job *job, char error[SOURCE_ERROR_LEN]);

/* Make our running job, if any, end from another thread (agent's stop): the worker's reads then fail. */
int source_job_abort_by_name(struct source_connection *connection, const char *vm, char error[SOURCE_ERROR_LEN]);
/* At engine start: end jobs of ours that no engine watches any more (socket below our socket_directory), on all domains, and
 * merges of images that an engine began (source_run_commit), which are not counted.
 * Returns how many, or a negative errno (logged) when libvirt does not answer. */
int source_end_orphans(struct source_connection *connection, const char *socket_directory);
/* Thaw guests that a process of ours left frozen when it was killed: begun here, it goes on in the background until it is
 * done. 0, or a negative errno with a sentence. Cheap when there are none. */
int source_thaw_left(char error[SOURCE_ERROR_LEN]);
/* Remove scratch files that a crash of the host left: those that nobody has written to for an hour (no job is that old).
 * Each is logged. Returns how many. */
int source_sweep_scratch(const char *scratch_directory);

#endif
