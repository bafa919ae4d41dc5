/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proto/validate_digest.h"

#include "proto/limits.h"
#include "proto/validate.h"
#include "proto/validate_fields.h"
#include "proto/wire.pb-c.h"

#define DIGEST_LEN 16u

static const char *cut_id_phrase(const char *cut_id)
{
	return validate_cut_id(cut_id) ? NULL : "the cut's id is malformed";
}

static const char *code_phrase(const char *code)
{
	return validate_code(code) ? NULL : "the code is malformed";
}

/* offset is a block's; the last block may end beyond the disk. */
static const char *check_blocks(uint32_t disk, uint64_t offset, uint32_t block, uint32_t count)
{
	if (block < DIGEST_BLOCK_MIN || block > DIGEST_BLOCK_MAX || (block & (block - 1)) != 0) {
		return "the digests' block size is out of range";
	}
	if (count == 0 || count > DIGEST_COUNT_MAX) {
		return "the number of digests is out of range";
	}
	return disk >= DISKS_MAX || offset >= DISK_SIZE_MAX ? "the digests lie outside every disk"
							    : NULL;
}

const char *validate_digest(const struct frame *frame)
{
	const Vmreplica__Wire__Digest *m = (const void *)frame->message;

	return check_blocks(m->disk, m->offset, m->block_bytes, m->count)
		       ?: frame->payload_len != m->count * DIGEST_LEN
			  ? "the digests are not as many as announced"
			  : NULL;
}

const char *validate_digest_reply(const struct frame *frame)
{
	const Vmreplica__Wire__DigestReply *m = (const void *)frame->message;

	return check_blocks(m->disk, m->offset, m->block_bytes, m->count)
		       ?: frame->payload_len != (m->count + 7u) / 8u
			  ? "the answer's bits are not as many as announced"
			  : NULL;
}

static const char *check_verified_disk(const char *disk)
{
	return validate_disk_name(disk) ? NULL : "the disk's name is malformed";
}

const char *validate_verify(const struct frame *frame)
{
	const Vmreplica__Wire__Verify *m = (const void *)frame->message;

	return cut_id_phrase(m->cut_id)
		       ?: check_verified_disk(m->disk)
		       ?: check_blocks(0, m->offset, m->block_bytes, m->count)
		       ?: frame->payload_len != m->count * DIGEST_LEN
			  ? "the digests are not as many as announced"
			  : NULL;
}

const char *validate_verified(const struct frame *frame)
{
	const Vmreplica__Wire__Verified *m = (const void *)frame->message;
	const char *why = check_verified_disk(m->disk)
				  ?: check_blocks(0, m->offset, m->block_bytes, m->count)
				  ?: validate_field_reason(m->reason);

	if (why == NULL && m->code[0] != '\0') {
		why = code_phrase(m->code)
			      ?: frame->payload_len != 0 ? "a refusal carries bits"
							 : NULL;
	} else if (why == NULL && frame->payload_len != (m->count + 7u) / 8u) {
		why = "the answer's bits are not as many as announced";
	}
	return why;
}
