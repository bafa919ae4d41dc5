/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The applier: brings committed logs into the current image, in order. A log is verified whole
 * before its first record is written, so that a damaged one never leaves the image between two
 * cuts; applying is idempotent, and the manifest's applied_seq moves only after a flush, so that a
 * crash costs no more than doing a log again.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/log.h"
#include "proto/codec.h"
#include "proto/logfile.h"
#include "receiver/durable.h"
#include "receiver/image.h"
#include "receiver/points.h"
#include "receiver/spool.h"
#include "receiver/store.h"
#include "receiver/target.h"

#define APPLY_RETRY_MS	  5000
#define SPACE_CHECK_BYTES (16u * 1024u * 1024u)

/* One log under work. */
struct apply {
	struct store *store;
	struct manifest_log log;
	char path[PATH_LEN_MAX + MANIFEST_FILE_MAX + 2];
	struct plan_disk disks[DISKS_MAX]; /* as the log's header names them */
	char socket[sizeof(((struct target *)NULL)->socket)];
	struct target target;
	struct logfile_reader *reader;
	struct codec_state *codec;
	uint8_t *buffer;	   /* CHUNK_BUFFER_SIZE bytes */
	char why[STORE_ERROR_LEN]; /* what is damaged, for -EBADMSG */
};

static int apply_damaged(struct apply *apply, const char *why)
{
	snprintf(apply->why, sizeof(apply->why), "%s", why);
	return -EBADMSG;
}

/* Is this the log that was acknowledged, undamaged? */
static int file_verify(struct apply *apply)
{
	struct logfile_trailer trailer;
	char error[LOGFILE_ERROR_LEN] = "";
	int rc = logfile_verify(apply->path, &trailer, error);

	if (rc == -EBADMSG || rc == -ENOENT) {
		return apply_damaged(apply, rc == -ENOENT ? "the file is gone" : error);
	}
	if (rc == 0 && memcmp(trailer.hash, apply->log.hash, LOG_HASH_LEN) != 0) {
		return apply_damaged(apply, "it is not the log that was acknowledged");
	}
	return rc;
}

static int file_open(struct apply *apply)
{
	const struct logfile_header *header;
	char error[LOGFILE_ERROR_LEN] = "";
	int rc = logfile_reader_open(apply->path, false, &apply->reader, error);

	if (rc < 0) {
		return rc == -EBADMSG ? apply_damaged(apply, error) : rc;
	}
	header = logfile_reader_header(apply->reader);
	if (header->seq != apply->log.seq || strcmp(header->cut_id, apply->log.cut_id) != 0 ||
	    strcmp(header->relationship, apply->store->relationship) != 0) {
		return apply_damaged(apply, "it is the log of another cycle");
	}
	for (uint32_t i = 0; i < header->disk_count; i++) {
		memcpy(apply->disks[i].name, header->disks[i].name, sizeof(apply->disks[i].name));
		apply->disks[i].size_bytes = header->disks[i].size_bytes;
	}
	return 0;
}

static int record_apply(struct apply *apply, const struct logfile_record *record)
{
	uint8_t *data = apply->buffer;

	if (record->zero) {
		return target_zero(&apply->target, record->disk, record->offset, record->length);
	}
	if (record->codec != CODEC_KIND_PLAIN) {
		data = apply->buffer + FRAME_PAYLOAD_MAX;
		if (record->length > CHUNK_MAX ||
		    codec_decompress(apply->codec, record->codec, apply->buffer,
				     record->payload_len, data, record->length) < 0) {
			return apply_damaged(apply, "a record does not decompress");
		}
	}
	if (codec_checksum(data, record->length, record->offset) != record->checksum) {
		return apply_damaged(apply, "a record has a wrong checksum");
	}
	return target_write(&apply->target, record->disk, data, record->offset, record->length);
}

/* A close lets the log at work end, but does not wait for it long: what is half applied is applied
 * again. */
static bool apply_shall_stop(struct apply *apply, int64_t *stop_ms)
{
	if (!atomic_load(&apply->store->closing)) {
		return false;
	}
	if (*stop_ms == 0) {
		*stop_ms = clock_monotonic_ms() + APPLY_RETRY_MS;
	}
	return clock_monotonic_ms() > *stop_ms;
}

static int records_apply(struct apply *apply)
{
	uint64_t unchecked_bytes = SPACE_CHECK_BYTES;
	int64_t stop_ms = 0;
	struct answer answer;

	for (;;) {
		struct logfile_record record;
		int rc = logfile_reader_next(apply->reader, &record, apply->buffer,
					     FRAME_PAYLOAD_MAX);

		if (rc <= 0) {
			return rc == -EBADMSG
				       ? apply_damaged(apply, logfile_reader_error(apply->reader))
				       : rc;
		}
		if (apply_shall_stop(apply, &stop_ms)) {
			return -ECANCELED;
		}
		unchecked_bytes += record.zero ? 0 : record.length;
		if (unchecked_bytes >= SPACE_CHECK_BYTES) {
			unchecked_bytes = 0;
			if (store_check_space(apply->store, true, &answer) < 0) {
				return -ENOSPC;
			}
		}
		rc = record_apply(apply, &record);
		if (rc < 0) {
			return rc;
		}
	}
}

static int log_apply(struct apply *apply)
{
	int rc = file_verify(apply);

	rc = rc < 0 ? rc : file_open(apply);
	if (rc < 0) {
		return rc;
	}
	target_init(&apply->target, apply->socket, apply->disks,
		    logfile_reader_header(apply->reader)->disk_count);
	return records_apply(apply);
}

/* ---- the manifest ---- */

/* Nothing to do, or not now. The lock is held. */
static bool apply_is_blocked(const struct store *store)
{
	return atomic_load(&store->closing) || store->stale || store->broken || store->dir_fd < 0 ||
	       store->manifest.resync_needed || store->manifest.current.disk_count == 0 ||
	       manifest_log_next(&store->manifest) == NULL;
}

/* Take the next log and open the image for it. 1: there is one, 0: none, negative: the answer. */
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
		return bad_disk < 0 ? rc
				    : store_require_resync(store, answer, "%.400s", answer->reason);
	}
	store->applying = true;
	apply->store = store;
	apply->log = *manifest_log_next(&store->manifest);
	snprintf(apply->path, sizeof(apply->path), "%s/%s", store->directory, apply->log.file);
	snprintf(apply->socket, sizeof(apply->socket), "%s", qsd_socket(store->qsd));
	return 1;
}

/* The image stands at the log's cut: it may become a recovery point. */
static void applied_tend(const struct apply *apply)
{
	struct manifest_cut cut = {.seq = apply->log.seq, .time_ms = apply->log.time_ms};

	memcpy(cut.cut_id, apply->log.cut_id, sizeof(cut.cut_id));
	memcpy(cut.log_hash, apply->log.hash, LOG_HASH_LEN);
	points_tend(apply->store, &cut, apply->log.application, false);
}

static int applied_record(struct apply *apply, struct answer *answer)
{
	struct store *store = apply->store;
	struct manifest next = {0}, before = {0};
	size_t pruned = 0;
	int rc;

	if (manifest_copy(&store->manifest, &next) < 0 ||
	    manifest_copy(&store->manifest, &before) < 0) {
		manifest_destroy(&next);
		return answer_storage(answer, -ENOMEM, "recording an applied log");
	}
	next.applied_seq = apply->log.seq;
	if (!points_are_kept(store)) {
		pruned = spool_prune(&next);
	}
	rc = store_save(store, &next, answer);
	for (size_t i = 0; rc == 0 && i < pruned; i++) {
		unlinkat(store->dir_fd, before.logs[i].file, 0);
	}
	manifest_destroy(&next);
	manifest_destroy(&before);
	if (rc == 0) {
		applied_tend(apply);
	}
	return rc;
}

/* Set the damaged log aside and ask for a resynchronization; the logs after it build on it. */
static int log_quarantine(struct apply *apply, struct answer *answer)
{
	struct store *store = apply->store;
	char aside[MANIFEST_FILE_MAX + 16];

	snprintf(aside, sizeof(aside), "%s.damaged", apply->log.file);
	renameat(store->dir_fd, apply->log.file, store->dir_fd, aside);
	return store_require_resync(store, answer,
				    "the log of cycle %" PRIu64 " is damaged: %.300s",
				    apply->log.seq, apply->why);
}

/* A flush failed: what the image holds is not known any more. */
static int image_distrust(struct store *store, const char *why, struct answer *answer)
{
	image_stop(store);
	image_drop_caches(store, &store->manifest.current);
	return store_require_resync(
		store, answer, "the replica's storage failed to make data durable: %.200s", why);
}

/* Look at how applying went, with the lock held. 0: on with the next log; negative: the answer. */
static int apply_conclude(struct apply *apply, int rc, int flush_rc, struct answer *answer)
{
	struct store *store = apply->store;

	if (rc == 0 && flush_rc == 0) {
		return applied_record(apply, answer);
	}
	if (rc == -ECANCELED) {
		return answer_moved(answer, 0, "closing");
	}
	if (rc == -EBADMSG) {
		return log_quarantine(apply, answer);
	}
	if (flush_rc < 0 && !target_error_is_lost(flush_rc)) {
		return image_distrust(store, apply->target.error, answer);
	}
	rc = rc < 0 ? rc : flush_rc;
	if (target_error_is_lost(rc)) {
		return answer_busy(answer, "storage-error", 0,
				   "qemu-storage-daemon of %s has died while a log was applied",
				   store->vm);
	}
	if (rc == -ENOSPC && store_check_space(store, true, answer) < 0) {
		return -EBUSY; /* with the numbers */
	}
	return answer_storage(answer, rc, "applying a log");
}

/* Apply one log. 1: done, there may be more; 0: nothing to do; negative: stop for now, with an
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
	rc = log_apply(apply);
	if (rc == 0) {
		flush_rc = target_flush(&apply->target);
	}
	logfile_reader_close(apply->reader);
	apply->reader = NULL;
	target_close(&apply->target);
	pthread_mutex_lock(&store->lock);
	rc = apply_conclude(apply, rc, flush_rc, answer);
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
	apply->codec = codec_state_new();
	apply->buffer = buffer_pool_take(receiver->apply_buffers, APPLY_RETRY_MS);
	rc = apply->codec == NULL || apply->buffer == NULL
		     ? answer_storage(&answer, -ENOMEM, "applying a log")
		     : 1;
	while (rc > 0) {
		rc = apply_step(store, apply, &answer);
	}
	buffer_pool_give(receiver->apply_buffers, apply->buffer);
	codec_state_free(apply->codec);
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
