/* SPDX-License-Identifier: GPL-2.0-or-later */
/* protobuf-c's messages have char * fields, but encoding never writes to them: lend one a constant
 * text. */
#ifndef VMR_RECEIVER_BORROW_H
#define VMR_RECEIVER_BORROW_H

#include <stdint.h>

static inline char *borrow(const char *text)
{
	return (char *)(uintptr_t)text;
}

#endif
