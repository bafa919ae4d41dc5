/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * DELTA cycles: the log grows as <seq>.part, records as they came off the wire. Order at the
 * commit: fsync of the log, rename to <seq>.vrl, fsync of the directory, manifest, and only then
 * COMMITTED. What a crash leaves in between is not named by the manifest and is swept away.
 */
#include "receiver/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/log.h"
#include "proto/logfile.h"
#include "receiver/cycle.h"
#include "receiver/durable.h"
#include "receiver/follow.h"
#include "receiver/states.h"

#define SPOOL_WAIT_MS	    20000 /* for the applier to make room, before the sender is sent away */
#define SPOOL_COMMIT_MS	    200000 /* with the whole log here, the acknowledgement waits longer */
#define RETRY_SPOOL_FULL_MS 5000
#define SPOOL_LOGS_MAX	    (MANIFEST_LOGS_MAX - 8u)

struct spool {
	int fd;
	struct logfile_writer *writer;
	char part[MANIFEST_FILE_MAX + 1];
	char generation[32];
};

/* ---- room ---- */

static uint64_t part_bytes(const struct cycle *cycle)
{
	return cycle->spool->writer == NULL ? 0 : logfile_writer_offset(cycle->spool->writer);
}

/* Would the unapplied logs with this one pass the cap? One log alone may always grow (a cycle
 * larger than the cap could never be sent otherwise); only the storage's reserve bounds it then.
 * The lock is held. */
static bool spool_is_full(const struct cycle *cycle)
{
	const struct store *store = cycle->store;
	uint64_t cap = atomic_load(&store->receiver->spool_cap_bytes);
	uint64_t waiting = manifest_spool_bytes(&store->manifest);

	if (store->manifest.log_count >= SPOOL_LOGS_MAX) {
		return true;
	}
	return cap != 0 && waiting > 0 && waiting + part_bytes(cycle) >= cap;
}

/* The acknowledgement waits while the applier catches up; then the sender is told to come back. The
 * lock is held. */
static int spool_wait_room(struct cycle *cycle, int timeout_ms, struct answer *answer)
{
	struct store *store = cycle->store;
	int64_t deadline_ms = clock_monotonic_ms() + timeout_ms;

	while (spool_is_full(cycle)) {
		int rc = cycle_check(cycle, answer);

		if (rc < 0) {
			return rc;
		}
		if (clock_monotonic_ms() > deadline_ms || atomic_load(&store->suspended)) {
			return answer_busy(answer, "spool-full", RETRY_SPOOL_FULL_MS,
					   "%" PRIu64 " MiB of logs of %s wait to be applied, the "
					   "cap is %" PRIu64 " MiB; replication goes on by itself",
					   manifest_spool_bytes(&store->manifest) >> 20, store->vm,
					   atomic_load(&store->receiver->spool_cap_bytes) >> 20);
		}
		apply_kick(store);
		store_wait(store, 500);
	}
	return 0;
}

static int spool_check_room(struct cycle *cycle, int timeout_ms, struct answer *answer)
{
	int rc;

	pthread_mutex_lock(&cycle->store->lock);
	rc = spool_wait_room(cycle, timeout_ms, answer);
	pthread_mutex_unlock(&cycle->store->lock);
	return rc;
}

/* ---- the beginning ---- */

static void header_fill(const struct cycle *cycle, struct logfile_header *header)
{
	const struct manifest *manifest = &cycle->store->manifest;

	memset(header, 0, sizeof(*header));
	snprintf(header->relationship, sizeof(header->relationship), "%s", manifest->relationship);
	header->epoch_number = manifest->epoch.number;
	snprintf(header->epoch_lineage, sizeof(header->epoch_lineage), "%s",
		 manifest->epoch.lineage);
	header->seq = cycle->seq;
	snprintf(header->cut_id, sizeof(header->cut_id), "%s", cycle->cut_id);
	header->cut_time_ms = cycle->cut_time_ms;
	header->application_consistent = cycle->application_consistent;
	memcpy(header->previous_hash, manifest->committed.log_hash, LOG_HASH_LEN);
	header->disk_count = (uint32_t)cycle->disk_count;
	for (size_t i = 0; i < cycle->disk_count; i++) {
		snprintf(header->disks[i].name, sizeof(header->disks[i].name), "%s",
			 cycle->disks[i].name);
		header->disks[i].size_bytes = cycle->disks[i].size_bytes;
	}
}

static int begin_check(const struct cycle *cycle, struct answer *answer)
{
	const struct manifest *manifest = &cycle->store->manifest;
	struct plan plan;

	plan_next_for(manifest, cycle->disks, cycle->disk_count, cycle->follows, &plan);
	if (plan.mode != VMREPLICA__WIRE__MODE__MODE_DELTA) {
		return answer_failure(answer, "sequence",
				      "a delta comes where %s replication is expected%s%s",
				      manifest_mode_to_word(plan.mode),
				      plan.reason[0] == '\0' ? "" : ": ", plan.reason);
	}
	if (!cycle->has_base || cycle->base.seq != manifest->committed.seq ||
	    strcmp(cycle->base.cut_id, manifest->committed.cut_id) != 0) {
		return answer_failure(answer, "sequence",
				      "a delta on cycle %" PRIu64 " (cut %s) comes, the replica "
				      "holds cycle %" PRIu64 " (cut %s)",
				      cycle->base.seq,
				      cycle->has_base ? cycle->base.cut_id : "none",
				      manifest->committed.seq, manifest->committed.cut_id);
	}
	if (cycle->has_base_hash &&
	    memcmp(cycle->base.log_hash, manifest->committed.log_hash, LOG_HASH_LEN) != 0) {
		return answer_failure(answer, "sequence",
				      "a delta on cycle %" PRIu64
				      " comes, but that cycle's log has "
				      "another hash here: the histories differ",
				      cycle->base.seq);
	}
	return 0;
}

/* Forget the mark of an interrupted cycle, and its partial log. The lock is held. */
static int mark_forget(struct store *store, struct answer *answer)
{
	char part[MANIFEST_FILE_MAX + 1];
	struct manifest next = {0};
	int rc;

	if (manifest_copy(&store->manifest, &next) < 0) {
		return answer_storage(answer, -ENOMEM, "dropping a mark");
	}
	memcpy(part, next.mark.file, sizeof(part));
	memset(&next.mark, 0, sizeof(next.mark));
	rc = store_save(store, &next, answer);
	manifest_destroy(&next);
	if (rc == 0 && part[0] != '\0') {
		unlinkat(store->dir_fd, part, 0);
	}
	return rc;
}

static int part_begin(struct cycle *cycle, const struct logfile_header *header,
		      struct answer *answer)
{
	struct store *store = cycle->store;
	struct spool *spool = cycle->spool;
	int rc = 0;

	if (store->manifest.mark.mode != VMREPLICA__WIRE__MODE__MODE_NONE) {
		rc = mark_forget(store, answer); /* the sender does not go on from it */
	}
	if (rc < 0) {
		return rc;
	}
	snprintf(spool->part, sizeof(spool->part), "%s/%" PRIu64 ".part", spool->generation,
		 cycle->seq);
	spool->fd = openat(cycle->store->dir_fd, spool->part,
			   O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0640);
	rc = spool->fd < 0 ? -errno : logfile_writer_new(spool->fd, header, &spool->writer);
	return rc < 0 ? answer_storage(answer, rc, "beginning a log") : 0;
}

/* A partial log that does not verify is of no use: without its mark the sender begins the cycle
 * anew. */
static int mark_drop(struct cycle *cycle, int rc, struct answer *answer)
{
	struct store *store = cycle->store;

	log_warning("%s: the partial log %s cannot be continued (%s): the cycle begins anew",
		    store->vm, store->manifest.mark.file, strerror(-rc));
	rc = mark_forget(store, answer);
	return rc < 0 ? rc
		      : answer_failure(
				answer, "sequence",
				"the interrupted cycle cannot be continued here: begin anew");
}

static int part_resume(struct cycle *cycle, const struct logfile_header *header,
		       struct answer *answer)
{
	const struct manifest_mark *ours = &cycle->store->manifest.mark;
	const struct manifest_mark *theirs = &cycle->resumed_mark;
	struct spool *spool = cycle->spool;
	int rc;

	if (!plan_mark_holds(&cycle->store->manifest, cycle->mode, cycle->disks,
			     cycle->disk_count) ||
	    theirs->mode != ours->mode || theirs->seq != ours->seq ||
	    strcmp(theirs->cut_id, ours->cut_id) != 0 || theirs->disk != ours->disk ||
	    theirs->offset != ours->offset) {
		return answer_failure(answer, "sequence",
				      "cycle %" PRIu64 " resumes from a mark that is not kept here",
				      cycle->seq);
	}
	snprintf(spool->part, sizeof(spool->part), "%s", ours->file);
	spool->fd = openat(cycle->store->dir_fd, spool->part, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	rc = spool->fd < 0
		     ? -errno
		     : logfile_writer_resume(spool->fd, ours->log_offset, header, &spool->writer);
	return rc < 0 ? mark_drop(cycle, rc, answer) : 0;
}

static int spool_begin_locked(struct cycle *cycle, struct answer *answer)
{
	struct store *store = cycle->store;
	struct logfile_header header;
	int rc = store_check(store, answer);

	rc = rc < 0 ? rc : begin_check(cycle, answer);
	if (rc == 0 && follow_is_due(cycle)) {
		rc = follow_disks(cycle, answer);
	}
	rc = rc < 0 ? rc : spool_wait_room(cycle, SPOOL_WAIT_MS, answer);
	if (rc < 0) {
		return rc;
	}
	header_fill(cycle, &header);
	snprintf(cycle->spool->generation, sizeof(cycle->spool->generation), "gen-%" PRIu64,
		 store->manifest.generation);
	return cycle->resumed ? part_resume(cycle, &header, answer)
			      : part_begin(cycle, &header, answer);
}

static int spool_begin(struct cycle *cycle, struct answer *answer)
{
	int rc;

	cycle->spool = calloc(1, sizeof(*cycle->spool));
	if (cycle->spool == NULL) {
		return answer_storage(answer, -ENOMEM, "beginning a log");
	}
	cycle->spool->fd = -1;
	pthread_mutex_lock(&cycle->store->lock);
	rc = spool_begin_locked(cycle, answer);
	pthread_mutex_unlock(&cycle->store->lock);
	return rc;
}

/* ---- records ---- */

static int spool_append(struct cycle *cycle, const Vmreplica__Wire__Chunk *chunk,
			const void *payload, uint32_t payload_len, struct answer *answer)
{
	struct logfile_record record = {
		.disk = chunk->disk,
		.offset = chunk->offset,
		.length = chunk->length,
		.zero = chunk->kind == VMREPLICA__WIRE__CHUNK_KIND__CHUNK_ZERO,
		.codec = (enum codec)chunk->codec,
		.checksum = chunk->checksum,
		.payload_len = payload_len,
	};
	int rc;

	if (cycle->unchecked_bytes == 0) { /* just looked at the free space: also at the cap */
		rc = spool_check_room(cycle, SPOOL_WAIT_MS, answer);
		if (rc < 0) {
			return rc;
		}
	}
	rc = logfile_writer_append(cycle->spool->writer, &record, payload);
	return rc < 0 ? answer_storage(answer, rc, "writing a log") : 0;
}

static int spool_data(struct cycle *cycle, const Vmreplica__Wire__Chunk *chunk, const void *payload,
		      uint32_t payload_len, const void *data, struct answer *answer)
{
	(void)data;
	return spool_append(cycle, chunk, payload, payload_len, answer);
}

static int spool_zero(struct cycle *cycle, const Vmreplica__Wire__Chunk *chunk,
		      struct answer *answer)
{
	return spool_append(cycle, chunk, NULL, 0, answer);
}

static int spool_mark(struct cycle *cycle, const Vmreplica__Wire__Mark *mark, struct answer *answer)
{
	struct spool *spool = cycle->spool;
	struct store *store = cycle->store;
	struct manifest next = {0};
	int rc;

	rc = fsync(spool->fd) < 0 ? -errno : 0;
	rc = rc < 0 ? rc : durable_directory_sync(store->dir_fd, spool->generation);
	if (rc < 0) {
		spool_give_up(store, spool->part);
		return answer_storage(answer, rc, "making a log durable");
	}
	pthread_mutex_lock(&store->lock);
	rc = store_check(store, answer);
	if (rc == 0 && manifest_copy(&store->manifest, &next) < 0) {
		rc = answer_storage(answer, -ENOMEM, "recording a mark");
	}
	if (rc == 0) {
		cycle_record_mark(cycle, mark, &next);
		snprintf(next.mark.file, sizeof(next.mark.file), "%s", spool->part);
		next.mark.log_offset = logfile_writer_offset(spool->writer);
		rc = store_save(store, &next, answer);
	}
	manifest_destroy(&next);
	pthread_mutex_unlock(&store->lock);
	return rc;
}

/* ---- commit ---- */

static int log_seal(struct cycle *cycle, struct manifest_log *ret_log, struct answer *answer)
{
	struct manifest_log log = {.seq = cycle->seq};
	struct spool *spool = cycle->spool;
	int dir_fd = cycle->store->dir_fd;
	struct logfile_trailer trailer;
	int rc = logfile_writer_finish(spool->writer, &trailer);
	int sync_rc = rc == 0 && fsync(spool->fd) < 0 ? -errno : 0;

	rc = rc < 0 ? rc : sync_rc;
	memcpy(log.cut_id, cycle->cut_id, sizeof(log.cut_id));
	snprintf(log.file, sizeof(log.file), "%s/%" PRIu64 ".vrl", spool->generation, cycle->seq);
	if (rc == 0 && renameat(dir_fd, spool->part, dir_fd, log.file) < 0) {
		rc = -errno;
	}
	if (rc == 0) {
		rc = sync_rc = durable_directory_sync(dir_fd, spool->generation);
	}
	if (sync_rc < 0) {
		unlinkat(dir_fd, log.file, 0);
		spool_give_up(cycle->store, spool->part);
	}
	if (rc < 0) {
		return answer_storage(answer, rc, "making a log durable");
	}
	memcpy(log.hash, trailer.hash, LOG_HASH_LEN);
	log.time_ms = cycle->cut_time_ms;
	log.application = cycle->application_consistent;
	log.size_bytes = logfile_writer_offset(spool->writer);
	*ret_log = log;
	return 0;
}

static int log_record(struct cycle *cycle, struct manifest_log *log, struct answer *answer)
{
	struct store *store = cycle->store;
	struct manifest next = {0};
	int rc = store_check(store, answer);

	if (rc < 0) {
		return rc;
	}
	memcpy(log->previous_hash, store->manifest.committed.log_hash, LOG_HASH_LEN);
	if (manifest_copy(&store->manifest, &next) < 0 || manifest_log_push(&next, log) < 0) {
		rc = answer_storage(answer, -ENOMEM, "recording a log");
	} else {
		cycle_record(cycle, &next, log->hash);
		follow_record(cycle, &next);
		rc = states_commit(cycle, &next, answer);
		rc = rc < 0 ? rc : store_save(store, &next, answer);
	}
	manifest_destroy(&next);
	return rc;
}

static int spool_commit(struct cycle *cycle, const uint8_t stream_hash[LOG_HASH_LEN],
			struct answer *answer)
{
	struct store *store = cycle->store;
	struct manifest_log log;
	int rc = spool_check_room(cycle, SPOOL_COMMIT_MS, answer);

	(void)stream_hash; /* the log's own hash covers the same bytes, and its place in the chain
			    */
	rc = rc < 0 ? rc : cycle_keep_definition(cycle, answer);
	rc = rc < 0 ? rc : log_seal(cycle, &log, answer);
	if (rc < 0) {
		return rc;
	}
	pthread_mutex_lock(&store->lock);
	rc = log_record(cycle, &log, answer);
	if (rc < 0 && !store->broken) {
		/* Certainly not named by any manifest; as far as a mark says it may go on. */
		renameat(store->dir_fd, log.file, store->dir_fd, cycle->spool->part);
	}
	pthread_mutex_unlock(&store->lock);
	if (rc == 0) {
		apply_kick(store);
	}
	return rc;
}

static void spool_release(struct cycle *cycle)
{
	struct store *store = cycle->store;
	struct spool *spool = cycle->spool;

	if (spool == NULL) {
		return;
	}
	logfile_writer_free(spool->writer);
	if (spool->fd >= 0) {
		close(spool->fd);
	}
	pthread_mutex_lock(&store->lock);
	if (spool->part[0] != '\0' && !store->broken &&
	    strcmp(store->manifest.mark.file, spool->part) != 0) {
		unlinkat(store->dir_fd, spool->part, 0); /* no mark: nothing of it counts */
	}
	pthread_mutex_unlock(&store->lock);
	free(spool);
	cycle->spool = NULL;
}

const struct cycle_sink spool_sink = {
	.begin = spool_begin,
	.data = spool_data,
	.zero = spool_zero,
	.mark = spool_mark,
	.commit = spool_commit,
	.release = spool_release,
};
