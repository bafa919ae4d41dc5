/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Failovers: a VM of ours gets the store. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "receiver/image.h"
#include "receiver/merge.h"
#include "receiver/overlay.h"
#include "receiver/plan.h"
#include "receiver/takeover_job.h"

#define FAILOVER VMREPLICA__TAKEOVER_KIND__TAKEOVER_FAILOVER
#define NOTHING	 VMREPLICA__TAKEOVER_KIND__TAKEOVER_NONE

/* ---- may it ---- */

/* 1: it stands, ready; 0: it may begin, or goes on. */
static int failover_stands(struct takeover_job *job)
{
	const struct manifest *manifest = &job->store->manifest;
	const struct manifest_takeover *failover = &manifest->failover;
	bool same = plan_epoch_compare(&manifest->epoch, &job->epoch) == PLAN_EPOCH_SAME;

	if (failover->kind != NOTHING && !same) {
		return takeover_refuse(job, -EEXIST,
				       "it has failed over to cycle %" PRIu64 " in epoch %" PRIu64
				       " already: cancel or commit that first",
				       failover->cut.seq, failover->epoch);
	}
	if (failover->kind == NOTHING && job->epoch.number <= manifest->epoch.number) {
		return takeover_refuse(job, -ESTALE,
				       "epoch %" PRIu64 " is not above the replica's %" PRIu64
				       ": an epoch is never used twice",
				       job->epoch.number, manifest->epoch.number);
	}
	return failover->kind != NOTHING && failover->ready ? 1 : 0;
}

/* The final cycle of a planned failover is the last one that came. */
static int final_check(struct takeover_job *job)
{
	const struct manifest_cut *committed = &job->store->manifest.committed;

	if (job->wish.latest || job->wish.seq != committed->seq ||
	    strcmp(job->wish.cut_id, committed->cut_id) != 0) {
		return takeover_refuse(
			job, -ESTALE,
			"the primary's final cycle is %" PRIu64 " (cut %s), the last "
			"one here is %" PRIu64 " (cut %s)",
			job->wish.seq, job->wish.cut_id, committed->seq, committed->cut_id);
	}
	return 0;
}

/* Nothing of a planned failover stays in logs. */
static int final_apply(struct takeover_job *job)
{
	struct store *store = job->store;
	int64_t idle_since_ms = 0;
	int rc = final_check(job);

	if (rc == 0 && manifest_log_next(&store->manifest) != NULL) {
		takeover_tell(job, manifest_spool_bytes(&store->manifest));
	}
	while (rc == 0 && manifest_log_next(&store->manifest) != NULL) {
		if (store->manifest.resync_needed) {
			return takeover_refuse(
				job, -EUCLEAN,
				"the final cycle cannot be applied, the replica needs a "
				"resynchronization: %.300s",
				store->manifest.resync_reason);
		}
		rc = takeover_wait_apply(job, &idle_since_ms);
		rc = rc < 0 ? rc : final_check(job);
	}
	return rc;
}

/* ---- the record ---- */

/* The epoch and what is to be, durable: from here on the store is the VM's. */
static int failover_record(struct takeover_job *job, const struct takeover_target *target)
{
	struct store *store = job->store;
	struct manifest_takeover record = {.kind = NOTHING}, old = {.kind = NOTHING};
	struct manifest next = {0};
	int rc = takeover_record(job, &store->manifest, target, &record);

	rc = rc < 0 ? rc : takeover_next(job, &next);
	if (rc < 0) {
		manifest_takeover_destroy(&record);
		return rc;
	}
	record.kind = FAILOVER;
	record.epoch = job->epoch.number;
	record.planned = job->planned;
	old = next.failover; /* begun by a receiver that ended */
	next.failover = record;
	next.epoch = job->epoch;
	rc = takeover_save(job, &next);
	manifest_destroy(&next);
	if (rc == 0) {
		atomic_store(&store->taken, true);
		takeover_layers_remove(store, &old);
	}
	manifest_takeover_destroy(&old);
	return rc;
}

static int failover_begin(struct takeover_job *job, struct takeover_target *target)
{
	struct store *store = job->store;
	int rc = takeover_hold(job);

	if (rc == 0 && job->planned) {
		rc = final_check(job);
	}
	rc = rc < 0 ? rc : takeover_find(job, &store->manifest, target);
	if (rc == 0) {
		rc = failover_record(job, target);
		if (rc < 0) {
			takeover_target_destroy(target);
		}
	}
	return rc;
}

/* ---- nobody else ---- */

static int daemon_end(struct takeover_job *job)
{
	struct store *store = job->store;
	struct manifest next = {0};
	int rc;

	if (image_stop(store) < 0) {
		/* what was applied is durable: the manifest would not say so else */
		log_warning("%s: qemu-storage-daemon did not end well", store->vm);
	}
	rc = takeover_next(job, &next);
	if (rc == 0) {
		image_freeze(store, &next, &next.current, true);
		image_freeze(store, &next, &next.pending, true);
		rc = takeover_save(job, &next);
	}
	manifest_destroy(&next);
	return rc;
}

static int others_end(struct takeover_job *job)
{
	struct store *store = job->store;

	/* A primary that lost its power in the middle of a frame leaves a stream that waits for the
	 * rest of it, half a minute: the VM's start does not wait for that. */
	if (store_stream_wait_gone(store, TAKEOVER_FAREWELL_MS) < 0 &&
	    store_stream_end(store, TAKEOVER_STREAM_MS) < 0) {
		return takeover_refuse(job, -EBUSY, "the primary's stream does not end: try again");
	}
	if (merge_hold(store, TAKEOVER_IDLE_MS) < 0) {
		return takeover_refuse(job, -EBUSY, "layers are still being merged: try again");
	}
	merge_release(store); /* the record keeps it off from here on */
	if (apply_wait_idle(store, TAKEOVER_IDLE_MS) < 0) {
		return takeover_refuse(job, -EBUSY, "a log is still being applied: try again");
	}
	return daemon_end(job);
}

/* ---- the images ---- */

/* Save record as the failover's. Takes it. */
static int record_save(struct takeover_job *job, struct manifest *next,
		       struct manifest_takeover *record)
{
	int rc;

	manifest_takeover_destroy(&next->failover);
	next->failover = *record;
	memset(record, 0, sizeof(*record));
	rc = takeover_save(job, next);
	manifest_destroy(next);
	return rc;
}

static int layers_build(struct takeover_job *job, const struct takeover_target *target)
{
	struct manifest_takeover record = {.kind = NOTHING};
	struct manifest next = {0};
	int rc;

	if (target->log_count == 0) {
		return 0;
	}
	rc = takeover_next(job, &next);
	if (rc == 0 && manifest_takeover_copy(&next.failover, &record) < 0) {
		rc = takeover_refuse(job, -ENOMEM, "out of memory");
	}
	rc = rc < 0 ? rc : takeover_layers_make(job, &next, &record);
	if (rc < 0) {
		takeover_layers_remove(job->store, &record);
		manifest_takeover_destroy(&record);
		manifest_destroy(&next);
		return rc;
	}
	rc = record_save(job, &next, &record);
	if (rc == 0 && manifest_takeover_copy(&job->store->manifest.failover, &record) < 0) {
		rc = takeover_refuse(job, -ENOMEM, "out of memory");
	}
	rc = rc < 0 ? rc : takeover_build(job, target, &record);
	rc = rc < 0 ? rc : takeover_next(job, &next);
	if (rc == 0) {
		return record_save(job, &next, &record);
	}
	manifest_takeover_destroy(&record);
	return rc;
}

static int overlays_make(struct takeover_job *job)
{
	struct store *store = job->store;
	struct manifest next = {0};
	char error[STORE_ERROR_LEN];
	int rc = overlay_make(store, &store->manifest.failover, error);

	if (rc < 0) {
		return takeover_refuse(job, rc, "%s", error);
	}
	rc = takeover_next(job, &next);
	if (rc == 0) {
		next.failover.ready = true;
		rc = takeover_save(job, &next);
	}
	manifest_destroy(&next);
	return rc;
}

/* ---- the whole ---- */

static int failover_make(struct takeover_job *job)
{
	struct takeover_target target = {.log_count = 0};
	bool resumed = job->store->manifest.failover.kind != NOTHING;
	int rc = job->planned && !resumed ? final_apply(job) : 0;

	if (rc < 0) {
		return rc;
	}
	rc = failover_begin(job, &target);
	rc = rc < 0 ? rc : others_end(job);
	rc = rc < 0 ? rc : layers_build(job, &target);
	rc = rc < 0 ? rc : overlays_make(job);
	job->bytes = target.bytes;
	takeover_target_destroy(&target);
	takeover_release(job);
	return rc;
}

int takeover_failover_run(struct takeover_job *job)
{
	struct store *store = job->store;
	int rc;

	if (job->estimate) {
		return takeover_estimate(job);
	}
	rc = failover_stands(job);
	if (rc == 0) {
		rc = failover_make(job);
		if (rc == 0) {
			receiver_event(store->receiver, "notice", store->vm,
				       "failed over to cycle %" PRIu64
				       ": the replica takes no more cycles",
				       store->manifest.failover.cut.seq);
		}
	}
	return rc < 0 ? rc : takeover_answer(job, &store->manifest.failover);
}
