/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Checks of the messages that compare blocks (internal to validate*.c): what is wrong as a phrase,
 * or NULL. Pure. */
#ifndef VMR_PROTO_VALIDATE_DIGEST_H
#define VMR_PROTO_VALIDATE_DIGEST_H

#include "proto/frame.h"

const char *validate_digest(const struct frame *frame);
const char *validate_digest_reply(const struct frame *frame);
const char *validate_verify(const struct frame *frame);
const char *validate_verified(const struct frame *frame);

#endif
