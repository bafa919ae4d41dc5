/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The applier: brings committed logs into the current image, all that wait at once (a batch). While
 * a batch is under work the image is no point in time, so the manifest names the batch's end before
 * the first byte is written, and forgets it in the same step that moves applied_seq, after a flush.
 * What a crash leaves half done is done again, to the same end or a later one.
 */
#include "receiver/apply.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/log.h"
#include "receiver/image.h"
#include "receiver/points.h"
#include "receiver/spool.h"

#define APPLY_RETRY_MS 5000
#define BEGIN_FAILED   1 /* of batch_apply: the answer says why */

/* ---- the manifest ---- */

/* For a moment, or since it has failed over: only a batch that stands open may be ended. */
static bool apply_is_held(const struct store *store)
{
	const struct manifest_takeover *failover = &store->manifest.failover;

	if (failover->kind != VMREPLICA__TAKEOVER_KIND__TAKEOVER_NONE) {
		return failover->ready || store->manifest.batch_seq == 0;
	}
	return store->apply_holds > 0 && store->manifest.batch_seq == 0;
}

/* Nothing to do, or not now. The lock is held. */
static bool apply_is_blocked(const struct store *store)
{
	return atomic_load(&store->closing) || store->stale || store->broken || store->dir_fd < 0 ||
	       apply_is_held(store) || store->manifest.resync_needed ||
	       store->manifest.current.disk_count == 0 ||
	       manifest_log_next(&store->manifest) == NULL;
}

/* List what waits, up to the bounds; a batch that stands open is listed to its end. */
static void logs_list(struct store *store, struct apply *apply)
{
	const struct manifest *manifest = &store->manifest;
	bool to_end = manifest->batch_seq != 0 &&
		      (store->apply_holds > 0 ||
		       manifest->failover.kind != VMREPLICA__TAKEOVER_KIND__TAKEOVER_NONE);
	uint64_t bytes = 0;

	apply->log_count = 0;
	apply->open_seq = manifest->batch_seq;
	for (const struct manifest_log *log = manifest_log_next(manifest);
	     log != NULL && log < manifest->logs + manifest->log_count &&
	     apply->log_count < APPLY_LOGS_MAX;
	     log++) {
		bytes += log->size_bytes;
		if (apply->log_count > 0 && bytes > APPLY_BYTES_MAX &&
		    log->seq > manifest->batch_seq) {
			break;
		}
		apply->logs[apply->log_count++].log = *log;
		if (log->seq >= manifest->batch_seq && (to_end || points_log_is_due(store, log))) {
			break; /* the image must stand still at this cut */
		}
	}
}

static void disks_list(const struct manifest_image *image, struct apply *apply)
{
	apply->disk_count = image->disk_count;
	for (size_t i = 0; i < image->disk_count; i++) {
		snprintf(apply->disks[i].name, sizeof(apply->disks[i].name), "%s",
			 image->disks[i].name);
		apply->disks[i].size_bytes = image->disks[i].size_bytes;
	}
}

/* Take the logs that wait and open the image for them. 1: there are some, 0: none, negative: the
 * answer. */
static int apply_take(struct store *store, struct apply *apply, struct answer *answer)
{
	int bad_disk = -1;
	int rc;

	if (apply_is_blocked(store)) {
		return 0;
	}
	rc = store_check_generation(store, answer);
	rc = rc < 0 ? rc : image_attach(store, STORE_CURRENT, true, answer, &bad_disk);
	if (rc < 0) {
		if (bad_disk >= 0) {
			store_distrust(store, answer, "%.400s", answer->reason);
		}
		return rc;
	}
	store->applying = true;
	apply->store = store;
	logs_list(store, apply);
	disks_list(&store->manifest.current, apply);
	snprintf(apply->socket, sizeof(apply->socket), "%s", qsd_socket(store->qsd));
	return 1;
}

static uint64_t batch_end(const struct apply *apply)
{
	return apply->logs[apply->log_count - 1].log.seq;
}

/* The durable begin. */
static int begin_record(struct apply *apply, struct answer *answer)
{
	struct store *store = apply->store;
	struct manifest next = {0};
	int rc;

	if (store->manifest.batch_seq == batch_end(apply)) {
		return store_check_generation(store, answer);
	}
	if (manifest_copy(&store->manifest, &next) < 0) {
		return answer_storage(answer, -ENOMEM, "beginning to apply logs");
	}
	next.batch_seq = batch_end(apply);
	rc = store_save(store, &next, answer);
	manifest_destroy(&next);
	return rc;
}

/* The image stands at the cut of the batch's end: it may become a recovery point. */
static void end_tend(const struct apply *apply)
{
	const struct manifest_log *log = &apply->logs[apply->log_count - 1].log;
	struct manifest_cut cut = {.seq = log->seq, .time_ms = log->time_ms};

	memcpy(cut.cut_id, log->cut_id, sizeof(cut.cut_id));
	memcpy(cut.log_hash, log->hash, LOG_HASH_LEN);
	points_tend(apply->store, &cut, log->application, false);
}

/* The durable end. */
static int end_record(struct apply *apply, struct answer *answer)
{
	struct store *store = apply->store;
	struct manifest next = {0}, before = {0};
	size_t pruned = 0;
	int rc;

	if (manifest_copy(&store->manifest, &next) < 0 ||
	    manifest_copy(&store->manifest, &before) < 0) {
		manifest_destroy(&next);
		return answer_storage(answer, -ENOMEM, "recording applied logs");
	}
	next.applied_seq = batch_end(apply);
	next.batch_seq = 0;
	next.adopted.pending = false; /* with the first cycle it is a replica as any other */
	if (!points_are_kept(store) && store->log_readers == 0) {
		pruned = spool_prune(&next);
	}
	rc = store_save(store, &next, answer);
	for (size_t i = 0; rc == 0 && i < pruned; i++) {
		unlinkat(store->dir_fd, before.logs[i].file, 0);
	}
	manifest_destroy(&next);
	manifest_destroy(&before);
	if (rc == 0 && apply->log_count > 1) {
		log_info("%s: %zu logs up to cycle %" PRIu64 " applied at once: %" PRIu64
			 " of %" PRIu64 " KiB written",
			 store->vm, apply->log_count, batch_end(apply), apply->written_bytes >> 10,
			 apply->read_bytes >> 10);
	}
	if (rc == 0) {
		end_tend(apply);
	}
	return rc;
}

/* Set the damaged log aside and ask for a resynchronization; the logs after it build on it. */
static int log_quarantine(struct apply *apply, struct answer *answer)
{
	const struct manifest_log *log = &apply->logs[apply->damaged].log;
	struct store *store = apply->store;
	char aside[MANIFEST_FILE_MAX + 16];

	snprintf(aside, sizeof(aside), "%s.damaged", log->file);
	renameat(store->dir_fd, log->file, store->dir_fd, aside);
	return store_ask_resync(store, answer, "the log of cycle %" PRIu64 " is damaged: %.300s",
				log->seq, apply->why);
}

/* A flush failed: what the image holds is not known any more. */
static int image_distrust(struct store *store, const char *why, struct answer *answer)
{
	image_stop(store);
	image_drop_caches(store, &store->manifest.current);
	return store_distrust(store, answer,
			      "the replica's storage failed to make data durable: %.200s", why);
}

/* A merge that could not make a lower layer durable closes the image under the applier: nobody
 * knows then what it holds, and applied_seq must not claim the batch. Nothing else closes it
 * meanwhile. */
static bool image_is_open(const struct store *store)
{
	return store->qsd != NULL && store->attachment == STORE_CURRENT &&
	       store->attachment_writable;
}

/* Look at how applying went, with the lock held. 0: on with what has come since; negative: the
 * answer. */
static int apply_conclude(struct apply *apply, int rc, int flush_rc, struct answer *answer)
{
	struct store *store = apply->store;

	if (rc == 0 && flush_rc == 0 && image_is_open(store)) {
		return end_record(apply, answer);
	}
	if (rc == 0 && flush_rc == 0) {
		return store->manifest.resync_needed
			       ? 0
			       : answer_busy(answer, "storage-error", 0,
					     "the replica of %s was closed while logs were "
					     "applied: they are applied again",
					     store->vm);
	}
	if (rc == -ECANCELED) {
		return answer_moved(answer, 0, "closing");
	}
	if (rc == -EBADMSG) {
		return log_quarantine(apply, answer);
	}
	if (rc == -EPROTONOSUPPORT) { /* nothing is wrong with it */
		return answer_busy(answer, "storage-error", 0,
				   "a log of %s was written by a newer vmreplica: it is kept, and "
				   "applied once this node is updated",
				   store->vm);
	}
	if (flush_rc < 0 && !target_error_is_lost(flush_rc)) {
		return image_distrust(store, apply->target.error, answer);
	}
	rc = rc < 0 ? rc : flush_rc;
	if (target_error_is_lost(rc)) {
		return answer_busy(answer, "storage-error", 0,
				   "qemu-storage-daemon of %s has died while logs were applied",
				   store->vm);
	}
	if (rc == -ENOSPC && store_check_space(store, true, answer) < 0) {
		return -EBUSY; /* with the numbers */
	}
	return answer_storage(answer, rc, "applying logs");
}

/* Verified and planned, then begun, then written. */
static int batch_apply(struct apply *apply, int *ret_flush_rc, struct answer *answer)
{
	struct store *store = apply->store;
	int rc = apply_prepare(apply);

	if (rc < 0) {
		return rc;
	}
	pthread_mutex_lock(&store->lock);
	rc = begin_record(apply, answer);
	pthread_mutex_unlock(&store->lock);
	if (rc < 0) {
		return BEGIN_FAILED;
	}
	rc = apply_write(apply);
	*ret_flush_rc =
		rc == 0 || image_flush_may_tell(store, rc) ? target_flush(&apply->target) : 0;
	return rc;
}

/* Apply what waits. 1: done, there may be more; 0: nothing to do; negative: stop for now, with an
 * answer. */
static int apply_step(struct store *store, struct apply *apply, struct answer *answer)
{
	int flush_rc = 0;
	int rc;

	pthread_mutex_lock(&store->lock);
	rc = apply_take(store, apply, answer);
	pthread_mutex_unlock(&store->lock);
	if (rc <= 0) {
		return rc;
	}
	rc = batch_apply(apply, &flush_rc, answer);
	target_close(&apply->target);
	pthread_mutex_lock(&store->lock);
	rc = rc == BEGIN_FAILED ? -EIO : apply_conclude(apply, rc, flush_rc, answer);
	store->applying = false;
	pthread_cond_broadcast(&store->changed);
	pthread_mutex_unlock(&store->lock);
	return rc < 0 ? rc : 1;
}

/* ---- the job ---- */

static int apply_run(void *arg)
{
	struct store *store = arg;
	struct receiver *receiver = store->receiver;
	cleanup_free struct apply *apply = calloc(1, sizeof(*apply));
	struct answer answer = {0};
	int rc;

	atomic_store(&store->apply_wanted, false);
	if (apply == NULL) {
		return -ENOMEM;
	}
	apply->batch = batch_new();
	apply->codec = codec_state_new();
	apply->buffer = buffer_pool_take(receiver->apply_buffers, APPLY_RETRY_MS);
	rc = apply->batch == NULL || apply->codec == NULL || apply->buffer == NULL
		     ? answer_storage(&answer, -ENOMEM, "applying logs")
		     : 1;
	while (rc > 0) {
		rc = apply_step(store, apply, &answer);
	}
	buffer_pool_give(receiver->apply_buffers, apply->buffer);
	codec_state_free(apply->codec);
	batch_free(apply->batch);
	if (rc < 0) {
		store_note(store, &answer);
	} else {
		store_storage_ok(store);
	}
	return rc;
}

/* Control thread. A failed one waits for the tick; a log that came as this one ended does not. */
static void apply_done_cb(void *arg, int result)
{
	struct store *store = arg;

	store->apply_retry_ms = result < 0 ? clock_monotonic_ms() + APPLY_RETRY_MS : 0;
	atomic_store(&store->apply_queued, false);
	if (result >= 0 && atomic_load(&store->apply_wanted)) {
		apply_kick(store);
	}
	store_unref(store);
}

static void apply_submit_cb(void *arg)
{
	struct store *store = arg;

	if (workers_submit(store->receiver->apply_workers, apply_run, apply_done_cb, store) < 0) {
		apply_done_cb(store, -ENOMEM);
	}
}

void apply_kick(struct store *store)
{
	atomic_store(&store->apply_wanted, true);
	if (atomic_exchange(&store->apply_queued, true)) {
		return;
	}
	if (receiver_post(store->receiver, apply_submit_cb, store_ref(store)) < 0) {
		atomic_store(&store->apply_queued, false); /* the tick tries again */
		store_unref(store);
	}
}

int apply_wait_idle(struct store *store, int timeout_ms)
{
	int64_t deadline_ms = clock_monotonic_ms() + timeout_ms;

	while (store->applying) {
		if (clock_monotonic_ms() > deadline_ms) {
			return -ETIMEDOUT;
		}
		store_wait(store, 500);
	}
	return 0;
}
