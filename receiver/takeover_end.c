/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How a failover ends: it never was, or it is final. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "receiver/image.h"
#include "receiver/merge.h"
#include "receiver/overlay.h"
#include "receiver/plan.h"
#include "receiver/takeover_job.h"

#define NOTHING VMREPLICA__TAKEOVER_KIND__TAKEOVER_NONE

/* ---- cancel ---- */

static int cancel_check(struct takeover_job *job)
{
	const struct manifest *manifest = &job->store->manifest;
	const struct manifest_takeover *failover = &manifest->failover;

	if (failover->committed) {
		return takeover_refuse(job, -EPERM, "the failover is committed: that is final");
	}
	if (failover->advanced) {
		return takeover_refuse(job, -EPERM,
				       "reverse replication has begun: what was there before the "
				       "failover is given up");
	}
	if (plan_epoch_compare(&manifest->epoch, &job->epoch) != PLAN_EPOCH_HIGHER) {
		return takeover_refuse(job, -ESTALE,
				       "epoch %" PRIu64 " is not above the replica's %" PRIu64
				       ": an epoch is never used twice",
				       job->epoch.number, manifest->epoch.number);
	}
	if (failover->kind != NOTHING && overlay_is_in_use(job->store, failover)) {
		return takeover_refuse(job, -EBUSY, "%s still runs on the replica: stop it first",
				       failover->holder);
	}
	return 0;
}

static int cancel_record(struct takeover_job *job)
{
	struct store *store = job->store;
	struct manifest next = {0};
	int rc = takeover_next(job, &next);

	if (rc == 0) {
		manifest_takeover_destroy(&next.failover);
		next.epoch = job->epoch;
		image_freeze(store, &next, &next.current, false);
		image_freeze(store, &next, &next.pending, false);
		rc = takeover_save(job, &next);
	}
	manifest_destroy(&next);
	return rc;
}

/* Receiving goes on from where it was. */
static void receiving_resume(struct store *store)
{
	struct answer answer;

	atomic_store(&store->taken, false);
	atomic_store(&store->knocked_ms, 0);
	if (store->manifest.current.disk_count > 0 &&
	    image_attach(store, STORE_CURRENT, false, &answer, NULL) < 0) {
		store_note(store, &answer); /* the applier tries again */
	}
	apply_kick(store);
	merge_kick(store);
}

/* There is nothing to take back. An epoch is not raised for nothing: the primary, which goes on,
 * would stop for it. */
static bool cancel_is_idle(const struct takeover_job *job)
{
	const struct manifest *manifest = &job->store->manifest;

	return manifest->failover.kind == NOTHING &&
	       (plan_epoch_compare(&manifest->epoch, &job->epoch) == PLAN_EPOCH_SAME ||
		(job->undo && manifest->epoch.number + 1 < job->epoch.number));
}

int takeover_cancel_run(struct takeover_job *job)
{
	struct manifest_takeover old = {.kind = NOTHING};
	struct store *store = job->store;
	int rc;

	if (cancel_is_idle(job)) {
		return 0;
	}
	rc = cancel_check(job);
	if (rc == 0 && manifest_takeover_copy(&store->manifest.failover, &old) < 0) {
		rc = takeover_refuse(job, -ENOMEM, "out of memory");
	}
	rc = rc < 0 ? rc : cancel_record(job);
	if (rc == 0 && old.kind != NOTHING) {
		overlay_remove(store, old.epoch);
		takeover_layers_remove(store, &old);
		receiving_resume(store);
		receiver_event(store->receiver, "notice", store->vm,
			       "the failover is cancelled: the replica goes on from cycle %" PRIu64,
			       store->manifest.committed.seq);
	}
	manifest_takeover_destroy(&old);
	job->last = store->manifest.committed;
	return rc;
}

/* ---- commit ---- */

/* The chains that the VM stands on, its built layers included. */
static int chains_make(const struct manifest *manifest, struct manifest_image *ret_chains)
{
	const struct manifest_takeover *failover = &manifest->failover;
	struct manifest_image chains = {NULL, 0};
	int rc = 0;

	chains.disks = calloc(failover->disk_count + 1, sizeof(*chains.disks));
	if (chains.disks == NULL) {
		return -ENOMEM;
	}
	for (size_t i = 0; i < failover->disk_count && rc == 0; i++) {
		const struct manifest_taken_disk *taken = &failover->disks[i];
		struct manifest_disk *disk = &chains.disks[i];
		size_t top = 0;
		const struct manifest_disk *below =
			manifest_chain_find(manifest, taken->base, &top);

		chains.disk_count = i + 1;
		memcpy(disk->name, taken->name, sizeof(disk->name));
		disk->size_bytes = taken->size_bytes;
		for (size_t k = 0; below != NULL && k <= top && rc == 0; k++) {
			rc = manifest_disk_push(disk, &below->layers[k]);
		}
		if (rc == 0 && taken->built.file[0] != '\0') {
			rc = manifest_disk_push(disk, &taken->built);
		}
		for (size_t k = 0; k < disk->layer_count; k++) {
			disk->layers[k].frozen = false; /* QEMU merges them from here on */
		}
	}
	if (rc < 0) {
		manifest_image_destroy(&chains);
		return rc;
	}
	*ret_chains = chains;
	return 0;
}

/* In next, what led to the cut: only logs behind it are needed, by the other direction. */
static void logs_cut(struct manifest *next, uint64_t seq)
{
	size_t logs = 0;

	while (logs < next->log_count && next->logs[logs].seq <= seq) {
		logs++;
	}
	manifest_log_drop(next, logs);
	next->history_from = seq + 1;
}

/* Once that is durable: the history, and all files that nothing names any more. */
static void files_cut(struct store *store)
{
	struct history *history = &store->history;
	size_t gone = 0;

	while (gone < history->count && history->entries[gone].seq < store->manifest.history_from) {
		gone++;
	}
	history_drop(history, gone);
	store_sweep(store);
}

/* The other points and what only they need go out of next. */
static int commit_record(struct takeover_job *job)
{
	struct manifest_image chains;
	struct manifest next = {0};
	int rc = takeover_next(job, &next);

	if (rc < 0) {
		return rc;
	}
	rc = chains_make(&next, &chains);
	if (rc < 0) {
		manifest_destroy(&next);
		return takeover_refuse(job, rc, "out of memory");
	}
	manifest_image_destroy(&next.current);
	manifest_image_destroy(&next.pending);
	next.current = chains;
	memset(&next.merge, 0, sizeof(next.merge));
	memset(&next.mark, 0, sizeof(next.mark));
	next.batch_seq = 0; /* of an image that is given up */
	manifest_point_drop(&next, next.point_count);
	manifest_image_destroy(&next.retired);
	logs_cut(&next, next.failover.advanced ? next.next_seq : next.failover.cut.seq);
	next.applied_seq = next.failover.cut.seq;
	next.pin_count = 0; /* whoever still read must end: layers are merged from here on */
	next.resync_needed = next.distrusted = false;
	next.resync_reason[0] = '\0';
	next.failover.committed = true;
	rc = takeover_save(job, &next);
	manifest_destroy(&next);
	return rc;
}

static int commit_check(struct takeover_job *job)
{
	const struct manifest *manifest = &job->store->manifest;

	if (manifest->failover.kind == NOTHING || !manifest->failover.ready) {
		return takeover_refuse(job, -ENOENT, "there is no failover to commit");
	}
	if (manifest->test.kind != NOTHING) {
		return takeover_refuse(job, -EBUSY,
				       "a test failover stands as %s: clean it up first (vmreplica "
				       "failover --test-cleanup)",
				       manifest->test.holder);
	}
	return 0;
}

int takeover_commit_run(struct takeover_job *job)
{
	struct store *store = job->store;
	bool news = !store->manifest.failover.committed;
	int rc = commit_check(job);

	if (rc == 0 && news) {
		rc = commit_record(job);
	}
	if (rc < 0) {
		return rc;
	}
	files_cut(store);
	if (news) {
		receiver_event(store->receiver, "notice", store->vm,
			       "the failover to cycle %" PRIu64
			       " is committed: the other recovery points are gone",
			       store->manifest.failover.cut.seq);
	}
	if (manifest_image_copy(&store->manifest.current, &job->chains) < 0) {
		return takeover_refuse(job, -ENOMEM, "out of memory");
	}
	return takeover_answer(job, &store->manifest.failover);
}

/* ---- the other direction has begun ---- */

int takeover_advance_run(struct takeover_job *job)
{
	struct store *store = job->store;
	struct manifest next = {0};
	int rc;

	if (store->manifest.failover.kind == NOTHING || store->manifest.failover.advanced) {
		return 0;
	}
	rc = takeover_next(job, &next);
	if (rc == 0) {
		next.failover.advanced = true;
		next.batch_seq = 0;
		logs_cut(&next, next.next_seq);
		rc = takeover_save(job, &next);
		manifest_destroy(&next);
	}
	if (rc == 0) {
		takeover_extents_forget(store);
		files_cut(store);
	}
	return rc;
}
