/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the code behind validate_frame relies on, said once more and independently. */
#ifndef VMR_TESTS_FUZZ_MESSAGE_PROMISE_H
#define VMR_TESTS_FUZZ_MESSAGE_PROMISE_H

#include <stdbool.h>

#include "proto/frame.h"

/* Aborts when the frame, which validation let through, breaks a promise. */
void message_promise_check(const struct frame *frame);
/* No text of the message has a control character. */
bool message_texts_are_plain(const ProtobufCMessage *message);
/* The messages that a field of message holds, with their number: 0 when it holds none. */
ProtobufCMessage *const *message_submessages(const ProtobufCMessage *message,
					     const ProtobufCFieldDescriptor *field,
					     size_t *ret_count);

#endif
