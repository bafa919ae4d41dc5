/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A protobuf message lives in the arena of its frame, or is made of borrowed parts; whoever keeps
 * it keeps a copy. */
#ifndef VMR_PROTO_MESSAGE_COPY_H
#define VMR_PROTO_MESSAGE_COPY_H

#include <protobuf-c/protobuf-c.h>

/* A deep copy, of the same type; the caller ends it with its type's free_unpacked(copy, NULL). NULL
 * when out of memory. */
ProtobufCMessage *message_copy(const ProtobufCMessage *message);

#endif
