/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Changes of protobuf messages by their descriptors. */
#ifndef VMR_TESTS_FUZZ_MUTATE_MESSAGE_H
#define VMR_TESTS_FUZZ_MUTATE_MESSAGE_H

#include <protobuf-c/protobuf-c.h>

#include "mutate_value.h"

/* Change the size bytes of an encoded message in place, up to max_size: one to three fields become
 * others. What is no message of that kind becomes one. Returns the new size; size with data as it
 * was when the message would not fit. */
size_t mutate_message(struct mutate *mutate, const ProtobufCMessageDescriptor *descriptor,
		      uint8_t *data, size_t size, size_t max_size);

#endif
