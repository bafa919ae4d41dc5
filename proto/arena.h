/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory of decoded messages: lives as long as one frame's handling, with a budget, so that a small
 * message cannot make protobuf-c allocate without bound. */
#ifndef VMR_PROTO_ARENA_H
#define VMR_PROTO_ARENA_H

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>

struct arena {
	ProtobufCAllocator allocator; /* hand this to ..__unpack */
	void *blocks;		      /* owned list */
	size_t used, limit;	      /* bytes */
};

void arena_init(struct arena *arena, size_t limit_bytes);
void arena_reset(struct arena *arena); /* frees all that was decoded with it */

#endif
