/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Layer + replay = image, the other way round: a point must read as the logs say that led to it
 * from the point before, and so must the newest image after the last point. Of blocks that several
 * logs write the newest counts. What no kept log wrote (the base, mostly) is compared with its sums
 * (check_sums.c).
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "proto/logfile.h"
#include "receiver/batch.h"
#include "receiver/check.h"
#include "receiver/check_image.h"
#include "receiver/point_list.h"

#define FINDINGS_MAX 8u /* of one image */

struct compare {
	struct check *check;
	struct history logs; /* of the stretch, ascending; owned */
	struct batch *batch;
	struct codec_state *codec;
	uint8_t *payload, *data, *found;
	struct check_image images[DISKS_MAX];
	size_t image_count, findings;
	const struct manifest_point *point; /* NULL: the newest image */
};

/* ---- the stretch of logs ---- */

static size_t log_count_records(const struct history_entry *entry, int *ret_rc)
{
	char file[MANIFEST_FILE_MAX + 1], error[LOGFILE_ERROR_LEN];
	struct logfile_reader *reader = NULL;
	struct logfile_record record;
	size_t count = 0;
	int rc = logfile_reader_open(history_file_format(entry, file), false, &reader, error);

	while (rc == 0 && (rc = logfile_reader_skip(reader, &record)) == 1) {
		count++;
		rc = 0;
	}
	logfile_reader_close(reader);
	*ret_rc = rc;
	return count;
}

/* Logs after from_seq up to to_seq, or as many of the newest of them as can be planned at once. */
static int logs_take(struct compare *compare, uint64_t from_seq, uint64_t to_seq)
{
	const struct manifest *m = &compare->check->manifest;
	const struct history *history = &compare->check->history;
	size_t records = 0, drop = 0;
	int rc = 0;

	for (size_t i = 0; i < history->count && rc == 0; i++) {
		if (history->entries[i].seq > from_seq && history->entries[i].seq <= to_seq) {
			rc = history_push(&compare->logs, &history->entries[i]);
		}
	}
	for (size_t i = 0; i < m->log_count && rc == 0; i++) {
		struct history_entry entry;

		if (m->logs[i].seq > from_seq && m->logs[i].seq <= to_seq &&
		    history_entry_from_log(&m->logs[i], &entry) == 0) {
			rc = history_push(&compare->logs, &entry);
		}
	}
	/* What is before a resynchronization may have been changed by it, and it has no log. */
	for (size_t i = compare->logs.count; i > 1 && drop == 0; i--) {
		const struct history_entry *log = &compare->logs.entries[i - 1];

		if (memcmp(log->previous_hash, (log - 1)->hash, LOG_HASH_LEN) != 0) {
			drop = i - 1;
		}
	}
	for (size_t i = compare->logs.count; i > drop && rc == 0; i--) {
		records += log_count_records(&compare->logs.entries[i - 1], &rc);
		if (records > BATCH_RECORDS_MAX) {
			drop = i;
		}
	}
	history_drop(&compare->logs, drop);
	return rc;
}

/* ---- one record ---- */

static struct check_image *image_find(struct compare *compare, const char *name)
{
	for (size_t i = 0; i < compare->image_count; i++) {
		if (strcmp(compare->images[i].disk->name, name) == 0) {
			return &compare->images[i];
		}
	}
	return NULL;
}

static bool chain_stands(const struct manifest *now, const struct check_image *image)
{
	const struct manifest_image *chains[] = {&now->current, &now->retired};

	for (size_t i = 0; i < 2; i++) {
		for (size_t k = 0; k < chains[i]->disk_count; k++) {
			const struct manifest_disk *disk = &chains[i]->disks[k];
			size_t same = 0;

			while (same <= image->top && same < disk->layer_count &&
			       strcmp(disk->layers[same].file, image->disk->layers[same].file) ==
				       0) {
				same++;
			}
			if (same > image->top) {
				return true;
			}
		}
	}
	return false;
}

/* What was opened is still there, layer for layer: nobody has merged or dropped any of it, and
 * nobody writes it. */
static bool image_stands(struct compare *compare, const struct check_image *image)
{
	char error[MANIFEST_ERROR_LEN];
	struct manifest now = {0};
	bool stands = compare->point != NULL || !check_store_is_in_use(compare->check);

	if (manifest_load(compare->check->dir_fd, &now, error) == 0) {
		stands = stands && chain_stands(&now, image);
		manifest_destroy(&now);
	}
	if (!stands && !compare->check->changed) { /* once is enough */
		compare->check->changed = true;
		check_find(compare->check, CHECK_NOTE, image->disk->layers[image->top].file,
			   CHECK_NO_OFFSET,
			   "its chain was changed by a receiver meanwhile: not all points were "
			   "compared with the logs");
	}
	return stands;
}

static void difference_find(struct compare *compare, const struct check_image *image,
			    uint64_t offset, const struct history_entry *log)
{
	uint64_t file_offset;
	const char *file;

	if (compare->findings++ >= FINDINGS_MAX || !image_stands(compare, image)) {
		return;
	}
	file = check_image_locate(image, offset, &file_offset);
	check_find(compare->check, CHECK_DAMAGE, file, file_offset,
		   "byte %" PRIu64 " of disk %s is not as the log of cycle %" PRIu64
		   " wrote it (seen in %s %" PRIu64 ")",
		   offset, image->disk->name, log->seq,
		   compare->point == NULL ? "the newest image, cycle"
					  : "the recovery point of cycle",
		   compare->point == NULL ? compare->check->manifest.applied_seq
					  : compare->point->cut.seq);
}

static int piece_compare(struct compare *compare, const struct check_image *image,
			 const struct batch_piece *piece, const uint8_t *data,
			 const struct history_entry *log)
{
	int rc = nbd_disk_read(image->nbd, compare->found, piece->offset, piece->length);

	if (rc < 0) {
		if (image_stands(compare, image)) {
			uint64_t at;
			const char *file = check_image_locate(image, piece->offset, &at);

			check_find(compare->check, CHECK_DAMAGE, file, at,
				   "disk %s cannot be read at byte %" PRIu64 ": %.200s",
				   image->disk->name, piece->offset, nbd_disk_error(image->nbd));
		}
		return rc;
	}
	compare->check->compared_bytes += piece->length;
	for (uint64_t i = 0; memcmp(compare->found, data, piece->length) != 0; i++) {
		if (compare->found[i] != data[i]) {
			difference_find(compare, image, piece->offset + i, log);
			break;
		}
	}
	return 0;
}

static int record_compare(struct compare *compare, struct check_image *image,
			  const struct logfile_record *record, size_t index,
			  const struct history_entry *log)
{
	size_t count = 0;
	const struct batch_piece *pieces = batch_pieces(compare->batch, index, &count);
	int rc = 0;

	if (count == 0 || image == NULL) {
		return 0;
	}
	/* A zero record may be longer than the buffers: it is compared in parts. */
	if (!record->zero) {
		rc = codec_decompress(compare->codec, record->codec, compare->payload,
				      record->payload_len, compare->data, record->length);
	}
	for (size_t i = 0; i < count && rc == 0; i++) {
		struct batch_piece part = pieces[i];
		uint64_t end = part.offset + part.length;

		for (; part.offset < end && rc == 0; part.offset += part.length) {
			const uint8_t *data = compare->data + (part.offset - record->offset);

			part.length = end - part.offset < CHUNK_MAX ? end - part.offset : CHUNK_MAX;
			if (record->zero) {
				memset(compare->data, 0, CHUNK_MAX);
				data = compare->data;
			}
			rc = piece_compare(compare, image, &part, data, log);
		}
	}
	return rc;
}

/* ---- all records ---- */

/* plan: add where the records write; else compare what they wrote. *at is the record's index. */
static int log_walk(struct compare *compare, const struct history_entry *entry, bool plan,
		    size_t *at)
{
	char file[MANIFEST_FILE_MAX + 1], error[LOGFILE_ERROR_LEN];
	const struct logfile_header *header;
	struct logfile_reader *reader = NULL;
	struct logfile_record record;
	int rc = logfile_reader_open(history_file_format(entry, file), false, &reader, error);

	header = rc < 0 ? NULL : logfile_reader_header(reader);
	while (rc == 0) {
		struct check_image *image;

		rc = plan ? logfile_reader_skip(reader, &record)
			  : logfile_reader_next(reader, &record, compare->payload,
						FRAME_PAYLOAD_MAX);
		if (rc <= 0) {
			break;
		}
		image = image_find(compare, header->disks[record.disk].name);
		if (plan) { /* of a disk that is no more: a place where nothing is looked at */
			rc = batch_add(compare->batch,
				       image == NULL ? DISKS_MAX + record.disk
						     : (uint32_t)(image - compare->images),
				       record.offset, record.length);
		} else {
			rc = record_compare(compare, image, &record, (*at)++, entry);
		}
	}
	logfile_reader_close(reader);
	return rc;
}

static int logs_walk(struct compare *compare)
{
	size_t at = 0;
	int rc = 0;

	for (size_t i = 0; i < compare->logs.count && rc == 0; i++) {
		rc = log_walk(compare, &compare->logs.entries[i], true, &at);
	}
	rc = rc < 0 ? rc : batch_plan(compare->batch);
	for (size_t i = 0; i < compare->logs.count && rc == 0; i++) {
		rc = log_walk(compare, &compare->logs.entries[i], false, &at);
	}
	return rc;
}

static int compare_prepare(struct compare *compare)
{
	compare->batch = batch_new();
	compare->codec = codec_state_new();
	compare->payload = malloc(FRAME_PAYLOAD_MAX);
	compare->data = malloc(CHUNK_MAX);
	compare->found = malloc(CHUNK_MAX);
	if (compare->batch == NULL || compare->codec == NULL || compare->payload == NULL ||
	    compare->data == NULL || compare->found == NULL) {
		compare->check->out_of_memory = true;
		return -ENOMEM;
	}
	return 0;
}

static void compare_destroy(struct compare *compare)
{
	for (size_t i = 0; i < compare->image_count; i++) {
		check_image_close(&compare->images[i]);
	}
	history_destroy(&compare->logs);
	batch_free(compare->batch);
	codec_state_free(compare->codec);
	free(compare->payload);
	free(compare->data);
	free(compare->found);
}

static int disk_open(struct compare *compare, const struct manifest_disk *disk, size_t top)
{
	char error[NBD_ERROR_LEN] = "";
	struct check_image *image = &compare->images[compare->image_count++];
	int rc = check_image_open(image, disk, top, error);

	if (rc < 0 && image_stands(compare, image)) {
		check_find(compare->check, CHECK_DAMAGE, disk->layers[top].file, 0,
			   "what stands on it cannot be read: %.300s", error);
	}
	return rc;
}

static int images_open(struct compare *compare)
{
	const struct manifest_image *current = &compare->check->manifest.current;
	int rc = 0;

	if (compare->point == NULL) {
		for (size_t i = 0; i < current->disk_count && rc == 0; i++) {
			rc = disk_open(compare, &current->disks[i],
				       current->disks[i].layer_count - 1);
		}
		return rc;
	}
	for (size_t i = 0; i < compare->point->disk_count && rc == 0; i++) {
		const struct manifest_point_disk *at = &compare->point->disks[i];
		const struct manifest_disk *disk;
		size_t index = 0;

		disk = check_chain_find(compare->check, at->name, at->file, &index);
		rc = disk == NULL ? -ENOENT : disk_open(compare, disk, index);
	}
	return rc;
}

static void stretch_compare(struct check *check, const struct manifest_point *point,
			    uint64_t from_seq, uint64_t to_seq)
{
	struct compare compare = {.check = check, .point = point};
	int rc = compare_prepare(&compare);

	/* A log that does not read has been told of. */
	rc = rc < 0 ? rc : logs_take(&compare, from_seq, to_seq);
	if (rc == 0 && compare.logs.count > 0 && images_open(&compare) == 0) {
		logs_walk(&compare);
	}
	compare_destroy(&compare);
}

/* Sizes are looked at with the logs themselves. */
void check_content(struct check *check)
{
	const struct manifest *m = &check->manifest;
	struct point_item *items = NULL;
	size_t count = 0;

	if (point_list_make(m, &check->history, &POINT_RANGE_ALL, false, NULL, NULL, &items,
			    &count) < 0) {
		check->out_of_memory = true;
		return;
	}
	for (size_t i = 1; i < count; i++) {
		if (items[i].verdict == POINT_OK) {
			stretch_compare(check, &m->points[items[i].point], m->points[i - 1].cut.seq,
					items[i].cut.seq);
		}
	}
	if (count > 0 && !check->in_use && !m->resync_needed && m->batch_seq == 0) {
		stretch_compare(check, NULL, m->points[count - 1].cut.seq, m->applied_seq);
	}
	free(items);
}
