/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proto/message_copy.h"

#include <stdlib.h>

#include "common/cleanup.h"

ProtobufCMessage *message_copy(const ProtobufCMessage *message)
{
	size_t len = protobuf_c_message_get_packed_size(message);
	cleanup_free uint8_t *packed = malloc(len > 0 ? len : 1);

	if (packed == NULL) {
		return NULL;
	}
	protobuf_c_message_pack(message, packed);
	return protobuf_c_message_unpack(message->descriptor, NULL, len, packed);
}
