/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading the logs of a batch and writing its image. Each log is verified whole before the batch
 * begins, so that a damaged one never leaves the image between two cuts.
 */
#include "receiver/apply.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "proto/logfile.h"

#define STOP_GRACE_MS	  5000
#define SPACE_CHECK_BYTES (16u * 1024u * 1024u)

/* One log open for reading. */
struct open_log {
	struct apply *apply;
	size_t index;
	struct logfile_reader *reader;
	uint32_t disks[DISKS_MAX]; /* its disk numbers to the image's */
};

static int log_damaged(struct apply *apply, size_t index, const char *why)
{
	apply->damaged = index;
	snprintf(apply->why, sizeof(apply->why), "%s", why);
	return -EBADMSG;
}

static void log_path(const struct apply *apply, size_t index,
		     char path[PATH_LEN_MAX + MANIFEST_FILE_MAX + 2])
{
	snprintf(path, PATH_LEN_MAX + MANIFEST_FILE_MAX + 2, "%s/%s", apply->store->directory,
		 apply->logs[index].log.file);
}

/* ---- opening ---- */

static int disks_map(struct open_log *log, const struct logfile_header *header)
{
	const struct apply *apply = log->apply;

	for (uint32_t i = 0; i < header->disk_count; i++) {
		uint32_t k = 0;

		while (k < apply->disk_count &&
		       strcmp(apply->disks[k].name, header->disks[i].name) != 0) {
			k++;
		}
		if (k == apply->disk_count ||
		    header->disks[i].size_bytes > apply->disks[k].size_bytes) {
			return log_damaged(log->apply, log->index,
					   "it is of a disk that the replica has not");
		}
		log->disks[i] = k;
	}
	return 0;
}

static int header_check(struct open_log *log)
{
	const struct logfile_header *header = logfile_reader_header(log->reader);
	const struct manifest_log *expected = &log->apply->logs[log->index].log;

	if (header->seq != expected->seq || strcmp(header->cut_id, expected->cut_id) != 0 ||
	    strcmp(header->relationship, log->apply->store->relationship) != 0) {
		return log_damaged(log->apply, log->index, "it is the log of another cycle");
	}
	return disks_map(log, header);
}

/* The logs before it can be applied all the same. */
static bool log_is_unusable(int rc)
{
	return rc == -EBADMSG || rc == -EPROTONOSUPPORT;
}

/* How reading a log went, with damage told where it is that. */
static int read_failed(struct apply *apply, size_t index, int rc, const char *error)
{
	if (rc == -ENOENT) {
		return log_damaged(apply, index, "the file is gone");
	}
	return rc == -EBADMSG ? log_damaged(apply, index, error) : rc;
}

/* Close it with log_close also after a failure. */
static int log_open(struct apply *apply, size_t index, struct open_log *log)
{
	char path[PATH_LEN_MAX + MANIFEST_FILE_MAX + 2], error[LOGFILE_ERROR_LEN] = "";
	int rc;

	*log = (struct open_log){.apply = apply, .index = index};
	log_path(apply, index, path);
	rc = logfile_reader_open(path, false, &log->reader, error);
	return rc < 0 ? read_failed(apply, index, rc, error) : header_check(log);
}

static void log_close(struct open_log *log)
{
	logfile_reader_close(log->reader);
	log->reader = NULL;
}

/* ---- preparing ---- */

/* Let the list end after count logs, if it may. */
static bool logs_shorten(struct apply *apply, size_t count)
{
	size_t records = 0;

	if (count == 0 || apply->logs[count - 1].log.seq < apply->open_seq) {
		return false;
	}
	for (size_t i = 0; i < count; i++) {
		records += apply->logs[i].record_count;
	}
	batch_truncate(apply->batch, records);
	apply->log_count = count;
	return true;
}

/* Add a log's records to the plan; only where they write is read. */
static int log_index(struct apply *apply, size_t index)
{
	size_t before = batch_count(apply->batch);
	struct logfile_record record;
	struct open_log log;
	int rc = log_open(apply, index, &log);

	while (rc == 0) {
		rc = logfile_reader_skip(log.reader, &record);
		if (rc <= 0) {
			rc = read_failed(apply, index, rc, logfile_reader_error(log.reader));
			break;
		}
		rc = batch_add(apply->batch, log.disks[record.disk], record.offset, record.length);
	}
	log_close(&log);
	apply->logs[index].record_count = batch_count(apply->batch) - before;
	return rc;
}

/* Without a plan as few logs as may be, one where no batch stands open. */
static void logs_take_in_order(struct apply *apply)
{
	apply->planned = false;
	batch_clear(apply->batch);
	while (apply->log_count > 1 && logs_shorten(apply, apply->log_count - 1)) {
	}
}

static int logs_index(struct apply *apply)
{
	for (size_t i = 0; i < apply->log_count; i++) {
		int rc = log_index(apply, i);

		if (rc == -E2BIG || rc == -ENOMEM) {
			if (!logs_shorten(apply, i)) {
				logs_take_in_order(apply);
			}
			return 0;
		}
		if (rc < 0) {
			return log_is_unusable(rc) && logs_shorten(apply, i) ? 0 : rc;
		}
	}
	return 0;
}

/* Is this the log that was acknowledged, undamaged? */
static int log_verify(struct apply *apply, size_t index)
{
	char path[PATH_LEN_MAX + MANIFEST_FILE_MAX + 2], error[LOGFILE_ERROR_LEN] = "";
	struct logfile_trailer trailer;
	int rc;

	log_path(apply, index, path);
	rc = logfile_verify(path, &trailer, error);
	if (rc < 0) {
		return read_failed(apply, index, rc, error);
	}
	return memcmp(trailer.hash, apply->logs[index].log.hash, LOG_HASH_LEN) == 0
		       ? 0
		       : log_damaged(apply, index, "it is not the log that was acknowledged");
}

static bool is_stopped(const struct apply *apply)
{
	return atomic_load(&apply->store->closing) ||
	       (apply->stop != NULL && atomic_load(apply->stop));
}

static int logs_verify(struct apply *apply)
{
	for (size_t i = 0; i < apply->log_count; i++) {
		int rc = is_stopped(apply) ? -ECANCELED : log_verify(apply, i);

		if (rc < 0) {
			return log_is_unusable(rc) && logs_shorten(apply, i) ? 0 : rc;
		}
	}
	return 0;
}

int apply_prepare(struct apply *apply)
{
	int rc = 0;

	batch_clear(apply->batch);
	apply->planned = apply->log_count > 1;
	apply->read_bytes = apply->written_bytes = 0;
	for (size_t i = 0; i < apply->log_count; i++) {
		apply->logs[i].record_count = 0;
	}
	if (apply->planned) {
		rc = logs_index(apply);
	}
	rc = rc < 0 ? rc : logs_verify(apply);
	if (rc == 0 && apply->planned && batch_plan(apply->batch) < 0) {
		logs_take_in_order(apply);
	}
	return rc;
}

/* ---- writing ---- */

/* The data of a record whose payload lies in the buffer. 0, or damaged. */
static int record_decode(struct open_log *log, const struct logfile_record *record,
			 const uint8_t **ret_data)
{
	struct apply *apply = log->apply;
	uint8_t *data = apply->buffer;

	if (record->codec != CODEC_KIND_PLAIN) {
		data = apply->buffer + FRAME_PAYLOAD_MAX;
		if (record->length > CHUNK_MAX ||
		    codec_decompress(apply->codec, record->codec, apply->buffer,
				     record->payload_len, data, record->length) < 0) {
			return log_damaged(apply, log->index, "a record does not decompress");
		}
	}
	if (codec_checksum(data, record->length, record->offset) != record->checksum) {
		return log_damaged(apply, log->index, "a record has a wrong checksum");
	}
	*ret_data = data;
	return 0;
}

/* Pieces were planned from what the log said then. */
static bool piece_fits(const struct batch_piece *piece, uint32_t disk,
		       const struct logfile_record *record)
{
	return piece->disk == disk && piece->offset >= record->offset &&
	       piece->offset - record->offset <= record->length &&
	       piece->length <= record->length - (piece->offset - record->offset);
}

static int record_write(struct open_log *log, const struct logfile_record *record,
			const struct batch_piece *pieces, size_t count)
{
	struct apply *apply = log->apply;
	uint32_t disk = log->disks[record->disk];
	const uint8_t *data = NULL;
	int rc = record->zero ? 0 : record_decode(log, record, &data);

	for (size_t i = 0; rc == 0 && i < count; i++) {
		const struct batch_piece *piece = &pieces[i];

		if (!piece_fits(piece, disk, record)) {
			return log_damaged(apply, log->index, "it changed while it was applied");
		}
		apply->written_bytes += piece->length;
		rc = record->zero ? target_zero(&apply->target, disk, piece->offset, piece->length)
				  : target_write(&apply->target, disk,
						 data + (piece->offset - record->offset),
						 piece->offset, piece->length);
	}
	return rc;
}

/* Between records. */
struct pace {
	uint64_t unchecked_bytes;
	int64_t stop_ms; /* monotonic; 0 = nobody wants us to stop */
};

/* A close lets the logs at work end, but does not wait for them long: what is half applied is
 * applied again. */
static int pace_check(struct apply *apply, struct pace *pace, const struct logfile_record *record)
{
	struct answer answer;

	if (is_stopped(apply)) {
		int64_t now_ms = clock_monotonic_ms();

		pace->stop_ms = pace->stop_ms == 0 ? now_ms + STOP_GRACE_MS : pace->stop_ms;
		if (now_ms > pace->stop_ms) {
			return -ECANCELED;
		}
	}
	pace->unchecked_bytes += record->zero ? 0 : record->length;
	if (pace->unchecked_bytes < SPACE_CHECK_BYTES) {
		return 0;
	}
	pace->unchecked_bytes = 0;
	return store_check_space(apply->store, true, &answer) < 0 ? -ENOSPC : 0;
}

/* The record that comes, with its payload unless nothing of it is written (*ret_count 0). 1, 0 at
 * the end, negative errno. at: the record's number in the plan. */
static int record_read(struct open_log *log, size_t at, struct logfile_record *ret_record,
		       const struct batch_piece **ret_pieces, size_t *ret_count)
{
	struct apply *apply = log->apply;

	*ret_pieces = batch_pieces(apply->batch, at, ret_count);
	return *ret_count == 0 ? logfile_reader_skip(log->reader, ret_record)
			       : logfile_reader_next(log->reader, ret_record, apply->buffer,
						     FRAME_PAYLOAD_MAX);
}

/* By the plan; first is the number of the log's first record in it. */
static int log_write_planned(struct open_log *log, size_t first, struct pace *pace)
{
	struct apply *apply = log->apply;

	for (size_t i = 0; i < apply->logs[log->index].record_count; i++) {
		const struct batch_piece *pieces;
		struct logfile_record record;
		size_t count;
		int rc = record_read(log, first + i, &record, &pieces, &count);

		if (rc <= 0) {
			return rc < 0 ? read_failed(apply, log->index, rc,
						    logfile_reader_error(log->reader))
				      : log_damaged(apply, log->index,
						    "it changed while it was applied");
		}
		apply->read_bytes += record.length;
		if (count == 0) {
			continue;
		}
		rc = pace_check(apply, pace, &record);
		rc = rc < 0 ? rc : record_write(log, &record, pieces, count);
		if (rc < 0) {
			return rc;
		}
	}
	return 0;
}

static int log_write_all(struct open_log *log, struct pace *pace)
{
	struct apply *apply = log->apply;

	for (;;) {
		struct logfile_record record;
		struct batch_piece whole;
		int rc =
			logfile_reader_next(log->reader, &record, apply->buffer, FRAME_PAYLOAD_MAX);

		if (rc <= 0) {
			return read_failed(apply, log->index, rc,
					   logfile_reader_error(log->reader));
		}
		apply->read_bytes += record.length;
		whole = (struct batch_piece){.disk = log->disks[record.disk],
					     .offset = record.offset,
					     .length = record.length};
		rc = pace_check(apply, pace, &record);
		rc = rc < 0 ? rc : record_write(log, &record, &whole, 1);
		if (rc < 0) {
			return rc;
		}
	}
}

int apply_write(struct apply *apply)
{
	struct pace pace = {.unchecked_bytes = SPACE_CHECK_BYTES};
	size_t first = 0;
	int rc = 0;

	target_init(&apply->target, apply->socket, apply->disks, apply->disk_count);
	for (size_t i = 0; rc == 0 && i < apply->log_count; i++) {
		struct open_log log;

		rc = log_open(apply, i, &log);
		if (rc == 0) {
			rc = apply->planned ? log_write_planned(&log, first, &pace)
					    : log_write_all(&log, &pace);
		}
		log_close(&log);
		first += apply->logs[i].record_count;
	}
	return rc;
}
