/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Checks of the messages of a failover (internal to validate*.c): what is wrong as a phrase, or
 * NULL. Pure. */
#ifndef VMR_PROTO_VALIDATE_ORDER_H
#define VMR_PROTO_VALIDATE_ORDER_H

#include "proto/frame.h"

/* "host:port" to dial, with "[v6]:port"; "" is right too. */
const char *validate_order_address(const char *address);

const char *validate_query(const struct frame *frame);
const char *validate_query_answer(const struct frame *frame);
const char *validate_order(const struct frame *frame);
const char *validate_ordered(const struct frame *frame);
const char *validate_extents(const struct frame *frame);

#endif
