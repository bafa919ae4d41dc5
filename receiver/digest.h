/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Digest resynchronization, our half: hash our blocks, tell which differ from the sender's. */
#ifndef VMR_RECEIVER_DIGEST_H
#define VMR_RECEIVER_DIGEST_H

#include "receiver/cycle.h"
#include "receiver/session.h"

/* Answer a DIGEST frame (its digests lie at session->buffer) with a DIGEST_REPLY. A block that we
 * cannot read counts as different. 0 or the answer. */
int digest_answer(struct cycle *cycle, struct session *session, const struct frame *frame,
		  struct answer *answer);

#endif
