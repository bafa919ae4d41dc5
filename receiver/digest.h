/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Digest resynchronization, our half: hash our blocks, tell which differ from the sender's. */
#ifndef VMR_RECEIVER_DIGEST_H
#define VMR_RECEIVER_DIGEST_H

#include "receiver/cycle.h"
#include "receiver/session.h"

/* Blocks to compare: the last one may be short. */
struct digest_blocks {
	struct target *target; /* borrowed */
	size_t disk;	       /* of target */
	uint64_t offset, end;  /* bytes */
	uint32_t block_bytes, count;
};

/* Compare with the digests at buffer, behind which (FRAME_PAYLOAD_MAX) there is room for CHUNK_MAX
 * bytes: sets the bits (LSB first) of blocks that differ or cannot be read. 0, or a negative errno
 * when the daemon is lost. Blocking. */
int digest_compare(const struct digest_blocks *blocks, void *buffer, uint8_t *ret_map);

/* Answer a DIGEST frame (its digests lie at session->buffer) with a DIGEST_REPLY. A block that we
 * cannot read counts as different. 0 or the answer. */
int digest_answer(struct cycle *cycle, struct session *session, const struct frame *frame,
		  struct answer *answer);

#endif
