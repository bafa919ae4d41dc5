/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Data of INITIAL and RESYNC cycles goes straight into layers that are not offered yet: a log of
 * twice the disk's size would be of no use. INITIAL builds bases, RESYNC a layer over each current
 * top (read for the digests, never written); at the commit the manifest makes them the current
 * image in one step.
 */
#include "receiver/pending.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "receiver/image.h"
#include "receiver/merge.h"
#include "receiver/points.h"
#include "receiver/states.h"
#include "receiver/stores.h"

#define APPLY_WAIT_MS	20000 /* less than a sender waits for its bytes to be taken */
#define RETRY_APPLY_MS	5000
#define RETRY_DAEMON_MS 2000
/* A chain this long is not built upon: the copy gets bases of its own, and room is left for moves
 * meanwhile. */
#define LAYERS_BELOW_MAX (MANIFEST_LAYERS_MAX - 50u)

struct pending {
	struct target target;
};

struct target *pending_target(struct pending *pending)
{
	return &pending->target;
}

int pending_fail(struct cycle *cycle, int rc, const char *what, struct answer *answer)
{
	if (target_error_is_lost(rc)) {
		return answer_busy(answer, "storage-error", RETRY_DAEMON_MS,
				   "qemu-storage-daemon of %s has died while %s", cycle->store->vm,
				   what);
	}
	return answer_storage(answer, rc, what);
}

/* ---- the beginning ---- */

/* All that was acknowledged is in the current image before a layer goes over it. */
int pending_wait_applied(struct cycle *cycle, struct answer *answer)
{
	struct store *store = cycle->store;
	int64_t deadline_ms = clock_monotonic_ms() + APPLY_WAIT_MS;

	while (manifest_log_next(&store->manifest) != NULL && !store->manifest.resync_needed) {
		int rc = cycle_check(cycle, answer);

		if (rc < 0) {
			return rc;
		}
		if (clock_monotonic_ms() > deadline_ms) {
			return answer_busy(answer, "applying", RETRY_APPLY_MS,
					   "logs of %s are still being applied", store->vm);
		}
		apply_kick(store);
		store_wait(store, 1000);
	}
	return apply_wait_idle(store, APPLY_WAIT_MS) < 0
		       ? answer_busy(answer, "applying", RETRY_APPLY_MS,
				     "a log of %s is still being applied", store->vm)
		       : store_check(store, answer);
}

/* The disk of a new pending image: a layer over what we have of it, or a base. */
static int disk_make(struct store *store, struct manifest *next, const struct plan_disk *plan,
		     bool with_backing, struct manifest_disk *ret_disk, struct answer *answer)
{
	const struct manifest_disk *below =
		with_backing ? manifest_image_find(&store->manifest.current, plan->name) : NULL;
	struct manifest_layer layer;
	int rc = 0;

	snprintf(ret_disk->name, sizeof(ret_disk->name), "%s", plan->name);
	ret_disk->size_bytes = plan->size_bytes;
	if (below != NULL && below->layer_count > LAYERS_BELOW_MAX) {
		below = NULL;
	}
	for (size_t i = 0; below != NULL && i < below->layer_count && rc == 0; i++) {
		rc = manifest_disk_push(ret_disk, &below->layers[i]);
	}
	if (rc < 0) {
		return answer_storage(answer, rc, "planning layers");
	}
	rc = image_layer_make(store, next, plan->name, plan->size_bytes,
			      below == NULL ? NULL : manifest_disk_top(below), &layer, answer);
	if (rc == 0 && manifest_disk_push(ret_disk, &layer) < 0) {
		rc = answer_storage(answer, -ENOMEM, "planning layers");
	}
	return rc;
}

/* A fresh pending image; disks in the bitmap bad get bases because what is below does not open. */
static int pending_make(struct cycle *cycle, uint64_t bad, struct answer *answer)
{
	bool resync = cycle->mode == VMREPLICA__WIRE__MODE__MODE_RESYNC;
	struct store *store = cycle->store;
	struct manifest next = {0};
	int rc = 0;

	if (manifest_copy(&store->manifest, &next) < 0) {
		return answer_storage(answer, -ENOMEM, "planning layers");
	}
	manifest_image_destroy(&next.pending);
	memset(&next.mark, 0, sizeof(next.mark));
	next.pending.disks = calloc(cycle->disk_count, sizeof(*next.pending.disks));
	if (next.pending.disks == NULL) {
		rc = -ENOMEM;
		answer_storage(answer, rc, "planning layers");
	}
	for (size_t i = 0; rc == 0 && i < cycle->disk_count; i++) {
		next.pending.disk_count = i + 1;
		rc = disk_make(store, &next, &cycle->disks[i], resync && (bad & (1ull << i)) == 0,
			       &next.pending.disks[i], answer);
	}
	if (rc == 0 && resync && !next.resync_needed) {
		next.resync_needed = true; /* until it is done; the sender asked for it */
		snprintf(next.resync_reason, sizeof(next.resync_reason),
			 "the primary asked for a resynchronization");
	}
	if (rc == 0) {
		image_freeze(store, &next, &next.pending, false);
		rc = store_save(store, &next, answer);
	}
	manifest_destroy(&next);
	store_sweep(store); /* an earlier pending image, or what a failure left */
	return rc;
}

static int pending_begin_fresh(struct cycle *cycle, struct answer *answer)
{
	struct store *store = cycle->store;
	uint64_t bad = 0;
	int bad_disk = -1;
	int rc = pending_wait_applied(cycle, answer);

	if (rc < 0) {
		return rc;
	}
	if (merge_hold(store, APPLY_WAIT_MS) < 0) {
		return answer_busy(answer, "applying", RETRY_APPLY_MS,
				   "layers of %s are still being merged", store->vm);
	}
	merge_release(store); /* the pending image holds it off from here on */
	if (image_stop(store) < 0) {
		log_warning("%s: qemu-storage-daemon did not end well", store->vm);
	}
	while (rc == 0) {
		rc = pending_make(cycle, bad, answer);
		if (rc < 0) {
			return rc;
		}
		rc = image_attach(store, STORE_PENDING, true, answer, &bad_disk);
		if (rc == 0 || bad_disk < 0 || (bad & (1ull << bad_disk)) != 0 ||
		    cycle->mode == VMREPLICA__WIRE__MODE__MODE_INITIAL) {
			break;
		}
		log_warning("%s: %s; it gets a new base", store->vm, answer->reason);
		bad |= 1ull << bad_disk;
		rc = 0;
	}
	return rc;
}

static int pending_begin_resumed(struct cycle *cycle, struct answer *answer)
{
	const struct manifest_mark *ours = &cycle->store->manifest.mark;
	const struct manifest_mark *theirs = &cycle->resumed_mark;

	if (!plan_mark_holds(&cycle->store->manifest, cycle->mode, cycle->disks,
			     cycle->disk_count) ||
	    theirs->mode != ours->mode || theirs->seq != ours->seq ||
	    strcmp(theirs->cut_id, ours->cut_id) != 0 || theirs->disk != ours->disk ||
	    theirs->offset != ours->offset) {
		return answer_failure(answer, "sequence",
				      "cycle %" PRIu64 " resumes from a mark that is not kept here",
				      cycle->seq);
	}
	return image_attach(cycle->store, STORE_PENDING, true, answer, NULL);
}

static int pending_check_mode(const struct cycle *cycle, struct answer *answer)
{
	bool has_image = cycle->store->manifest.current.disk_count > 0;

	if (cycle->mode == VMREPLICA__WIRE__MODE__MODE_INITIAL && has_image) {
		return answer_failure(answer, "sequence",
				      "initial replication is complete here: resynchronize");
	}
	if (cycle->mode == VMREPLICA__WIRE__MODE__MODE_RESYNC && !has_image) {
		return answer_failure(answer, "sequence",
				      "initial replication is not complete here");
	}
	return 0;
}

static int pending_begin(struct cycle *cycle, struct answer *answer)
{
	struct store *store = cycle->store;
	struct pending *pending = calloc(1, sizeof(*pending));
	int rc;

	if (pending == NULL) {
		return answer_storage(answer, -ENOMEM, "beginning a cycle");
	}
	cycle->pending = pending;
	pthread_mutex_lock(&store->lock);
	rc = store_check(store, answer);
	rc = rc < 0 ? rc : pending_check_mode(cycle, answer);
	if (rc == 0) {
		rc = cycle->resumed ? pending_begin_resumed(cycle, answer)
				    : pending_begin_fresh(cycle, answer);
	}
	if (rc == 0) {
		target_init(&pending->target, qsd_socket(store->qsd), cycle->disks,
			    cycle->disk_count);
		log_notice("%s: %s of cycle %" PRIu64 " %s", store->vm,
			   manifest_mode_to_word(cycle->mode), cycle->seq,
			   cycle->resumed ? "goes on" : "begins");
	}
	pthread_mutex_unlock(&store->lock);
	return rc;
}

/* ---- data ---- */

/* A flush failed: what the layers hold is not known any more. The copy begins anew. */
static void pending_distrust(struct cycle *cycle)
{
	struct store *store = cycle->store;
	struct answer ignored;

	target_close(&cycle->pending->target);
	pthread_mutex_lock(&store->lock);
	image_stop(store);
	image_drop_caches(store, &store->manifest.pending);
	if (store->manifest.mark.mode != VMREPLICA__WIRE__MODE__MODE_NONE) {
		memset(&store->manifest.mark, 0, sizeof(store->manifest.mark));
		store_impose(store, &ignored); /* a mark on disk that must not be believed */
	}
	pthread_mutex_unlock(&store->lock);
}

static int pending_flush(struct cycle *cycle, struct answer *answer)
{
	int rc = target_flush(&cycle->pending->target);

	if (rc < 0 && !target_error_is_lost(rc)) {
		log_error("%s: flushing the replica failed (%s): the copy begins anew",
			  cycle->store->vm, cycle->pending->target.error);
		pending_distrust(cycle);
	}
	return rc < 0 ? pending_fail(cycle, rc, "flushing the replica", answer) : 0;
}

/* What failed may have been a flush of QEMU's own between two writes: then the next one tells of
 * it.
 */
static int write_failed(struct cycle *cycle, int rc, struct answer *answer)
{
	int flush_rc = image_flush_may_tell(cycle->store, rc) ? pending_flush(cycle, answer) : 0;

	return flush_rc < 0 ? flush_rc : pending_fail(cycle, rc, "writing the replica", answer);
}

static int pending_data(struct cycle *cycle, const Vmreplica__Wire__Chunk *chunk,
			const void *payload, uint32_t payload_len, const void *data,
			struct answer *answer)
{
	int rc = target_write(&cycle->pending->target, chunk->disk, data, chunk->offset,
			      chunk->length);

	(void)payload;
	(void)payload_len;
	return rc < 0 ? write_failed(cycle, rc, answer) : 0;
}

static int pending_zero(struct cycle *cycle, const Vmreplica__Wire__Chunk *chunk,
			struct answer *answer)
{
	int rc = target_zero(&cycle->pending->target, chunk->disk, chunk->offset, chunk->length);

	return rc < 0 ? write_failed(cycle, rc, answer) : 0;
}

static int pending_mark(struct cycle *cycle, const Vmreplica__Wire__Mark *mark,
			struct answer *answer)
{
	struct store *store = cycle->store;
	struct manifest next = {0};
	int rc = pending_flush(cycle, answer);

	if (rc < 0) {
		return rc;
	}
	pthread_mutex_lock(&store->lock);
	rc = store_check(store, answer);
	if (rc == 0 && manifest_copy(&store->manifest, &next) < 0) {
		rc = answer_storage(answer, -ENOMEM, "recording a mark");
	}
	if (rc == 0) {
		cycle_record_mark(cycle, mark, &next);
		rc = store_save(store, &next, answer);
	}
	manifest_destroy(&next);
	pthread_mutex_unlock(&store->lock);
	return rc;
}

/* ---- commit ---- */

/* In next, the pending image becomes the current one; logs of the old one that are not applied have
 * no meaning any more. */
static int image_switch(const struct cycle *cycle, struct manifest *next)
{
	int rc = points_are_kept(cycle->store) ? points_take_logs(cycle->store, next, 0) : 0;

	if (rc < 0) { /* they are not worth a replica that stays without a resynchronization */
		receiver_event(cycle->store->receiver, "warning", cycle->store->vm,
			       "the newest logs before this resynchronization are not kept (%s): "
			       "the points stay, but not every cycle between them can be recovered",
			       strerror(-rc));
	}
	rc = points_retire(cycle->store, next, &next->pending);
	if (rc < 0) {
		return rc;
	}
	manifest_image_destroy(&next->current);
	next->current = next->pending;
	memset(&next->pending, 0, sizeof(next->pending));
	manifest_log_drop(next, next->log_count);
	next->applied_seq = cycle->seq;
	next->batch_seq = 0; /* of the old image */
	next->resync_needed = next->distrusted = next->adopted.pending = false;
	next->resync_reason[0] = '\0';
	next->counters.resyncs += cycle->mode == VMREPLICA__WIRE__MODE__MODE_RESYNC;
	return 0;
}

static int pending_commit_locked(struct cycle *cycle, const uint8_t stream_hash[LOG_HASH_LEN],
				 struct answer *answer)
{
	struct store *store = cycle->store;
	struct manifest next = {0};
	int rc = store_check(store, answer);

	if (rc < 0) {
		return rc;
	}
	if (manifest_copy(&store->manifest, &next) < 0) {
		return answer_storage(answer, -ENOMEM, "committing");
	}
	rc = image_switch(cycle, &next);
	if (rc < 0) {
		rc = answer_storage(answer, rc, "committing");
	} else {
		/* there is no log whose hash could stand for it */
		cycle_record(cycle, &next, stream_hash);
		rc = states_commit(cycle, &next, answer);
		rc = rc < 0 ? rc : store_save(store, &next, answer);
	}
	manifest_destroy(&next);
	if (rc == 0) {
		if (store->attachment == STORE_PENDING) {
			store->attachment =
				STORE_CURRENT; /* the same layers under their new name */
		}
		store_sweep(store);
		merge_kick(store);
		/* Later cycles can be rebuilt from here alone: no log leads up to it. */
		points_tend(store, &store->manifest.committed, cycle->application_consistent, true);
		receiver_event(store->receiver, "notice", store->vm,
			       cycle->mode == VMREPLICA__WIRE__MODE__MODE_INITIAL
				       ? "initial replication is complete"
				       : "resynchronization is complete");
	}
	return rc;
}

static int pending_commit(struct cycle *cycle, const uint8_t stream_hash[LOG_HASH_LEN],
			  struct answer *answer)
{
	struct store *store = cycle->store;
	int rc = pending_flush(cycle, answer);

	rc = rc < 0 ? rc : cycle_keep_definition(cycle, answer);
	if (rc < 0) {
		return rc;
	}
	pthread_mutex_lock(&store->lock);
	rc = pending_commit_locked(cycle, stream_hash, answer);
	pthread_mutex_unlock(&store->lock);
	return rc;
}

static void pending_release(struct cycle *cycle)
{
	if (cycle->pending != NULL) {
		target_close(&cycle->pending->target);
		free(cycle->pending);
		cycle->pending = NULL;
	}
}

const struct cycle_sink pending_sink = {
	.begin = pending_begin,
	.data = pending_data,
	.zero = pending_zero,
	.mark = pending_mark,
	.commit = pending_commit,
	.release = pending_release,
};
