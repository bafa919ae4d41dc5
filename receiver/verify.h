/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Verification, our half: does the replica equal the primary at the last committed cut? */
#ifndef VMR_RECEIVER_VERIFY_H
#define VMR_RECEIVER_VERIFY_H

#include "receiver/session.h"

/* Answer a VERIFY frame (its digests lie at session->buffer) with VERIFIED. The image is read as it
 * stands once the cycle is applied; nothing is written, and nothing can be, because the one stream
 * that could bring another cycle is in here. A block that cannot be read counts as different. 0 or
 * the answer. Blocking, for VERIFY_APPLY_MS while the cycle is applied. */
int verify_answer(struct session *session, const struct frame *frame, struct answer *answer);

#endif
