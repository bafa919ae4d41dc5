/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "receiver/digest.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "common/checked.h"
#include "receiver/pending.h"

#define DIGEST_LEN    16u
#define DIGEST_RANGES 128u

/* One DIGEST under work: the digests stand in the first part of the buffer, our blocks are read
 * into the second. */
struct digest_job {
	struct target *target;
	size_t disk;
	uint64_t offset, end; /* bytes; the last block may be short */
	uint32_t block_bytes;
	const uint8_t *digests;
	uint8_t *data;		  /* CHUNK_MAX bytes */
	uint8_t zero[DIGEST_LEN]; /* digest of a whole block of zeros */
	uint8_t bitmap[(DIGEST_COUNT_MAX + 7) / 8];
	struct target_range ranges[DIGEST_RANGES];
	size_t range_count;
	uint64_t ranges_end; /* the ranges tell about all before this */
};

static int digest_check(const struct cycle *cycle, const Vmreplica__Wire__Digest *digest,
			uint32_t payload_len, uint64_t *ret_end, struct answer *answer)
{
	uint64_t length, end, size;

	if (cycle->sink != &pending_sink || cycle->mode != VMREPLICA__WIRE__MODE__MODE_RESYNC) {
		return answer_failure(answer, "sequence", "digests outside a resynchronization");
	}
	if (digest->disk >= cycle->disk_count || digest->count == 0 ||
	    digest->count > DIGEST_COUNT_MAX || digest->block_bytes < DIGEST_BLOCK_MIN ||
	    digest->block_bytes > DIGEST_BLOCK_MAX || payload_len != digest->count * DIGEST_LEN) {
		return answer_failure(answer, "limits",
				      "digests of %" PRIu32 " blocks of %" PRIu32 " bytes",
				      digest->count, digest->block_bytes);
	}
	size = cycle->disks[digest->disk].size_bytes;
	length = (uint64_t)digest->count * digest->block_bytes;
	if (!checked_add_u64(digest->offset, length, &end) || digest->offset >= size ||
	    end - digest->block_bytes >= size) {
		return answer_failure(answer, "limits", "digests beyond the end of disk %s",
				      cycle->disks[digest->disk].name);
	}
	*ret_end = end < size ? end : size;
	return 0;
}

/* True when [offset, offset+length) is known to be zeros. Blocks come in ascending order. */
static bool block_is_zero(struct digest_job *job, uint64_t offset, uint64_t length)
{
	if (offset + length > job->ranges_end) {
		uint64_t end = 0;

		if (target_data_ranges(job->target, job->disk, offset, job->end - offset,
				       job->ranges, DIGEST_RANGES, &job->range_count, &end) < 0) {
			return false; /* reading it will tell */
		}
		job->ranges_end = end;
		if (offset + length > end) {
			return false;
		}
	}
	for (size_t i = 0; i < job->range_count; i++) {
		const struct target_range *range = &job->ranges[i];

		if (range->offset < offset + length && offset < range->offset + range->length) {
			return false;
		}
	}
	return true;
}

static int block_compare(struct digest_job *job, uint64_t offset, uint32_t index, bool *ret_differs)
{
	const uint8_t *theirs = job->digests + (size_t)index * DIGEST_LEN;
	uint64_t length =
		job->end - offset < job->block_bytes ? job->end - offset : job->block_bytes;
	uint8_t ours[DIGEST_LEN];
	int rc;

	if (length == job->block_bytes && block_is_zero(job, offset, length)) {
		*ret_differs = memcmp(job->zero, theirs, DIGEST_LEN) != 0;
		return 0;
	}
	rc = target_read(job->target, job->disk, job->data, offset, length);
	if (rc < 0) {
		*ret_differs = true;
		return target_error_is_lost(rc) ? rc : 0;
	}
	codec_digest(job->data, length, ours);
	*ret_differs = memcmp(ours, theirs, DIGEST_LEN) != 0;
	return 0;
}

static int blocks_compare(struct digest_job *job, uint32_t count)
{
	memset(job->data, 0, job->block_bytes);
	codec_digest(job->data, job->block_bytes, job->zero);
	for (uint32_t i = 0; i < count; i++) {
		bool differs = true;
		int rc = block_compare(job, job->offset + (uint64_t)i * job->block_bytes, i,
				       &differs);

		if (rc < 0) {
			return rc;
		}
		if (differs) {
			job->bitmap[i / 8] |= (uint8_t)(1u << (i % 8));
		}
	}
	return 0;
}

int digest_compare(const struct digest_blocks *blocks, void *buffer, uint8_t *ret_map)
{
	struct digest_job job = {
		.target = blocks->target,
		.disk = blocks->disk,
		.offset = blocks->offset,
		.end = blocks->end,
		.block_bytes = blocks->block_bytes,
		.digests = buffer,
		.data = (uint8_t *)buffer + FRAME_PAYLOAD_MAX,
	};
	int rc = blocks_compare(&job, blocks->count);

	if (rc == 0) {
		memcpy(ret_map, job.bitmap, (blocks->count + 7) / 8);
	}
	return rc;
}

int digest_answer(struct cycle *cycle, struct session *session, const struct frame *frame,
		  struct answer *answer)
{
	const Vmreplica__Wire__Digest *digest = (const Vmreplica__Wire__Digest *)frame->message;
	Vmreplica__Wire__DigestReply reply = VMREPLICA__WIRE__DIGEST_REPLY__INIT;
	struct digest_blocks blocks = {.disk = digest->disk,
				       .offset = digest->offset,
				       .block_bytes = digest->block_bytes,
				       .count = digest->count};
	uint8_t bitmap[(DIGEST_COUNT_MAX + 7) / 8];
	int rc = digest_check(cycle, digest, frame->payload_len, &blocks.end, answer);

	if (rc < 0) {
		return rc;
	}
	blocks.target = pending_target(cycle->pending);
	rc = digest_compare(&blocks, session->buffer, bitmap);
	if (rc < 0) {
		return pending_fail(cycle, rc, "reading the replica", answer);
	}
	reply.disk = digest->disk;
	reply.offset = digest->offset;
	reply.block_bytes = digest->block_bytes;
	reply.count = digest->count;
	return session_send(session, FRAME_DIGEST_REPLY, &reply.base, bitmap,
			    (digest->count + 7) / 8, answer);
}
