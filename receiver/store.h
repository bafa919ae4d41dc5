/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A replica store: the directory of one relationship that is open on this node.
 *
 *   <directory>/lock            OFD lock, held while open
 *   <directory>/manifest.json   the truth (manifest.h)
 *   <directory>/domain.xml      the VM's definition as of the last cut that brought one
 *   <directory>/own-<N>/        the N-th owner's right to replace those two (ownership.h)
 *   <directory>/gen-<N>/        made by the N-th owner, written by that owner alone:
 *       <disk>-<n>.qcow2        layers        <seq>.part   log of a running cycle
 *       <seq>.vrl               committed log <seq>.vrl.damaged  a log that did not verify
 *
 * Threads: one stream's worker, one applier and the opener work on a store. store->lock guards the
 * manifest, the daemon and the flags below it, and is held over storage: never taken by the control
 * thread. Everything that is acknowledged passes store_save.
 */
#ifndef VMR_RECEIVER_STORE_H
#define VMR_RECEIVER_STORE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "receiver/answer.h"
#include "receiver/cell.h"
#include "receiver/history.h"
#include "receiver/manifest.h"
#include "receiver/qsd.h"
#include "receiver/receiver.h"
#include "receiver/view.h"

#define STORE_ERROR_LEN 512
#define STORE_LOCK_NAME "lock"

struct session;
struct takeover_job;
struct adopt_request;

/* Which disks the daemon has open. */
enum store_attachment {
	STORE_DETACHED,
	STORE_CURRENT,
	STORE_PENDING,
};

struct store {
	struct receiver *receiver; /* borrowed */
	atomic_int references;
	char relationship[RELATIONSHIP_LEN + 1];
	char vm[VM_NAME_MAX + 1];
	char peer_site[SITE_NAME_MAX + 1];
	char directory[PATH_LEN_MAX + 1];
	char resource[RESOURCE_ID_MAX + 1];

	atomic_bool closing;			/* set before a close: everything winds up */
	atomic_bool suspended;			/* the admin paused the replica */
	atomic_bool apply_queued, apply_wanted; /* apply.c's */
	atomic_bool merge_wanted;		/* merge.c's */
	/* merge_trouble.c's: monotonic; when layers that could not be resized are tried again; 0 =
	 * there are none */
	_Atomic int64_t merge_again_ms;
	atomic_bool taken; /* failed over: streams end */
	/* pulse.c's: questions to the primary's stream; monotonic, when a primary last came with
	 * one to the store that was taken, 0 = none has */
	atomic_uint_fast64_t pulses_asked;
	_Atomic int64_t knocked_ms;
	_Atomic int64_t
		lease_ms; /* lend.h: monotonic; what is lent is taken back then; 0 = nothing is */
	atomic_uint qemu_uid; /* who VMs run as; 0 = root, or not told */
	atomic_uint points, point_interval_s, app_interval_s, frequency_s; /* settings */
	struct view view;

	atomic_bool destroy;	     /* the close that comes removes all */
	char error[STORE_ERROR_LEN]; /* of the worker that opens or closes, for the control thread
					after it */

	/* control thread */
	int64_t apply_retry_ms; /* monotonic; when a failed apply is tried again */
	bool merge_queued;
	int64_t merge_retry_ms;		/* monotonic; when a failed merge is tried again */
	int64_t settle_retry_ms;	/* monotonic; when a manifest in doubt is written again */
	struct takeover_job *takeover;	/* takeover.c's: the one that runs */
	struct adopt_request *adoption; /* owned; what its opening is to adopt; NULL = nothing */

	pthread_mutex_t lock;
	pthread_cond_t changed; /* of anything below; monotonic clock */
	int dir_fd, lock_fd;	/* -1 = not open */
	struct manifest manifest;
	struct qsd *qsd;
	enum store_attachment attachment;
	bool attachment_writable;
	bool attachment_merging; /* with the exports of manifest.merge */
	bool stale;		 /* another node took the store over */
	bool broken;		 /* the manifest on disk is in doubt (store_doubt.c) */
	bool applying;		 /* a log is being written into the image */
	bool merging;		 /* a merge works on the lower layers */
	unsigned int merge_holds;
	/* the merge that waits for room: how much more it takes, and beside what; path "" = none */
	struct {
		char from[MANIFEST_FILE_MAX + 1], path[PATH_LEN_MAX + MANIFEST_FILE_MAX + 2];
		uint64_t offset, bytes;
	} merge_lack;
	char merge_unfit[REASON_MAX + 1]; /* why a layer is unfit (manifest.h), as far as one is */
	unsigned int merge_failures;	  /* attempts to merge, one after another */
	unsigned int apply_holds;	  /* no batch is begun; one that stands open is ended */
	bool taking;			  /* a request about a takeover works on the store */
	struct history history;		  /* of manifest.history_generation */
	unsigned int log_readers; /* somebody reads logs without the lock: none is removed */
	bool logs_linger;	  /* some were to be: store_sweep_logs is due */
	bool history_short, points_full, merge_pinned; /* already reported */
	struct session *stream;			       /* the one that may write; borrowed */
	uint64_t stream_ticket;			       /* of the newest that asked */
	uint64_t pulses_heard;			       /* the last question that was answered */
};

/* What QEMU's programs are left with that work on its files. The lock is held. */
static inline struct cell store_cell(const struct store *store)
{
	return (struct cell){.directory = store->directory, .manifest = &store->manifest};
}

/* ---- life (store.c) ---- */
/* From a validated StoreOpen; nothing is touched on disk. One reference. NULL when out of memory.
 */
struct store *store_new(struct receiver *receiver, const Vmreplica__Ipc__StoreOpen *request);
/* Take the settings of recovery points from a StoreOpen. Any thread. */
void store_set_points(struct store *store, const Vmreplica__Ipc__StoreOpen *request);
struct store *store_ref(struct store *store);
void store_unref(struct store *store);

/* ---- opening and closing (store_open.c); blocking ---- */
/* 0, or a negative errno with a sentence: -EBUSY (another process has it open), -EPROTONOSUPPORT (a
 * newer vmreplica wrote it), -EACCES, -EBADMSG, ... */
int store_open(struct store *store, char error[STORE_ERROR_LEN]);
/* End the stream and the applier, the daemon, record the layers' fingerprints, unlock. destroy:
 * remove all our files. 0 or a negative errno with a sentence. */
int store_close(struct store *store, bool destroy, char error[STORE_ERROR_LEN]);

/* Remove all our files (store_destroy.c): a part of closing. The lock is held, nobody works on it.
 */
int store_destroy(struct store *store, char error[STORE_ERROR_LEN]);

/* ---- the manifest (store.c); store->lock is held ---- */
/* Make next the manifest: durable first, then in memory (next is taken then, else untouched).
 * Checks that we still own the store. 0 or as answer_storage / answer_moved. */
int store_save(struct store *store, struct manifest *next, struct answer *answer);
/* As above: require a resynchronization for reason (kept if one is required already). The current
 * image is what it was at applied_seq. */
int store_ask_resync(struct store *store, struct answer *answer, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* ---- the manifest in doubt (store_doubt.c); store->lock is held ---- */
/* The manifest was changed in place, because it must not be believed as it was: make it durable.
 * Failing that it holds all the same, and nothing is recorded until it is durable. */
int store_impose(struct store *store, struct answer *answer);
/* Impose: a resynchronization for reason (kept if one is required already), and the current image
 * is not trusted any more. */
int store_distrust(struct store *store, struct answer *answer, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* A worker's job, without the lock: write a manifest in doubt again. */
int store_settle_run(void *store);

/* ---- checks; store->lock is held ---- */
/* 0 when nothing forbids work on the store; else -ESTALE/-EBUSY with the answer. */
int store_check_open(struct store *store, struct answer *answer);
/* The same for what a primary sends and what follows of it: -EACCES once it has failed over. */
int store_check(struct store *store, struct answer *answer);
/* Another owner has fenced this one (ownership.h): nothing more is written. The answer; -ESTALE. */
int store_fenced(struct store *store, struct answer *answer);
/* 0 when the manifest on disk is still of our generation; else -ESTALE with the answer. */
int store_check_generation(struct store *store, struct answer *answer);
/* Room: 0, or BUSY storage-full when the file system has less than the reserve free. Applying may
 * go down to a quarter of it, because that is what makes logs go away. Does not need the lock. */
int store_check_space(struct store *store, bool applying, struct answer *answer);
/* Put what the answer says into the store's health (storage facts stand until store_storage_ok).
 * True when that was news and has been reported as an event. Needs no lock. */
bool store_note(struct store *store, const struct answer *answer);
void store_storage_ok(struct store *store);
/* Remove files in gen-* that the manifest does not name: what a crash left. Of an emptied manifest
 * (generation 0): all. */
void store_sweep(struct store *store);
/* The same of logs alone, which stay while somebody reads them (spool_read_begin). */
void store_sweep_logs(struct store *store);
/* Wait for store->changed, at most timeout_ms. The lock is held; may return early for no reason. */
void store_wait(struct store *store, int timeout_ms);

/* ---- the one stream (store_stream.c) ---- */
/* Make session the store's stream. An older one is ended first and waited for. 0; BUSY when it does
 * not end in time; -ECANCELED when a newer one has asked meanwhile. Blocking. */
int store_stream_claim(struct store *store, struct session *session, struct answer *answer);
/* Give it back; nothing if session does not hold it. */
void store_stream_release(struct store *store, struct session *session);
/* End whatever stream there is, and wait for it, for timeout_ms at most. The lock is held. 0 or
 * -ETIMEDOUT. */
int store_stream_wait_gone(struct store *store, int timeout_ms);
/* End whatever stream there is, without a word, and wait for it: it comes again by itself.
 * store->lock is held. 0 or -ETIMEDOUT. */
int store_stream_end(struct store *store, int timeout_ms);
/* End whatever stream there is, with its farewell. Does not wait. Any thread but the control
 * thread. */
void store_stream_evict(struct store *store);

/* ---- the applier (apply.c) ---- */
/* See to it that unapplied logs get applied. Any thread, lock held or not. */
void apply_kick(struct store *store);
/* Wait until nothing is being applied, for timeout_ms at most. store->lock is held. 0 or
 * -ETIMEDOUT. */
int apply_wait_idle(struct store *store, int timeout_ms);

#endif
