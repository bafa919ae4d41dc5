/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Digest resynchronization: both sides hash blocks, several frames ahead; only what differs is read
 * again and sent. The job shows one instant, so the second read sees what was hashed. */
#include "engine/cycle_reader.h"

#include <errno.h>
#include <string.h>

#define DIGEST_WINDOW ((uint64_t)STREAM_DIGEST_BLOCK * STREAM_DIGEST_BLOCKS)
#define DIGEST_AHEAD  8u /* frames without an answer; below STREAM_REPLIES */

static uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static void digest_zeros(uint64_t length, uint8_t digest[16])
{
	static const uint8_t zeros[STREAM_DIGEST_BLOCK];

	codec_digest(zeros, (size_t)length, digest);
}

/* Hash the blocks of one window that are not known to be zeros; the zeros' digest stands there
 * already. */
static int digest_read_window(struct cycle_reader *reader, uint32_t disk, uint64_t offset,
			      uint64_t length, uint8_t *digests)
{
	int result = reader_select(reader, disk, offset, length, RESUME_ALLOCATED);
	uint64_t next = offset; /* blocks before it are done */

	for (size_t i = 0; i < reader->list.count && result == 0; i++) {
		struct extent extent = reader->list.items[i];
		uint64_t start = extent.offset - (extent.offset - offset) % STREAM_DIGEST_BLOCK;
		uint64_t end = extent.offset + extent.length;

		if (start < next) {
			start = next;
		}
		while (start < end && result == 0) {
			uint64_t blocks_end = start + min_u64(PIPELINE_CHUNK, end - start);
			struct pipeline_item item = {
				.kind = PIPELINE_DATA, .disk = disk, .offset = start};

			/* whole blocks, but for the window's last */
			blocks_end = offset + (blocks_end - offset + STREAM_DIGEST_BLOCK - 1) /
						      STREAM_DIGEST_BLOCK * STREAM_DIGEST_BLOCK;
			item.length = min_u64(blocks_end, offset + length) - start;
			result =
				reader_begin(reader, &item,
					     digests + (start - offset) / STREAM_DIGEST_BLOCK * 16);
			start += item.length;
		}
		next = start > next ? start : next;
	}
	return result == 0 ? reader_finish_all(reader) : result;
}

int cycle_digest_window(struct cycle_reader *reader, uint32_t disk, uint64_t offset,
			uint64_t length, uint8_t *digests)
{
	uint32_t count = (uint32_t)((length + STREAM_DIGEST_BLOCK - 1) / STREAM_DIGEST_BLOCK);
	uint8_t zero[16];

	digest_zeros(STREAM_DIGEST_BLOCK, zero);
	for (uint32_t i = 0; i < count; i++) {
		memcpy(digests + (size_t)i * 16, zero, sizeof(zero));
	}
	if (length % STREAM_DIGEST_BLOCK != 0) {
		digest_zeros(length % STREAM_DIGEST_BLOCK, digests + (size_t)(count - 1) * 16);
	}
	return digest_read_window(reader, disk, offset, length, digests);
}

static int digest_send_window(struct cycle_reader *reader, uint32_t disk, uint64_t offset,
			      uint64_t length)
{
	struct pipeline_item item = {.kind = PIPELINE_DIGEST, .disk = disk, .offset = offset};
	uint8_t *digests = reader_buffer(reader);
	int result;

	if (digests == NULL) {
		return -ECANCELED;
	}
	item.length = length;
	item.digest_count = (uint32_t)((length + STREAM_DIGEST_BLOCK - 1) / STREAM_DIGEST_BLOCK);
	result = cycle_digest_window(reader, disk, offset, length, digests);
	if (result < 0) {
		pipeline_buffer_give(reader->pipeline, digests);
		return result;
	}
	item.buffer = digests;
	return reader_push(reader, &item);
}

static bool reply_differs(const struct stream_reply *reply, uint32_t block)
{
	return (reply->map[block / 8] >> (block % 8) & 1) != 0;
}

static int digest_send_differing(struct cycle_reader *reader, const struct stream_reply *reply,
				 uint64_t length)
{
	int result = 0;

	for (uint32_t block = 0; block < reply->count && result == 0;) {
		uint64_t start = (uint64_t)block * STREAM_DIGEST_BLOCK;
		struct pipeline_item item = {.kind = PIPELINE_DATA, .disk = reply->disk};

		while (block < reply->count && reply_differs(reply, block) &&
		       (uint64_t)block * STREAM_DIGEST_BLOCK - start < PIPELINE_CHUNK) {
			block++;
		}
		item.offset = reply->offset + start;
		item.length = min_u64((uint64_t)block * STREAM_DIGEST_BLOCK, length) - start;
		if (item.length > 0) {
			result = reader_begin(reader, &item, NULL);
		} else {
			block++;
		}
	}
	return result == 0 ? reader_finish_all(reader) : result;
}

/* The oldest window's answer: send what differs, then the window is done. */
static int digest_take_reply(struct cycle_reader *reader, uint32_t disk, uint64_t offset,
			     uint64_t length)
{
	struct pipeline_item done = {.kind = PIPELINE_POSITION, .disk = disk, .offset = offset};
	struct stream_reply reply;
	int result;

	do {
		result = sender_stream_next_reply(reader->stream, &reply, 250);
		if (result == -ETIMEDOUT && reader_watch(reader) < 0) {
			return -ECANCELED;
		}
	} while (result == -ETIMEDOUT);
	if (result < 0) {
		return trouble_set(reader->trouble, -EPIPE, SCHEDULE_FAILED, READER_STREAM_OVER,
				   "the stream is over");
	}
	if (reply.disk != disk || reply.offset != offset ||
	    reply.count != (length + STREAM_DIGEST_BLOCK - 1) / STREAM_DIGEST_BLOCK) {
		return trouble_set(reader->trouble, -EPROTO, SCHEDULE_FAILED, "protocol",
				   "a digest reply answers another question");
	}
	result = digest_send_differing(reader, &reply, length);
	if (result < 0) {
		return result;
	}
	done.length = length;
	done.progress = length;
	return reader_push(reader, &done);
}

int cycle_digest_range(struct cycle_reader *reader, const struct resume_range *range)
{
	uint64_t asked = 0, answered = 0;
	int result = 0;

	while (answered < range->length && result == 0) {
		if (asked < range->length && asked - answered < DIGEST_AHEAD * DIGEST_WINDOW) {
			uint64_t length = min_u64(DIGEST_WINDOW, range->length - asked);

			result = digest_send_window(reader, range->disk, range->offset + asked,
						    length);
			asked += length;
			continue;
		}
		result = digest_take_reply(reader, range->disk, range->offset + answered,
					   min_u64(DIGEST_WINDOW, range->length - answered));
		answered += min_u64(DIGEST_WINDOW, range->length - answered);
	}
	return result;
}
