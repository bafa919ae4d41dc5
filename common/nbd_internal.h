/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What nbd.c and nbd_extents.c share. */
#ifndef VMR_COMMON_NBD_INTERNAL_H
#define VMR_COMMON_NBD_INTERNAL_H

#include <libnbd.h>

#include "common/nbd.h"

#define NBD_CONTEXT_LEN 512

/* A request under way. libnbd calls back under the handle's lock: only these fields are touched
 * there. */
struct nbd_slot {
	int64_t cookie;
	bool used, done;
	int error; /* positive errno of the finished request, 0 = well */
};

struct nbd_disk {
	struct nbd_handle *handle; /* NULL after a timeout: nothing of it may touch a caller's
				      buffer any more */
	uint64_t size;
	size_t part_max; /* bytes of one read or write */
	bool has_allocation, has_bitmap;
	bool is_depth; /* bitmap_context is the allocation depth */
	char bitmap_context[NBD_CONTEXT_LEN];
	struct nbd_slot slots[NBD_IN_FLIGHT_MAX];
	char error[NBD_ERROR_LEN];
};

/* A free slot, or NULL when NBD_IN_FLIGHT_MAX requests are not waited for yet. */
struct nbd_slot *nbd_slot_take(struct nbd_disk *disk);
nbd_completion_callback nbd_slot_completion(struct nbd_slot *slot);
/* After nbd_aio_* returned cookie (-1: failed to start). 0 or negative errno with disk->error. */
int nbd_slot_started(struct nbd_disk *disk, struct nbd_slot *slot, int64_t cookie,
		     const char *what);
/* Drive the connection until slot is done, then free it. 0 or negative errno; -ETIMEDOUT leaves it
 * under way. */
int nbd_slot_wait(struct nbd_disk *disk, struct nbd_slot *slot, int timeout_ms, const char *what);
/* As above for a request that the caller cannot leave under way: a timeout ends the connection. */
int nbd_slot_finish(struct nbd_disk *disk, struct nbd_slot *slot, int64_t cookie, const char *what);

#endif
