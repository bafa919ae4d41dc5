/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The reads in flight of a cycle's reader: begun in send order, finished in the same, watched
 * meanwhile. */
#include "engine/cycle_reader.h"

#include <errno.h>

#include "common/clock.h"

#define READER_WATCH_MS 1000
#define READER_WAIT_MS	250
#define READER_HANG_MS	120000 /* a read that takes longer: the VM's own storage hangs */

static uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Why the job must end, in the scheduler's terms. */
static int reader_job_trouble(struct cycle_reader *reader, int error, const char *why)
{
	switch (error) {
	case -ENOSPC:
		return trouble_set(reader->trouble, error, SCHEDULE_MISSED, "scratch", "%s", why);
	case -ETIMEDOUT:
		return trouble_set(reader->trouble, -ECANCELED, SCHEDULE_CONTINUED, "continued",
				   "goes on with another cut");
	case -ECANCELED:
		return trouble_set(reader->trouble, error, SCHEDULE_MISSED, "job-ended",
				   "the backup job was ended from outside: %s", why);
	default:
		return trouble_set(reader->trouble, error, SCHEDULE_FAILED, "job",
				   "the backup job cannot be watched: %s", why);
	}
}

int reader_watch(struct cycle_reader *reader)
{
	char error[SOURCE_ERROR_LEN] = "";
	int64_t now = clock_monotonic_ms();
	int result;

	if (canceller_is_cancelled(reader->canceller)) {
		reader->stopped = true;
		return trouble_set(reader->trouble, -ECANCELED, SCHEDULE_CANCELLED, "cancelled",
				   "stopped from this side");
	}
	if (now - reader->checked_ms < READER_WATCH_MS) {
		return 0;
	}
	reader->checked_ms = now;
	if (reader->stream != NULL && atomic_load(&reader->stream->progress->give_way)) {
		reader->stopped = true;
		return trouble_set(reader->trouble, -ECANCELED, SCHEDULE_CONTINUED, "continued",
				   "its time is over; it goes on where it is");
	}
	result = source_job_check(reader->job, error);
	if (result < 0) {
		reader->stopped = true;
		return reader_job_trouble(reader, result, error);
	}
	return 0;
}

/* The stream failed: its own trouble says why. */
static int reader_stream_over(struct cycle_reader *reader)
{
	return trouble_set(reader->trouble, -EPIPE, SCHEDULE_FAILED, READER_STREAM_OVER,
			   "the stream is over");
}

int reader_push(struct cycle_reader *reader, struct pipeline_item *item)
{
	int result;

	item->markable = reader->markable;
	if (reader->sink != NULL) {
		result = reader_watch(reader);
		result = result < 0 ? result : reader->sink(reader->sink_arg, item);
		pipeline_buffer_give(reader->pipeline, item->buffer);
		item->buffer = NULL;
		return result;
	}
	do {
		result = reader_watch(reader);
		if (result < 0) {
			break;
		}
		result = pipeline_push(reader->pipeline, item, READER_WAIT_MS);
	} while (result == -ETIMEDOUT);
	if (result < 0) {
		pipeline_buffer_give(reader->pipeline, item->buffer);
		if (result == -ECANCELED && !reader->stopped) {
			reader_stream_over(reader);
			result = -EPIPE;
		}
	}
	item->buffer = NULL;
	return result;
}

uint8_t *reader_buffer(struct cycle_reader *reader)
{
	uint8_t *buffer = NULL;

	while (buffer == NULL) {
		/* what is being read holds buffers: move it along before waiting for one */
		if (reader->read_count > 0) {
			buffer = pipeline_buffer_take(reader->pipeline, 0);
			if (buffer == NULL && reader_finish_one(reader) < 0) {
				return NULL;
			}
			continue;
		}
		if (reader_watch(reader) < 0) {
			return NULL;
		}
		if (reader->stream != NULL && sender_stream_is_finished(reader->stream)) {
			reader_stream_over(reader);
			return NULL;
		}
		buffer = pipeline_buffer_take(reader->pipeline, READER_WAIT_MS);
	}
	return buffer;
}

int reader_read_failed(struct cycle_reader *reader, int error)
{
	char why[SOURCE_ERROR_LEN] = "";
	int check;

	if (canceller_is_cancelled(reader->canceller)) {
		return reader_watch(reader);
	}
	check = source_job_check(reader->job, why);
	if (check < 0) {
		return reader_job_trouble(reader, check, why);
	}
	return trouble_set(reader->trouble, error, SCHEDULE_FAILED, "read",
			   "a disk of the VM cannot be read: %s", nbd_disk_error(reader->disk));
}

int reader_begin(struct cycle_reader *reader, const struct pipeline_item *item, uint8_t *digests)
{
	struct reader_read *read;
	uint8_t *buffer;
	int result = 0;

	if (reader->read_count == READER_PENDING) {
		result = reader_finish_one(reader);
	}
	if (result < 0) {
		return result;
	}
	buffer = reader_buffer(reader);
	if (buffer == NULL) {
		return -ECANCELED;
	}
	read = &reader->reads[(reader->read_first + reader->read_count) % READER_PENDING];
	*read = (struct reader_read){.item = *item, .digests = digests};
	read->item.buffer = buffer;
	reader->read_count++;
	for (uint64_t done = 0; done < item->length; done += READER_PIECE) {
		result = nbd_disk_read_start(reader->disk, buffer + done, item->offset + done,
					     (size_t)min_u64(READER_PIECE, item->length - done),
					     &read->cookies[read->pieces]);
		if (result < 0) {
			return reader_read_failed(reader, result);
		}
		read->pieces++;
	}
	return 0;
}

static int reader_wait_read(struct cycle_reader *reader, const struct reader_read *read)
{
	for (unsigned int i = 0; i < read->pieces; i++) {
		int64_t deadline = clock_monotonic_ms() + READER_HANG_MS;
		int result;

		do {
			result = nbd_disk_wait(reader->disk, read->cookies[i], READER_WAIT_MS);
			if (result == -ETIMEDOUT && reader_watch(reader) < 0) {
				return -ECANCELED;
			}
		} while (result == -ETIMEDOUT && clock_monotonic_ms() < deadline);
		if (result < 0) {
			return reader_read_failed(reader, result);
		}
	}
	return 0;
}

static void reader_digest(const struct reader_read *read)
{
	for (uint64_t start = 0; start < read->item.length; start += STREAM_DIGEST_BLOCK) {
		codec_digest(read->item.buffer + start,
			     (size_t)min_u64(STREAM_DIGEST_BLOCK, read->item.length - start),
			     read->digests + start / STREAM_DIGEST_BLOCK * 16);
	}
}

int reader_finish_one(struct cycle_reader *reader)
{
	struct reader_read *read = &reader->reads[reader->read_first];
	int result = reader_wait_read(reader, read);

	if (result < 0) {
		return result; /* cycle_reader_close gives the buffers back */
	}
	reader->read_first = (reader->read_first + 1) % READER_PENDING;
	reader->read_count--;
	if (read->digests == NULL) {
		return reader_push(reader, &read->item);
	}
	reader_digest(read);
	pipeline_buffer_give(reader->pipeline, read->item.buffer);
	read->item.buffer = NULL;
	return 0;
}

int reader_finish_all(struct cycle_reader *reader)
{
	int result = 0;

	while (reader->read_count > 0 && result == 0) {
		result = reader_finish_one(reader);
	}
	return result;
}
