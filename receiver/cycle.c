/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "receiver/cycle.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/checked.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/log.h"
#include "receiver/digest.h"
#include "receiver/room.h"
#include "receiver/session.h"
#include "receiver/states.h"

#define CYCLE_IDLE_MS	  120000 /* a sender that is silent for so long in a cycle has hung */
#define SPACE_CHECK_BYTES (16u * 1024u * 1024u)

/* ---- the beginning ---- */

static int disks_take(struct cycle *cycle, const Vmreplica__Wire__CycleBegin *begin,
		      struct answer *answer)
{
	if (begin->n_disks == 0 || begin->n_disks > DISKS_MAX) {
		return answer_failure(answer, "limits", "a cycle of %zu disks", begin->n_disks);
	}
	for (size_t i = 0; i < begin->n_disks; i++) {
		const Vmreplica__Wire__Disk *disk = begin->disks[i];

		for (size_t k = 0; k < i; k++) {
			if (strcmp(cycle->disks[k].name, disk->name) == 0) {
				return answer_failure(answer, "malformed", "disk %s comes twice",
						      disk->name);
			}
		}
		if (disk->size_bytes == 0 || disk->size_bytes > DISK_SIZE_MAX) {
			return answer_failure(answer, "limits", "disk %s has %" PRIu64 " bytes",
					      disk->name, disk->size_bytes);
		}
		snprintf(cycle->disks[i].name, sizeof(cycle->disks[i].name), "%s", disk->name);
		cycle->disks[i].size_bytes = disk->size_bytes;
	}
	cycle->disk_count = begin->n_disks;
	return 0;
}

static void mark_take(struct cycle *cycle, const Vmreplica__Wire__Mark *mark)
{
	struct manifest_mark *to = &cycle->resumed_mark;

	if (mark == NULL) {
		return;
	}
	cycle->resumed = true;
	to->mode = mark->mode;
	to->seq = mark->seq;
	snprintf(to->cut_id, sizeof(to->cut_id), "%s", mark->cut_id);
	to->disk = mark->disk;
	to->offset = mark->offset;
}

static int head_take(struct cycle *cycle, const Vmreplica__Wire__CycleBegin *begin,
		     struct answer *answer)
{
	if (begin->seq == 0 || begin->seq > SEQ_MAX) {
		return answer_failure(answer, "limits", "cycle number %" PRIu64, begin->seq);
	}
	cycle->mode = begin->mode;
	cycle->seq = begin->seq;
	snprintf(cycle->cut_id, sizeof(cycle->cut_id), "%s", begin->cut_id);
	cycle->cut_time_ms = begin->cut_time_ms;
	cycle->application_consistent = strcmp(begin->consistency, "application") == 0;
	cycle->estimate_bytes = begin->estimate_bytes;
	if (begin->base_cut != NULL) {
		cycle->has_base = true;
		cycle->base.seq = begin->base_cut->seq;
		snprintf(cycle->base.cut_id, sizeof(cycle->base.cut_id), "%s",
			 begin->base_cut->cut_id);
		cycle->has_base_hash = begin->base_cut->log_hash.len == LOG_HASH_LEN;
		if (cycle->has_base_hash) {
			memcpy(cycle->base.log_hash, begin->base_cut->log_hash.data, LOG_HASH_LEN);
		}
	}
	mark_take(cycle, begin->resumed);
	return 0;
}

/* Where does it go? A cycle that is committed already (its COMMITTED was lost) goes nowhere. */
static int sink_choose(struct cycle *cycle, struct answer *answer)
{
	struct store *store = cycle->store;
	struct manifest_cut committed;
	int rc;

	pthread_mutex_lock(&store->lock);
	rc = store_check(store, answer);
	rc = rc < 0 ? rc
		    : room_check(store, room_of_disks(cycle->disks, cycle->disk_count), answer);
	committed = store->manifest.committed;
	pthread_mutex_unlock(&store->lock);
	if (rc < 0) {
		return rc;
	}
	if (cycle->seq == committed.seq && strcmp(cycle->cut_id, committed.cut_id) == 0) {
		return 0;
	}
	if (cycle->seq <= committed.seq) {
		return answer_failure(answer, "sequence",
				      "cycle %" PRIu64 " (cut %s) comes after cycle %" PRIu64
				      " (cut %s) was committed",
				      cycle->seq, cycle->cut_id, committed.seq, committed.cut_id);
	}
	cycle->sink =
		cycle->mode == VMREPLICA__WIRE__MODE__MODE_DELTA ? &spool_sink : &pending_sink;
	return 0;
}

static int cycle_begin(struct cycle *cycle, const struct session *session,
		       const struct frame *frame, struct answer *answer)
{
	const Vmreplica__Wire__CycleBegin *begin =
		(const Vmreplica__Wire__CycleBegin *)frame->message;
	bool apart = frame->payload_len > 0;
	int rc = disks_take(cycle, begin, answer);

	rc = rc < 0 ? rc : head_take(cycle, begin, answer);
	rc = rc < 0 ? rc
		    : cycle_take_definition(cycle, apart ? session->buffer : begin->domain_xml.data,
					    apart ? frame->payload_len : begin->domain_xml.len,
					    answer);
	rc = rc < 0 ? rc : sink_choose(cycle, answer);
	if (rc < 0) {
		return rc;
	}
	cycle->codec = codec_state_new();
	cycle->hash = sha256_new();
	if (cycle->codec == NULL || cycle->hash == NULL) {
		return answer_storage(answer, -ENOMEM, "beginning a cycle");
	}
	if (cycle->sink == NULL) {
		return 0;
	}
	rc = store_check_space(cycle->store, false, answer);
	return rc < 0 ? rc : cycle->sink->begin(cycle, answer);
}

static void cycle_destroy(struct cycle *cycle)
{
	if (cycle->sink != NULL) {
		cycle->sink->release(cycle);
	}
	codec_state_free(cycle->codec);
	sha256_free(cycle->hash);
	free(cycle->domain_xml);
	free(cycle->vm_state);
}

/* ---- chunks ---- */

static int chunk_check(const struct cycle *cycle, const Vmreplica__Wire__Chunk *chunk,
		       struct answer *answer)
{
	const struct plan_disk *disk;

	if (chunk->disk >= cycle->disk_count) {
		return answer_failure(answer, "limits", "a chunk for disk %" PRIu32 " of %zu",
				      chunk->disk, cycle->disk_count);
	}
	disk = &cycle->disks[chunk->disk];
	if (!range_is_inside(chunk->offset, chunk->length, disk->size_bytes)) {
		return answer_failure(answer, "limits",
				      "a chunk of %" PRIu64 " bytes at offset %" PRIu64
				      " lies outside disk %s of %" PRIu64 " bytes",
				      chunk->length, chunk->offset, disk->name, disk->size_bytes);
	}
	return 0;
}

/* The chunk's bytes, verified: in the payload itself or decompressed behind it. */
static int chunk_open(const struct cycle *cycle, const Vmreplica__Wire__Chunk *chunk, void *buffer,
		      uint32_t payload_len, const void **ret_data, struct answer *answer)
{
	const char *disk = cycle->disks[chunk->disk].name;
	void *data = buffer;

	if (chunk->length > CHUNK_MAX) {
		return answer_failure(answer, "limits", "a chunk of %" PRIu64 " bytes",
				      chunk->length);
	}
	if (chunk->codec != VMREPLICA__WIRE__CODEC__CODEC_PLAIN) {
		data = (uint8_t *)buffer + FRAME_PAYLOAD_MAX;
		if (codec_decompress(cycle->codec, (enum codec)chunk->codec, buffer, payload_len,
				     data, chunk->length) < 0) {
			return answer_failure(answer, "checksum",
					      "the chunk of %s at offset %" PRIu64
					      " does not decompress",
					      disk, chunk->offset);
		}
	} else if (payload_len != chunk->length) {
		return answer_failure(answer, "malformed",
				      "a plain chunk of %" PRIu64 " bytes carries %" PRIu32,
				      chunk->length, payload_len);
	}
	if (codec_checksum(data, chunk->length, chunk->offset) != chunk->checksum) {
		return answer_failure(answer, "checksum",
				      "the chunk of %s at offset %" PRIu64
				      " has a wrong checksum: it was damaged on its way",
				      disk, chunk->offset);
	}
	*ret_data = data;
	return 0;
}

static int cycle_chunk(struct cycle *cycle, struct session *session, const struct frame *frame,
		       struct answer *answer)
{
	const Vmreplica__Wire__Chunk *chunk = (const Vmreplica__Wire__Chunk *)frame->message;
	const void *data = NULL;
	int rc = chunk_check(cycle, chunk, answer);

	if (rc < 0) {
		return rc;
	}
	sha256_update(cycle->hash, frame->raw_message, frame->raw_message_len);
	sha256_update(cycle->hash, session->buffer, frame->payload_len);
	cycle->chunks++;
	cycle->data_bytes +=
		chunk->kind == VMREPLICA__WIRE__CHUNK_KIND__CHUNK_DATA ? chunk->length : 0;
	cycle->unchecked_bytes += frame->payload_len;
	if (cycle->unchecked_bytes >= SPACE_CHECK_BYTES) {
		cycle->unchecked_bytes = 0;
		rc = store_check_space(cycle->store, false, answer);
	}
	if (rc == 0 && chunk->kind == VMREPLICA__WIRE__CHUNK_KIND__CHUNK_ZERO) {
		rc = cycle->sink == NULL ? 0 : cycle->sink->zero(cycle, chunk, answer);
	} else if (rc == 0) {
		rc = chunk_open(cycle, chunk, session->buffer, frame->payload_len, &data, answer);
		if (rc == 0 && cycle->sink != NULL) {
			rc = cycle->sink->data(cycle, chunk, session->buffer, frame->payload_len,
					       data, answer);
		}
	}
	view_cycle_add(&cycle->store->view, chunk->length,
		       frame->payload_len + frame->raw_message_len + FRAME_HEADER_LEN);
	return rc;
}

/* ---- marks and the end ---- */

static int cycle_mark(struct cycle *cycle, struct session *session,
		      const Vmreplica__Wire__MarkRequest *request, struct answer *answer)
{
	Vmreplica__Wire__Marked marked = VMREPLICA__WIRE__MARKED__INIT;
	const Vmreplica__Wire__Mark *mark = request->mark;
	int rc;

	if (mark == NULL || mark->mode != cycle->mode || mark->seq != cycle->seq ||
	    strcmp(mark->cut_id, cycle->cut_id) != 0) {
		return answer_failure(answer, "sequence", "a mark of another cycle");
	}
	if (mark->disk >= cycle->disk_count || mark->offset > cycle->disks[mark->disk].size_bytes) {
		return answer_failure(answer, "limits", "a mark outside the disks");
	}
	rc = cycle->sink == NULL ? 0 : cycle->sink->mark(cycle, mark, answer);
	if (rc < 0) {
		return rc;
	}
	marked.mark = request->mark;
	return session_send(session, FRAME_MARKED, &marked.base, NULL, 0, answer);
}

static int end_check(struct cycle *cycle, const Vmreplica__Wire__CycleEnd *end,
		     uint8_t ret_hash[LOG_HASH_LEN], struct answer *answer)
{
	if (end->seq != cycle->seq || strcmp(end->cut_id, cycle->cut_id) != 0) {
		return answer_failure(answer, "sequence", "the end of another cycle");
	}
	sha256_final(cycle->hash, ret_hash);
	if (end->chunks != cycle->chunks || end->data_bytes != cycle->data_bytes) {
		return answer_failure(answer, "checksum",
				      "cycle %" PRIu64 " came with %" PRIu64 " chunks of %" PRIu64
				      " bytes, the sender counts %" PRIu64 " of %" PRIu64,
				      cycle->seq, cycle->chunks, cycle->data_bytes, end->chunks,
				      end->data_bytes);
	}
	if (end->stream_hash.len != LOG_HASH_LEN ||
	    memcmp(end->stream_hash.data, ret_hash, LOG_HASH_LEN) != 0) {
		return answer_failure(answer, "checksum",
				      "the hash over cycle %" PRIu64 " differs from the sender's",
				      cycle->seq);
	}
	return 0;
}

static int committed_send(struct cycle *cycle, struct session *session, struct answer *answer)
{
	Vmreplica__Wire__Committed message = VMREPLICA__WIRE__COMMITTED__INIT;
	Vmreplica__Cut cut = VMREPLICA__CUT__INIT;
	struct manifest_cut committed;

	pthread_mutex_lock(&cycle->store->lock);
	committed = cycle->store->manifest.committed;
	message.applied_seq = cycle->store->manifest.applied_seq;
	message.spool_bytes = manifest_spool_bytes(&cycle->store->manifest);
	pthread_mutex_unlock(&cycle->store->lock);
	cut.seq = committed.seq;
	cut.cut_id = committed.cut_id;
	cut.log_hash.data = committed.log_hash;
	cut.log_hash.len = LOG_HASH_LEN;
	cut.time_ms = committed.time_ms;
	message.cut = &cut;
	return session_send(session, FRAME_COMMITTED, &message.base, NULL, 0, answer);
}

static int cycle_end(struct cycle *cycle, struct session *session,
		     const Vmreplica__Wire__CycleEnd *end, struct answer *answer)
{
	uint8_t hash[LOG_HASH_LEN];
	int rc = end_check(cycle, end, hash, answer);

	if (rc < 0) {
		return rc;
	}
	cycle->wire_bytes = session->wire_bytes - cycle->wire_bytes;
	if (cycle->sink != NULL) {
		rc = cycle->sink->commit(cycle, hash, answer);
	}
	if (rc < 0) {
		return rc;
	}
	cycle->committed = cycle->sink != NULL;
	view_set_committed_now(&cycle->store->view, cycle->begin_ms);
	view_set_stream(&cycle->store->view, "", "");
	store_storage_ok(cycle->store);
	return committed_send(cycle, session, answer);
}

/* ---- the whole ---- */

int cycle_check(const struct cycle *cycle, struct answer *answer)
{
	if (atomic_load(cycle->ended)) {
		return answer_lost(answer, -ECANCELED, "a newer stream has replaced this one");
	}
	return store_check(cycle->store, answer);
}

/* 1: the cycle is over, 0: go on. */
static int cycle_step(struct cycle *cycle, struct session *session, struct answer *answer)
{
	struct frame frame;
	int rc = session_receive(session, CYCLE_IDLE_MS, &frame, answer);

	if (rc == -ETIMEDOUT) {
		return answer_lost(answer, rc, "the sender was silent for %d s in a cycle",
				   CYCLE_IDLE_MS / 1000);
	}
	if (rc < 0) {
		return rc;
	}
	switch (frame.type) {
	case FRAME_CHUNK:
		return cycle_chunk(cycle, session, &frame, answer);
	case FRAME_VM_STATE:
		return states_take(cycle, (const Vmreplica__Wire__VmState *)frame.message,
				   session->buffer, frame.payload_len, answer);
	case FRAME_DIGEST:
		return digest_answer(cycle, session, &frame, answer);
	case FRAME_MARK_REQUEST:
		return cycle_mark(cycle, session,
				  (const Vmreplica__Wire__MarkRequest *)frame.message, answer);
	case FRAME_CYCLE_END:
		rc = cycle_end(cycle, session, (const Vmreplica__Wire__CycleEnd *)frame.message,
			       answer);
		return rc < 0 ? rc : 1;
	case FRAME_CYCLE_ABORT:
		return 1;
	default:
		rc = session_handle_common(session, &frame, answer);
		if (rc == 0) {
			rc = answer_failure(answer, "sequence", "%s inside a cycle",
					    frame_type_to_string(frame.type));
		}
		return rc < 0 ? rc : 0;
	}
}

/* Moves and pauses are nobody's failure. */
static bool cycle_has_failed(const struct answer *answer)
{
	return answer->kind == ANSWER_FAILURE || answer->kind == ANSWER_LOST ||
	       (answer->kind == ANSWER_BUSY && strcmp(answer->code, "suspended") != 0);
}

/* What came for nothing still went over the wire. */
static void cycle_count_failed(struct cycle *cycle, uint64_t wire_bytes, bool failed)
{
	struct store *store = cycle->store;

	pthread_mutex_lock(&store->lock);
	store->manifest.counters.wire_bytes += wire_bytes;
	store->manifest.counters.failed += failed;
	if (store->dir_fd >= 0) {
		view_set_manifest(&store->view, &store->manifest, store->directory);
	}
	pthread_mutex_unlock(&store->lock);
}

int cycle_run(struct session *session, const struct frame *frame, struct answer *answer)
{
	const Vmreplica__Wire__CycleBegin *begin =
		(const Vmreplica__Wire__CycleBegin *)frame->message;
	cleanup_free struct cycle *cycle = calloc(1, sizeof(*cycle));
	uint64_t wire_start = session->wire_bytes;
	int rc;

	if (cycle == NULL) {
		return answer_storage(answer, -ENOMEM, "beginning a cycle");
	}
	cycle->store = session->store;
	cycle->ended = &session->ended;
	cycle->follows = session->follows;
	cycle->begin_ms = clock_monotonic_ms();
	cycle->wire_bytes = wire_start;
	view_cycle_begin(&session->store->view, begin->mode, begin->estimate_bytes);
	rc = cycle_begin(cycle, session, frame, answer);
	while (rc == 0) {
		rc = cycle_step(cycle, session, answer);
	}
	cycle_destroy(cycle);
	if (!cycle->committed) {
		cycle_count_failed(cycle, session->wire_bytes - wire_start,
				   rc < 0 && cycle_has_failed(answer));
	}
	view_cycle_end(&session->store->view);
	return rc < 0 ? rc : 0;
}
