/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One request about a takeover on its way through a worker; for takeover*.c alone. */
#ifndef VMR_RECEIVER_TAKEOVER_JOB_H
#define VMR_RECEIVER_TAKEOVER_JOB_H

#include "receiver/store.h"
#include "receiver/takeover.h"
#include "receiver/takeover_target.h"

#define TAKEOVER_FAREWELL_MS 500 /* a living primary is told why its stream ends */
#define TAKEOVER_STREAM_MS   15000
#define TAKEOVER_IDLE_MS     30000

struct takeover_job {
	struct receiver *receiver; /* borrowed */
	struct store *store;	   /* a reference */
	uint64_t id;
	char relationship[RELATIONSHIP_LEN + 1];
	int (*run)(struct takeover_job *job); /* worker: 0 or a negative errno with job->error */
	atomic_bool stop;		      /* give up */
	struct takeover_job *next;	      /* waits behind this one */

	/* the request */
	char holder[MANIFEST_HOLDER_MAX + 1];
	struct takeover_wish wish;
	struct manifest_epoch epoch;
	bool planned, estimate, undo;

	/* the answer */
	char error[TAKEOVER_ERROR_LEN];
	uint64_t bytes;
	struct manifest_takeover taken;			  /* owned; what stands, when it does */
	struct manifest_image chains;			  /* owned */
	char path[PATH_LEN_MAX + MANIFEST_FILE_MAX + 2];  /* of the extents; "" = none */
	char state[PATH_LEN_MAX + MANIFEST_FILE_MAX + 2]; /* "" = none */
	struct manifest_cut last;			  /* last received */
};

int takeover_test_run(struct takeover_job *job);     /* takeover_test.c */
int takeover_cleanup_run(struct takeover_job *job);  /* takeover_test.c */
int takeover_failover_run(struct takeover_job *job); /* takeover_failover.c */
int takeover_cancel_run(struct takeover_job *job);   /* takeover_end.c */
int takeover_commit_run(struct takeover_job *job);   /* takeover_end.c */
int takeover_merged_run(struct takeover_job *job);   /* takeover_merged.c */
int takeover_advance_run(struct takeover_job *job);  /* takeover_end.c */
int takeover_extents_run(struct takeover_job *job);  /* takeover_extents.c */
/* The layer of a committed disk that the others are merged into: the VM's own disk where that lies
 * outside of the store, never one below it. takeover_merged.c */
size_t takeover_merge_base(const struct manifest_disk *disk);
/* Remove the file that it made. */
void takeover_extents_forget(struct store *store);

/* ---- takeover_steps.c; store->lock is held unless it says otherwise ---- */
/* Keep a sentence. Returns rc. */
int takeover_refuse(struct takeover_job *job, int rc, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* The same from an answer. */
int takeover_refuse_as(struct takeover_job *job, int rc, const struct answer *answer);
/* The store is open, ours, and nobody wants us to stop. */
int takeover_check(struct takeover_job *job);
/* A copy of the manifest to change. */
int takeover_next(struct takeover_job *job, struct manifest *ret_next);
int takeover_save(struct takeover_job *job, struct manifest *next);
/* Find what the job wishes in manifest. */
int takeover_find(struct takeover_job *job, const struct manifest *manifest,
		  struct takeover_target *ret_target);
/* The bytes that the job's wish would take, into job->bytes. */
int takeover_estimate(struct takeover_job *job);
/* Let the applier work for a moment; -EIO when it has not for long: its storage fails.
 * *idle_since_ms begins with 0. */
int takeover_wait_apply(struct takeover_job *job, int64_t *idle_since_ms);
/* Keep the applier from beginning a batch, and wait until none is open. Release it in any case. */
int takeover_hold(struct takeover_job *job);
void takeover_release(struct takeover_job *job);
/* A record for target, with the layers that it stands on; those to be built are not made yet. */
int takeover_record(struct takeover_job *job, const struct manifest *manifest,
		    const struct takeover_target *target, struct manifest_takeover *ret_record);
/* Make the built layers of record in next, empty. */
int takeover_layers_make(struct takeover_job *job, struct manifest *next,
			 struct manifest_takeover *record);
/* Remove the files of built layers (which no manifest names any more). */
void takeover_layers_remove(struct store *store, const struct manifest_takeover *record);
/* Tell the engine that bytes of work are ahead. The lock does not matter. */
void takeover_tell(struct takeover_job *job, uint64_t bytes);
/* Fill the built layers of record, of which manifest is the present one; the lock is let go
 * meanwhile. Nothing when target has no logs. Their fingerprints are in record then. */
int takeover_build(struct takeover_job *job, const struct takeover_target *target,
		   struct manifest_takeover *record);
/* Fill the answer from what stands. */
int takeover_answer(struct takeover_job *job, const struct manifest_takeover *record);

#endif
